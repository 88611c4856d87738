import json
import struct

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import FileFormatError, ParameterError
from pushgrad.worker.files.formats.safetensors_file import load_symbol

pytest.importorskip("safetensors")
TYPES = ["f4", "f8", "f2", "u1", "i4", "i1", "i8", "?", "i2", "u2", "u4", "u8"]


def written(tmp_path, header, data=b""):
    """A file with that header, which may be bytes or what JSON is made of."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path = tmp_path / "x.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


@pytest.mark.parametrize("dtype", TYPES)
def test_every_element_type_survives(tmp_path, dtype):
    array = np.arange(6).astype(dtype).reshape(2, 3)
    mx.formats.save_safetensors(tmp_path / "x", {"a": array})
    found = mx.formats.load_safetensors(tmp_path / "x")["a"]
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


def test_orders_scalars_and_empty_arrays(tmp_path):
    arrays = {
        "transposed": np.arange(6.0).reshape(2, 3).T,
        "big": np.arange(3, dtype=">f4"),
        "scalar": np.float32(2.5),
        "empty": np.zeros((0, 3), np.int8),
    }
    mx.formats.save_safetensors(tmp_path / "x", arrays)
    found = mx.formats.load_safetensors(tmp_path / "x")
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].shape == np.shape(array)
    assert found["big"].flags.writeable


def test_as_the_format_is_described(tmp_path):
    """Length, JSON, bytes: a file put together by hand, with bfloat16."""
    header = {
        "w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
        "b": {"dtype": "BF16", "shape": [2], "data_offsets": [8, 12]},
    }
    halves = (np.float32([1.5, -2]).view(np.uint32) >> 16).astype("<u2")
    found = mx.formats.load_safetensors(written(tmp_path, header, np.float32([1, 2]).tobytes() + halves.tobytes()))
    assert {name: (array.dtype.name, array.tolist()) for name, array in found.items()} == {
        "w": ("float32", [1, 2]),
        "b": ("float32", [1.5, -2]),
    }


def test_the_graph_beside_the_arrays(tmp_path):
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3, name="fc")
    mx.formats.save_safetensors(tmp_path / "x", {"arg:fc_bias": np.zeros(3, np.float32)}, net)
    assert load_symbol(tmp_path / "x").tojson() == net.tojson()
    mx.formats.save_safetensors(tmp_path / "x", {})
    assert load_symbol(tmp_path / "x") is None
    assert mx.formats.load_safetensors(tmp_path / "x") == {}


def test_elements_that_the_format_lacks(tmp_path):
    with pytest.raises(ParameterError, match="w: an element type that safetensors lacks: got complex128"):
        mx.formats.save_safetensors(tmp_path / "x", {"w": np.zeros(2, complex)})
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("header", "data"),
    [
        (b"", b""),
        (b"{", b""),
        (b'{"a":' + b"[" * 100_000, b""),
        ({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}, bytes(4)),
        ({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, bytes(7)),
        ({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, bytes(9)),
        ({"a": {"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}}, bytes(8)),
        ({"a": {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 8]}}, bytes(8)),
        ({"a": {"dtype": "F32", "shape": [1], "data_offsets": [2**60, 2**60 + 4]}}, bytes(4)),
        ({"a": {"dtype": "F8_E4M3", "shape": [4], "data_offsets": [0, 4]}}, bytes(4)),
        ({"a": {"dtype": "nonsense", "shape": [4], "data_offsets": [0, 4]}}, bytes(4)),
    ],
)
def test_hostile_files(tmp_path, header, data):
    with pytest.raises(FileFormatError, match=r"x\.safetensors: "):
        mx.formats.load_safetensors(written(tmp_path, header, data))


def test_missing_and_foreign_files(tmp_path):
    with pytest.raises(FileFormatError, match="cannot be read: No such file"):
        mx.formats.load_safetensors(tmp_path / "absent")
    (tmp_path / "x").write_bytes(struct.pack("<Q", 1 << 60))
    for read in (mx.formats.load_safetensors, load_symbol):
        with pytest.raises(FileFormatError, match="not a safetensors file"):
            read(tmp_path / "x")
