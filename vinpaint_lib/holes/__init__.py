"""Holes in frames: how they are made, the box around them, and how a frame continues smoothly into them."""
