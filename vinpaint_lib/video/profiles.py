"""Colour profiles (ICC) of pictures: kept in PNGs, and named where an output cannot hold them."""

import io
import struct
import zlib
from pathlib import Path

from PIL import ImageCms

HEADER_END = 33  # bytes of a PNG's signature and its first chunk (IHDR), which a profile must follow


def with_profile(png: bytes, profile: bytes) -> bytes:
    """A PNG file with the chunk iCCP (PNG specification, third edition, sec. 11.3.2.3). Pixels stay as they are."""
    body = b"iCCP" + b"ICC profile\0\0" + zlib.compress(profile)
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return png[:HEADER_END] + chunk + png[HEADER_END:]


def profile_name(profile: bytes) -> str:
    """What the profile calls itself."""
    try:
        return ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile))).strip()
    except (OSError, ImageCms.PyCMSError):
        return "unknown"


def profile_notes(path: Path, profile: bytes | None) -> list[str]:
    """A sentence if a video, which is marked BT.709, would show pictures of this profile in other colours."""
    name = profile_name(profile) if profile else "sRGB"
    if "srgb" in name.lower():
        return []
    return [
        f"{path}: a video does not hold the colour profile ({name}) of the pictures and looks different: convert them "
        "to sRGB first, or give a folder"
    ]
