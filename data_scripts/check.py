"""Checks whether a file is what it should be: size, sha256, not a web page. It reads files, never the network."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from pathlib import Path

from data_scripts.assets import Asset
from vinpaint_lib.errors import UserError
from vinpaint_lib.files import draft_of


def sha256_of(path: Path) -> str:
    """The sha256 of a file, as 64 hex digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def pinned(asset: Asset, sha256: str | None) -> Asset:
    """The asset with the reader's sha256 in place of the table's size and hash.

    Raises UserError when `sha256` is not 8 to 64 hex digits.
    """
    if sha256 is None:
        return asset
    if not re.fullmatch(r"[0-9a-fA-F]{8,64}", sha256):
        raise UserError(f"--sha256 {sha256}: give 8 to 64 hex digits, as sha256sum prints them")
    return dataclasses.replace(asset, size=None, sha256=sha256.lower(), check="sha256 as given by --sha256")


def inspect(path: Path, asset: Asset) -> tuple[str | None, str]:
    """What is wrong with a file, in words (None when nothing is), and its sha256.

    Checks the size and the sha256 when the table (or --sha256) has them, and always that it is no web page.
    """
    with open(path, "rb") as file:
        start = file.read(512).lstrip().lower()
    size, digest = path.stat().st_size, sha256_of(path)
    if start.startswith((b"<!doctype html", b"<html")):
        return "is a web page", digest
    if size == 0:
        return "is empty", digest
    if asset.size is not None and size != asset.size:
        return f"has {size} bytes where {asset.size} are known", digest
    if asset.sha256 is not None and not digest.startswith(asset.sha256):
        return f"has sha256 {digest} where {asset.sha256} is known", digest
    return None, digest


def checked(asset: Asset, digest: str) -> str:
    """What a good file was checked against, in words."""
    if asset.sha256 is not None:
        return f"{'size and ' if asset.size is not None else ''}hash agree ({asset.check})"
    known = "size agrees; no hash is published" if asset.size is not None else "neither size nor hash is published"
    return f"{known}; pin what you got with --sha256 {digest}"


def record_of(path: Path) -> Path:
    """The small file beside a download that holds its sha256, in the form `sha256sum -c` reads."""
    return path.with_name(path.name + ".sha256")


def recorded(path: Path) -> str | None:
    """The sha256 that was written down when the file first came, or None."""
    try:
        return record_of(path).read_text().split()[0]
    except (FileNotFoundError, IndexError):
        return None


def record(path: Path, digest: str) -> None:
    """Write the record of a download."""
    with draft_of(record_of(path)) as draft:
        draft.write_text(f"{digest}  {path.name}\n")


def accepted(path: Path, asset: Asset) -> str:
    """What a file in place was checked against, in words; writes its record when there is none.

    Raises UserError when the file is wrong, or has changed since it was fetched; the file is left alone.
    """
    remedy = f"move it away and run again, or save the file from {asset.page} there by hand"
    wrong, digest = inspect(path, asset)
    if wrong:
        raise UserError(f"{path}: {wrong}: {remedy}")
    before = recorded(path)
    if before is None:
        record(path, digest)
    elif before != digest and asset.sha256 is None:
        raise UserError(f"{path}: has sha256 {digest} where {before} came at first: {remedy}")
    return checked(asset, digest)
