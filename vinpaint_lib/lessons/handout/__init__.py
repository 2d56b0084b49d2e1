"""`make handout`: the lessons as pages that open from a folder, without a server and without a network."""
