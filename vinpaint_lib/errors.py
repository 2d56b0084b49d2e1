"""The one exception that the command line shows as a sentence instead of a traceback."""


class UserError(Exception):
    """A mistake in what the user gave. The message is one sentence: the file, the value, the remedy."""
