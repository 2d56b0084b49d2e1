"""`python -m vinpaint_lib.bench` prints the tables of this machine."""

from vinpaint_lib.bench.report import main

main()
