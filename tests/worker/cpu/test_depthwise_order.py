"""The order in which depthwise convolutions work planes off, and what they fetch from memory meanwhile."""

import numpy as np
import pytest

from pushgrad.worker.cpu.depthwise_data_gradient import part_rows
from pushgrad.worker.cpu.depthwise_frame import frame, list_following


@pytest.mark.parametrize(
    ("band", "wide", "rows"), [(56, 112, 14), (28, 224, 14), (28, 56, 28), (10, 112, 10), (56, 1000, 14)]
)
def test_a_strided_data_gradient_finishes_all_phases_of_a_few_rows_before_the_next_ones(band, wide, rows):
    assert part_rows(band, wide, right=2) == rows


@pytest.mark.parametrize(
    ("extent", "stride", "first", "begins", "rows"),
    [(112, 2, 0, 56, 56), (112, 2, 28, 112, 56), (112, 1, 28, 57, 28), (112, 1, 84, 112, 28), (56, 1, 0, 56, 56)],
)
def test_while_a_band_is_worked_on_the_rows_are_fetched_that_are_read_next(extent, stride, first, begins, rows):
    f, found = frame((extent,) * 2, (1, 1), (stride,) * 2, (3, 3), (extent // stride,) * 2), np.zeros(2, np.int64)
    list_following(f, 4096, first, f.band, found.ctypes.data)
    assert found.tolist() == [4096 + 4 * extent * begins, extent * rows]


def test_while_a_small_plane_is_worked_on_one_is_fetched_that_is_read_together_with_the_next_ones():
    f, found = frame((14, 14), (1, 1), (1, 1), (3, 3), (14, 14)), np.zeros(2, np.int64)
    list_following(f, 4096, 0, f.band, found.ctypes.data)
    assert f.together > 1
    assert found.tolist() == [4096 + 4 * 14 * 14 * f.together, 14 * 14]
