"""Speed and memory of this machine: `python -m vinpaint_lib.bench`, or `make bench`."""
