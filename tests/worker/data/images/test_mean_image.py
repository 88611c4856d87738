"""A mean picture that is made when its file is not there, as MXNet's iterator does; values are numpy's mean."""

import io

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import DataError, FileFormatError

Image = pytest.importorskip("PIL.Image")
PIXELS = np.random.default_rng(0).integers(0, 256, (5, 6, 8, 3), np.uint8)
SHAPE = (3, 4, 4)


@pytest.fixture
def records(tmp_path):
    with mx.recordio.MXRecordIO(tmp_path / "a.rec", "w") as file:
        for number, pixels in enumerate(PIXELS):
            file.write(mx.recordio.pack_img((0, number, number, 0), pixels, 3, ".png", "RGB"))
    return tmp_path / "a.rec"


def iterate(records, **options):
    options = {"batch_size": 5, "mean_img": records.with_name("mean.nd"), **options}
    return mx.io.ImageRecordIter(records, SHAPE, **options)


def test_the_mean_of_the_middles(records, capsys):
    with iterate(records, scale=0.5, std_r=2.0, rand_crop=True, mirror=True, num_parts=5, part_index=3, batch_size=1):
        pass
    found = mx.nd.load(records.with_name("mean.nd"))
    middle = PIXELS[:, 1:5, 2:6].transpose(0, 3, 1, 2)
    np.testing.assert_allclose(found["mean_img"], middle.mean(axis=0), rtol=1e-6)
    assert found["mean_img"].dtype == np.float32
    assert capsys.readouterr().out == f"{records.with_name('mean.nd')}: the mean of 5 pictures\n"
    with iterate(records) as iterator:
        batch = iterator.next().data[0]
    np.testing.assert_allclose(batch, middle - middle.mean(axis=0), atol=1e-4)
    assert capsys.readouterr().out == ""  # the file is there now


def test_any_number_of_threads_makes_the_same_file(records):
    made = []
    for threads in (1, 3):
        with iterate(records, preprocess_threads=threads):
            made.append(records.with_name("mean.nd").read_bytes())
        records.with_name("mean.nd").unlink()
    assert made[0] == made[1]


def test_a_damaged_picture_and_a_missing_folder(records, tmp_path):
    with pytest.raises(FileFormatError, match="there is no folder"):
        iterate(records, mean_img=tmp_path / "absent" / "mean.nd")
    with mx.recordio.MXRecordIO(records, "w") as file:
        file.write(mx.recordio.pack((0, 0, 0, 0), b"no picture"))
    with pytest.raises(DataError, match="record 0 at byte 0 cannot be read as a picture"):
        iterate(records, batch_size=1)
    assert not records.with_name("mean.nd").exists()


def test_lists_in_alphabetical_order(tmp_path):
    for name in ("b", "a"):
        (tmp_path / "root" / name).mkdir(parents=True)
        for number in range(4):
            out = io.BytesIO()
            Image.new("L", (2, 2)).save(out, "PNG")
            (tmp_path / "root" / name / f"{number}.png").write_bytes(out.getvalue())
    assert mx.recordio.pack_folder(tmp_path / "set", tmp_path / "root", shuffle=False) == ["a", "b"]
    paths = [line.split("\t")[2] for line in (tmp_path / "set.lst").read_text().splitlines()]
    assert paths == sorted(paths)
    mx.recordio.pack_folder(tmp_path / "set", tmp_path / "root")
    assert [line.split("\t")[2] for line in (tmp_path / "set.lst").read_text().splitlines()] != paths
