"""Masks as people bring them: which values are hole, which file belongs to which frame, arrays of NumPy."""
