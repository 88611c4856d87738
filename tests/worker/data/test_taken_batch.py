"""Batches whose data are gathered where they are wanted: fewer copies in a fit, and nobody sees a difference."""

from types import SimpleNamespace

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import DataError, ShapeError
from pushgrad.worker.data.contract import batches
from pushgrad.worker.data.taken_batch import TakenBatch
from pushgrad.worker.execution.gathered_inputs import take
from pushgrad.worker.training.feeding import InputNames, chosen, feed

X = np.arange(60, dtype=np.float32).reshape(10, 3, 2)
Y = np.arange(10, dtype=np.float32)
NAMES = InputNames(("data",), ("softmax_label",))


def shuffled(kind=mx.io.NDArrayIter, X=X):
    return kind(X, Y, 4, shuffle=True, seed=5)


def bound(**shapes):
    arrays = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    return SimpleNamespace(arg_dict=arrays, gather=lambda name, source, rows: take(source, rows, arrays[name]))


def is_gathered(batch, kind="data"):
    return kind in vars(batch)


def test_those_of_a_fit_are_the_users_batches():
    for batch, same in zip(batches(shuffled()), shuffled(), strict=True):
        assert isinstance(batch, TakenBatch) and not is_gathered(batch)
        assert type(same) is mx.io.DataBatch
        np.testing.assert_array_equal(batch.data, same.data)
        np.testing.assert_array_equal(batch.label, same.label)
        np.testing.assert_array_equal(batch.index, same.index)
        assert batch.pad == same.pad


def test_a_users_batch_keeps_what_the_arrays_held():
    mine = X.copy()
    batch = shuffled(X=mine).next()
    mine[:] = -1
    np.testing.assert_array_equal(batch.data[0], X[batch.index])


def test_data_that_were_asked_for_stay():
    iterator = shuffled()
    first = next(found := batches(iterator))
    kept, copy = first.data[0], first.data[0].copy()
    next(found)
    assert first.data[0] is kept
    np.testing.assert_array_equal(kept, copy)


def test_rows_in_a_row_are_views():
    iterator = mx.io.NDArrayIter(X, Y, 4)
    assert np.shares_memory(next(batches(iterator)).data[0], iterator.arrays()[0][0])


class OfOnes(mx.io.NDArrayIter):
    def next(self):
        batch = super().next()
        return mx.io.DataBatch([np.ones_like(batch.data[0])], batch.label, batch.pad)


class SaysOtherwise(mx.io.NDArrayIter):
    @property
    def provide_data(self):
        return [("data", (4, 7))]


def test_a_subclass_is_asked_for_its_own_batches():
    assert all((batch.data[0] == 1).all() for batch in batches(shuffled(OfOnes)))
    iterator = shuffled()
    iterator.next = shuffled(OfOnes).next
    assert all((batch.data[0] == 1).all() for batch in batches(iterator))


def test_a_subclass_is_held_to_what_it_says():
    with pytest.raises(DataError, match=r"SaysOtherwise, batch 0: data: expected shape \(4, 7\), got \(4, 3, 2\)"):
        next(batches(shuffled(SaysOtherwise)))


def test_rows_go_straight_to_the_argument():
    executor, batch = bound(data=(2, 3, 2), softmax_label=(2,)), next(batches(shuffled()))
    feed(executor, NAMES, batch, (1, 3))
    assert not is_gathered(batch) and not is_gathered(batch, "label")
    np.testing.assert_array_equal(executor.arg_dict["data"], X[batch.index[1:3]])
    np.testing.assert_array_equal(executor.arg_dict["softmax_label"], Y[batch.index[1:3]])


def test_rows_become_of_the_arguments_shape():
    executor, batch = bound(data=(4, 6)), next(batches(shuffled()))
    feed(executor, NAMES, batch, (0, 4))
    np.testing.assert_array_equal(executor.arg_dict["data"], X[batch.index].reshape(4, 6))


def test_rows_that_do_not_fit_are_refused():
    with pytest.raises(ShapeError, match=r"batch array for data: expected shape \(4, 7\), got \(4, 3, 2\)"):
        feed(bound(data=(4, 7)), NAMES, next(batches(shuffled())), (0, 4))


def test_only_data_that_a_metric_compares_are_gathered():
    batch = next(batches(shuffled()))
    assert chosen(NAMES, batch, {"softmax_label"}).keys() == {"softmax_label"}
    assert not is_gathered(batch)
    np.testing.assert_array_equal(chosen(NAMES, batch, {"data"})["data"], X[batch.index])
