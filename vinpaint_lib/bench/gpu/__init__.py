"""Everything that is to be known of a machine with a GPU, in one run: `python -m vinpaint_lib.bench.gpu`."""
