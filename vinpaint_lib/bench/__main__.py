"""`python -m vinpaint_lib.bench`: the tables of this machine."""

from vinpaint_lib.bench.report import main

main()
