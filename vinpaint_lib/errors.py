"""The one exception that the command line and the notebooks show as a sentence instead of a traceback."""


class UserError(Exception):
    """A mistake in what the user gave. The message is one sentence: the file, the value, the remedy."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows below the cell."""
        return [f"{type(self).__name__}: {self}"]
