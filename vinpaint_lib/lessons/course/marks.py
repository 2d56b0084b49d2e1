"""The names and markers by which nbgrader and we know cells. Nothing is imported here: nbgrader loads it each time."""

IMPORTS = "imports"  # the cell that is run first
PASSED_OVER = "skip-execution"  # nbclient's tag for cells that are not run
BEGIN, END = "### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS"
