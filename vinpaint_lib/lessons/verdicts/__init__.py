"""`vinpaint check`: the checks of one lesson on a reader's notebook, as a table; `verb.py` is where to begin."""
