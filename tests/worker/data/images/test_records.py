"""RecordIO files: the bytes of the format, the objects of mx.recordio over it, files that are foreign or damaged."""

import pickle
import struct
import tracemalloc

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import DataError, FileFormatError, ParameterError
from pushgrad.worker.data.images import records

WORD = struct.pack("<I", records.MAGIC)
HEADER = mx.recordio.IRHeader(0, [1, 2.5], 7, 0)
CONTENTS = [b"abcde", b"abcd" + WORD + b"ef", WORD + WORD, mx.recordio.pack(HEADER, b"xy")]
# What MXNet 1.9.1 writes for these, and its index.
BYTES = bytes.fromhex(
    "0a23d7ce 05000000 61626364 65000000"
    "0a23d7ce 04000020 61626364 0a23d7ce 02000060 65660000"
    "0a23d7ce 00000020 0a23d7ce 00000040 0a23d7ce 00000060"
    "0a23d7ce 22000000 02000000 00000000 07000000 00000000 00000000 00000000 0000803f 00002040 78790000"
)
INDEX = "0\t0\n1\t16\n2\t40\n3\t64\n"


@pytest.fixture
def write(tmp_path):
    def write_file(content, name="file.rec"):
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return write_file


def test_the_bytes_are_mxnets(tmp_path):
    with mx.recordio.MXIndexedRecordIO(tmp_path / "a.idx", tmp_path / "a.rec", "w") as file:
        for number, content in enumerate(CONTENTS):
            assert file.tell() == [0, 16, 40, 64][number]
            file.write_idx(number, content)
    assert (tmp_path / "a.rec").read_bytes() == BYTES
    assert (tmp_path / "a.idx").read_text() == INDEX


def test_records_one_after_the_other_and_by_key(write):
    path, index = write(BYTES), write(INDEX.encode(), "file.idx")
    with mx.recordio.MXRecordIO(path, "r") as file:
        assert [file.read() for _ in range(5)] == [*CONTENTS, None]
        file.reset()
        assert file.read() == CONTENTS[0]
    with mx.recordio.MXIndexedRecordIO(index, path, "r") as file:
        assert file.keys == [0, 1, 2, 3]
        assert [file.read_idx(key) for key in (2, 0, 3)] == [CONTENTS[key] for key in (2, 0, 3)]
        file.seek(1)
        assert file.read() == CONTENTS[1] and file.read() == CONTENTS[2]
    with records.RecordFile(path) as file:
        assert file.offsets().tolist() == [0, 16, 40, 64]


@pytest.mark.parametrize("seed", range(5))
def test_any_bytes_come_back(tmp_path, seed):
    random = np.random.default_rng(seed)
    pieces = [WORD, b"", b"x", b"word", WORD[:3], bytes(5)]
    contents = [b"".join(random.choice(np.array(pieces, object), random.integers(0, 9))) for _ in range(50)]
    path = tmp_path / "any.rec"
    with mx.recordio.MXRecordIO(path, "w") as file:
        for content in contents:
            file.write(content)
    assert path.stat().st_size % 4 == 0
    with mx.recordio.MXRecordIO(path, "r") as file:
        assert [file.read() for _ in contents] == contents


def test_a_reader_can_be_pickled_and_a_writer_cannot(write, tmp_path):
    with mx.recordio.MXRecordIO(write(BYTES), "r") as file:
        file.read()
        with pickle.loads(pickle.dumps(file)) as other:
            assert other.read() == CONTENTS[1] == file.read()
    with (
        mx.recordio.MXRecordIO(tmp_path / "w.rec", "w") as file,
        pytest.raises(ParameterError, match="only this process"),
    ):
        pickle.dumps(file)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x89PNG\r\n\x1a\n....", "byte 0: not a RecordIO file"),
        (BYTES[:6], "byte 0: truncated, a record's header expected"),
        (BYTES[:12], "byte 0: truncated, a record of 5 bytes announced and 4 there"),
        (BYTES[:28], "byte 28: truncated within a record"),
        (BYTES[:16] + b"....", "byte 16: truncated"),
        (BYTES[:16] + b"xxxx" + BYTES[20:], "byte 16: no record begins here"),
        (WORD + bytes.fromhex("00000040"), "byte 0: a part of kind 2 where a record begins"),
        (BYTES[16:28] + BYTES[:16], "byte 12: a part of kind 0 where a record goes on"),
        (WORD + bytes.fromhex("000000e0"), "byte 0: a part of kind 7"),
        (WORD + bytes.fromhex("ffffff1f") + b"tiny", "byte 0: truncated, a record of 536870911 bytes announced"),
    ],
)
def test_damaged_files_name_file_and_byte(write, content, message):
    path = write(content)
    tracemalloc.start()
    with pytest.raises(FileFormatError) as caught, mx.recordio.MXRecordIO(path, "r") as file:
        while file.read() is not None:
            pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert str(caught.value).startswith(f"{path}, {message}")
    assert peak < 1 << 20
    with pytest.raises(FileFormatError), records.RecordFile(path) as file:
        file.offsets()


@pytest.mark.parametrize("line", [b"0", b"0\tx", b"0 16", b"0\t-4", b"0\t0\n0\t16", b"x\t0"])
def test_damaged_index(write, line):
    index = write(line, "file.idx")
    with pytest.raises(FileFormatError, match=r"file\.idx"):
        mx.recordio.MXIndexedRecordIO(index, write(BYTES), "r")


def test_misuse(write, tmp_path):
    path = write(BYTES)
    with pytest.raises(FileFormatError, match=r"absent\.rec cannot be read: No such file"):
        mx.recordio.MXRecordIO(tmp_path / "absent.rec", "r")
    with pytest.raises(FileFormatError, match="is a folder"):
        mx.recordio.MXRecordIO(tmp_path, "r")
    with pytest.raises(FileFormatError, match="cannot be written: No such file"):
        mx.recordio.MXRecordIO(tmp_path / "no" / "w.rec", "w")
    with pytest.raises(ParameterError, match="expected 'r' or 'w', got 'a'"):
        mx.recordio.MXRecordIO(path, "a")
    with mx.recordio.MXRecordIO(path, "r") as file, pytest.raises(ParameterError, match="not open for writing"):
        file.write(b"x")
    with pytest.raises(ParameterError, match="not open for reading"):
        file.read()
    with mx.recordio.MXIndexedRecordIO(tmp_path / "w.idx", tmp_path / "w.rec", "w") as file:
        with pytest.raises(ParameterError, match="expected bytes, got str"):
            file.write_idx(0, "text")
        file.write_idx(1, b"")
        with pytest.raises(ParameterError, match="has a record 1 already"):
            file.write_idx(1, b"")
    index = write(INDEX.encode(), "file.idx")
    with (
        mx.recordio.MXIndexedRecordIO(index, path, "r") as file,
        pytest.raises(ParameterError, match="has no record 4"),
    ):
        file.read_idx(4)


def test_the_longest_record(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "LONGEST", 3)
    with (
        mx.recordio.MXRecordIO(tmp_path / "w.rec", "w") as file,
        pytest.raises(DataError, match="expected at most 3 bytes, got 4"),
    ):
        file.write(b"four")


@pytest.mark.parametrize(
    ("label", "flag"), [(3, 0), (2.5, 0), (np.float32(1), 0), ([1, 2, 3], 3), (np.array([4.0]), 1), ([], 0)]
)
def test_headers(label, flag):
    header, rest = mx.recordio.unpack(mx.recordio.pack((9, label, 2**64 - 1, 5), b"rest"))
    assert (header.flag, header.id, header.id2, rest) == (flag, 2**64 - 1, 5, b"rest")
    np.testing.assert_array_equal(header.label, label if np.size(label) else 0)


def test_wrong_headers():
    with pytest.raises(FileFormatError, match="expected 24 bytes or more, got 3"):
        mx.recordio.unpack(b"abc")
    with pytest.raises(FileFormatError, match="announces 4294967295 labels"):
        mx.recordio.unpack(b"\xff\xff\xff\xff" + bytes(20))
    for header in ((0, 1, -1, 0), (0, "cat", 1, 0), (0, 1, 1.5, 0), (0, 1e60, 1, 0)):
        with pytest.raises(ParameterError, match=r"recordio\.pack"):
            mx.recordio.pack(header, b"")
