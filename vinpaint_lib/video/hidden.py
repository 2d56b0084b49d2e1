"""Which entries of a folder are not the user's: what file managers, archivers and systems leave beside the pictures."""

from pathlib import Path

# macOS's forks in a zip, Windows's and Synology's thumbnails, recycle bins, what a disk keeps for itself
LEFT_BEHIND = (
    "__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "$recycle.bin", "lost+found",
    "system volume information",
)  # fmt: skip


def is_hidden(path: Path) -> bool:
    """Whether a file or folder is passed over: its name begins with a dot, or is one that systems use."""
    return path.name.startswith(".") or path.name.lower() in LEFT_BEHIND


def visible(folder: Path) -> list[Path]:
    """The entries of a folder that are not hidden, sorted by name."""
    return sorted(entry for entry in folder.iterdir() if not is_hidden(entry))
