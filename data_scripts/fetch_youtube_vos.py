"""Check and unpack YouTube-VOS archives, which need an account and so are downloaded by hand.

Get train_all_frames.zip and test_all_frames.zip (all frames, 30 fps) from https://youtube-vos.org/dataset/ or
https://competitions.codalab.org/competitions/19544, then give them to this script. It leaves
TARGET/train/JPEGImages/<clip>/*.jpg and TARGET/test/..., after comparing each clip's number of frames with the list
that the papers used (3,471 and 508 clips). The archives without "all_frames" hold every fifth frame, and in 2024 the
data set was issued again at 6 fps, also every fifth frame. Models trained on either are not the papers' models.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

if not __package__:  # started as a file: the repository is not on the path yet
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from data_scripts import assets, counts
from data_scripts.report import finish
from data_scripts.unpack import members, publish, staging, unpack
from vinpaint_lib.errors import UserError

WHERE = f"{assets.YOUTUBE_VOS_PAGE} or {assets.YOUTUBE_VOS_ACCOUNT}"
NOTE = "EDITION.txt"
Lists = dict[str, counts.Counts]


def split_of(archive: Path, found: counts.Counts, lists: Lists) -> str:
    """Which list the clips of an archive belong to. Raises UserError when they belong to none."""
    common = {split: len(found.keys() & clips.keys()) for split, clips in lists.items()}
    best = max(common, key=lambda split: common[split])
    if not common[best]:
        raise UserError(
            f"{archive}: none of its {len(found)} clips is in the published {' or '.join(lists)} list "
            f"(the papers use no other part): get train_all_frames.zip and test_all_frames.zip from {WHERE}"
        )
    return best


def verdict(split: str, found: counts.Counts, expected: counts.Counts) -> str | None:
    """How an archive differs from the published list, and what that means; None when it agrees."""
    wrong = counts.difference(found, expected)
    if wrong is None:
        return None
    if counts.every_fifth(found, expected):
        return (
            f"{wrong}, so it holds one frame in five: it is the archive of annotated frames or the re-issue of 2024 "
            f"at 6 fps, where the papers used all frames at 30 fps: get {split}_all_frames.zip of the 2018 or 2019 "
            f"edition from {WHERE}"
        )
    return f"{wrong}: get {split}_all_frames.zip again from {WHERE}"


def install(
    archive: Path, target: Path, lists: Lists, *, other_edition: bool = False, say: Callable[[str], None] = print
) -> None:
    """Check one archive and unpack it as TARGET/<split>. Nothing is written before its list of files agrees."""
    with members(archive) as files:
        names = [member.name for member in files]
    found = counts.in_names(names, "JPEGImages", ".jpg")
    if not found:
        raise UserError(f"{archive}: holds no JPEGImages/<clip>/*.jpg: get train_all_frames.zip from {WHERE}")
    split = split_of(archive, found, lists)
    wrong = verdict(split, found, lists[split])
    if wrong and not other_edition:
        raise UserError(f"{archive}: {wrong}, or pass --other-edition and name the edition beside every number")
    place = target / split
    if place.is_dir() and any(place.iterdir()):
        difference = counts.difference(counts.in_folder(place / "JPEGImages", ".jpg"), found)
        if difference:
            raise UserError(f"{place}: {difference}: move it away and run again, or pass another --target")
        return say(f"{place}: already there, {counts.size(found)}: nothing to do")
    with staging(place) as folder:
        unpack(archive, folder)
        roots = {path.parent for path in folder.glob("**/JPEGImages") if path.is_dir()}
        if len(roots) != 1:
            raise UserError(f"{archive}: holds {len(roots)} folders named JPEGImages where one is expected")
        root = roots.pop()
        difference = counts.difference(counts.in_folder(root / "JPEGImages", ".jpg"), found)
        if difference:
            raise UserError(f"{archive}: {difference} after unpacking: run again")
        if wrong:
            (root / NOTE).write_text(f"{archive.name}: {wrong}\n")
        publish(root, place)
    say(f"{place}: {counts.size(found)}, {'NOT ' if wrong else ''}as published")


def run(options: argparse.Namespace, lists: Lists, say: Callable[[str], None] = print) -> None:
    """Do what the command line asks. `lists` is split -> clip -> number of frames."""
    if not options.archives:
        raise UserError(
            "no archive given: YouTube-VOS needs an account; download train_all_frames.zip and test_all_frames.zip "
            f"from {WHERE} and give their paths"
        )
    for archive in options.archives:
        install(archive, options.target, lists, other_edition=options.other_edition, say=say)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archives", nargs="*", type=Path, metavar="ARCHIVE", help="zip or tar, as downloaded")
    parser.add_argument("--target", type=Path, default=assets.DATA / "youtube_vos", help="folder to fill (%(default)s)")
    parser.add_argument("--other-edition", action="store_true", help="unpack an archive that differs from the lists")
    options = parser.parse_args(arguments)
    lists = {split: counts.published(f"youtube_vos_{split}") for split in ("train", "test")}
    return finish(lambda: run(options, lists))


if __name__ == "__main__":
    sys.exit(main())
