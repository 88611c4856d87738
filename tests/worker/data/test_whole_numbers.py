"""float32 holds whole numbers up to 2**24 (arithmetic: 24 bits of mantissa). Larger ids are refused, not rounded."""

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import DataError, FileFormatError
from pushgrad.worker.data.images.list_file import read_list

FIRST = 2**24 + 1


def iterate(ids):
    return mx.io.NDArrayIter(ids, batch_size=1)


@pytest.mark.parametrize("dtype", [np.int32, np.uint32, np.int64, np.uint64])
def test_arrays(dtype):
    exact = np.array([0, 2**24, 2**24 + 2, 3 * 2**24], dtype)
    assert [batch.data[0][0] for batch in iterate(exact)] == exact.tolist()
    with pytest.raises(DataError, match=r"^data: 16777217 at 1: expected whole numbers that float32 holds.*Number ids"):
        iterate(np.array([1, FIRST], dtype))


@pytest.mark.parametrize("value", [-FIRST, 2**60 + 2, -(2**63) + 1, 2**63 - 1])
def test_arrays_at_the_ends(value):
    iterate(np.array([-(2**63), 2**60, -(2**24)]))
    with pytest.raises(DataError, match=f"data: {value}"):
        iterate([[0], [value]])


def test_floats_may_be_rounded_as_always():
    assert iterate(np.array([float(FIRST)])).next().data[0][0] == 2**24


def test_x_and_y():
    net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2), name="softmax")
    with pytest.raises(DataError, match=r"X: 16777217 at \(0, 1\)"):
        mx.FeedForward.create(net, np.array([[1, FIRST]]), np.array([1]), num_epoch=1)
    with pytest.raises(DataError, match="y: 16777217 at 0"):
        mx.FeedForward.create(net, np.ones((1, 2)), np.array([FIRST]), num_epoch=1)


def test_csv(tmp_path):
    def read(text):
        (tmp_path / "data.csv").write_text(text)
        return mx.io.read_csv(tmp_path / "data.csv").tolist()

    assert read("16777216,-16777218\n1,2.5\n") == [[2**24, -(2**24) - 2], [1, 2.5]]
    assert read("16777217.0,1.6777217e7,inf,-inf\n") == [[2**24, 2**24, np.inf, -np.inf]]
    with pytest.raises(DataError, match=r"data.csv, line 2, column 1: expected a whole number that float32 holds"):
        read("1,2\n16777217,3\n")
    assert read(f"{2**53},{2**60},1e20\n") == [[2.0**53, 2.0**60, float(np.float32(1e20))]]
    for value in (2**53 + 1, -(2**60) - 1):  # what float64 would round, too
        with pytest.raises(DataError, match=f"line 1, column 2: expected a whole number .*got {value}"):
            read(f"1,{value}\n")
    for text in ("1e39", "-1e400", "1" + 39 * "0"):
        with pytest.raises(DataError, match=r"line 1, column 2: expected a number within float32's range, got"):
            read(f"1,{text}\n")


def test_records(tmp_path):
    for label in (FIRST, np.int64(FIRST), [1, FIRST]):
        with pytest.raises(DataError, match=r"recordio.pack: label: 16777217"):
            mx.recordio.pack((0, label, 1, 0), b"")
    assert mx.recordio.unpack(mx.recordio.pack((0, 2**24, 1, 0), b""))[0].label == 2**24
    (tmp_path / "a.lst").write_text(f"0\t{FIRST}\tcat.png\n")
    with pytest.raises(FileFormatError, match=r"a.lst, line 1: expected labels that float32 holds.*got 16777217"):
        read_list(tmp_path / "a.lst")
