"""What E_warp follows: the true flow of a data set that knows it, by the same rule as an estimated flow."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from tests.datasets.sintel_folder import SIZE, scored_of, slow_warping_error, write_sintel
from vinpaint_lib.datasets import ToyClips, parse_source
from vinpaint_lib.motion import flow
from vinpaint_lib.scoring import metrics, protocols

RULE = protocols.parse_masks("stationary")
LENGTH = 4


@pytest.fixture
def source(tmp_path):
    return parse_source(f"sintel:{write_sintel(tmp_path, {'alley_1': LENGTH})}")


def case_of(source, i=0, size=SIZE, limit=None, rule=RULE, protocol="clean"):
    return next(protocols.cases(source, rule, protocol, size, limit, 0, [i]))


def test_the_truth_has_no_warping_error_along_its_true_flow(source):
    case = case_of(source)
    motion = protocols.motion_of(case, RULE)
    assert motion.estimator == "the true flow of Sintel"
    for t in range(LENGTH - 1):
        assert np.array_equal(motion.scored[t, 0].bool().numpy(), scored_of(t))
    assert metrics.warping_error(case.clip.frames, case.clip.frames, motion).max() < 1e-10
    # The frames are noise, on which an estimated flow fails: so it is not DIS that is followed.
    assert metrics.warping_error(case.clip.frames, case.clip.frames).max() > 1e-3


def test_an_output_has_the_warping_error_of_the_slow_loop(source):
    case = case_of(source)
    output = torch.where(case.clip.masks > 0, torch.rand_like(case.clip.frames), case.clip.frames)
    scores = protocols.score(output, case, protocols.motion_of(case, RULE), RULE, "clean")
    # Positions are float32, so neighbouring noise mixes in by 1e-6.
    assert scores["warping_error"].tolist() == pytest.approx(slow_warping_error(output), rel=1e-4)
    expected = slow_warping_error(output, case.clip.masks)
    assert scores["hole_warping_error"].tolist() == pytest.approx(expected, rel=1e-4)
    assert min(expected) > 1e-2


def test_the_true_flow_belongs_to_the_frames_that_are_scored(source):
    assert len(case_of(source, limit=3).motion.forward) == 2
    alone = case_of(source, limit=1)
    assert alone.motion is None
    assert len(protocols.motion_of(alone, RULE).forward) == 0
    half = case_of(source, size=(12, 20))
    assert protocols.motion_of(half, RULE).forward.shape == (3, 2, 12, 20)
    assert torch.equal(case_of(source, protocol="paper").motion.forward, case_of(source).motion.forward)


def test_pixels_without_flow_do_not_count(source):
    true = case_of(source).motion
    known = true.known.clone()
    known[1, 0, 3:6, 4:8] = 0
    frames = case_of(source).clip.frames
    all_known, some = (protocols.followed(true._replace(known=each), frames).scored for each in (true.known, known))
    assert torch.equal(some, all_known * known)
    assert not torch.equal(some, all_known)


def test_covered_pixels_that_the_set_does_not_name_are_estimated(source):
    case = case_of(source)
    true = case.motion._replace(covered=None)
    motion = protocols.followed(true, case.clip.frames)
    assert motion.estimator == f"the true flow of Sintel; which pixels are covered is estimated by {flow.ESTIMATOR}"
    assert torch.equal(motion.forward, true.forward)
    backward = torch.stack([flow.dis(b, a) for a, b in pairwise(case.clip.frames)])
    assert torch.equal(motion.scored, metrics.exact_motion(true.forward, backward).scored)


def test_photographs_in_motion_are_scored_as_by_their_exact_motion():
    source, size = ToyClips(), (48, 72)
    case = case_of(source, 3, size, 5)
    motion, made = protocols.motion_of(case, RULE), source.fixed(3, size).motion()
    expected = metrics.exact_motion(made.forward[:4], made.backward[:4])
    assert torch.equal(motion.forward, expected.forward)
    assert torch.equal(motion.scored, expected.scored)
    assert motion.estimator == "the exact motion of photographs in motion"


def test_what_is_behind_an_object_is_estimated_even_where_the_flow_is_known():
    rule = protocols.parse_masks("object")
    source = ToyClips()
    i = next(i for i in range(len(source)) if source.load(i, (48, 72), 0, 3).masks.any())
    case = case_of(source, i, (48, 72), 3, rule)
    assert case.motion is None
    assert protocols.motion_of(case, rule).estimator == protocols.estimator(rule)


def test_other_sets_are_scored_along_an_estimate(tmp_path, source):
    words = f"videos:{tmp_path / 'training' / 'clean'}"
    case = case_of(parse_source(words))
    motion = protocols.motion_of(case, RULE)
    assert motion.estimator == f"{flow.ESTIMATOR} on the true frames"
    assert torch.equal(motion.forward, metrics.truth_motion(case.clip.frames).forward)
