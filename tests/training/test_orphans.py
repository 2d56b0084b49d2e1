"""Processes that make training samples end with the training, also when it is killed."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

pytestmark = pytest.mark.slow

SCRIPT = """
import os, time
from concurrent.futures import ProcessPoolExecutor
from vinpaint_lib.training import pools
if __name__ == "__main__":
    pool = ProcessPoolExecutor(1, pools.processes(), initializer=pools.quiet_worker)
    print(pool.submit(os.getpid).result(), flush=True)
    time.sleep(300)
"""


def alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_worker_ends_when_its_parent_is_killed(tmp_path):
    (tmp_path / "parent.py").write_text(SCRIPT)
    parent = subprocess.Popen([sys.executable, str(tmp_path / "parent.py")], stdout=subprocess.PIPE, text=True)
    worker = int(parent.stdout.readline())
    assert alive(worker)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 60
    while alive(worker):
        assert time.monotonic() < deadline, "the worker is still there"
        time.sleep(0.1)
