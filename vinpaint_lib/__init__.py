"""vinpaint: deep video inpainting, built to be read.

The conventions of the whole library are stated here and nowhere else.

Axes      b batch, t frame, n reference or group, c channel, h w height and width, s scale.
Frames    Float "t 3 h w", RGB in [0, 1].
Masks     Float "t 1 h w", exactly 0 or 1, **1 = hole**, as M in the papers.
Flow      Float "2 h w" in pixels, channel 0 = x, channel 1 = y; warps are backward:
          out(x) = src(x + flow(x)), align_corners=True.
Walk      clip -> step -> model -> composite -> score -> figure; composition
          M * output + (1 - M) * input happens once, in `inpaint.py`.
Width     sizes are (height, width) in code; the command line writes WIDTHxHEIGHT, as videos do.
"""

__version__ = "0.1.0"
