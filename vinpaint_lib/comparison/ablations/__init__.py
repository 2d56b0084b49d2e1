"""`vinpaint ablate`: what a system is without its parts, by switches or by training anew, as a file of results."""
