"""What the encoder may hold of large frames."""

import pytest

from vinpaint_lib.video.encoding import held_by_encoder, lookahead, options


@pytest.mark.parametrize("size", [(240, 432), (720, 1280)])
def test_frames_of_usual_size_are_encoded_as_x264_does_by_itself(size):
    assert options(17, size) == {"crf": "17"}
    assert lookahead(size) == 40


@pytest.mark.parametrize(
    "size, ahead", [((1080, 1920), 17), ((1920, 1080), 17), ((2160, 3840), 10), ((4320, 7680), 10)]
)
def test_of_larger_frames_the_encoder_sees_fewer_ahead(size, ahead):
    assert lookahead(size) == ahead
    assert options(17, size) == {"crf": "17", "rc-lookahead": str(ahead)}


def test_what_it_holds_has_a_bound():
    held = [held_by_encoder((2160, 3840), frames) for frames in (1, 10, 20, 21, 2000)]
    assert held == sorted(held)
    assert held[2] == held[4]
    ended = [held_by_encoder((2160, 3840), frames, ended=True) for frames in (1, 10, 20, 2000)]
    assert ended == sorted(ended)
    assert ended[0] > held[0]
    assert ended[3] == held[4], "a long clip is written as it comes"
    assert held[4] < held_by_encoder((720, 1280), 2000) * 4
