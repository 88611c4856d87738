"""Long arrays are worked on in slices, by several threads, with the same bits."""

import threading
from itertools import pairwise

import numpy as np
import pytest

from pushgrad.common.tensor import Tensor
from pushgrad.ps import threads
from pushgrad.ps.fit import Fit, Range
from pushgrad.ps.optimizer import SGD
from pushgrad.ps.store import Entry


@pytest.fixture
def three_cores(monkeypatch):
    monkeypatch.setattr(threads, "available", lambda: 3)


@pytest.mark.parametrize(("size", "count"), [(0, 1), (1, 1), (threads.WORTH_A_THREAD * 2, 2), (10**6 + 1, 3)])
def test_slices_make_up_the_whole(three_cores, size, count):
    found = []
    threads.in_slices(size, lambda first, last: found.append((first, last)))
    found.sort()
    assert len(found) == count
    assert found[0][0] == 0
    assert found[-1][1] == size
    assert all(one[1] == other[0] for one, other in pairwise(found))


def test_slices_are_worked_on_at_the_same_time(three_cores, monkeypatch):
    monkeypatch.setattr(threads, "_pool", lambda: pool)
    all_here = threading.Barrier(3, timeout=20)
    with threads.ThreadPoolExecutor(2) as pool:
        threads.in_slices(10**6, lambda first, last: all_here.wait())


def test_what_goes_wrong_in_a_slice_is_told(three_cores):
    def work(first, last):
        if first:
            raise ValueError("slice")

    with pytest.raises(ValueError, match="slice"):
        threads.in_slices(10**6, work)


@pytest.mark.parametrize("wrong", ["first", "other"])
def test_nobody_works_any_more_when_an_error_is_told(three_cores, monkeypatch, wrong):
    """The caller may free or reuse the arrays at once."""
    begun, told, ended = threading.Event(), threading.Event(), []

    def work(first, last):
        if (first == 0) == (wrong == "first"):
            begun.wait(20)
            told.set()
            raise ValueError("slice")
        begun.set()
        told.wait(20)
        ended.append(first)

    with threads.ThreadPoolExecutor(2) as pool:
        monkeypatch.setattr(threads, "_pool", lambda: pool)
        with pytest.raises(ValueError, match="slice"):
            threads.in_slices(10**6, work)
        assert len(ended) == (2 if wrong == "first" else 1)


def test_a_range_updated_in_slices_has_the_bits_of_one_pass(three_cores):
    random = np.random.default_rng(0)
    size = 3 * threads.WORTH_A_THREAD + 5
    weight, slots = random.standard_normal(size, np.float32), random.standard_normal((2, size), np.float32)
    sgd = SGD(momentum=0.9, wd=0.01, clip_gradient=0.5)
    found = Range(Tensor("w", "float32", (size,), 0, size), weight.copy(), Fit("sync", 0), 2, 2.0, 0.5)
    whole = Entry(weight.copy(), 2.0, 0.5)
    for entry in (found, whole):
        entry.prepare(sgd)
    for _ in range(3):
        found.slots[:] = slots
        found.update(sgd, 0.1)
        whole.apply(sgd, slots.copy(), 0.1)
    assert found.version == whole.version == 3
    assert found.weight.tobytes() == whole.weight.tobytes()
    assert found.states["mom"].tobytes() == whole.states["mom"].tobytes()
