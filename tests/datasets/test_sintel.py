"""Sintel: a small folder in its layout, whose flow is known; the flow at other sizes; damaged files."""

import pickle
import shutil

import numpy as np
import pytest
import torch

from tests.datasets.sintel_folder import (
    GROUND,
    SIZE,
    covered_of,
    flow_of,
    frame_of,
    write_flow,
    write_picture,
    write_sintel,
)
from vinpaint_lib.datasets import SintelFolder, ToyClips, parse_source
from vinpaint_lib.datasets.sintel import read_flow
from vinpaint_lib.errors import UserError

SCENES = {"alley_1": 4, "cave_2": 3}


@pytest.fixture
def root(tmp_path):
    return write_sintel(tmp_path / "Sintel", SCENES)


def test_scenes_come_with_their_frames_flow_and_covered_pixels(root):
    source = parse_source(f"sintel:{root}")
    assert source.names == ["alley_1", "cave_2"]
    for i, length in enumerate(SCENES.values()):
        clip, true = source.load(i), source.true_flow(i, SIZE, range(length))
        assert true.name == "the true flow of Sintel"
        assert len(clip) == length
        assert len(true.forward) == length - 1
        for t in range(length):
            assert np.array_equal((clip.frames[t] * 255).round().byte().permute(1, 2, 0).numpy(), frame_of(t, i))
        for t in range(length - 1):
            assert np.array_equal(true.forward[t].permute(1, 2, 0).numpy(), flow_of(t))
            assert np.array_equal(true.covered[t, 0].numpy(), covered_of(t))
            assert true.known[t].min() == 1
    later = source.true_flow(0, SIZE, range(1, 3))
    assert np.array_equal(later.forward[0].permute(1, 2, 0).numpy(), flow_of(1))
    assert len(later.forward) == 1


def test_final_frames_have_the_same_flow(root):
    clean, final = (parse_source(f"{kind}:{root}") for kind in ("sintel", "sintel-final"))
    assert clean.describe()["kind"] == "sintel"
    assert final.describe()["kind"] == "sintel-final"
    halves = (clean.load(0).frames * 255).round().div(2).floor()
    assert torch.equal((final.load(0).frames * 255).round(), halves)
    assert torch.equal(final.true_flow(0, SIZE, range(4)).forward, clean.true_flow(0, SIZE, range(4)).forward)
    assert SintelFolder(root / "training").names == clean.names


@pytest.mark.parametrize("size", [(12, 20), (8, 40), (24, 10), (6, 10)])
def test_the_flow_shrinks_with_the_picture(root, size):
    """Blocks of whole pixels, so that the slow loop is a mean over each block."""
    true = parse_source(f"sintel:{root}").true_flow(0, size, range(2))
    tall, wide = SIZE[0] // size[0], SIZE[1] // size[1]
    for y, x in np.ndindex(*size):
        rows, columns = slice(y * tall, (y + 1) * tall), slice(x * wide, (x + 1) * wide)
        mean = flow_of(0)[rows, columns].mean(axis=(0, 1))
        expected = [mean[0] / wide, mean[1] / tall]
        assert true.forward[0, :, y, x].tolist() == pytest.approx(expected, abs=1e-5)
        assert bool(true.covered[0, 0, y, x]) == covered_of(0)[rows, columns].any()


def test_the_flow_of_a_ground_alone_scales_at_any_size(root):
    still = np.broadcast_to(np.float32(GROUND), (*SIZE, 2))
    write_flow(root / "training" / "flow" / "cave_2" / "frame_0001.flo", still)
    for height, width in ((10, 33), (24, 41), (48, 80)):
        true = parse_source(f"sintel:{root}").true_flow(1, (height, width), range(2))
        assert true.forward.shape == (1, 2, height, width)
        assert float((true.forward[0, 0] - GROUND[0] * width / 40).abs().max()) < 1e-5
        assert float((true.forward[0, 1] - GROUND[1] * height / 24).abs().max()) < 1e-5


def test_pixels_without_flow_are_marked_and_do_not_spread(root):
    flow = flow_of(0)
    flow[2, 3], flow[4, 5, 1], flow[6, 7, 0] = 1.7e9, np.nan, -np.inf
    write_flow(root / "training" / "flow" / "alley_1" / "frame_0001.flo", flow)
    invalid = np.zeros(SIZE, np.uint8)
    invalid[20, 30] = 255
    write_picture(root / "training" / "invalid" / "alley_1" / "frame_0001.png", invalid)
    source = parse_source(f"sintel:{root}")
    unknown = {(2, 3), (4, 5), (6, 7), (20, 30)}
    true = source.true_flow(0, SIZE, range(2))
    assert {(y, x) for y, x in np.ndindex(*SIZE) if true.known[0, 0, y, x] == 0} == unknown
    assert all(true.forward[0, :, y, x].tolist() == [0, 0] for y, x in unknown)
    half = source.true_flow(0, (12, 20), range(2))
    assert {(y, x) for y, x in np.ndindex(12, 20) if half.known[0, 0, y, x] == 0} == {
        (y // 2, x // 2) for y, x in unknown
    }
    assert bool(half.forward.isfinite().all())


def test_what_the_set_does_not_know_is_none(root):
    source = parse_source(f"sintel:{root}")
    assert source.true_flow(0, SIZE, range(0, 4, 2)) is None
    assert source.true_flow(0, SIZE, range(1)) is None
    shutil.rmtree(root / "training" / "occlusions")
    shutil.rmtree(root / "training" / "invalid")
    bare = source.true_flow(0, SIZE, range(4))
    assert bare.covered is None
    assert bare.known.min() == 1
    shutil.copytree(root / "training" / "clean", root / "test" / "clean")
    assert parse_source(f"sintel:{root / 'test'}").true_flow(0, SIZE, range(4)) is None


def test_selections_and_mixtures_hand_the_flow_on(root):
    words = f"toy,sintel:{root}"
    source = parse_source(words).only(["coffee", "cave_2"])
    true = pickle.loads(pickle.dumps(source)).true_flow(1, SIZE, range(3))
    assert torch.equal(true.forward, parse_source(f"sintel:{root}").true_flow(1, SIZE, range(3)).forward)
    assert "photographs" in source.true_flow(0, (24, 40), range(3)).name


def test_photographs_in_motion_know_their_flow():
    source = ToyClips()
    true = source.true_flow(2, (48, 72), range(3, 6))
    motion = source.fixed(2, (48, 72)).motion()
    assert torch.equal(true.forward, motion.forward[3:5])
    frames = source.load(2, (48, 72), 3, 3).frames
    assert frames.shape[0] == len(true.forward) + 1
    strided = source.true_flow(2, (48, 72), range(3, 8, 2))
    assert torch.equal(strided.forward[0], source.fixed(2, (48, 72)).between(3, 5)[0])


def test_training_leaves_out_what_is_held_out(tmp_path):
    root = write_sintel(tmp_path, {"alley_1": 2, "bear": 2})
    with pytest.warns(UserWarning, match="bear not used for training"):
        assert parse_source(f"sintel:{root}", training=True).names == ["alley_1"]


def spoil(root, what):
    """Damage one file of the second pair of the first scene."""
    files = {
        kind: root / "training" / kind / "alley_1" / f"frame_0002.{'flo' if kind == 'flow' else 'png'}"
        for kind in ("flow", "occlusions", "invalid")
    }
    if what.startswith("no "):
        files[what.removeprefix("no ")].unlink()
    elif what == "magic":
        write_flow(files["flow"], flow_of(1), magic=1.0)
    elif what == "empty":
        files["flow"].write_bytes(b"")
    elif what == "cut":
        files["flow"].write_bytes(files["flow"].read_bytes()[:-4])
    elif what == "long":
        files["flow"].write_bytes(files["flow"].read_bytes() + b"\0")
    elif what == "turned":
        write_flow(files["flow"], flow_of(1).transpose(1, 0, 2))
    else:
        write_picture(files[what.removeprefix("small ")], np.zeros((12, 20), np.uint8))


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ("no flow", r"flow/alley_1/frame_0002\.flo: no such file, though its frame is there; unpack"),
        ("magic", r"frame_0002\.flo: does not begin with the number 202021\.25, so it is no \.flo file; unpack"),
        ("empty", r"frame_0002\.flo: does not begin with the number 202021\.25"),
        ("cut", r"frame_0002\.flo: has 7688 bytes where 40x24 pixels need 7692; unpack it again"),
        ("long", r"frame_0002\.flo: has 7693 bytes where 40x24 pixels need 7692"),
        ("turned", r"frame_0002\.flo: holds the flow of 24x40 pixels, its frame has 40x24; put"),
        ("no occlusions", r"occlusions/alley_1/frame_0002\.png: no such file, .* unpack the folder occlusions again"),
        ("no invalid", r"invalid/alley_1/frame_0002\.png: no such file, .* unpack the folder invalid again"),
        ("small occlusions", r"occlusions/alley_1/frame_0002\.png: has 20x12 pixels, its frame has 40x24; put"),
        ("small invalid", r"invalid/alley_1/frame_0002\.png: has 20x12 pixels, its frame has 40x24"),
    ],
)
def test_files_that_are_not_as_they_should_be_are_refused_in_one_sentence(root, what, sentence):
    source = parse_source(f"sintel:{root}")
    spoil(root, what)
    assert source.true_flow(0, SIZE, range(2)) is not None
    with pytest.raises(UserError, match=sentence) as error:
        source.true_flow(0, SIZE, range(4))
    assert "\n" not in str(error.value)


def test_folders_of_another_layout_are_refused(root, tmp_path):
    with pytest.raises(UserError, match="clean: no such folder; give the folder that holds training/clean"):
        SintelFolder(tmp_path)
    shutil.rmtree(root / "training" / "final")
    with pytest.raises(UserError, match="final: no such folder; give the folder that holds training/final"):
        parse_source(f"sintel-final:{root}")
    with pytest.raises(UserError, match="'albedo' is no rendering of Sintel; use clean or final"):
        SintelFolder(root, rendering="albedo")


def test_a_whole_file_of_flow_comes_back_as_it_was_written(tmp_path):
    flow = np.random.default_rng(0).normal(size=(5, 7, 2)).astype(np.float32)
    write_flow(tmp_path / "a.flo", flow)
    found, known = read_flow(tmp_path / "a.flo", (5, 7))
    assert np.array_equal(found, flow)
    assert known.all()
