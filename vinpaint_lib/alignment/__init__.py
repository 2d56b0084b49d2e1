"""One affine map for each reference: estimated by a network or by a robust fit, and how such a network is trained."""
