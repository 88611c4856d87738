"""lamb and lars: a server updates the ranges of a key together, when all of their pushes are there."""

import itertools

import numpy as np
import pytest

from pushgrad.common.slices import CHUNK
from pushgrad.common.tensor import Tensor
from pushgrad.common.wire import RANGE_ELEMENTS
from pushgrad.ps.answers import Acked
from pushgrad.ps.assignment import Assignment, Part
from pushgrad.ps.optimizer import create
from pushgrad.ps.optimizers.base import Step
from pushgrad.ps.optimizers.whole_keys import Piece
from pushgrad.ps.store import Entry
from pushgrad.ps.update import rules, tree_pairs

LAMB = create("lamb", wd=0.1)
FIRST, SECOND = (Tensor("w", "float32", (9,), lo, hi) for lo, hi in ((0, 5), (5, 9)))


def test_the_step_is_made_when_all_ranges_are_there(new_client):
    client = new_client(optimizer=LAMB.description())
    client.init(2.0, tensor=SECOND)
    client.init(1.0, tensor=FIRST)
    whole = Entry(np.array([1] * 5 + [2] * 4, np.float32))
    whole.prepare(LAMB)
    for n in (1, 2):
        for rank, tensor in ((0, FIRST), (1, FIRST), (1, SECOND)):
            assert client.push(rank, n, rank + n, tensor=tensor) == []
            assert client.push(rank, n, 99.0, tensor=tensor) == []  # a repetition is not acknowledged either
        assert client.pull(0, n, tensor=FIRST) == []
        replies = client.push(0, n, n, tensor=SECOND)
        acks = [Acked(rank, 1, n, "weight", ("w", lo)) for lo in (0, 5) for rank in (0, 1)]
        assert [reply for reply in replies if isinstance(reply, Acked)] == acks
        assert len(replies) == len(acks) + 1, "and the answer to the pull"
        whole.apply(LAMB, np.array([[n] * 9, [1 + n] * 9], np.float32), 0.5)
        entries = client.service.fits[1].store.entries
        for part in ("weight", "mean", "var"):
            found = np.concatenate([entries["w", lo].part(part) for lo in (0, 5)])
            np.testing.assert_array_equal(found, whole.part(part))


def test_a_range_that_is_elsewhere_is_missed(new_client, refused):
    client = new_client(optimizer=LAMB.description())
    client.init(tensor=FIRST)
    error = refused(lambda: client.push(0, 1, tensor=FIRST))
    assert error.code == "optimizer" and "Call set_optimizer before init" in str(error)


@pytest.mark.parametrize("mode", ["async", "ssp"])
def test_several_ranges_need_sync(new_client, refused, mode):
    client = new_client(mode=mode, optimizer=LAMB.description())
    client.init(tensor=FIRST)
    client.init(tensor=SECOND)
    error = refused(lambda: client.push(0, 1, tensor=FIRST))
    assert error.code == "optimizer" and "Use dist_sync" in str(error)


def test_whole_keys_are_not_cut_over_servers():
    parts = Assignment(3, bound=10).place(RANGE_ELEMENTS + 2, 4, whole=True)
    half = RANGE_ELEMENTS // 2 + 1
    assert parts == [Part(0, 0, half), Part(0, half, 2 * half)]


def test_lars_is_sgd_for_biases():
    lars, sgd = create("lars", momentum=0.9, wd=0.1), create("sgd", momentum=0.9, wd=0.1)
    entries = [Entry(np.ones(3), key="fc_bias") for _ in range(2)]
    for entry, optimizer in zip(entries, (lars, sgd), strict=True):
        entry.prepare(optimizer)
        entry.apply(optimizer, np.ones((1, 3)), 0.1)
    np.testing.assert_array_equal(entries[0].weight, entries[1].weight)


@pytest.mark.parametrize("optimizer", [LAMB, create("lars", momentum=0.9)], ids=lambda made: made.name)
def test_the_bits_do_not_depend_on_the_cuts(optimizer):
    """Of ranges that end inside of lanes, at the end of one, at that of a chunk, and inside of the last one."""
    size, rng = 3 * CHUNK + 700, np.random.default_rng(0)
    start, gradient = rng.standard_normal((2, size)).astype(np.float32)

    def after(*cuts):
        weight, states = start.copy(), {name: np.zeros(size, np.float32) for name in optimizer.state_names}
        pieces = [
            Piece(gradient[None].copy(), lo, weight[lo:hi], {name: state[lo:hi] for name, state in states.items()})
            for lo, hi in itertools.pairwise([0, *cuts, size])
        ]
        optimizer.apply_whole(pieces, Step(0.1))
        return weight

    np.testing.assert_array_equal(after(3, 256, 300, CHUNK, CHUNK + 1, 3 * CHUNK + 512), after())


def test_norms():
    values = np.random.default_rng(0).standard_normal(20 * CHUNK + 1).astype(np.float32)
    for size in (0, 1, 255, 256, 257, CHUNK, CHUNK + 1, values.size):
        sums, rows = rules().no_squares(), np.zeros((1, size), np.float32)
        rules().add_squares(rows, 0, tree_pairs(1), values[:size], 0, sums)
        expected = np.linalg.norm(values[:size].astype(np.float64))
        assert rules().norm(sums[0], size) == pytest.approx(expected, rel=1e-15) and rules().norm(sums[1], size) == 0
