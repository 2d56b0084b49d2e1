"""What `vinpaint inpaint` does around the loop: the part of a clip to work on, the forecast, one clip, many clips; and `make demo`."""
