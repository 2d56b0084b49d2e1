"""Clips on disk: reading frames and masks into a `Clip` or a `ClipStream`, checking masks, writing frames."""

from vinpaint_lib.video.clip import Clip, ClipStream, open_clip, read_clip
from vinpaint_lib.video.mask_files.reader import lint_masks
from vinpaint_lib.video.writing import check_output, write_clip, write_folder, write_video

__all__ = [
    "Clip",
    "ClipStream",
    "check_output",
    "lint_masks",
    "open_clip",
    "read_clip",
    "write_clip",
    "write_folder",
    "write_video",
]
