"""The checks of the notebooks' exercises: one module a lesson, found by `vinpaint_lib.checks`.

A lesson module names its checks in `CHECKS`, and each is a function that takes the reader's function, prints one line
if it is right, and else raises `asking.Wrong` with a sentence that says what is wrong. `asking` has the tools.
"""
