"""The benchmark's forms agree with each other; its clip has the length it says. No time is looked at."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from vinpaint_lib import process_memory
from vinpaint_lib.bench import forms as bench_forms, report

pytestmark = pytest.mark.slow


def test_forms_that_are_compared_compute_the_same():
    result = bench_forms.compare(lambda form: (form(), 1.0)[1])
    assert len(result) == 5
    assert all("library" in rows and len(rows) >= 2 for rows in result.values())


def test_a_form_that_differs_is_refused():
    forms = {"one": lambda: torch.ones(2), "two": lambda: torch.zeros(2)}
    with pytest.raises(AssertionError, match="two computes something else"):
        bench_forms.compare_forms(forms, lambda form: 0.0)


def test_the_loop_plays_back_and_forth():
    loop = report.Loop(30, (48, 64), period=5)
    frames = [frame for frame, _ in loop]
    assert len(frames) == 30
    assert torch.equal(frames[1], frames[7])
    assert torch.equal(frames[0], frames[8])
    assert not torch.equal(frames[0], frames[4])


def test_shares_of_the_parts_add_up():
    rows = report.inference((48, 64), 3)
    seconds = {name: value for name, value in rows.items() if name.startswith("seconds per frame, ")}
    assert sum(value for name, value in rows.items() if name not in seconds) == pytest.approx(1)
    parts = ("in all", "network", "motion, references")
    whole, network, rest = (seconds[f"seconds per frame, {name}"] for name in parts)
    assert network + rest == pytest.approx(whole)
    assert network > rows["encoder"] * whole > 0
    assert rest > rows["alignment"] * whole > 0
    assert {"encoder", "alignment", "decoder", "groups 1/8"} <= set(rows)


@pytest.mark.parametrize("form", bench_forms.ATTENTION_FORMS)
def test_an_attention_layer_is_measured_in_seconds_and_mebibytes(form, monkeypatch):
    small = bench_forms.attention_layer(16, (12, 12), 2)
    monkeypatch.setattr(bench_forms, "attention_layer", lambda *arguments: small)
    seconds, mebibytes = report.attention_of(form, 2)
    assert seconds > 0
    assert mebibytes >= 0


def test_forms_of_the_attention_layer_compute_the_same():
    layer, maps, masks = bench_forms.attention_layer(16, (12, 24), 3)
    with torch.inference_mode():
        plain, library = (form(layer, maps, masks) for form in bench_forms.ATTENTION_FORMS.values())
    torch.testing.assert_close(library, plain, atol=1e-5, rtol=1e-4)


def test_the_peak_of_a_process_is_its_own():
    """A small process that a large one starts has a small peak."""
    ballast = np.ones(1 << 26)  # 512 MiB
    command = [sys.executable, "-c", "from vinpaint_lib.process_memory import peak; print(peak())"]
    child = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert process_memory.peak() > ballast.nbytes / 2**20
    assert 1 < child < 200


def test_the_peak_where_there_is_no_status_file(monkeypatch, tmp_path):
    here = process_memory.peak()
    monkeypatch.setattr(process_memory, "STATUS", tmp_path / "none")
    assert 0.9 * here < process_memory.peak() < 50 * here  # that of the process which started this one may be larger
