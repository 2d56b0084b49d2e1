"""`python -m vinpaint_lib.bench.gpu` measures, compares and trains on this machine's accelerator."""

import sys

from vinpaint_lib.bench.gpu.budget import LOADED  # first, so that the time in which torch is imported counts
from vinpaint_lib.bench.gpu.run import main

# The processes that load samples must not start here again.
if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], LOADED))
