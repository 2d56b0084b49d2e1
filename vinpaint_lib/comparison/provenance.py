"""Which state of the project a result was made with."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def commit(root: Path = ROOT) -> str | None:
    """The project's git commit, with a note if files differ from it; None outside of a git checkout of the project."""
    if not (root / ".git").exists():  # a parent folder may be a checkout of something else
        return None
    try:
        head = git(root, "rev-parse", "HEAD")
        return f"{head} with changes" if git(root, "status", "--porcelain", "--untracked-files=no") else head
    except (OSError, subprocess.CalledProcessError):
        return None


def git(root: Path, *words: str) -> str:
    """What a git command prints."""
    return subprocess.run(["git", "-C", str(root), *words], check=True, capture_output=True, text=True).stdout.strip()
