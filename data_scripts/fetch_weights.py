"""Fetch weights and test masks that other projects published. Nothing is converted.

  fetch_weights.py list       what can be fetched: size, licence, how it is checked, which option takes it
  fetch_weights.py get NAME   put it into data/weights (or the folder in VINPAINT_WEIGHTS), masks into data/masks

Where neither size nor hash is published, the sha256 is printed and written beside the file. Pass it as --sha256 on
other machines to be sure of the same bytes. Read the licence column before you use anything.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from pathlib import Path

if not __package__:  # started as a file: the repository is not on the path yet
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from data_scripts import assets, drive
from data_scripts.assets import Asset
from data_scripts.check import pinned, record_of, sha256_of
from data_scripts.download import fetch
from data_scripts.report import Refused, finish, in_words
from data_scripts.unpack import publish, staging, unpack
from vinpaint_lib.errors import UserError
from vinpaint_lib.files import draft_of

NOTE = "FETCHED.json"
SUMS = "SHA256SUMS"


def taken_by(asset: Asset) -> str:
    """The option that takes an asset, or that this version has none."""
    if asset.module and not (assets.ROOT / "vinpaint_lib" / asset.module).exists():
        return "no command here reads it yet"
    return asset.option


def table(rows: Sequence[Asset]) -> str:
    """The table that `list` prints."""
    cells = [("name", "file", "size", "licence", "checked by", "taken by")]
    for asset in rows:
        check = [word for word, known in (("size", asset.size), ("sha256", asset.sha256)) if known]
        file = f"{asset.file}/" if asset.wanted else asset.file
        words = " and ".join(check) or "nothing is published"
        cells.append((asset.name, file, in_words(asset.size), asset.licence, words, taken_by(asset)))
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in cells)


def get(
    asset: Asset,
    target: Path | None,
    *,
    url: str | None = None,
    keep_archive: bool = False,
    say: Callable[[str], None] = print,
) -> Path:
    """Fetch one asset and say which option takes it. Returns the file or folder. Raises UserError if that fails."""
    say(f"licence: {asset.licence} ({asset.page})")
    if asset.unpacks:
        place = _masks(asset, target or assets.MASKS, url, keep_archive, say)
    elif asset.wanted:
        place = _folder(asset, target or assets.weights_folder(), url, say)
    else:
        place, _ = fetch(asset, target or assets.weights_folder(), url=url, say=say)
    say(f"taken by: {taken_by(asset).replace('FOLDER', str(place)).replace('FILE', str(place))}")
    return place


def _masks(asset: Asset, target: Path, url: str | None, keep_archive: bool, say: Callable[[str], None]) -> Path:
    """Fetch an archive of masks and unpack it as TARGET/<project>. A note in that folder says what was unpacked."""
    place = target / asset.name.removesuffix("-masks")
    if place.is_dir() and any(place.iterdir()):
        if _contents(place) != _noted(place):
            raise UserError(f"{place}: does not hold what was unpacked there: move it away and run again")
        say(f"{place}: already there, {_noted(place)['files']} files: nothing to do")
        return place
    archive, downloaded = fetch(asset, target, url=url, say=say)
    with staging(place) as folder:
        unpack(archive, folder)
        (folder / NOTE).write_text(json.dumps({"sha256": sha256_of(archive), **_contents(folder)}))
        publish(folder, place)
    if downloaded and not keep_archive:
        archive.unlink()
        record_of(archive).unlink(missing_ok=True)
    say(f"{place}: {_noted(place)['files']} files; no count is published to check them against")
    return place


def _contents(folder: Path) -> dict[str, int]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != NOTE]
    return {"files": len(files), "bytes": sum(path.stat().st_size for path in files)}


def _noted(folder: Path) -> dict[str, int]:
    try:
        note = json.loads((folder / NOTE).read_text())
        return {"files": note["files"], "bytes": note["bytes"]}
    except (FileNotFoundError, ValueError, KeyError):
        return {}


def _folder(asset: Asset, target: Path, url: str | None, say: Callable[[str], None]) -> Path:
    """Fetch the wanted files of a Drive folder into TARGET/<name>; SHA256SUMS is written there when all are whole."""
    place = target / asset.file
    sums = place / SUMS
    if sums.exists():
        for line in sums.read_text().splitlines():
            digest, name = line.split(maxsplit=1)
            if not (place / name).is_file() or sha256_of(place / name) != digest:
                raise UserError(f"{place / name}: is not what was fetched: move {place} away and run again")
        say(f"{place}: already there, {SUMS} agrees: nothing to do")
        return place
    try:
        listed = drive.list_folder(url or asset.urls[0])
    except Refused as error:
        raise UserError(
            f"{asset.name}: Google Drive {error}: open {asset.page} in a browser and save its "
            f"{' and '.join(asset.wanted)} files in {place}"
        ) from error
    wanted = [(key, name) for key, name in listed if any(fnmatch(name, pattern) for pattern in asset.wanted)]
    if not wanted:
        names = ", ".join(name for _, name in listed) or "nothing"
        raise UserError(f"{asset.name}: {asset.page} holds {names} where {' or '.join(asset.wanted)} was expected")
    lines = []
    for key, name in wanted:
        link = f"{assets.DRIVE}{key}/view"
        file, _ = fetch(dataclasses.replace(asset, file=name, urls=(link,), page=link), place, say=say)
        lines.append(f"{sha256_of(file)}  {name}\n")
        record_of(file).unlink(missing_ok=True)
    with draft_of(sums) as draft:
        draft.write_text("".join(lines))
    return place


def run(
    options: argparse.Namespace, rows: Sequence[Asset] = assets.WEIGHTS, say: Callable[[str], None] = print
) -> None:
    """Do what the command line asks."""
    if options.command == "list":
        return say(table(rows))
    known = {asset.name: asset for asset in rows}
    unknown = [name for name in options.names if name not in known]
    if unknown:
        raise UserError(f"{', '.join(unknown)}: not in the table: choose from {', '.join(known)}")
    if len(options.names) > 1 and (options.url or options.sha256):
        raise UserError("--url and --sha256 belong to one file: get the names one by one")
    for name in options.names:
        asset = known[name]
        if asset.wanted and options.sha256:
            raise UserError(f"{name}: is a folder, and --sha256 belongs to one file: leave it out")
        get(pinned(asset, options.sha256), options.target, url=options.url, keep_archive=options.keep_archive, say=say)


def main(arguments: Sequence[str] | None = None, rows: Sequence[Asset] = assets.WEIGHTS) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="print the table")
    getter = commands.add_parser("get", help="fetch by name")
    getter.add_argument("names", nargs="+", metavar="NAME")
    getter.add_argument("--target", type=Path, help="folder to put it in (weights: data/weights, masks: data/masks)")
    getter.add_argument("--url", help="another address of the same file")
    getter.add_argument("--sha256", help="check against this instead of the known size and hash")
    getter.add_argument("--keep-archive", action="store_true", help="keep an archive of masks after unpacking")
    options = parser.parse_args(arguments)
    return finish(lambda: run(options, rows))


if __name__ == "__main__":
    sys.exit(main())
