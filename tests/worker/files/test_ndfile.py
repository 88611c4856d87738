"""Byte for byte against layouts written down by hand; files of MXNet 1.9.1 have been compared with these writers."""

import os
import struct
import tracemalloc

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import FileFormatError, ParameterError
from pushgrad.worker.files import ndfile

WEIGHT = np.arange(6, dtype=np.float32).reshape(2, 3)
MEAN = np.array([1, 2], np.float32)
WORKED = bytes.fromhex(
    "12010000 00000000 00000000 00000000 02000000 00000000"
    "c9fa93f9 00000000 02000000 0200000000000000 0300000000000000 01000000 00000000 00000000"
    "00000000 0000803f 00000040 00004040 00008040 0000a040"
    "c9fa93f9 00000000 01000000 0200000000000000 01000000 00000000 00000000 0000803f 00000040"
    "0200000000000000 0e00000000000000 6172673a6663315f776569676874"
    "0b00000000000000 6175783a626e5f6d65616e"
)
TYPES = ["f4", "f8", "f2", "u1", "i4", "i1", "i8", "?", "i2", "u2", "u4", "u8"]


def file_of(*arrays, names=(), magic=0x112):
    head = struct.pack("<3Q", magic, 0, len(arrays))
    tail = struct.pack("<Q", len(names)) + b"".join(struct.pack("<Q", len(n)) + n for n in names)
    return head + b"".join(arrays) + tail


def extents(kind, *shape):
    return struct.pack(f"<i{len(shape)}{kind}", len(shape), *shape)


def v2(shape, data, code=0, device=1, stype=0, magic=0xF993FAC9):
    return struct.pack("<Ii", magic, stype) + extents("q", *shape) + struct.pack("<iii", device, 0, code) + data


def sparse(stype, stored, shape, aux, data, code=0):
    head = struct.pack("<Ii", 0xF993FAC9, stype) + extents("q", *stored) + extents("q", *shape)
    head += struct.pack("<iii", 1, 0, code)
    head += b"".join(struct.pack("<i", 6) + extents("q", len(one)) for one in aux)
    return head + data + b"".join(np.array(one, "<i8").tobytes() for one in aux)


@pytest.fixture
def write(tmp_path):
    def write_file(content):
        path = tmp_path / "x.params"
        path.write_bytes(content)
        return path

    return write_file


def test_the_worked_example_both_ways(tmp_path, write):
    assert len(WORKED) == 177
    loaded = mx.nd.load(write(WORKED))
    assert list(loaded) == ["arg:fc1_weight", "aux:bn_mean"]
    np.testing.assert_array_equal(loaded["arg:fc1_weight"], WEIGHT)
    np.testing.assert_array_equal(loaded["aux:bn_mean"], MEAN)
    mx.nd.save(tmp_path / "again", loaded)
    assert (tmp_path / "again").read_bytes() == WORKED


@pytest.mark.parametrize("dtype", TYPES)
def test_every_element_type_survives(tmp_path, dtype):
    array = np.arange(6).astype(dtype).reshape(2, 3)
    mx.nd.save(tmp_path / "x", {"a": array})
    loaded = mx.nd.load(tmp_path / "x")["a"]
    assert loaded.dtype == array.dtype
    np.testing.assert_array_equal(loaded, array)


@pytest.mark.parametrize(("code", "dtype"), list(enumerate(TYPES)))
def test_codes_of_element_types(write, code, dtype):
    array = np.array([1, 0], dtype)
    (loaded,) = mx.nd.load(write(file_of(v2((2,), array.tobytes(), code))))
    assert loaded.dtype == array.dtype
    np.testing.assert_array_equal(loaded, array)


def test_bfloat16_is_read_as_float32(write):
    halves = (np.float32([1.5, -2]).view(np.uint32) >> 16).astype("<u2")
    (loaded,) = mx.nd.load(write(file_of(v2((2,), halves.tobytes(), 12))))
    assert loaded.dtype == np.float32
    assert loaded.tolist() == [1.5, -2]


@pytest.mark.parametrize(
    "array",
    [
        struct.pack("<I2I", 2, 2, 3) + struct.pack("<iii", 1, 0, 0) + WEIGHT.tobytes(),
        struct.pack("<I", 0xF993FAC8) + extents("q", 2, 3) + struct.pack("<iii", 1, 0, 0) + WEIGHT.tobytes(),
        v2((2, 3), WEIGHT.tobytes()),
        v2((2, 3), WEIGHT.tobytes(), magic=0xF993FACA),
        v2((2, 3), WEIGHT.tobytes(), device=2),
        v2((2, 3), WEIGHT.tobytes(), device=5),
    ],
    ids=["legacy", "version 1", "version 2", "version 3", "gpu", "shared memory"],
)
def test_dense_layouts(write, array):
    loaded = mx.nd.load(write(file_of(array, names=[b"w"])))
    np.testing.assert_array_equal(loaded["w"], WEIGHT)
    assert loaded["w"].flags.writeable


def test_sparse_layouts_become_dense(write):
    rows = sparse(1, (2, 3), (4, 3), [[1, 3]], WEIGHT.tobytes())
    csr = sparse(2, (3,), (3, 4), [[0, 2, 2, 3], [0, 2, 1]], np.float32([1, 2, 3]).tobytes())
    empty = sparse(1, (0, 3), (4, 3), [[]], b"")
    loaded = mx.nd.load(write(file_of(rows, csr, empty)))
    assert loaded[0].tolist() == [[0, 0, 0], [0, 1, 2], [0, 0, 0], [3, 4, 5]]
    assert loaded[1].tolist() == [[1, 0, 2, 0], [0, 0, 0, 0], [0, 3, 0, 0]]
    assert loaded[2].tolist() == [[0] * 3] * 4


def test_arrays_that_were_never_set(write):
    none = struct.pack("<Iii", 0xF993FAC9, 0, 0)
    unknown = struct.pack("<Iii", 0xF993FACA, 0, -1)
    legacy = struct.pack("<I", 0)
    assert [array.shape for array in mx.nd.load(write(file_of(none, unknown, legacy)))] == [(0,)] * 3


def test_scalars_and_empty_arrays_survive(tmp_path):
    mx.nd.save(tmp_path / "x", {"scalar": np.float32(3.5), "empty": np.zeros((0, 3), np.int8), "plain": MEAN})
    loaded = mx.nd.load(tmp_path / "x")
    assert loaded["scalar"].shape == ()
    assert loaded["scalar"] == 3.5
    assert loaded["empty"].shape == (0, 3)
    np.testing.assert_array_equal(loaded["plain"], MEAN)
    # MXNet refuses files that mix the two layouts.
    assert (tmp_path / "x").read_bytes().count(bytes.fromhex("cafa93f9")) == 3


def test_lists_single_arrays_and_nothing(tmp_path):
    mx.nd.save(tmp_path / "x", [WEIGHT, MEAN])
    assert [array.shape for array in mx.nd.load(tmp_path / "x")] == [(2, 3), (2,)]
    mx.nd.save(tmp_path / "x", WEIGHT)
    assert len(mx.nd.load(tmp_path / "x")) == 1
    mx.nd.save(tmp_path / "x", {})
    assert mx.nd.load(tmp_path / "x") == []


def test_order_and_layout_in_memory_do_not_matter(tmp_path):
    columns = np.asfortranarray(WEIGHT)
    mx.nd.save(tmp_path / "x", {"b": columns, "a": WEIGHT.astype(">f4"), "ü": WEIGHT[:, ::2]})
    loaded = mx.nd.load(tmp_path / "x")
    assert list(loaded) == ["b", "a", "ü"]
    np.testing.assert_array_equal(loaded["b"], WEIGHT)
    np.testing.assert_array_equal(loaded["a"], WEIGHT)
    np.testing.assert_array_equal(loaded["ü"], WEIGHT[:, ::2])


def test_types_and_names_that_cannot_be_written(tmp_path):
    with pytest.raises(ParameterError, match=r"nd.save: phase: expected one of the types float32.*got complex128"):
        mx.nd.save(tmp_path / "x", {"phase": np.zeros(2, complex)})
    with pytest.raises(ParameterError, match="names"):
        mx.nd.save(tmp_path / "x", {1: WEIGHT})
    assert list(tmp_path.iterdir()) == []


def test_every_truncation_is_an_error(write):
    for length in range(len(WORKED)):
        with pytest.raises(FileFormatError, match=r"x.params, byte \d+: .*mx\.nd\.save"):
            mx.nd.load(write(WORKED[:length]))


def test_every_flipped_byte_is_read_or_refused(write):
    """Never another exception, and never more memory than a small file deserves."""
    tracemalloc.start()
    refused = 0
    for place in range(len(WORKED)):
        for flip in (0x01, 0x80, 0xFF):
            damaged = bytearray(WORKED)
            damaged[place] ^= flip
            try:
                mx.nd.load(write(bytes(damaged)))
            except FileFormatError:
                refused += 1
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert refused > len(WORKED)
    assert peak < 1 << 20


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "byte 0: not an MXNet array file"),
        (b"PK\x03\x04" + b"\0" * 40, "not an MXNet array file"),
        (file_of(magic=0x113), "not an MXNet array file"),
        (struct.pack("<3Q", 0x112, 0, 1 << 60), "1152921504606846976 arrays announced"),
        (file_of() + b"x", "1 bytes after the end"),
        (file_of(v2((2,), MEAN.tobytes()), names=[b"a", b"b"]), "2 names for 1 arrays"),
        (file_of(*[v2((2,), MEAN.tobytes())] * 2, names=[b"a", b"a"]), "the same name"),
        (file_of(v2((2,), MEAN.tobytes()), names=[b"\xff"]), "not UTF-8"),
        (file_of(v2((-2,), MEAN.tobytes())), "negative extents"),
        (file_of(v2((1 << 40, 1 << 5), b"")), "truncated"),
        (file_of(v2((1 << 62, 1 << 62), b"")), "beyond all bounds"),
        (file_of(v2((0, 1 << 62, 1 << 62), b"")), "beyond all bounds"),
        (file_of(v2((2,), MEAN.tobytes(), code=99)), "unknown element type 99"),
        (file_of(v2((2,), MEAN.tobytes(), stype=7)), "unknown storage type 7"),
        (file_of(struct.pack("<Iii", 0xF993FAC9, 0, -1)), "an array of -1 dimensions"),
        (file_of(struct.pack("<I", 33) + b"\1\0\0\0" * 33), "an array of 33 dimensions"),
        (file_of(sparse(1, (2, 3), (4, 3), [[1, 4]], WEIGHT.tobytes())), "contradicts itself: places 1 to 4"),
        (file_of(sparse(1, (2, 3), (4, 3), [[-1, 3]], WEIGHT.tobytes())), "contradicts itself: places -1 to 3"),
        (file_of(sparse(1, (2, 3), (4, 2), [[1, 3]], WEIGHT.tobytes())), "contradicts itself"),
        (file_of(sparse(1, (2, 3), (1 << 40, 3), [[1, 3]], WEIGHT.tobytes())), "too large to be read as a dense one"),
        (file_of(sparse(2, (2,), (2, 2), [[0, 2, 1], [0, 1]], MEAN.tobytes())), "row starts"),
        (file_of(sparse(2, (2,), (2, 2), [[0, 1, 2], [0, 2]], MEAN.tobytes())), "places 0 to 2"),
        (file_of(sparse(2, (2,), (4, 2), [[0, 1, -(2**63), -1, 2], [0, 1]], MEAN.tobytes())), "contradicts itself"),
        (file_of(sparse(2, (2,), (2,), [[0, 1, 2], [0, 1]], MEAN.tobytes())), "contradicts itself"),
    ],
)
def test_hostile_files(write, content, message):
    with pytest.raises(FileFormatError, match=message) as caught:
        mx.nd.load(write(content))
    assert "x.params, byte" in str(caught.value)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(FileFormatError, match=r"absent.nd cannot be read: No such file"):
        mx.nd.load(tmp_path / "absent.nd")
    with pytest.raises(FileFormatError, match="cannot be read"):
        mx.nd.load(tmp_path)
    with pytest.raises(FileFormatError, match="there is no folder"):
        mx.nd.save(tmp_path / "absent" / "x", [MEAN])


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "x"
    mx.nd.save(path, [MEAN])
    before = path.read_bytes()

    def full(stream, array, magic):
        stream.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ndfile, "_write_array", full)
    with pytest.raises(OSError, match="No space left"):
        mx.nd.save(path, [WEIGHT])
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["x"]


def test_a_link_is_followed(tmp_path):
    (tmp_path / "real").write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    mx.nd.save(tmp_path / "link", [MEAN])
    assert (tmp_path / "link").is_symlink()
    assert len(mx.nd.load(tmp_path / "real")) == 1
