"""The doctor: every line is found by trying, and what is broken is said."""

from pathlib import Path

import pytest
import torch

from vinpaint_lib import doctor
from vinpaint_lib.cli import main
from vinpaint_lib.doctor import Line
from vinpaint_lib.errors import UserError
from vinpaint_lib.systems import registry
from vinpaint_lib.systems.registry import SYSTEMS
from vinpaint_lib.training.step_cost import StepCost


def test_this_machine_has_what_the_report_says():
    lines = {line.topic: line.text for line in doctor.machine()}
    assert torch.__version__ in lines["torch"]
    assert {"python", "memory", "disk", "gpu"} <= set(lines)
    assert doctor.versions().good
    assert doctor.video() == Line("video", doctor.video().text, True)
    assert "4 of 4 frames" in doctor.video().text


def test_versions_that_differ_are_named(tmp_path):
    pins = tmp_path / "constraints.txt"
    pins.write_text(f"# a comment\ntorch=={torch.__version__.split('+')[0]}\neinops==0.0.1\nno-such-package==2.0\n")
    found = doctor.versions(pins)
    assert not found.good
    assert "torch" not in found.text
    assert "(tested: 0.0.1)" in found.text
    assert "no-such-package missing (tested: 2.0)" in found.text
    assert doctor.versions(tmp_path / "none.txt").good


def test_an_encoder_that_does_not_open_is_a_problem(monkeypatch):
    def refuse(*arguments, **options):
        raise ValueError("no codec")

    monkeypatch.setattr(doctor.av, "open", refuse)
    assert not doctor.video().good
    assert "no codec" in doctor.video().text


def test_weights_that_do_not_load_are_a_problem(monkeypatch):
    def refuse(name):
        raise UserError("tgfnet-small.safetensors: not a weights file")

    monkeypatch.setattr(doctor.registry, "build", refuse)
    assert doctor.weights() == Line("weights", "tgfnet-small.safetensors: not a weights file", False)
    monkeypatch.setattr(doctor.registry, "build", lambda name: torch.nn.Linear(1000, 2000))
    # Variants that were trained apart: the weights of one ship, those of the other do not yet.
    apart = {"tgfnet-apart": Path(__file__), "tgfnet-none": Path("none")}
    monkeypatch.setattr(doctor.registry, "SHIPPED", dict.fromkeys(SYSTEMS, Path("none")) | apart)
    monkeypatch.setattr(doctor.registry, "VARIANTS", registry.VARIANTS | {name: ("tgfnet", {}) for name in apart})
    counts = ", ".join(f"{name} 2.0" for name in (*SYSTEMS, "tgfnet-apart"))
    assert doctor.weights() == Line("weights", f"all load; million parameters: {counts}")


def test_an_estimate_is_steps_times_operations_over_speed(monkeypatch):
    monkeypatch.setattr(doctor, "step_cost", lambda task: StepCost(4e9, doctor.GIB))
    preset = registry.presets("sttn")["laptop"]
    line = doctor.estimate("sttn laptop", registry.make_task("sttn", preset), rate=preset.steps * 4e9 / (3 * 3600))
    assert line == Line("sttn laptop", f"about 3 hours for {preset.steps} steps of 4 GFLOP and 1.0 GiB")


@pytest.mark.parametrize(
    "seconds, text",
    [
        (0.2, "1 seconds"),
        (90.0, "90 seconds"),
        (600.0, "10 minutes"),
        (5400.0, "90 minutes"),
        (9000.0, "2.5 hours"),
        (1e7, "116 days"),
    ],
)
def test_durations_are_said_with_two_digits(seconds, text):
    assert doctor.duration(seconds) == text


def test_training_names_every_preset_and_says_that_it_estimates(monkeypatch):
    monkeypatch.setattr(doctor, "step_cost", lambda task: StepCost(4e9, doctor.GIB))
    monkeypatch.setattr(doctor, "speed", lambda device, bf16: 3e11 if bf16 else 1e11)
    monkeypatch.setattr(doctor.psutil, "getloadavg", lambda: (1e4, 0, 0))
    assert "10000 programs share" in list(doctor.training())[-1].text
    monkeypatch.setattr(doctor.psutil, "getloadavg", lambda: (0, 0, 0))
    lines = list(doctor.training())
    assert [line.topic for line in lines] == ["speed", "bf16", *(f"{name} laptop" for name in registry.SYSTEMS), ""]
    assert [line.topic for line in doctor.training("sttn")][2:-1] == [f"preset {n}" for n in registry.presets("sttn")]
    with pytest.raises(UserError, match="no training recipe for model 'telea'"):
        list(doctor.training("telea"))
    assert lines[0].text.startswith("100 GFLOP/s float32")
    assert lines[1].text.startswith("3.0 times the speed")
    assert "estimates" in lines[-1].text


def test_speed_is_measured_on_a_real_step():
    assert 1e6 < doctor.speed(torch.device("cpu"), bf16=False, repeats=1) < 1e15


def test_the_command_prints_all_lines_and_fails_if_one_is_bad(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "training", lambda model: iter([Line("c", f"of {model}")]))
    monkeypatch.setattr(doctor, "CHECKS", (lambda: Line("a", "fine"), lambda: iter([Line("b", "well")])))
    main(["doctor"])
    assert capsys.readouterr().out == f"{'a':15} fine\n{'b':15} well\n{'c':15} of None\n"
    main(["doctor", "--model", "sttn"])
    assert capsys.readouterr().out.endswith(f"{'c':15} of sttn\n")
    monkeypatch.setattr(doctor, "CHECKS", (lambda: Line("a", "broken: mend it", False), lambda: Line("b", "well")))
    with pytest.raises(SystemExit) as stop:
        main(["doctor"])
    assert stop.value.code == 1
    assert capsys.readouterr().out == f"{'a':15} PROBLEM: broken: mend it\n{'b':15} well\n{'c':15} of None\n"
