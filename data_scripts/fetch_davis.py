"""Fetch DAVIS 2017 (train and validation, 480p): download, check, unpack.

Leaves TARGET/JPEGImages/480p/<clip>/*.jpg and TARGET/Annotations/480p/<clip>/*.png (indexed, 0 = background).
The archive is checked by size and sha256, the folders by the published number of frames of each of the 90 clips.
The script can be stopped and run again: it goes on where it stopped, and does nothing when all is there.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

if not __package__:  # started as a file: the repository is not on the path yet
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from data_scripts import assets, counts
from data_scripts.check import accepted, pinned, record_of
from data_scripts.download import fetch
from data_scripts.report import finish
from data_scripts.unpack import members, publish, staging, unpack
from vinpaint_lib.errors import UserError

FRAMES = ("JPEGImages/480p", ".jpg")
OBJECTS = ("Annotations/480p", ".png")


def fault(found: Callable[[str, str], counts.Counts], expected: counts.Counts) -> str | None:
    """What is wrong with the frames and object masks that `found(folder, suffix)` counts; None when nothing is."""
    for folder, suffix in (FRAMES, OBJECTS):
        wrong = counts.difference(found(folder, suffix), expected)
        if wrong:
            return f"{folder}: {wrong}"
    return None


def install(archive: Path, target: Path, expected: counts.Counts) -> None:
    """Unpack a DAVIS archive as `target`. Raises UserError when a clip does not have its published frames."""
    with members(archive) as files:
        names = [member.name for member in files]
    wrong = fault(lambda folder, suffix: counts.in_names(names, folder, suffix), expected)
    if wrong:
        raise UserError(
            f"{archive}: {wrong}: nothing was unpacked; get the 480p trainval archive from {assets.DAVIS.page}"
        )
    with staging(target) as folder:
        unpack(archive, folder)
        root = next(path.parent for path in sorted(folder.rglob("JPEGImages")))
        wrong = fault(lambda part, suffix: counts.in_folder(root / part, suffix), expected)
        if wrong:
            raise UserError(f"{archive}: {wrong} after unpacking: run again")
        publish(root, target)


def _known(found: counts.Counts, expected: counts.Counts) -> counts.Counts:
    """Counts without the clips that are in no list: a reader may keep DAVIS's other parts in the same folder."""
    return {clip: number for clip, number in found.items() if clip in expected}


def run(options: argparse.Namespace, expected: counts.Counts, say: Callable[[str], None] = print) -> None:
    """Do what the command line asks. `expected` is clip -> number of frames."""
    target: Path = options.target
    if target.is_dir() and any(target.iterdir()):
        wrong = fault(lambda part, suffix: _known(counts.in_folder(target / part, suffix), expected), expected)
        if wrong:
            raise UserError(f"{target}: {wrong}: move it away and run again, or pass another --target")
        return say(f"{target}: already there, {counts.size(expected)}: nothing to do")
    asset = pinned(assets.DAVIS, options.sha256)
    say(f"licence: {asset.licence} ({asset.page})")
    if options.archive:
        if not options.archive.is_file():
            raise UserError(f"{options.archive}: is not there: give the path of the downloaded archive")
        archive, downloaded = options.archive, False
        say(f"{archive}: {accepted(archive, asset)}")
    else:
        archive, downloaded = fetch(asset, target.parent, url=options.url, say=say)
    install(archive, target, expected)
    if downloaded and not options.keep_archive:
        archive.unlink()
        record_of(archive).unlink(missing_ok=True)
    say(f"{target}: {counts.size(expected)}, as published; use it with --data davis:{target}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", type=Path, default=assets.DATA / "davis", help="folder to make (%(default)s)")
    parser.add_argument("--archive", type=Path, help="an archive that is already on this machine: nothing is requested")
    parser.add_argument("--url", help="another address of the same file")
    parser.add_argument("--sha256", help="check against this instead of the known size and hash")
    parser.add_argument("--keep-archive", action="store_true", help="keep the downloaded archive beside the target")
    options = parser.parse_args(arguments)
    return finish(lambda: run(options, counts.published("davis_trainval")))


if __name__ == "__main__":
    sys.exit(main())
