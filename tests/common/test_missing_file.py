"""Files that cannot be read: the name that was meant, what there is, or where it was sought."""

import errno
from pathlib import Path

import pytest

import pushgrad as mx
from pushgrad.common.errors import DataError, FileFormatError, JobError
from pushgrad.common.foreign import reading
from pushgrad.common.missing_file import remedy_for
from pushgrad.launch.script import worker_command

MISSING = FileNotFoundError(errno.ENOENT, "No such file or directory")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "records").mkdir()
    for name in ("train.rec", "train.lst", *(f"part{number}.csv" for number in range(6))):
        (tmp_path / "records" / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("path", "remedy"),
    [
        ("records/trian.rec", "Did you mean records/train.rec?"),
        ("record/train.rec", "Did you mean records/train.rec?"),
        ("records/x.rec", "Check the path: it was sought in {}/records, which has train.rec"),
        (
            "records/x.csv",
            "Check the path: it was sought in {}/records, which has part0.csv, part1.csv, part2.csv, part3.csv, "
            "part4.csv, ...",
        ),
        ("records/train.idx", "Check the path: it was sought in {}/records"),
        ("data/sets/x.rec", "Check the path: there is no folder {}/data"),
    ],
)
def test_what_is_missing(folder, path, remedy):
    assert remedy_for(path, MISSING) == remedy.format(folder)


@pytest.mark.parametrize(
    ("number", "begins"), [(errno.EISDIR, "It is a folder"), (errno.EACCES, "Its permissions"), (errno.EIO, None)]
)
def test_what_is_there_and_cannot_be_read(number, begins):
    remedy = remedy_for("x.csv", OSError(number, ""))
    assert remedy is None if begins is None else remedy.startswith(begins)


def test_a_readers_own_remedy_gives_way_to_the_name_that_was_meant(folder):
    for path, said in (("records/trian.rec", "Did you mean records/train.rec?"), ("records/x.rec", "Fetch it")):
        with pytest.raises(FileFormatError) as error, reading(path, remedy="Fetch it"):
            Path(path).read_bytes()
        assert str(error.value) == f"{path} cannot be read: No such file or directory. {said}"


@pytest.mark.parametrize(
    ("reader", "error"),
    [
        (lambda: mx.io.ImageRecordIter("records/trian.rec", (3, 8, 8), 1), FileFormatError),
        (lambda: mx.recordio.MXRecordIO("records/trian.rec", "r"), FileFormatError),
        (lambda: mx.io.ImageFolderIter("recrods", (3, 8, 8), 1), DataError),
        (lambda: mx.io.CSVIter("records/part_0.csv", (3,)), DataError),
        (lambda: mx.nd.load("records/trian.rec"), FileFormatError),
        (lambda: mx.sym.load("record/net.json"), FileFormatError),
    ],
)
def test_readers(folder, reader, error):
    with pytest.raises(error, match=r"cannot be read: No such file or directory\. Did you mean records"):
        reader()


def test_prefixes_and_scripts(folder):
    (folder / "net-0003.params").touch()
    (folder / "train.py").touch()
    with pytest.raises(FileFormatError, match=r"no whole checkpoint nett-\*.params. Did you mean net\?"):
        mx.FeedForward.load("nett")
    with pytest.raises(JobError, match=r"there is no script trian.py; this folder is .*. Did you mean train.py\?"):
        worker_command("trian.py")
