"""`make course`: an nbgrader course from the lessons; begin with `build.py`. `hidden.py` has the hidden tests."""
