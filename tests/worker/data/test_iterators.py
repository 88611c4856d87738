import sys
import tracemalloc

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import DataError, ParameterError


def rows_of(iterator):
    return [batch.label[0].astype(int).tolist() for batch in iterator]


def flat(lists):
    return [item for one in lists for item in one]


def numbered(count, **options):
    return mx.io.NDArrayIter(np.arange(count * 2.0).reshape(count, 2), np.arange(count), **options)


def test_shapes_and_names():
    iterator = numbered(10, batch_size=4)
    assert iterator.provide_data == [("data", (4, 2))]
    assert iterator.provide_label == [("softmax_label", (4,))]
    assert iterator.batch_size == 4
    assert (iterator.num_parts, iterator.part_index) == (1, 0)


def test_pad_wraps_to_the_first_rows():
    batches = list(numbered(10, batch_size=4))
    assert [b.label[0].tolist() for b in batches] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 1]]
    assert [b.pad for b in batches] == [0, 0, 2]
    assert [b.index.tolist() for b in batches][2] == [8, 9, 0, 1]
    np.testing.assert_array_equal(batches[2].data[0], [[16, 17], [18, 19], [0, 1], [2, 3]])


def test_discard_leaves_the_rest_out():
    assert rows_of(numbered(10, batch_size=4, last_batch_handle="discard")) == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_roll_over_begins_the_next_epoch_with_the_rest():
    iterator = numbered(10, batch_size=4, last_batch_handle="roll_over")
    epochs = []
    for _ in range(3):
        epochs.append(rows_of(iterator))
        iterator.reset()
    assert epochs[0] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert epochs[1] == [[8, 9, 0, 1], [2, 3, 4, 5], [6, 7, 8, 9]]
    assert epochs[2] == epochs[0]


@pytest.mark.parametrize("handle", ["pad", "discard", "roll_over"])
@pytest.mark.parametrize("count", [8, 10, 11])
def test_every_epoch_has_an_order_of_its_own_that_the_seed_gives(handle, count):
    def epochs(seed):
        iterator = numbered(count, batch_size=4, shuffle=True, seed=seed, last_batch_handle=handle)
        found = []
        for _ in range(3):
            found.append(rows_of(iterator))
            iterator.reset()
        return found

    first = epochs(1)
    assert first == epochs(1)
    assert first != epochs(2)
    assert first[0] != first[1]
    if handle == "pad":
        assert all(sorted(flat(epoch)[:count]) == list(range(count)) for epoch in first)
        assert first[0][-1][count % 4 or 4 :] == first[0][0][: -count % 4]
    if handle == "roll_over":
        stream = flat(flat(first))
        assert sorted(stream[:count]) == list(range(count))
        assert sorted(stream[count : 2 * count]) == list(range(count))


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("handle", ["pad", "discard", "roll_over"])
def test_seek_is_a_function_of_epoch_and_batch(handle, shuffle):
    iterator = numbered(11, batch_size=4, shuffle=shuffle, last_batch_handle=handle)
    whole = []
    for _ in range(4):
        whole.append(rows_of(iterator))
        iterator.reset()
    for epoch in (3, 0, 2, 1):
        for batch in range(len(whole[epoch])):
            other = numbered(11, batch_size=4, shuffle=shuffle, last_batch_handle=handle)
            for one in (iterator, other):
                one.seek(epoch, batch)
                assert rows_of(one) == whole[epoch][batch:]


def test_reset_before_the_first_batch_changes_nothing():
    iterator = numbered(8, batch_size=4, shuffle=True)
    first = rows_of(iterator)
    iterator.seek(0, 0)
    iterator.reset()
    assert rows_of(iterator) == first


def test_the_seed_is_that_of_mx_random():
    mx.random.seed(5)
    by_global = rows_of(numbered(20, batch_size=5, shuffle=True))
    mx.random.seed(0)
    assert by_global == rows_of(numbered(20, batch_size=5, shuffle=True, seed=5))


def test_data_and_labels_stay_together_when_shuffled():
    for batch in numbered(50, batch_size=7, shuffle=True):
        np.testing.assert_array_equal(batch.data[0][:, 0], 2 * batch.label[0])
        np.testing.assert_array_equal(batch.index, batch.label[0])


def test_batches_that_are_kept_keep_their_rows():
    batches = list(numbered(50, batch_size=7, shuffle=True))
    for batch in batches:
        np.testing.assert_array_equal(batch.data[0][:, 0], 2 * batch.index)
        np.testing.assert_array_equal(batch.label[0], batch.index)


def test_views_that_are_kept_keep_their_rows():
    iterator = numbered(64, batch_size=4, shuffle=True)
    kept = [(batch.index, batch.data[0][1:3]) for batch in iterator]
    for index, rows in kept:
        np.testing.assert_array_equal(rows[:, 0], 2 * index[1:3])


def test_batches_do_not_rely_on_counts_of_references(monkeypatch):
    monkeypatch.setattr(sys, "getrefcount", lambda _: 2)
    test_views_that_are_kept_keep_their_rows()


def test_batches_need_no_growing_memory():
    iterator = mx.io.NDArrayIter(np.zeros((400, 1000), np.float32), np.zeros(400), 40, shuffle=True)
    for _ in iterator:
        pass
    iterator.reset()
    tracemalloc.start()
    for _ in iterator:
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * 40 * 1000 * 4  # of ten batches: the one in hand, the next one, and some slack


def test_unshuffled_batches_are_views():
    data = np.zeros((8, 2), np.float32)
    batch = next(iter(mx.io.NDArrayIter(data, None, 4)))
    assert np.shares_memory(batch.data[0], data)
    assert batch.label == []


def test_several_inputs_by_name_and_in_lists():
    a, b = np.zeros((6, 1)), np.ones((6, 2, 2))
    named = mx.io.NDArrayIter({"left": a, "right": b}, {"label": np.arange(6)}, 3)
    assert named.provide_data == [("left", (3, 1)), ("right", (3, 2, 2))]
    assert named.provide_label == [("label", (3,))]
    listed = mx.io.NDArrayIter([a, b], batch_size=3)
    assert [name for name, _ in listed.provide_data] == ["_0_data", "_1_data"]
    assert mx.io.NDArrayIter([a], batch_size=3).provide_data == [("data", (3, 1))]
    assert mx.io.NDArrayIter([[1, 2], [3, 4]], batch_size=2).provide_data == [("data", (2, 2))]


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float64, bool])
def test_everything_becomes_float32_and_nan_stays(dtype):
    batch = next(iter(mx.io.NDArrayIter(np.ones((2, 2), dtype), batch_size=2)))
    assert batch.data[0].dtype == np.float32
    assert np.isnan(next(iter(mx.io.NDArrayIter(np.array([[np.nan]])))).data[0]).all()


def test_dlpack():
    class Foreign:
        def __init__(self, array):
            self.array = array

        def __dlpack__(self, **options):
            return self.array.__dlpack__(**options)

        def __dlpack_device__(self):
            return self.array.__dlpack_device__()

    batch = next(iter(mx.io.NDArrayIter(Foreign(np.full((2, 3), 7.0, np.float32)), batch_size=2)))
    assert batch.data[0].tolist() == [[7.0] * 3] * 2


@pytest.mark.parametrize(
    ("data", "label", "message"),
    [
        (np.zeros((5, 2)), np.zeros(4), "different numbers of examples: data has 5, softmax_label has 4"),
        (np.zeros((0, 2)), None, "data is empty"),
        (np.zeros((4, 0)), None, "data is empty"),
        (np.float32(3), None, "the first being the examples"),
        ([["a", "b"]], None, "data is not an array of numbers"),
        ([[1, 2], [3]], None, "data is not an array of numbers"),
        (np.zeros((2, 2), complex), None, "data is not an array of numbers: its type is complex128"),
        (np.array([[1e300]]), None, "beyond the range of float32"),
        (None, None, "no data"),
        ({}, None, "no data"),
    ],
)
def test_bad_data(data, label, message):
    with pytest.raises(DataError, match=message):
        mx.io.NDArrayIter(data, label)


@pytest.mark.parametrize("batch_size", [0, -1, 1.5, "4", True, None])
def test_bad_batch_size(batch_size):
    with pytest.raises(ParameterError, match="batch_size: expected a whole number of 1 or more"):
        numbered(4, batch_size=batch_size)


def test_batch_size_above_the_data():
    with pytest.raises(ParameterError, match=r"larger than the data: expected at most 4 .*got 5"):
        numbered(4, batch_size=5)


def test_other_bad_parameters():
    with pytest.raises(ParameterError, match="pad or discard or roll_over"):
        numbered(4, last_batch_handle="wrap")
    with pytest.raises(ParameterError, match="one name for data and label"):
        numbered(4, data_name="x", label_name="x")
    with pytest.raises(ParameterError, match="seek"):
        numbered(4).seek(-1, 0)


@pytest.mark.parametrize("seed", [2**70, 2**64, 2**63, -1, np.int64(3)])
def test_seeds_count_modulo_two_to_the_64(seed):
    orders = [
        mx.io.NDArrayIter(np.arange(50), batch_size=50, shuffle=True, seed=one).next().index.tolist()
        for one in (seed, int(seed) % 2**64)
    ]
    assert orders[0] == orders[1]


@pytest.mark.parametrize("seed", [1.5, "a", [1]])
def test_seeds_that_are_none(seed):
    with pytest.raises(ParameterError, match="seed: expected a whole number"):
        mx.io.NDArrayIter(np.arange(50), shuffle=True, seed=seed)
