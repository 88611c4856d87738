import gzip
import os
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import DataError, FileFormatError, ParameterError

SUBSET = Path(__file__).parents[3] / "examples" / "data" / "mnist"


def idx(array, code=0x08):
    array = np.asarray(array)
    big = array.astype(array.dtype.newbyteorder(">"))
    return bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + big.tobytes()


@pytest.fixture
def write(tmp_path):
    def write_file(content, name="file.idx"):
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return write_file


@pytest.fixture
def digits(write):
    images = np.arange(7 * 2 * 3, dtype=np.uint8).reshape(7, 2, 3)
    return write(gzip.compress(idx(images)), "images.gz"), write(idx(np.arange(7, dtype=np.uint8)), "labels"), images


@pytest.mark.parametrize(
    ("dtype", "code"), [("u1", 0x08), ("i1", 0x09), ("i2", 0x0B), ("i4", 0x0C), ("f4", 0x0D), ("f8", 0x0E)]
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_every_element_type_plain_and_gzipped(write, dtype, code, pack):
    array = np.arange(-3, 3).astype(dtype).reshape(2, 3)
    read = mx.io.read_idx(write(pack(idx(array, code))))
    assert read.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(read, array)


def test_images_are_scaled_by_256(digits):
    images, labels, pixels = digits
    iterator = mx.io.MNISTIter(images, labels, batch_size=3, shuffle=False)
    assert iterator.provide_data == [("data", (3, 1, 2, 3))]
    batches = list(iterator)
    np.testing.assert_array_equal(batches[1].data[0][:, 0], pixels[3:6].astype(np.float32) / 256)
    assert [batch.label[0].tolist() for batch in batches] == [[0, 1, 2], [3, 4, 5], [6, 0, 1]]
    assert batches[-1].pad == 2


def test_flat_and_shuffled(digits):
    images, labels, _ = digits
    iterator = mx.io.MNISTIter(images, labels, 7, flat=True, seed=3)
    assert iterator.provide_data == [("data", (7, 6))]
    batch = iterator.next()
    assert sorted(batch.label[0]) == list(range(7)) != batch.label[0].tolist()
    np.testing.assert_array_equal(batch.data[0][:, 0] * 256, 6 * batch.label[0])


def test_parts_are_equal_and_disjoint(digits):
    images, labels, _ = digits
    parts = [mx.io.MNISTIter(images, labels, 1, False, num_parts=3, part_index=i) for i in range(3)]
    assert [[int(b.label[0][0]) for b in part] for part in parts] == [[0, 1], [2, 3], [4, 5]]
    with pytest.raises(ParameterError, match="num_parts"):
        mx.io.MNISTIter(images, labels, 1, num_parts=0)


def test_the_subset_that_ships():
    iterator = mx.io.MNISTIter(
        SUBSET / "train-images-idx3-ubyte.gz", SUBSET / "train-labels-idx1-ubyte.gz", 100, shuffle=False
    )
    assert iterator.num_data == 6000
    assert iterator.next().label[0][:5].tolist() == [5, 0, 4, 1, 9]
    test = mx.io.read_idx(SUBSET / "t10k-labels-idx1-ubyte.gz")
    assert len(test) == 1000
    assert test[:5].tolist() == [7, 2, 1, 0, 4]
    assert sum(path.stat().st_size for path in SUBSET.iterdir()) < 1.4e6


GOOD = idx(np.zeros((4, 2), np.uint8))
PACKED = gzip.compress(GOOD, mtime=0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not an idx file"),
        (b"\x89PNG\r\n", r"is not an idx file: expected a first word such as 00 00 08 03, got 89 50 4e 47"),
        (b"\0\0\x07\x01" + b"\0" * 8, "is not an idx file"),
        (b"\0\0\x08\x00", "is not an idx file"),
        (b"\0\0\x08\x03\0\0", "truncated within its header"),
        (GOOD[:-1], r"is truncated: expected 8 bytes for shape \(4, 2\), got 7"),
        (GOOD + b"x", "has bytes after its 8 bytes"),
        (PACKED[:-4], "damaged gzip"),
        (PACKED[:10] + b"\xff" * 10, "damaged gzip"),
        (gzip.compress(GOOD + b"x", mtime=0), "has bytes after"),
    ],
    ids=["empty", "png", "type", "rank", "header", "short", "long", "short-gzip", "broken-gzip", "long-gzip"],
)
def test_foreign_and_damaged_files(write, content, message):
    with pytest.raises(FileFormatError, match=message) as caught:
        mx.io.read_idx(write(content))
    assert "file.idx" in str(caught.value)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_huge_claim_allocates_nothing(write, pack):
    path = write(pack(b"\0\0\x08\x03" + b"\xff" * 12 + b"tiny"))
    tracemalloc.start()
    with pytest.raises(FileFormatError, match="truncated"):
        mx.io.read_idx(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 << 20


def test_missing_file(tmp_path):
    with pytest.raises(FileFormatError, match=r"absent.gz cannot be read: No such file"):
        mx.io.read_idx(os.fspath(tmp_path / "absent.gz"))


def test_images_and_labels_have_to_fit(write, digits):
    images, labels, _ = digits
    with pytest.raises(DataError, match=r"expected images, an idx file of 3 dimensions, got shape \(7,\)"):
        mx.io.MNISTIter(labels, labels)
    with pytest.raises(DataError, match=r"expected 7 labels, one per image, got shape \(6,\)"):
        mx.io.MNISTIter(images, write(idx(np.arange(6, dtype=np.uint8)), "short"))
    with pytest.raises(ParameterError, match="larger than the data"):
        mx.io.MNISTIter(images, labels, 8)


def test_two_passes_have_the_same_order(digits):
    """As in MXNet, which shuffles once, when the file is read: predictions and labels may come from two passes."""
    images, labels, _ = digits
    iterator = mx.io.MNISTIter(images, labels, 7, seed=3)
    first = iterator.next().label[0].tolist()
    iterator.reset()
    assert iterator.next().label[0].tolist() == first
    assert mx.io.MNISTIter(images, labels, 7, seed=4).next().label[0].tolist() != first


def test_keywords_of_mxnets_scripts(digits):
    images, labels, _ = digits
    given = {"image": images, "label": labels, "batch_size": 2, "shuffle": True, "silent": False, "seed": 10}
    iterator = mx.io.MNISTIter(**given, flat=True, input_shape=(6,), num_parts=2, part_index=1, label_name="y")
    assert iterator.provide_data == [("data", (2, 6))]
    assert iterator.provide_label == [("y", (2,))]
    for shape in ((1, 3, 2), [1, 3, 2]):
        assert mx.io.MNISTIter(**given, input_shape=shape).provide_data == [("data", (2, 1, 3, 2))]
    assert mx.io.MNISTIter(**given, input_shape=6).provide_data == [("data", (2, 6))]
    for wrong in ({"input_shape": (784,)}, {"flat": True, "input_shape": (1, 2, 3)}):
        with pytest.raises(ParameterError, match=r"MNISTIter: input_shape: expected .*, or another shape of 6 pixels"):
            mx.io.MNISTIter(**given, **wrong)
