"""Parts of the clips: a camera whose motion is known, and limits that meet."""

import pytest
import torch
from skimage import data

from vinpaint_lib.scoring import strata


@pytest.fixture(scope="module")
def photograph():
    return torch.from_numpy(data.astronaut()).permute(2, 0, 1).float() / 255


@pytest.mark.parametrize("step", [0, 3])
def test_the_motion_of_a_camera_that_pans(photograph, step):
    frames = torch.stack([photograph[:, 100:220, step * t : step * t + 160] for t in range(4)])
    # corners are found to a tenth of a pixel
    assert strata.camera_motion(frames) == pytest.approx(step / 160, abs=0.1 / 160)


def test_no_corner_no_motion():
    assert strata.camera_motion(torch.zeros(3, 3, 40, 60)) is None
    assert strata.camera_motion(torch.rand(1, 3, 40, 60)) is None


def test_parts_meet():
    assert [strata.of_motion(share) for share in (0.0, 0.0099, 0.01, 3.0, None)] == [
        "slow",
        "slow",
        "fast",
        "fast",
        "unknown",
    ]
    assert [strata.of_hole(share) for share in (0.0, 0.05, 0.0999, 0.1, 1.0)] == [
        "small",
        "middle",
        "middle",
        "large",
        "large",
    ]
    assert set(strata.WORDS) == {*strata.MOTION, *strata.HOLE, "unknown"}
