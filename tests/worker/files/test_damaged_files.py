"""Every format that is read, damaged in every way that a seed gives: it is read, or refused by an error of ours that
names the file, soon, and with little memory.
"""

import bz2
import gzip
import io
import json
import lzma
import random
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import DataError, FileFormatError, GraphError, ParameterError, PushgradError
from pushgrad.worker.data.csv_iter import read_csv
from pushgrad.worker.data.images.list_file import read_list
from pushgrad.worker.data.images.records import RecordFile, read_index, write_record
from pushgrad.worker.data.mnist_iter import read_idx
from pushgrad.worker.files.checkpoint import load_state
from pushgrad.worker.files.formats.safetensors_file import load_symbol

HERE = Path(__file__).parent
# Numbers that files of all these formats would claim sizes, counts and offsets with.
HUGE = [
    struct.pack(form, number)
    for form in ("<I", ">I", "<Q", ">Q")
    for number in (0, 1, 1 << 31, (1 << 32) - 1, 0x7FFFFFFF)
] + [b"\xff" * 8, b"\x7f" + b"\xff" * 7, b"\0" * 6 + b"\0\x40", b"9" * 20, b"9" * 5000, b"-1", b"\x80" * 9 + b"\x01"]


def recorded(name):
    return (HERE / ("recorded" if name.endswith(".nd") else "formats/recorded") / name).read_bytes()


def csv_text():
    return "".join(f"{row},{row / 3:.6f},-{row}e-2\n" for row in range(40)).encode()


def idx():
    return struct.pack(">4B3I", 0, 0, 8, 3, 4, 3, 3) + bytes(range(36))


def record_file():
    stream = io.BytesIO()
    for size in (0, 5, 40, 300):
        content = random.Random(size).randbytes(size) + struct.pack("<I", 0xCED7230A)
        write_record(stream, mx.recordio.pack(mx.recordio.IRHeader(0, [1.0, 2.0], size, 0), content))
    return stream.getvalue()


def index(tmp_path):
    (tmp_path / "whole.rec").write_bytes(record_file())
    with RecordFile(tmp_path / "whole.rec") as file:
        return "".join(f"{key}\t{offset}\n" for key, offset in enumerate(file.offsets())).encode()


def wheel(method):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        archive.writestr("package/weights.pth", recorded("torch_old.pth"))
    return stream.getvalue()


def network():
    data = mx.sym.Variable("data", shape=(2, 3, 8, 8))
    net = mx.sym.Convolution(data, kernel=(3, 3), num_filter=2, name="conv")
    net = mx.sym.BatchNorm(mx.sym.Pooling(net, kernel=(2, 2), stride=(2, 2), pool_type="max"), name="bn")
    parts = mx.sym.SliceChannel(mx.sym.Reshape(net, shape=(0, -1)), num_outputs=2)
    return mx.sym.SoftmaxOutput(mx.sym.Concat(parts[0], parts[1], dim=1), name="softmax")


def old_graph():
    """As MXNet 0.8 wrote it: no version, parameters in `param`, pooling without a convention."""
    nodes = [
        {"op": "null", "param": {}, "name": "data", "inputs": [], "backward_source_id": -1},
        {"op": "Convolution", "param": {"kernel": "(3,3)", "num_filter": "2"}, "name": "c", "inputs": [[0, 0]]},
        {"op": "CuDNNBatchNorm", "param": {"eps": "0.001"}, "name": "b", "inputs": [[1, 0]]},
        {"op": "Pooling", "param": {"kernel": "(2,2)", "pool_type": "max"}, "name": "p", "inputs": [[2, 0]]},
    ]
    return json.dumps({"nodes": nodes, "arg_nodes": [0], "heads": [[3, 0]]}).encode()


def onnx_bytes(tmp_path):
    params = {"conv_weight": (2, 3, 3, 3), "conv_bias": (2,), "bn_gamma": (2,), "bn_beta": (2,)}
    arrays = {name: np.ones(shape, np.float32) for name, shape in params.items()}
    arrays |= {"bn_moving_mean": np.zeros(2, np.float32), "bn_moving_var": np.ones(2, np.float32)}
    mx.formats.export_onnx(network(), arrays, {"data": (2, 3, 8, 8)}, tmp_path / "whole.onnx")
    return (tmp_path / "whole.onnx").read_bytes()


def safetensors(tmp_path):
    mx.formats.save_safetensors(tmp_path / "whole", {"w": np.ones((3, 4), np.float32), "s": np.ones(())}, network())
    return (tmp_path / "whole").read_bytes()


def nd(tmp_path, arrays):
    mx.nd.save(tmp_path / "whole", arrays)
    return (tmp_path / "whole").read_bytes()


def states(tmp_path):
    return nd(tmp_path, {"mom:w": np.ones((2, 3), np.float32), "step": np.array([3], np.int64)})


def all_records(path):
    with RecordFile(path) as file:
        for offset in file.offsets():
            mx.recordio.unpack(file.read(int(offset))[0])


def by_key(path):
    records = Path(path).with_suffix(".rec")
    records.write_bytes(record_file())
    with mx.recordio.MXIndexedRecordIO(path, records, "r") as file:
        for key in file.keys:
            file.read_idx(key)


def checkpoint_graph(path):
    mx.nd.save(Path(path).with_name("net-0001.params"), {"arg:c_weight": np.ones((2, 3, 3, 3), np.float32)})
    mx.model.load_checkpoint(Path(path).with_name("net"), 1)


def checkpoint_params(path):
    Path(path).with_name("net-symbol.json").write_bytes(old_graph())
    mx.model.load_checkpoint(Path(path).with_name("net"), 1)


ARRAYS = {"arg:c_weight": np.ones((2, 3, 3, 3), np.float32), "aux:b_moving_inv_var": np.ones(2, np.float32)}
LIST = b"0\t1\ta/b.jpg\n1\t0.5\t2\tc.png\n"
OF_GRAPHS = (FileFormatError, DataError, GraphError, ParameterError)
# name: file name, content, reader, errors, damaged files
FILES = {
    "csv": ("x.csv", lambda _: csv_text(), read_csv, (DataError,), 60),
    "csv.gz": ("x.csv.gz", lambda _: gzip.compress(csv_text()), read_csv, (DataError,), 100),
    "csv.bz2": ("x.csv.bz2", lambda _: bz2.compress(csv_text()), read_csv, (DataError,), 100),
    "csv.xz": ("x.csv.xz", lambda _: lzma.compress(csv_text()), read_csv, (DataError,), 100),
    "idx": ("x.idx", lambda _: idx(), read_idx, (FileFormatError,), 400),
    "idx.gz": ("x.idx.gz", lambda _: gzip.compress(idx()), read_idx, (FileFormatError,), 200),
    "nd dense": ("x.nd", lambda _: recorded("mxnet_dense.nd"), mx.nd.load, (FileFormatError,), 300),
    "nd sparse": ("x.nd", lambda _: recorded("mxnet_sparse.nd"), mx.nd.load, (FileFormatError,), 600),
    "nd bfloat16": ("x.nd", lambda _: recorded("mxnet_bfloat16.nd"), mx.nd.load, (FileFormatError,), 200),
    "safetensors": ("x.safetensors", safetensors, mx.formats.load_safetensors, (FileFormatError,), 600),
    "safetensors graph": ("x.safetensors", safetensors, load_symbol, OF_GRAPHS, 300),
    "torch": ("x.pth", lambda _: recorded("torch_new.pth"), mx.formats.load_torch, (FileFormatError,), 300),
    "torch old": ("x.pth", lambda _: recorded("torch_old.pth"), mx.formats.load_torch, (FileFormatError,), 300),
    "wheel": ("x.whl", lambda _: wheel(zipfile.ZIP_DEFLATED), mx.formats.load_torch, (FileFormatError,), 200),
    "wheel lzma": ("x.whl", lambda _: wheel(zipfile.ZIP_LZMA), mx.formats.load_torch, (FileFormatError,), 200),
    "wheel bz2": ("x.whl", lambda _: wheel(zipfile.ZIP_BZIP2), mx.formats.load_torch, (FileFormatError,), 200),
    "records": ("x.rec", lambda _: record_file(), all_records, (FileFormatError,), 300),
    "index": ("x.idx", index, read_index, (FileFormatError,), 300),
    "record by key": ("x.idx", index, by_key, (FileFormatError,), 200),
    "list": ("x.lst", lambda _: LIST, read_list, (FileFormatError,), 300),
    "onnx": ("x.onnx", onnx_bytes, mx.formats.import_onnx, OF_GRAPHS, 150),
    "graph": ("x-symbol.json", lambda _: network().tojson().encode(), mx.sym.load, OF_GRAPHS, 300),
    "old graph": ("net-symbol.json", lambda _: old_graph(), checkpoint_graph, OF_GRAPHS, 60),
    "params": ("net-0001.params", lambda folder: nd(folder, ARRAYS), checkpoint_params, OF_GRAPHS, 60),
    "states": ("x.states", states, lambda path: load_state(path, {"w": np.ones((2, 3))}), (FileFormatError,), 200),
}  # fmt: skip


def damage(generator, whole):
    """`whole` with one to three things wrong."""
    content = bytearray(whole)
    for _ in range(generator.randint(1, 3)):
        place = generator.randrange(len(content) + 1)
        kind = generator.randrange(6)
        if kind == 0:
            content[place : place + 1] = bytes([generator.randrange(256)])
        elif kind == 1:
            del content[place:]
        elif kind == 2:
            number = generator.choice(HUGE)
            content[place : place + (len(number) if len(number) < 20 else 1)] = number
        elif kind == 3:
            del content[place : place + generator.randint(1, 9)]
        elif kind == 4:
            content[place:place] = content[place : place + generator.randint(1, 40)] * generator.choice([1, 1, 300])
        elif place < len(content):
            content[place] ^= 1 << generator.randrange(8)
    return bytes(content)


@pytest.mark.parametrize("kind", FILES)
def test_damaged_files_are_read_or_refused(tmp_path, kind):
    name, make, read, errors, count = FILES[kind]
    whole, path = make(tmp_path), tmp_path / name
    path.write_bytes(whole)
    read(path)
    generator, refused = random.Random(len(kind)), 0
    for _ in range(count):
        path.write_bytes(damage(generator, whole))
        try:
            read(path)
        except PushgradError as error:
            refused += 1
            assert isinstance(error, errors), repr(error)
            assert name in str(error) or "x.rec" in str(error) or "a record" in str(error), str(error)
            assert len(str(error)) < 1500
    assert refused > count // 20


@pytest.mark.parametrize("kind", FILES)
def test_claims_take_no_memory(tmp_path, kind):
    """Every eighth byte on, a number that a size may be."""
    name, make, read, errors, _ = FILES[kind]
    whole, path = make(tmp_path), tmp_path / name
    path.write_bytes(whole)
    read(path)  # what is loaded once for the format
    places = range(0, len(whole), max(1, len(whole) // 25))
    tracemalloc.start()
    try:
        for place in places:
            for number in (b"\xff\xff\xff\x7f", b"\xff" * 6, b"\0\0\0\0\0\1\0\0"):
                path.write_bytes(whole[:place] + number + whole[place + len(number) :])
                try:
                    read(path)
                except PushgradError as error:
                    assert isinstance(error, errors)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 300 << 20 if kind == "nd sparse" else peak < 40 << 20, peak


# ---- one by one


def refusal(kind, path, content):
    path.write_bytes(content)
    with pytest.raises(PushgradError) as caught:
        FILES[kind][2](path)
    assert isinstance(caught.value, FILES[kind][3])
    assert path.name in str(caught.value)
    return str(caught.value)


def test_a_csv_cell_of_many_characters(tmp_path):
    path = tmp_path / "x.csv"
    assert "line 2: field larger than field limit" in refusal("csv", path, b"1,2\n3," + b"x" * 200_000 + b"\n")
    path.write_bytes(b"1,2\n3," + b"0" * 200_000 + b"4\n")  # a number all the same
    np.testing.assert_array_equal(read_csv(path), [[1, 2], [3, 4]])


def test_a_csv_file_that_was_packed(tmp_path):
    for name, pack in (("x.csv.gz", gzip.compress), ("x.csv.bz2", bz2.compress), ("x.csv.xz", lzma.compress)):
        whole = pack(csv_text())
        (tmp_path / name).write_bytes(whole)
        assert read_csv(tmp_path / name).shape == (40, 3)
        refusal("csv", tmp_path / name, whole[: len(whole) // 2])
        refusal("csv", tmp_path / name, whole[:30] + bytes([255 - whole[30]]) * 9 + whole[39:])
        assert "line 41, column 2" in refusal("csv", tmp_path / name, pack(csv_text() + b"1,a,2\n"))


def test_shapes_without_elements_that_overflow(tmp_path):
    shape = struct.pack(">3I", 0, (1 << 32) - 1, (1 << 32) - 1)
    assert "beyond all bounds" in refusal("idx", tmp_path / "x.idx", bytes([0, 0, 8, 3]) + shape)
    for claimed in ([0, 1 << 62], [0] * 65, [1] * 65, [0, 1 << 40, 1 << 40]):
        entry = {"dtype": "F32", "shape": claimed, "data_offsets": [0, 0 if 0 in claimed else 4]}
        header = json.dumps({"w": entry}).encode()
        content = struct.pack("<Q", len(header)) + header + (b"" if 0 in claimed else bytes(4))
        refusal("safetensors", tmp_path / "x.safetensors", content)


def test_images_without_pixels(tmp_path):
    (tmp_path / "image").write_bytes(struct.pack(">4B3I", 0, 0, 8, 3, 0, 28, 28))
    (tmp_path / "label").write_bytes(struct.pack(">4BI", 0, 0, 8, 1, 0))
    for flat in (False, True):
        with pytest.raises(DataError, match="image has no pixels"):
            mx.io.MNISTIter(tmp_path / "image", tmp_path / "label", flat=flat)


@pytest.mark.parametrize("offset", [b"9" * 5000, b"9" * 20, str(1 << 63).encode(), b"-1", b"1.5"])
def test_offsets_that_are_none(tmp_path, offset):
    assert "line 2: expected a key of its own, a tab and an offset" in refusal(
        "index", tmp_path / "x.idx", b"0\t0\n1\t" + offset + b"\n"
    )
    (tmp_path / "x.rec").write_bytes(record_file())
    with pytest.raises(FileFormatError, match=r"x\.idx, line 2"):
        mx.io.ImageRecordIter(tmp_path / "x.rec", (3, 2, 2), path_imgidx=tmp_path / "x.idx", batch_size=1)


def test_a_wheel_with_damaged_lzma(tmp_path):
    whole = bytearray(wheel(zipfile.ZIP_LZMA))
    for place in (60, 75, 200, 400):
        whole[place : place + 40] = b"\xff" * 40
        assert "a damaged zip archive" in refusal("wheel", tmp_path / "x.whl", bytes(whole))


def test_an_archive_that_lies_about_what_it_holds(tmp_path):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.pth", bytes(64 << 20))
    content = bytearray(stream.getvalue())
    place = content.index(b"PK\x01\x02")  # the central directory: compressed size at 20, size at 24
    content[place + 20 : place + 24] = struct.pack("<I", 1 << 31)
    tracemalloc.start()
    assert "grows from" in refusal("wheel", tmp_path / "x.whl", bytes(content))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


def test_sparse_arrays_that_together_claim_gigabytes(tmp_path):
    """Twenty of 2 GiB each, of one row, in some kilobytes."""

    def row_sparse(rows):
        shape = struct.pack("<i2q", 2, 1, 64), struct.pack("<i2q", 2, rows, 64), struct.pack("<iq", 1, 1)
        kinds = struct.pack("<3i", 1, 0, 0) + struct.pack("<i", 6) + shape[2]
        return struct.pack("<Ii", 0xF993FAC9, 1) + shape[0] + shape[1] + kinds + bytes(4 * 64) + struct.pack("<q", 3)

    def file(count, rows):
        return struct.pack("<3Q", 0x112, 0, count) + row_sparse(rows) * count + struct.pack("<Q", 0)

    (tmp_path / "x.nd").write_bytes(file(2, 5))
    assert [array.shape for array in mx.nd.load(tmp_path / "x.nd")] == [(5, 64)] * 2
    tracemalloc.start()
    for count, rows in ((20, 1 << 23), (20, 1 << 19), (1, 1 << 23)):
        assert "too large to be read as a dense one" in refusal("nd sparse", tmp_path / "x.nd", file(count, rows))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= (1 << 28) + (1 << 20)
