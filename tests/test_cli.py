"""The command line: what reaches the library, and what a user's mistake looks like. Exit code 2, one sentence."""

import io
import subprocess
import sys
import tempfile
import warnings
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from einops import rearrange, repeat
from PIL import Image

from vinpaint_lib import cli, evaluate
from vinpaint_lib.errors import UserError
from vinpaint_lib.interface import Inpainter, ModelCard, Output, Step as PlannedStep
from vinpaint_lib.options import choose_device, parse_rate, parse_size
from vinpaint_lib.systems.baselines import Telea
from vinpaint_lib.video.clip import read_clip, write_video

pytestmark = pytest.mark.slow


class Grey(Inpainter):
    """Fills every hole with mid grey."""

    card = ModelCard("grey", "Grey", "no paper")

    def plan(self, length):
        return (PlannedStep((index,), ()) for index in range(length))

    def forward(self, window, step, state):
        return Output(torch.full_like(window.frames, 0.5), {})


@pytest.fixture(autouse=True)
def grey(monkeypatch):
    """The registry holds two models, so that these tests are about the command line."""

    def build(name, weights=None):
        if name == "telea":
            return Telea()
        if name != "grey":
            raise UserError(f"--model {name}: there is no such model; choose grey")
        return Grey()

    monkeypatch.setattr("vinpaint_lib.systems.registry.build", build)
    monkeypatch.setattr("vinpaint_lib.systems.registry.MODELS", ("grey",))
    monkeypatch.setattr("vinpaint_lib.systems.registry.BASELINES", {"grey": Grey})


@pytest.fixture
def folder(tmp_path) -> Path:
    """`frames/` with three named pictures, `mask.png` with a hole in its middle, `masks/` with two."""
    rng = np.random.default_rng(0)
    (tmp_path / "frames").mkdir()
    (tmp_path / "masks").mkdir()
    for name in ("a7.png", "b2.png", "c.png"):
        Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(tmp_path / "frames" / name)
    hole = np.zeros((20, 30), np.uint8)
    hole[5:15, 10:20] = 255
    Image.fromarray(hole).save(tmp_path / "mask.png")
    Image.fromarray(hole[:, :15]).save(tmp_path / "narrow.png")
    for name in ("0.png", "1.png"):
        Image.fromarray(hole).save(tmp_path / "masks" / name)
    return tmp_path


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


def refused(capsys, *arguments: object) -> str:
    """The sentence with which `vinpaint ARGUMENTS` is refused."""
    with pytest.raises(SystemExit) as stop:
        cli.main([str(argument) for argument in arguments])
    shown = capsys.readouterr()
    assert stop.value.code == 2
    assert shown.out == ""
    lines = [line for line in shown.err.splitlines() if not line.startswith("vinpaint: note:")]
    assert len(lines) == 1
    assert lines[0].startswith("vinpaint: ")
    return lines[0]


def everything(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_inpaint_folder_keeps_names_and_known_pixels(folder, capsys):
    out = folder / "out"
    cli.main(["inpaint", f"{folder}/frames", "--mask", f"{folder}/mask.png", "--out", str(out), "--model", "grey"])
    assert sorted(path.name for path in out.iterdir()) == ["a7.png", "b2.png", "c.png"]
    hole = pixels(folder / "mask.png") > 0
    for path in out.iterdir():
        known = pixels(folder / "frames" / path.name)
        assert (pixels(path)[~hole] == known[~hole]).all()
        assert np.isin(pixels(path)[hole], (127, 128)).all()
    assert capsys.readouterr().out == f"{out}\n"


def test_inpaint_options_reach_the_clip(folder):
    out = folder / "out"
    cli.main(
        ["inpaint", f"{folder}/frames", "--mask", f"{folder}/mask.png", "--out", str(out), "--model", "grey"]
        + ["--size", "60x40", "--limit", "2", "--dilate", "3", "--invert-mask"]
    )
    assert sorted(path.name for path in out.iterdir()) == ["a7.png", "b2.png"]
    picture = pixels(out / "a7.png")
    assert picture.shape == (40, 60, 3)
    filled = (np.abs(picture.astype(int) - 128) <= 1).all(axis=-1)
    # inverted: known is the box of 20 x 20 in the middle; dilated: it lost 3 pixels on every side
    assert not filled[14:27, 24:37].any()
    assert filled[:12].all()
    assert filled[:, :22].all()


def test_inpaint_video_keeps_rate_size_and_sound(folder):
    video, out = folder / "in.mp4", folder / "out.mp4"
    ramp = repeat(torch.linspace(0, 1, 64), "w -> t 3 h w", t=12, h=48)
    silent = write_video(folder / "silent.mp4", iter(ramp), Fraction(24000, 1001))
    add_sound(silent, video)
    Image.fromarray(np.pad(np.full((16, 16), 255, np.uint8), ((16, 16), (24, 24)))).save(folder / "one.png")
    cli.main(["inpaint", str(video), "--mask", f"{folder}/one.png", "--out", str(out), "--model", "grey"])
    with av.open(str(out)) as result:
        stream = result.streams.video[0]
        assert (stream.average_rate, stream.width, stream.height) == (Fraction(24000, 1001), 64, 48)
        assert len(result.streams.audio) == 1
    with av.open(str(out)) as result:
        frames = [frame.to_ndarray(format="rgb24") for frame in result.decode(video=0)]
    assert len(frames) == 12
    middle = frames[6][20:28, 28:36].astype(int)
    assert np.abs(middle - 128).max() <= 6  # grey levels, after one pass of H.264
    assert frames[6][:, :4].mean() < 20


def add_sound(video: Path, out: Path) -> None:
    """A copy of `video` with half a second of a 440 Hz tone."""
    tone = np.sin(2 * np.pi * 440 * np.arange(24000) / 48000).astype(np.float32)
    with av.open(str(video)) as source, av.open(str(out), "w") as target:
        pictures = target.add_stream_from_template(source.streams.video[0])
        sound = target.add_stream("aac", rate=48000, layout="mono")
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = pictures
                target.mux(packet)
        for start in range(0, len(tone), 1024):
            frame = av.AudioFrame.from_ndarray(rearrange(tone[start : start + 1024], "n -> 1 n"), "fltp", "mono")
            frame.sample_rate, frame.pts = 48000, start
            target.mux(sound.encode(frame))
        target.mux(sound.encode())


@pytest.mark.parametrize(
    "input, mask, out, options, sentence",
    [
        ("none.mp4", "mask.png", "out.mp4", [], "none.mp4"),
        ("frames", "none.png", "out", [], "none.png"),
        ("frames", "masks", "out", [], "2 masks for 3 frames"),
        ("frames", "narrow.png", "out", [], "narrow.png"),
        ("frames", "mask.png", "mask.png/such/out", [], "mask.png is no folder"),
        ("frames", "mask.png", "out.avi", [], "out.avi"),
        ("frames", "mask.png", "frames", [], "frames"),
        ("frames", "mask.png", "out", ["--size", "432"], "--size 432: is no size; write WIDTHxHEIGHT"),
        ("frames", "mask.png", "out", ["--size", "0x240"], "--size 0x240"),
        ("frames", "mask.png", "out", ["--fps", "fast"], "--fps fast"),
        ("frames", "mask.png", "out", ["--limit", "0"], "limit of 0"),
        ("frames", "mask.png", "out", ["--dilate", "-1"], "dilation of -1"),
        ("frames", "mask.png", "out", ["--model", "gray"], "--model gray"),
        ("frames", "mask.png", "out", ["--device", "tpu"], "--device tpu: is not known"),
        ("frames", "mask.png", "out", ["--device", "cuda:99"], "--device cuda:99: this machine has none"),
    ],
)
def test_inpaint_refuses_in_one_sentence_and_writes_nothing(folder, capsys, input, mask, out, options, sentence):
    before = everything(folder)
    chosen = ["--model", "grey"] if "--model" not in options else []
    given = ["inpaint", folder / input, "--mask", folder / mask, "--out", folder / out, *chosen, *options]
    assert sentence in refused(capsys, *given)
    assert everything(folder) == before


def test_inpaint_never_replaces_its_own_input_or_mask(folder, capsys):
    (folder / "clip").mkdir()
    for path in (folder / "frames").iterdir():
        (folder / "clip" / path.name).write_bytes(path.read_bytes())
    before = everything(folder)
    given = ["inpaint", folder / "clip", "--mask", folder / "mask.png", "--model", "grey", "--overwrite", "--out"]
    assert "clip" in refused(capsys, *given, folder / "clip")
    given = ["inpaint", folder / "frames", "--mask", folder / "masks", "--limit", 2, "--model", "grey", "--overwrite"]
    assert "is the mask itself" in refused(capsys, *given, "--out", folder / "masks")
    assert everything(folder) == before


def test_notes_about_the_mask_go_to_stderr_and_do_not_stop_the_work(folder, capsys):
    out, mask = folder / "out", np.zeros((20, 30), np.uint8)
    mask[5:15, 5:15] = 3
    Image.fromarray(mask).save(folder / "labels.png")
    cli.main(["inpaint", f"{folder}/frames", "--mask", f"{folder}/labels.png", "--out", str(out), "--model", "grey"])
    shown = capsys.readouterr()
    assert "vinpaint: note: " in shown.err
    assert "labels.png" in shown.err
    assert shown.out == f"{out}\n"


@pytest.mark.parametrize("more", [[], ["--invert-mask"]])
def test_a_mask_that_fills_nothing_is_refused(folder, capsys, more):
    Image.new("L", (30, 20), 255 * len(more)).save(folder / "empty.png")
    given = ["inpaint", folder / "frames", "--mask", folder / "empty.png", "--out", folder / "out", "--model", "grey"]
    assert "empty.png: no mask has a hole" in refused(capsys, *given, *more)
    assert not (folder / "out").exists()


@pytest.mark.parametrize("fps, noted", [("12", True), ("23.976", True), ("24000/1001", False)])
def test_a_rate_for_a_video_is_noted(folder, capsys, fps, noted):
    clip = write_video(folder / "in.mp4", iter(torch.rand(2, 3, 20, 30)), Fraction(24000, 1001))
    out = folder / "out.mp4"
    given = [clip, "--mask", folder / "mask.png", "--out", out, "--model", "grey", "--fps", fps]
    cli.main(["inpaint", *map(str, given)])
    assert ("in.mp4: keeps its own rate of 23.976 frames a second" in capsys.readouterr().err) == noted
    assert read_clip(out).fps == Fraction(24000, 1001)


def test_a_fault_of_ours_is_one_sentence_and_leaves_nothing(folder, monkeypatch, capsys, tmp_path_factory):
    def broken(self, window, step, state):
        if step.targets == (2,):
            raise ZeroDivisionError
        return Output(window.frames, {})

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("reports")))
    monkeypatch.setattr(Grey, "forward", broken)
    before = everything(folder)
    given = ["inpaint", f"{folder}/frames", "--mask", f"{folder}/mask.png", "--out", f"{folder}/o.mp4"]
    with pytest.raises(SystemExit) as stop:
        cli.main([*given, "--model", "grey"])
    assert stop.value.code == 1
    assert "a fault of vinpaint (ZeroDivisionError): please send the report" in capsys.readouterr().err
    assert everything(folder).keys() == before.keys()


def test_train_hands_everything_on(monkeypatch, tmp_path, capsys):
    seen = {}

    def train(asked):
        seen.update(vars(asked))
        return asked.out / "weights.safetensors"

    monkeypatch.setattr("vinpaint_lib.train.train", train)
    cli.main(
        ["train", "tgfnet", "--preset", "tiny", "--data", "clips:a,photos:b", "--out", str(tmp_path / "run")]
        + ["--steps", "3", "--seed", "5", "--no-resume", "--held-back", "room,haze", "--device", "cpu"]
        + ["--holes", "blob, watermark*2", "--workers", "4", "--compile"]
    )
    others = ("deadline", "stop_after", "overrides", "tell")
    assert {name: value for name, value in seen.items() if name not in others} == {
        "model": "tgfnet", "preset": "tiny", "data": "clips:a,photos:b", "out": tmp_path / "run", "steps": 3, "seed": 5,
        "resume": False, "held_back": ("room", "haze"), "start": None, "device": "cpu", "without_features": False,
        "holes": {"blob": 1.0, "watermark": 2.0}, "workers": 4, "compiled": True, "config": {}, "changed": None,
        "samples": None,
    }  # fmt: skip
    assert capsys.readouterr().out == f"{tmp_path / 'run' / 'weights.safetensors'}\n"
    cli.main(["train", "tgfnet", "--data", "toy", "--out", "x"])
    assert (seen["preset"], seen["resume"], seen["held_back"], seen["steps"]) == ("laptop", True, (), None)
    assert (seen["holes"], seen["compiled"]) == (None, False)
    assert seen["workers"] >= 1


def test_evaluate_hands_everything_on(monkeypatch, tmp_path):
    seen = {}
    monkeypatch.setattr(evaluate, "evaluate", lambda asked: seen.update(vars(asked)))
    cli.main(
        ["evaluate", "--model", "tgfnet, telea", "--data", "davis:a", "--masks", "fvi:b", "--protocol", "paper"]
        + [
            "--size",
            "64x32",
            "--limit",
            "7",
            "--clips",
            "dog,cows",
            "--out",
            "t.json",
            "--seed",
            "4",
            "--device",
            "cpu",
        ]
        + ["--weights", "w.safetensors", "--ablation", "align_attend"]
    )
    assert seen == {
        "models": ["tgfnet", "telea"], "data": "davis:a", "masks": "fvi:b", "protocol": "paper", "size": (32, 64),
        "limit": 7, "seed": 4, "out": Path("t.json"), "weights": Path("w.safetensors"), "clips": ["dog", "cows"],
        "device": "cpu", "ablation": "align_attend",
    }  # fmt: skip
    cli.main(["evaluate", "--data", "davis:a", "--limit", "None"])
    assert seen["models"] == ["tgfnet", "telea", "median", "flow"]
    assert (seen["masks"], seen["protocol"], seen["size"]) == ("stationary", "clean", (240, 432))
    assert (seen["limit"], seen["out"], seen["clips"], seen["weights"]) == (None, None, None, None)


def test_inpaint_removes_the_object_of_a_real_clip(davis, tmp_path):
    frames, holes = (davis / part / "480p" / "blackswan" for part in ("JPEGImages", "Annotations"))
    cli.main(
        ["inpaint", str(frames), "--mask", str(holes), "--out", str(tmp_path / "out"), "--model", "telea"]
        + ["--size", "216x120", "--limit", "3"]
    )
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == [f"{path.stem}.png" for path in sorted(frames.iterdir())[:3]]
    clip = read_clip(frames, holes, size=(120, 216), limit=3)
    result = read_clip(tmp_path / "out")
    assert 0.01 < clip.masks.mean() < 0.5
    assert torch.allclose(result.frames * (1 - clip.masks), clip.masked, atol=0.6 / 255)  # rounded to 8 bits
    change = (result.frames - clip.frames).abs() * clip.masks
    assert change.sum() / (3 * clip.masks.sum()) > 0.05  # the swan is dark, the water is not


def test_warnings_of_the_library_are_notes_too(monkeypatch, capsys):
    monkeypatch.setitem(cli.COMMANDS, "models", lambda: warnings.warn("the sound ends early", stacklevel=1))
    shown = warnings.showwarning
    cli.main(["models"])
    assert capsys.readouterr().err == "vinpaint: note: the sound ends early\n"
    assert warnings.showwarning is shown


@pytest.mark.parametrize("name", ["日本.mp4", "caf\udce9.mp4"])
def test_a_name_that_the_terminal_cannot_spell_is_no_fault(monkeypatch, name):
    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown, encoding="latin-1", write_through=True))
    monkeypatch.setitem(cli.COMMANDS, "models", lambda: print(name))
    cli.main(["models"])
    assert shown.getvalue().decode() == name.encode("latin-1", "backslashreplace").decode() + "\n"


def test_models_lists_what_is_built(capsys):
    cli.main(["models"])
    header, row = capsys.readouterr().out.splitlines()
    assert header.split() == ["name", "kind", "parameters", "weights", "paper"]
    assert row.split(maxsplit=4) == ["grey", "baseline", "-", "-", "no paper"]


@pytest.mark.parametrize("text, size", [("432x240", (240, 432)), ("854X480", (480, 854)), ("30×20", (20, 30))])
def test_sizes_are_width_times_height(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["432", "432x", "x240", "432x240x3", "432*240", "-4x4", "4.5x4", "0x4", "4x00", ""])
def test_other_sizes_are_refused(text):
    with pytest.raises(UserError, match="WIDTHxHEIGHT"):
        parse_size(text)


def test_rates_are_exact():
    assert [parse_rate(text) for text in ("24", "29.97", "30000/1001")] == [
        24,
        Fraction(2997, 100),
        Fraction(30000, 1001),
    ]
    for text in ("0", "-3", "1/0", "x"):
        with pytest.raises(UserError, match="frame rate"):
            parse_rate(text)


def test_a_device_that_is_chosen_is_there(monkeypatch):
    assert choose_device("cpu") == "cpu"
    assert choose_device("auto") in ("cpu", "cuda", "mps")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [choose_device(name) for name in ("auto", "cuda", "cuda:1")] == ["cuda", "cuda", "cuda:1"]
    with pytest.raises(UserError, match="--device cuda:2"):
        choose_device("cuda:2")


def run(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", "vinpaint_lib.cli", *arguments], capture_output=True, text=True)


def test_the_program_itself_refuses_with_exit_code_2(tmp_path):
    done = run("inpaint", f"{tmp_path}/none.mp4", "--mask", "m.png", "--out", f"{tmp_path}/o.mp4")
    assert done.returncode == 2
    assert done.stderr.startswith("vinpaint: ")
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


HELP = """
import sys
import vinpaint_lib.cli as cli
try:
    cli.main(["inpaint", "--help"])
except SystemExit:
    print("torch" in sys.modules)
"""


def test_help_answers_without_loading_torch():
    done = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True)
    assert "--mask MASK" in done.stdout
    assert done.stdout.rstrip().endswith("False")


def test_an_option_that_is_missing_or_unknown_is_exit_code_2(capsys):
    for arguments in ([], ["inpaint", "a"], ["models", "--all"], ["repair"]):
        with pytest.raises(SystemExit) as stop:
            cli.main(arguments)
        assert stop.value.code == 2
    capsys.readouterr()
