"""Evaluation: scores against slow loops, the same holes for all models, everything written down, clear refusals."""

import json
import math
import os
import shlex
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from tests.datasets.davis_folder import write_davis
from tests.datasets.sintel_folder import SIZE as SINTEL_SIZE, slow_warping_error, write_sintel
from vinpaint_lib import evaluate
from vinpaint_lib.datasets.parse import parse_source
from vinpaint_lib.errors import UserError
from vinpaint_lib.holes import masks
from vinpaint_lib.interface import Inpainter, ModelCard, Output, Step, Window
from vinpaint_lib.places import claimed
from vinpaint_lib.scoring import metrics, protocols, table
from vinpaint_lib.scoring.table import score_table
from vinpaint_lib.systems import registry

pytestmark = pytest.mark.slow

SIZE = (40, 56)


class Flat(Inpainter):
    """Paints every hole in one colour and keeps the windows that it was shown."""

    card = ModelCard("flat", "one colour", "a test")
    colour = 0.5

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[Window] = []

    def plan(self, length: int) -> Iterator[Step]:
        for t in range(length):
            yield Step((t,), ())

    def forward(self, window: Window, step: Step, state: dict) -> Output:
        self.shown.append(window)
        return Output(torch.full_like(window.frames, self.colour), {})


class Dark(Flat):
    colour = 0.1003  # between two of the 256 values


class Random(Flat):
    def forward(self, window: Window, step: Step, state: dict) -> Output:
        return Output(torch.rand_like(window.frames), {})


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch) -> dict[str, Flat]:
    """The registry with three more models; gives the instances that were last built."""
    built: dict[str, Flat] = {}

    def maker(name: str, kind: type[Flat]):
        def make() -> Flat:
            built[name] = kind()
            return built[name]

        return make

    kinds = {"flat": Flat, "dark": Dark, "random": Random}
    baselines = registry.BASELINES | {name: maker(name, kind) for name, kind in kinds.items()}
    monkeypatch.setattr(registry, "BASELINES", baselines)
    monkeypatch.setattr(registry, "MODELS", (*registry.VARIANTS, *baselines))
    return built


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Three short clips with annotations in the layout of DAVIS; the third has no object."""
    root = tmp_path_factory.mktemp("davis")
    write_davis(root, {"ant": 3, "bee": 5, "cat": 4}, without="cat")
    return f"davis:{root}"


def run(models: str, data: str, masks_: str = "stationary", **options) -> dict:
    return evaluate.evaluate(evaluate.Evaluation(models.split(","), data, masks_, **{"size": SIZE, **options}))


def truths(data: str) -> list[Tensor]:
    source = parse_source(data)
    return [source.load(i, SIZE).frames for i in range(len(source))]


def holes_of(built: Flat, lengths: list[int]) -> list[Tensor]:
    return list(torch.cat([window.masks for window in built.shown]).split(lengths))


# Scores


def test_scores_are_the_slow_loop(data: str, fakes: dict[str, Flat]):
    result = run("flat", data)
    frames, holes = truths(data), holes_of(fakes["flat"], [3, 5, 4])
    per_clip = []
    for truth, hole in zip(frames, holes, strict=True):
        per_frame = []
        for t in range(len(truth)):
            errors = [
                (float(truth[t, c, y, x]) - 0.5) ** 2
                for c in range(3)
                for y, x in np.ndindex(*SIZE)
                if hole[t, 0, y, x] == 1
            ]
            full = 10 * math.log10(3 * SIZE[0] * SIZE[1] / sum(errors))
            per_frame.append((full, 10 * math.log10(len(errors) / sum(errors))))
        per_clip.append(np.mean(per_frame, axis=0))
    mean = result["models"]["flat"]["mean"]
    assert (mean["psnr"], mean["hole_psnr"]) == pytest.approx(tuple(np.mean(per_clip, axis=0)), abs=1e-5)
    first = result["models"]["flat"]["clips"][0]
    assert (first["mean"]["psnr"], first["mean"]["hole_psnr"]) == pytest.approx(tuple(per_clip[0]), abs=1e-5)
    assert len(first["each"]["psnr"]) == 3
    assert len(first["each"]["warping_error"]) == 2


def test_paper_protocol_rounds_to_8_bits_and_counts_frames_alike(data: str, fakes: dict[str, Flat]):
    result = run("dark", data, protocol="paper")
    frames, holes = truths(data), holes_of(fakes["dark"], [3, 5, 4])
    scores = []
    for truth, hole in zip(frames, holes, strict=True):
        truth8 = (truth * 255).round().double()
        output = hole * round(0.1003 * 255) + (1 - hole) * truth8
        squared = ((output - truth8) ** 2).mean((1, 2, 3))
        scores += (20 * torch.log10(255 / squared.sqrt())).tolist()
    assert result["models"]["dark"]["mean"]["psnr"] == pytest.approx(np.mean(scores), abs=1e-5)
    ssim = result["models"]["dark"]["clips"]
    pooled = [value for clip in ssim for value in clip["each"]["ssim"]]
    assert result["models"]["dark"]["mean"]["ssim"] == pytest.approx(np.mean(pooled), abs=1e-8)
    assert "39x39 uniform" in result["protocol"]["ssim"]  # 65 does not fit into 40 rows
    assert "8 bits" in result["protocol"]["outputs"]
    by_clip = np.mean([np.mean(clip["each"]["psnr"]) for clip in ssim])
    assert result["models"]["dark"]["mean"]["psnr"] != pytest.approx(by_clip, abs=1e-4)


def test_clean_protocol_does_not_round(data: str):
    clean, paper = (run("dark", data, protocol=name) for name in ("clean", "paper"))
    assert "11x11 Gaussian" in clean["protocol"]["ssim"]
    assert (
        clean["models"]["dark"]["clips"][0]["each"]["hole_psnr"]
        != paper["models"]["dark"]["clips"][0]["each"]["hole_psnr"]
    )


def test_warping_error_rests_on_the_true_frames(data: str, fakes: dict[str, Flat]):
    result = run("flat", data)
    truth = truths(data)[1]
    hole = holes_of(fakes["flat"], [3, 5, 4])[1]
    output = hole * 0.5 + (1 - hole) * truth
    motion = metrics.truth_motion(truth)
    clip = result["models"]["flat"]["clips"][1]
    for key, where in (("warping_error", None), ("hole_warping_error", hole)):
        expected = metrics.warping_error(output, truth, motion, where)
        assert clip["each"][key] == pytest.approx(expected.tolist(), abs=1e-9)
    assert result["protocol"]["flow_estimator"].startswith("DIS")


def test_warping_error_follows_the_true_flow_of_sintel(tmp_path: Path, fakes: dict[str, Flat]):
    data = f"sintel:{write_sintel(tmp_path, {'alley_1': 4, 'cave_2': 3})}"
    result = run("flat", data, size=SINTEL_SIZE)
    holes = holes_of(fakes["flat"], [4, 3])
    for i, hole in enumerate(holes):
        truth = parse_source(data).load(i).frames
        clip = result["models"]["flat"]["clips"][i]["each"]
        output = hole * 0.5 + (1 - hole) * truth
        # Positions are float32, so neighbouring noise mixes in by 1e-6.
        assert clip["warping_error"] == pytest.approx(slow_warping_error(output), rel=1e-4)
        assert clip["hole_warping_error"] == pytest.approx(slow_warping_error(output, hole), rel=1e-4)
    assert result["protocol"]["flow_estimator"] == "the true flow of Sintel"
    assert "E_warp follows the true flow of Sintel\n" in score_table(result) + "\n"


def test_a_table_of_several_sets_names_every_flow(data: str, tmp_path: Path):
    sintel = write_sintel(tmp_path, {"alley_1": 3, "cave_2": 3})
    result = run("flat", f"{data},sintel:{sintel},toy", clips=["ant", "alley_1", "cave_2", "coffee"], limit=3)
    flows = {clip["name"]: clip["flow_estimator"] for clip in result["clips"]}
    assert flows["alley_1"] == flows["cave_2"] == "the true flow of Sintel"
    assert flows["ant"].startswith("DIS")
    assert result["protocol"]["flow_estimator"] == (
        f"{flows['ant']} (1 clip) and the true flow of Sintel (2 clips) and {flows['coffee']} (1 clip)"
    )
    assert result["protocol"]["flow_estimator"] in score_table(result)


def test_objects_of_davis_hide_parts_of_sintel(data: str, tmp_path: Path):
    sintel = write_sintel(tmp_path, {"alley_1": 3, "cave_2": 3})
    result = run("flat", f"{data},sintel:{sintel}", "moving", clips=["alley_1", "cave_2"])
    assert {clip["mask_donor"] for clip in result["clips"]} <= {"ant", "bee"}
    assert result["protocol"]["flow_estimator"] == "the true flow of Sintel"


def test_perfect_frames_are_left_out_of_means_and_counted(data: str, monkeypatch: pytest.MonkeyPatch):
    def holes(length, size, rng, area):
        made = torch.zeros(length, 1, *size)
        made[0, 0, 5:15, 5:20] = 1
        return made

    monkeypatch.setattr(masks, "stationary_blob", holes)
    result = run("flat", data)
    row = result["models"]["flat"]
    assert row["values"]["psnr"] == {"finite": 3, "infinite": 9, "undefined": 0}
    assert row["values"]["hole_psnr"] == {"finite": 3, "infinite": 0, "undefined": 9}
    assert row["clips"][0]["each"]["psnr"][1:] == ["inf", "inf"]
    assert row["clips"][0]["each"]["hole_psnr"][1:] == [None, None]
    assert "9 frames" in score_table(result)


# Holes


def fingerprints(result: dict) -> dict[str, str]:
    return {clip["name"]: clip["mask_sha256"] for clip in result["clips"]}


@pytest.mark.parametrize("kind", ["stationary", "watermark", "moving"])
def test_all_models_see_the_same_holes(data: str, fakes: dict[str, Flat], kind: str):
    both = run("flat,dark", data, kind)
    shown = [torch.cat([window.masks for window in fakes[name].shown]) for name in ("flat", "dark")]
    assert torch.equal(*shown)
    assert fingerprints(run("dark,flat", data, kind)) == fingerprints(both)
    assert fingerprints(run("dark", data, kind)) == fingerprints(both)
    alone = fingerprints(run("flat", data, kind, clips=["bee"]))
    assert alone == {"bee": fingerprints(both)["bee"]}
    if kind != "moving":  # of three clips, two with objects, the donors are what they are
        assert fingerprints(run("flat", data, kind, seed=1)) != fingerprints(both)


def test_a_model_s_dice_do_not_depend_on_the_others(data: str):
    def score(models: str) -> dict:
        return run(models, data)["models"]["random"]["mean"] | {"seconds_per_frame": 0}

    assert score("random") == score("flat,random")


def test_stationary_holes_have_the_promised_share(data: str):
    for clip in run("flat", data)["clips"]:
        assert 0.06 <= clip["mask_share"] <= 0.12
        assert len(set(clip["mask_share_per_frame"])) == 1


def test_a_watermark_stays_and_is_grown(data: str, fakes: dict[str, Flat]):
    result = run("flat", data, "watermark")
    assert "letters like a station's logo that stay, grown by 4 pixels" in result["masks"]
    for clip, hole in zip(result["clips"], holes_of(fakes["flat"], [3, 5, 4]), strict=True):
        assert len(set(clip["mask_share_per_frame"])) == 1
        drawn = masks.watermark(len(hole), SIZE, protocols.generator(0, clip["name"]))
        assert torch.equal(hole, masks.dilate(drawn, 4))
        assert drawn.mean() < hole.mean() < 1


def test_moving_holes_are_another_clip_s_objects_grown(data: str, fakes: dict[str, Flat]):
    result = run("flat", data, "moving")
    source = parse_source(data)
    holes = holes_of(fakes["flat"], [3, 5, 4])
    for clip, hole in zip(result["clips"], holes, strict=True):
        assert clip["mask_donor"] in {"ant", "bee"} - {clip["name"]}  # the third clip has no objects to give
        donor = source.load(source.names.index(clip["mask_donor"]), SIZE)
        first = donor.masks[0, 0].numpy().astype(np.uint8)
        cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
        assert (cv2.dilate(first, cross, iterations=4) == hole[0, 0].numpy()).all()
    assert "grown by 4 pixels" in result["masks"]


def test_object_holes_are_scored_by_warping_error_only(data: str, fakes: dict[str, Flat]):
    result = run("flat", data, "object", clips=["ant", "bee"])
    assert set(result["models"]["flat"]["mean"]) == {"warping_error", "hole_warping_error", "seconds_per_frame"}
    text = score_table(result)
    assert "no truth exists" in text
    assert "PSNR" not in text.splitlines()[0]
    assert "continued through the holes" in text
    own = parse_source(data).load(0, SIZE).masks
    assert torch.equal(holes_of(fakes["flat"], [3, 5])[0], masks.dilate(own, 4))


def test_object_motion_does_not_look_into_the_hole(data: str):
    source, rule = parse_source(data), protocols.parse_masks("object")
    case = next(protocols.cases(source, rule, "clean", SIZE, None, 0, [0]))
    noise = torch.where(case.clip.masks > 0, torch.rand_like(case.clip.frames), case.clip.frames)
    other = case._replace(clip=type(case.clip)(noise, case.clip.masks))
    assert torch.equal(protocols.motion_of(case, rule).forward, protocols.motion_of(other, rule).forward)


def test_published_masks_are_read_from_their_folder(data: str, tmp_path: Path, fakes: dict[str, Flat]):
    hole = np.zeros(SIZE, np.uint8)
    hole[10:20, 30:45] = 255
    for name, length in {"ant": 3, "bee": 5, "cat": 4}.items():
        (tmp_path / name).mkdir()
        for t in range(length):
            cv2.imwrite(str(tmp_path / name / f"{t:05d}.png"), np.roll(hole, t, axis=0))
    result = run("flat", data, f"fvi:{tmp_path}", limit=4)
    expected = torch.from_numpy(hole > 0).float()
    second = holes_of(fakes["flat"], [3, 4, 4])[1]
    assert torch.equal(second[2, 0], expected.roll(2, 0))
    run("flat", data, f"fvi:{tmp_path}", protocol="paper", limit=4)
    grown = holes_of(fakes["flat"], [3, 4, 4])[1]
    assert torch.equal(grown, masks.dilate(second, 4))
    assert str(tmp_path) in result["masks"]


# What is written


def test_json_holds_all_that_made_it(data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "runs" / "table.json"
    result = run("flat,telea", data, out=out, limit=3, seed=4)
    assert json.loads(out.read_text()) == result
    assert [path.name for path in out.parent.iterdir()] == ["table.json"]
    words = shlex.split(result["command"])
    assert words[:4] == ["vinpaint", "evaluate", "--model", "flat,telea"]
    assert words[words.index("--size") + 1] == "56x40"
    assert words[words.index("--seed") + 1] == "4"
    assert {"vinpaint", "python", "torch", "numpy", "opencv-python-headless", "scikit-image"} == set(result["versions"])
    assert result["protocol"]["feature_nets"] == "none"
    assert result["data"]["source"]["clips"][0][0] == "ant"
    assert [clip["frames"] for clip in result["clips"]] == [3, 3, 3]
    printed = capsys.readouterr().out
    assert score_table(result) in printed
    rows = printed.splitlines()
    assert rows[0].split()[:3] == ["model", "PSNR", "dB"]
    assert rows[2].startswith("flat ")
    assert f"{result['models']['flat']['mean']['psnr']:.2f}" in rows[2]


def test_the_same_call_gives_the_same_numbers(data: str):
    first, second = (run("flat,random", data, "moving") for _ in range(2))
    for result in (first, second):
        for row in result["models"].values():
            row["mean"].pop("seconds_per_frame")
            for clip in row["clips"]:
                clip["mean"].pop("seconds_per_frame")
    assert first == second


def test_a_run_that_fails_writes_nothing(data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(self, window, step, state):
        raise KeyboardInterrupt

    monkeypatch.setattr(Flat, "forward", fail)
    with pytest.raises(KeyboardInterrupt):
        run("flat", data, out=tmp_path / "table.json")
    assert list(tmp_path.iterdir()) == []


def test_toy_clips_need_no_data():
    result = evaluate.evaluate(evaluate.Evaluation(["flat"], size=(48, 64), limit=2, clips=["coffee"]))
    assert [clip["name"] for clip in result["clips"]] == ["coffee"]


# Refusals


@pytest.mark.parametrize(
    "change, sentence",
    [
        ({"models": "flat,nonsense"}, r"unknown model 'nonsense': choose among tgfnet, .*telea"),
        ({"models": ""}, r"--model : names no model"),
        (
            {"masks_": "blobs"},
            r"blobs: is not known; use one of stationary, watermark, moving, object, fvi:PATH",
        ),
        ({"masks_": "moving:here"}, r"--masks moving:here: is not known"),
        ({"masks_": "fvi:/nowhere/at/all"}, r"/nowhere/at/all: no such folder of masks"),
        ({"data": "davis:/nowhere/at/all"}, r"/nowhere/at/all/JPEGImages/480p: no such folder"),
        ({"protocol": "wang"}, r"--protocol wang: is not known; use one of clean, paper"),
        ({"out": Path("table.txt")}, r"--out table.txt: cannot hold the table; give the name of a .json file"),
        ({"clips": ["dog"]}, r"no clip is called dog; the names are ant, bee, cat"),
        ({"weights": Path("w.safetensors")}, r"w.safetensors: none of flat has weights; leave --weights away"),
        ({"weights": {"tgfnet": Path("w")}}, r"weights are given for tgfnet, which is not evaluated"),
        ({"masks_": "object"}, r"clip cat: its masks \(object\) are empty"),
    ],
)
def test_mistakes_are_answered_in_a_sentence(data: str, tmp_path: Path, change: dict, sentence: str):
    options = {"models": "flat", "data": data, "out": tmp_path / "table.json"} | change
    with pytest.raises(UserError, match=sentence):
        run(options.pop("models"), options.pop("data"), **options)
    assert list(tmp_path.iterdir()) == []


def test_a_clip_without_published_masks_and_a_lonely_clip_are_named(data: str, tmp_path: Path):
    with pytest.raises(UserError, match=r"ant: no masks for the clip ant; fvi:PATH needs one folder"):
        run("flat", data, f"fvi:{tmp_path}")
    lonely = parse_source(data).only(["ant"])
    rule = protocols.parse_masks("moving")
    with pytest.raises(UserError, match=r"no clip but ant has object silhouettes"):
        next(protocols.cases(lonely, rule, "clean", SIZE, None, 0, [0]))


# Real video


@pytest.mark.parametrize("kind", ["stationary", "moving"])
def test_davis(davis: Path, kind: str):
    result = evaluate.evaluate(
        evaluate.Evaluation(
            ["telea", "flow"], f"davis:{davis}", kind, size=(120, 216), limit=4, clips=["bmx-trees", "scooter-black"]
        )
    )
    assert [clip["frames"] for clip in result["clips"]] == [4, 4]
    for row in result["models"].values():
        assert 10 < row["mean"]["hole_psnr"] < row["mean"]["psnr"] < 60
        assert 0 < row["mean"]["warping_error"] < row["mean"]["hole_warping_error"] < 0.1
        assert 0.5 < row["mean"]["ssim"] < 1


@pytest.mark.parametrize(
    "out, said",
    [
        ("file/table.json", "file is no folder"),
        ("pipe.json", "no ordinary file"),
        ("deep/er/table.json", "another run"),
    ],
)
def test_an_out_that_cannot_be_written_is_refused_before_the_work(data, tmp_path, monkeypatch, out, said):
    monkeypatch.setattr(evaluate, "measured", lambda asked: pytest.fail("the work began"))
    (tmp_path / "file").write_text("x")
    os.mkfifo(tmp_path / "pipe.json")
    with claimed(tmp_path / "deep" / "er" / "table.json"), pytest.raises(UserError, match=said):
        run("flat", data, out=tmp_path / out)
    assert sorted(os.listdir(tmp_path)) == ["file", "pipe.json"]


def test_a_table_that_cannot_be_written_in_the_end_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(table.tempfile, "tempdir", str(tmp_path))
    (tmp_path / "full").write_text("no folder")
    with pytest.raises(UserError, match=r"table\.json: cannot be written .*; the table lies in ") as error:
        table.write_json(tmp_path / "full" / "table.json", {"a": 1})
    kept = Path(str(error.value).rpartition(" lies in ")[2])
    assert json.loads(kept.read_text()) == {"a": 1}
