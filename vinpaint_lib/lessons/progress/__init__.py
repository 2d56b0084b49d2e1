"""What a reader has done: the checks that were passed, in a file of the reader's own, and `vinpaint lessons`."""
