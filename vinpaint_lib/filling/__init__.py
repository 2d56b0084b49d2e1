"""What `vinpaint inpaint` does around the loop (part of a clip, forecast, one clip, many clips), and `make demo`."""
