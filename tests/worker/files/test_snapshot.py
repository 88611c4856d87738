import json
import random

import numpy as np
import pytest

from pushgrad.common.errors import FileFormatError
from pushgrad.worker.files import snapshot

HEAD = {
    "run": "0123", "script": "train.py", "fit": 1, "step": 7, "epoch": 1, "batch": 7, "done": False,
    "written": "2026-01-01T00:00:00+00:00", "identity": {"network": "abc"}, "parts": [1], "results": {},
}  # fmt: skip
TREE = {"step": 7, "weights": {"w": np.arange(12, dtype=np.float32).reshape(3, 4), "b": np.float64(2).reshape(())}}


@pytest.fixture
def folder(tmp_path):
    """A snapshot of two workers."""
    snapshot.write(tmp_path, snapshot.STATE, HEAD, TREE)
    snapshot.write(tmp_path, snapshot.part(1), {"run": "0123"}, {"residuals": {"w": np.ones(12, np.float32)}})
    return tmp_path


def change(folder, resealed=True, **fields):
    """Write other values into state.json, by default with the checksum that then fits."""
    path = folder / "state.json"
    text = json.loads(path.read_text()) | fields
    del text["checksum"]
    path.write_text(json.dumps(text | {"checksum": snapshot._checksum(text) if resealed else "00000000"}))


def test_what_was_written_is_read(folder):
    found = snapshot.verify(folder)
    np.testing.assert_equal(found.tree, TREE)
    assert found.head.items() >= HEAD.items()
    assert (found.fit, found.done) == (1, False)
    assert snapshot.read(folder, "rank-1").tree["residuals"]["w"].sum() == 12


def test_it_can_be_read_by_hand(folder):
    from pushgrad.worker.files import ndfile

    assert ndfile.load(folder / "state.params")["weights/w"].tolist() == TREE["weights"]["w"].tolist()
    text = json.loads((folder / "state.json").read_text())
    assert text["state"]["weights"]["w"] == {"$array": "weights/w"}
    # zlib.crc32(struct.pack("<12f", *range(12)))
    assert text["arrays"]["weights/w"] == {"shape": [3, 4], "dtype": "float32", "crc32": "3e667d78"}


@pytest.mark.parametrize("name", ["state.json", "state.params", "rank-1.json", "rank-1.params"])
def test_a_flipped_bit_is_found_or_changes_nothing(folder, name):
    path, draw = folder / name, random.Random(0)
    whole = path.read_bytes()
    refused = 0
    for _ in range(150):
        place, bit = draw.randrange(len(whole)), draw.randrange(8)
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
        try:
            found = snapshot.verify(folder)
        except FileFormatError as error:
            assert str(folder) in str(error)
            refused += 1
        else:  # such as white space in JSON, or the device in the file of arrays, which readers ignore
            np.testing.assert_equal(found.tree, TREE)
    assert refused > 90


@pytest.mark.parametrize("name", ["state.json", "state.params", "rank-1.json", "rank-1.params"])
def test_a_truncated_or_missing_file_is_named(folder, name):
    path = folder / name
    whole = path.read_bytes()
    for length in range(0, len(whole), 37):
        path.write_bytes(whole[:length])
        with pytest.raises(FileFormatError, match=name):
            snapshot.verify(folder)
    path.unlink()
    with pytest.raises(FileFormatError, match=name):
        snapshot.verify(folder)


def test_a_newer_minor_version_is_read_and_a_newer_major_one_refused(folder):
    change(folder, version="1.7", news="unknown here")
    assert snapshot.read(folder).head["step"] == 7
    change(folder, version="2.0")
    with pytest.raises(FileFormatError, match=r"version of the format: expected 1\.x, got 2\.0\. It was written by"):
        snapshot.read(folder)


def test_a_changed_value_is_found(folder):
    change(folder, resealed=False, step=8)
    with pytest.raises(FileFormatError, match="has been changed since it was written"):
        snapshot.read(folder)


def test_json_that_is_no_snapshot_is_refused(folder):
    for text in ("[1]", "{}", '{"format": "other"}'):
        (folder / "state.json").write_text(text)
        with pytest.raises(FileFormatError, match="is not a snapshot of pushgrad"):
            snapshot.read(folder)
