"""Google Drive through gdown, which knows Drive's confirmation pages and resumes interrupted downloads."""

from __future__ import annotations

import re
import sys
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qs, urlsplit

from data_scripts.report import Refused, full_disk, is_full
from vinpaint_lib.errors import UserError

RETRIES = 3
TIMEOUT = 60.0


def is_drive(url: str) -> bool:
    """Whether an address is one of Google Drive's."""
    return urlsplit(url).hostname in ("drive.google.com", "docs.google.com", "drive.usercontent.google.com")


def drive_id(url: str) -> str:
    """The id in .../file/d/ID/view, .../folders/ID or ...?id=ID. Raises UserError when there is none."""
    path = re.search(r"/(?:d|folders)/([\w-]+)", urlsplit(url).path)
    found = path[1] if path else parse_qs(urlsplit(url).query).get("id", [""])[0]
    if not found:
        raise UserError(f"{url}: holds no Drive id: copy the sharing link whole")
    return found


def fetch(url: str, part: Path) -> None:
    """Download one Drive file to `part`. Raises Refused (quota, permission, gone) or UserError (broken off).

    gdown keeps a partial file beside `part` and goes on from it the next time.
    """
    import gdown  # here, so that the scripts that need no Drive start without it

    part.unlink(missing_ok=True)  # gdown takes a file under this name for a finished one
    try:
        gdown.download(
            id=drive_id(url),
            output=str(part),
            quiet=not sys.stderr.isatty(),
            resume=True,
            timeout=TIMEOUT,
            retries=RETRIES,
        )
    except gdown.exceptions.FileURLRetrievalError as error:
        raise Refused("refused it (quota or permission)") from error
    except gdown.exceptions.DownloadError as error:
        _broken_off(part, error)
    except OSError as error:
        if is_full(error):
            raise full_disk(part.parent) from error
        raise Refused(f"failed ({_reason(error)})") from error
    except Exception as error:  # gdown reads pages that Google changes: any surprise there is a refusal
        raise Refused(f"failed ({type(error).__name__}: {_reason(error)})") from error
    if not part.exists():
        raise Refused("gave no file")


def _broken_off(part: Path, error: Exception) -> None:
    """Turn gdown's errors into sentences; partial files that cannot be continued are removed."""
    kept = list(part.parent.glob(f"{part.name}????????.part"))  # gdown's name for the bytes so far
    if not any(file.stat().st_size for file in kept):
        raise Refused(f"failed ({_reason(error)})") from error
    if "byte range" in str(error) or "multiple temporary" in str(error):
        for file in kept:
            file.unlink()
        raise UserError(f"{part.stem}: the kept part could not be continued and was removed: run again") from error
    raise UserError(
        f"{part.stem}: Google Drive stopped before the end ({_reason(error)}): run the same command again, "
        "it goes on from there"
    ) from error


def list_folder(url: str) -> list[tuple[str, str]]:
    """(file id, file name) of every file in a Drive folder. Raises Refused when the folder cannot be read."""
    import gdown

    try:
        found = gdown.download_folder(id=drive_id(url), skip_download=True, quiet=True, timeout=TIMEOUT)
    except Exception as error:  # as above
        raise Refused(f"did not list the folder ({_reason(error)})") from error
    return [(file.id, PurePosixPath(file.path).name) for file in found if not isinstance(file, str)]


def _reason(error: Exception) -> str:
    """What to say of an error inside a sentence: its first line, without the full stop."""
    if any(type(step).__name__ in ("ConnectionError", "ConnectTimeout") for step in (error, error.__cause__)):
        return "it cannot be reached"  # the text of such an error in requests is a nest of exceptions
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(" .:") if lines else type(error).__name__
