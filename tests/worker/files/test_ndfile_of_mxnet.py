"""Files that MXNet 1.9.1 itself wrote (record_ndfile.py); test_ndfile.py has the layouts byte by byte."""

from pathlib import Path

import numpy as np
import pytest

import pushgrad as mx

DATA = Path(__file__).with_name("recorded")


def test_every_element_type():
    loaded = mx.nd.load(DATA / "mxnet_dense.nd")
    assert list(loaded) == ["float32", "float64", "float16", "uint8", "int32", "int8", "int64", "bool"]
    for name, array in loaded.items():
        expected = np.arange(6).reshape(2, 3)
        assert array.dtype == name
        np.testing.assert_array_equal(array, expected % 2 if name == "bool" else expected)


def test_sparse_arrays_as_dense():
    loaded = mx.nd.load(DATA / "mxnet_sparse.nd")
    assert loaded["rows"].tolist() == [[0, 0], [1, 2], [0, 0], [3, 4], [0, 0]]
    assert loaded["csr"].tolist() == [[1, 0, 2, 0], [0, 0, 0, 0], [0, 3, 0, 0]]
    assert loaded["none"].tolist() == [[0, 0]] * 3


def test_arrays_without_names():
    first, second = mx.nd.load(DATA / "mxnet_list.nd")
    assert first.tolist() == [1.5, -2]
    assert second.tolist() == [[[1, 1]], [[1, 1]]]


def test_bfloat16_comes_as_float32():
    loaded = mx.nd.load(DATA / "mxnet_bfloat16.nd")["b"]
    assert loaded.dtype == np.float32
    assert loaded.tolist() == [1.5, -2, 3.140625]


def test_scalars_and_empty_arrays_of_numpy_mode():
    loaded = mx.nd.load(DATA / "mxnet_shapes.nd")
    assert loaded["scalar"].shape == ()
    assert float(loaded["scalar"]) == 3
    assert loaded["empty"].shape == (0, 3)


@pytest.mark.parametrize("name", ["mxnet_dense.nd", "mxnet_list.nd", "mxnet_shapes.nd"])
def test_written_again_as_mxnet_wrote_them(tmp_path, name):
    """Byte for byte."""
    mx.nd.save(tmp_path / name, mx.nd.load(DATA / name))
    assert (tmp_path / name).read_bytes() == (DATA / name).read_bytes()
