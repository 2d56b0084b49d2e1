"""VINet's rows of the benchmark: forms agree, measurements are numbers. No time is looked at."""

import pytest
import torch

from vinpaint_lib.bench import vinet

pytestmark = pytest.mark.slow


def test_forms_of_the_correlation_compute_the_same():
    first, second = vinet.maps((13, 18), 6)
    expected = vinet.by_displacement(first, second)
    assert expected.shape == (1, 81, 13, 18)
    for form in vinet.FORMS.values():
        torch.testing.assert_close(form(first, second), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("form", vinet.FORMS)
def test_a_correlation_is_measured_in_seconds_and_mebibytes(form):
    seconds, mebibytes = vinet.correlation_of(form, (16, 16), 4)
    assert seconds > 0
    assert mebibytes >= 0


def test_the_network_is_measured():
    seconds, mebibytes = vinet.network_of((16, 24), "tiny")
    assert seconds > 0
    assert mebibytes > 10


def test_a_measurement_is_a_process_of_its_own():
    seconds, mebibytes = vinet.measured("correlation", "library", 16, 16, 1)
    assert seconds > 0
    assert mebibytes >= 0
