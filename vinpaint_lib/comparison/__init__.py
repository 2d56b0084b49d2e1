"""`vinpaint compare`: systems, clips, masks, sizes and seeds in one file of results, and what is made of that file."""
