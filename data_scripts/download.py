"""Fetch one file over HTTP: resumed where it stopped, checked, put in place in one step.

During a download, FILE.part holds the bytes, and FILE.part.json says where they came from. The next run asks for
the rest with Range and If-Range, so that bytes of two editions are never joined. Only a file that passed every
check gets the final name. Standard library only; Google Drive goes through `drive.py`.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from data_scripts import drive
from data_scripts.assets import Asset
from data_scripts.check import accepted, checked, inspect, record
from data_scripts.report import Refused, full_disk, in_words, is_full, progress
from vinpaint_lib.errors import UserError

CHUNK = 1 << 18
TIMEOUT = 30.0  # seconds without a byte, not for the whole file
ATTEMPTS = 5
PASSING = {408, 425, 429, 500, 502, 503, 504}  # HTTP answers that may differ a moment later


class Interrupted(Exception):
    """The connection ended early. The bytes that came are kept, and the next attempt asks for the rest."""


@dataclass
class Partial:
    """What is known about the bytes in FILE.part: their address, the edition (ETag or date), the whole size."""

    url: str = ""
    edition: str | None = None
    total: int | None = None

    @staticmethod
    def note(part: Path) -> Path:
        return part.with_name(part.name + ".json")

    @classmethod
    def read(cls, part: Path) -> Partial:
        try:
            return cls(**json.loads(cls.note(part).read_text()))
        except (FileNotFoundError, TypeError, ValueError):  # none, or half written when the run was killed
            return cls()

    def write(self, part: Path) -> None:
        self.note(part).write_text(json.dumps(asdict(self)))


def drop(part: Path) -> None:
    """Remove a partial download and its note."""
    part.unlink(missing_ok=True)
    Partial.note(part).unlink(missing_ok=True)


def fetch(
    asset: Asset,
    folder: Path,
    *,
    url: str | None = None,
    say: Callable[[str], None] = print,
    attempts: int = ATTEMPTS,
    pause: float = 1.0,
) -> tuple[Path, bool]:
    """Put `asset.file` into `folder`, checked. Returns its path, and True when this call downloaded it.

    A file that is there already is checked and kept, without a request. `url` stands in for the table's addresses.
    `pause` is the wait in seconds before the second attempt; it doubles after each attempt.
    Raises UserError when no address gives the right file; then no file has the final name.
    """
    final = folder / asset.file
    if final.exists():
        say(f"{final}: already there, {accepted(final, asset)}: nothing to do")
        return final, False
    addresses, refusals = [url] if url else asset.urls, []
    for address in addresses:
        if urlsplit(address).scheme not in ("http", "https"):
            raise UserError(f"{address}: is no http or https address: copy it whole from the browser")
    folder.mkdir(parents=True, exist_ok=True)
    for address in addresses:
        say(f"{asset.file} ({in_words(asset.size)}) from {address}")
        try:
            part, digest = _get(address, final, asset, say, attempts, pause)
            break
        except Refused as error:
            refusals.append(f"{urlsplit(address).netloc} {error}")
    else:
        raise UserError(
            f"{asset.file}: {'; '.join(refusals)}: open {asset.page} in a browser, save the file as {final}, "
            "and run the same command again, which checks it"
        )
    with open(part, "rb+") as file:
        os.fsync(file.fileno())  # the final name must never stand for bytes that a power cut can take back
    record(final, digest)
    os.replace(part, final)
    drop(part)
    say(f"{final}: fetched, {checked(asset, digest)}")
    return final, True


def _get(
    address: str, final: Path, asset: Asset, say: Callable[[str], None], attempts: int, pause: float
) -> tuple[Path, str]:
    """Download and check the whole file under another name beside `final`; that path, and its sha256.

    Raises Refused or UserError.
    """
    if drive.is_drive(address):
        part = final.with_name(final.name + ".drive")
        drive.fetch(address, part)
    else:
        part = final.with_name(final.name + ".part")
        _get_http(address, part, asset, say, attempts, pause)
    wrong, digest = inspect(part, asset)
    if wrong:
        drop(part)
        raise Refused(f"sent a file that {wrong} (removed)")
    return part, digest


def _get_http(url: str, part: Path, asset: Asset, say: Callable[[str], None], attempts: int, pause: float) -> None:
    """Attempt until the whole file is in `part`."""
    why = ""
    for attempt in range(attempts):
        if attempt:
            time.sleep(pause * 2 ** (attempt - 1))
        try:
            return _attempt(url, part, asset, say)
        except Interrupted as error:
            why = str(error)
            say(f"{asset.file}: {why}")
    if part.exists() and part.stat().st_size:
        raise UserError(f"{asset.file}: {why}: run the same command again, it goes on from there")
    raise Refused(why)


def _attempt(url: str, part: Path, asset: Asset, say: Callable[[str], None]) -> None:
    """One request, for the whole file or for the rest of it."""
    known = Partial.read(part)
    offset = part.stat().st_size if part.exists() and known.url == url else 0
    if offset and known.edition is None and (asset.sha256 is None or known.total is None):
        offset = 0  # nothing would show that the rest belongs to another edition
    if offset and offset == known.total:
        return  # stopped between the last byte and the final name
    headers = {"User-Agent": "vinpaint-data-scripts", "Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
        if known.edition:
            headers["If-Range"] = known.edition
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT) as reply:
            _receive(reply, part, url, offset, known, asset, say)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and offset:
            drop(part)
            raise Interrupted("the kept part does not fit the file any more: starting again") from error
        if error.code in PASSING:
            raise Interrupted(f"answered HTTP {error.code} {error.reason}") from error
        raise Refused(f"refused it (HTTP {error.code} {error.reason})") from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError | ConnectionResetError | ConnectionAbortedError):
            raise Interrupted(f"did not answer ({error.reason})") from error
        raise Refused(f"cannot be reached ({error.reason})") from error
    except (http.client.HTTPException, ConnectionError, TimeoutError) as error:  # broken off before the headers
        raise Interrupted(f"broke off ({error})") from error


def _receive(
    reply: http.client.HTTPResponse,
    part: Path,
    url: str,
    offset: int,
    known: Partial,
    asset: Asset,
    say: Callable[[str], None],
) -> None:
    """Write the body of one answer to `part`, at `offset` or from the start, as the answer says."""
    if reply.headers.get_content_type() in ("text/html", "application/xhtml+xml"):
        raise Refused("sent a web page instead of the file")
    start, total = _span(reply)
    if start not in (0, offset) or (start and known.total not in (None, total)):
        drop(part)
        raise Interrupted("sent another range than the one asked for: starting again")
    if total is not None and asset.size is not None and total != asset.size:
        raise Refused(f"offers {total} bytes where {asset.size} are known")
    if offset:
        say(f"{asset.file}: going on from {in_words(start)}" if start else f"{asset.file}: starting again from 0")
    needed = (total or asset.size or 0) - start
    if needed > shutil.disk_usage(part.parent).free:
        raise full_disk(part.parent, needed)
    Partial(url, _edition(reply), total).write(part)
    done = start
    with open(part, "ab" if start else "wb") as file:
        while chunk := _read(reply, done, total):
            try:
                file.write(chunk)
            except OSError as error:
                if is_full(error):
                    raise full_disk(part.parent) from error
                raise
            done += len(chunk)
            progress(asset.file, done, total)
    expected = total if total is not None else asset.size
    if expected is not None and done < expected:
        raise Interrupted(f"stopped after {in_words(done)} of {in_words(expected)}")


def _read(reply: http.client.HTTPResponse, done: int, total: int | None) -> bytes:
    """The next bytes of a body. Raises Interrupted when the connection fails."""
    try:
        return reply.read(CHUNK)
    except (http.client.HTTPException, OSError) as error:
        raise Interrupted(f"stopped after {in_words(done)} of {in_words(total)} ({error})") from error


def _span(reply: http.client.HTTPResponse) -> tuple[int, int | None]:
    """Where the body of an answer starts in the file, and the size of the whole file, None if it is not given."""
    if reply.status == http.HTTPStatus.PARTIAL_CONTENT:
        told = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", reply.headers.get("Content-Range", ""))
        return (int(told[1]), int(told[2])) if told else (-1, None)
    length = reply.headers.get("Content-Length", "")
    return 0, int(length) if length.isdigit() else None


def _edition(reply: http.client.HTTPResponse) -> str | None:
    """What If-Range may carry: a strong ETag, else the date. A weak ETag does not promise equal bytes."""
    tag = reply.headers.get("ETag")
    return tag if tag and not tag.startswith("W/") else reply.headers.get("Last-Modified")
