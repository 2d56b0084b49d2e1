"""What every test file shares: threads, the random seed, where real video is; and the count of faults on purpose."""

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

if "PYTEST_XDIST_WORKER" in os.environ:  # several workers with all threads each would fight for the same cores
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Each test starts from the same random state, alone or in any order."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder VINPAINT_DATA points to: davis/, clips/, bsds500/. Tests that need it are skipped without it."""
    value = os.environ.get("VINPAINT_DATA")
    if not value:
        pytest.skip("VINPAINT_DATA is not set: no real video to test on")
    path = Path(value)
    if not path.is_dir():
        pytest.fail(f"VINPAINT_DATA is {value}, which is no folder")
    return path


@pytest.fixture(scope="session")
def davis(real_data: Path) -> Path:
    """The DAVIS folder with JPEGImages/480p/<clip>/ and Annotations/480p/<clip>/."""
    path = real_data / "davis"
    if not (path / "JPEGImages" / "480p").is_dir():
        pytest.skip(f"VINPAINT_DATA is {real_data}, which has no davis/JPEGImages/480p")
    return path


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """One line of what `tests/faults` tried and found right; its tests leave a property for each."""
    reports = [report for report in terminalreporter.stats.get("passed", []) if report.when == "call"]
    counts = Counter(value for report in reports for name, value in report.user_properties if name == "fault")
    if counts:
        said = ", ".join(f"{count} {kind}{'s' * (count != 1)}" for kind, count in sorted(counts.items()))
        terminalreporter.write_line(f"faults: {said}")
    moments = [value for report in reports for name, value in report.user_properties if name == "moment"]
    if moments and terminalreporter.config.option.verbose > 0:
        for moment, count in sorted(Counter(moments).items()):
            terminalreporter.write_line(f"killed {count} times: {moment}")
