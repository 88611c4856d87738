"""`pushgrad im2rec` and what it is made of: lists, and RecordIO files of the pictures in them."""

import io
import os
import re

import numpy as np
import PIL.Image
import pytest
from click.testing import CliRunner

import pushgrad as mx
from pushgrad.cli import command, main
from pushgrad.common.errors import DataError, FileFormatError, ParameterError
from pushgrad.worker.data.images.list_file import Listed, read_list, write_list
from pushgrad.worker.data.images.packing import Form, make_lists, pack_list


def run(*arguments):
    return CliRunner().invoke(command, ["im2rec", *map(str, arguments)], catch_exceptions=False)


@pytest.fixture
def folder(tmp_path):
    """Five pictures of 12 x 20 pixels of the class "a cat", and four of "dog", one of them deeper in it."""
    root, noise = tmp_path / "the pictures", np.random.default_rng(2)
    for name in (*(f"a cat/p {i}.png" for i in range(5)), *(f"dog/{i}.png" for i in range(3)), "dog/old/x.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(noise.integers(0, 256, (12, 20, 3)).astype(np.uint8)).save(root / name)
    return root


def content(prefix):
    """(header, picture) of each record, by the index."""
    with mx.recordio.MXIndexedRecordIO(f"{prefix}.idx", f"{prefix}.rec", "r") as file:
        records = {key: mx.recordio.unpack(file.read_idx(key)) for key in file.keys}
    assert all(header.id == key for key, (header, _) in records.items())
    return {key: (header, PIL.Image.open(io.BytesIO(picture))) for key, (header, picture) in records.items()}


def test_a_folder_becomes_a_file(folder, tmp_path):
    done = run(tmp_path / "out", folder)
    assert done.exit_code == 0
    assert done.output.splitlines()[0] == f"{tmp_path / 'out'}.lst: 8 pictures of 2 classes"
    assert re.fullmatch(rf"{tmp_path / 'out'}\.rec: 8 pictures, \d+ bytes", done.output.splitlines()[1])
    assert (tmp_path / "out_classes.txt").read_text() == "a cat\ndog\n"
    listed = {one.number: one for one in read_list(tmp_path / "out.lst")}
    found = content(tmp_path / "out")
    assert list(found) == list(listed) != sorted(listed)  # in the list's order, which is random
    for key, (header, image) in found.items():
        assert header.label == listed[key].labels[0] == (0 if key < 5 else 1)
        brightness = [np.asarray(one.convert("L"), int) for one in (image, PIL.Image.open(folder / listed[key].path))]
        assert image.format == "JPEG" and np.abs(np.subtract(*brightness)).mean() < 6
    with mx.io.ImageRecordIter(tmp_path / "out.rec", (3, 10, 10), 4, tmp_path / "out.idx") as pictures:
        assert len(list(pictures)) == 2


def test_the_order_is_the_seeds(folder, tmp_path):
    def order(*options):
        assert run("--list", tmp_path / "out", folder, *options).exit_code == 0
        return [one.path for one in read_list(tmp_path / "out.lst")]

    straight = order("--no-shuffle")
    assert straight == sorted(straight)
    first, second = order(), order("--seed", 1)
    assert first == order("--seed", 0) and sorted(first) == sorted(second) == straight
    assert len({tuple(one) for one in (first, second, straight)}) == 3
    assert not (tmp_path / "out.rec").exists()


def test_recursive_as_in_mxnet(folder, tmp_path):
    PIL.Image.new("L", (3, 3)).save(folder / "top.png")
    (folder / "a cat" / "loop").symlink_to(folder)
    classes, _ = make_lists(tmp_path / "out", folder, None, recursive=True)
    assert classes == [".", "a cat", "dog", "dog/old"]
    assert [(one.path, one.labels) for one in read_list(tmp_path / "out.lst")] == [
        ("top.png", (0,)), *((f"a cat/p {i}.png", (1,)) for i in range(5)),
        *((f"dog/{i}.png", (2,)) for i in range(3)), ("dog/old/x.png", (3,)),
    ]  # fmt: skip


def test_lists_by_ratio_are_packed_together(folder, tmp_path):
    done = run(tmp_path / "out", folder, "--train-ratio", 0.5, "--test-ratio", 0.25)
    assert done.exit_code == 0
    counts = {end: len(content(f"{tmp_path / 'out'}_{end}")) for end in ("train", "test", "val")}
    assert counts == {"train": 4, "test": 2, "val": 2}
    keys = [key for end in counts for key in content(f"{tmp_path / 'out'}_{end}")]
    assert sorted(keys) == list(range(8))


def test_a_list_that_is_there_is_packed_as_it_is(folder, tmp_path):
    (tmp_path / "mine.lst").write_text("4\t1\t0.5\tdog/1.png\n2\t7\t8\ta cat/p 3.png\n")
    (tmp_path / "mine_too.lst").write_text("no list of this prefix")
    done = run(tmp_path / "mine", folder, "--encoding", ".png", "--quality", 9)
    assert done.output.startswith(f"Packing what is listed in {tmp_path / 'mine.lst'}\n")
    found = content(tmp_path / "mine")
    assert {key: header.label.tolist() for key, (header, _) in found.items()} == {4: [1, 0.5], 2: [7, 8]}
    np.testing.assert_array_equal(np.asarray(found[4][1]), np.asarray(PIL.Image.open(folder / "dog" / "1.png")))
    refused = run(tmp_path / "mine", folder, "--no-shuffle")
    assert refused.exit_code == 2 and "--shuffle: " in refused.output and "--list makes new lists" in refused.output


def stored(folder, tmp_path, **form):
    """The first picture of class "dog" as it is stored: bytes and image."""
    pack_list([Listed(3, (1.0,), "dog/0.png")], folder, tmp_path / "one.rec", Form(**form))
    with mx.recordio.MXRecordIO(tmp_path / "one.rec", "r") as file:
        content = mx.recordio.unpack(file.read())[1]
    return content, PIL.Image.open(io.BytesIO(content))


def test_forms(folder, tmp_path):
    original = folder / "dog" / "0.png"
    assert stored(folder, tmp_path, pass_through=True)[0] == original.read_bytes()
    assert stored(folder, tmp_path, resize=6)[1].size == (10, 6)
    assert stored(folder, tmp_path, resize=24)[1].size == (40, 24)
    square = stored(folder, tmp_path, center_crop=True, encoding=".png")[1]
    np.testing.assert_array_equal(np.asarray(square), np.asarray(PIL.Image.open(original))[:, 4:16])
    assert stored(folder, tmp_path, resize=6, center_crop=True)[1].size == (6, 6)
    coarse, fine = (len(stored(folder, tmp_path, quality=quality)[0]) for quality in (5, 95))
    assert coarse < fine == len(stored(folder, tmp_path)[0])
    with pytest.raises(ParameterError, match="pass_through"):
        Form(resize=6, pass_through=True)
    with pytest.raises(ParameterError, match=r"expected \.jpg or .*, got \.gif"):
        Form(encoding=".gif")


def test_grey_stays_grey_and_alpha_stays_where_it_can(folder, tmp_path):
    PIL.Image.new("L", (5, 5), 99).save(folder / "dog" / "0.png")
    assert stored(folder, tmp_path)[1].mode == "L"
    PIL.Image.new("RGBA", (5, 5), (1, 2, 3, 4)).save(folder / "dog" / "0.png")
    assert stored(folder, tmp_path, encoding=".png")[1].mode == "RGBA"
    assert stored(folder, tmp_path)[1].mode == "RGB"


def test_unreadable_pictures_are_named_and_left_out_or_fail(folder, tmp_path, monkeypatch, capsys):
    (folder / "dog" / "1.png").write_bytes((folder / "dog" / "1.png").read_bytes()[:300])
    done = run(tmp_path / "out", folder)
    assert done.exit_code == 0
    assert f"Skipped: {folder / 'dog' / '1.png'} cannot be read as a picture: " in done.stderr
    assert done.stdout.endswith(" bytes, 1 skipped\n") and len(content(tmp_path / "out")) == 7
    before = (tmp_path / "out.rec").read_bytes()
    arguments = ["pushgrad", "im2rec", str(tmp_path / "out"), str(folder), "--unreadable", "fail"]
    monkeypatch.setattr("sys.argv", arguments)
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert capsys.readouterr().err.startswith(f"Error: {folder / 'dog' / '1.png'} cannot be read as a picture")
    assert (tmp_path / "out.rec").read_bytes() == before
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".new")]


def test_nothing_to_pack(folder, tmp_path):
    with pytest.raises(DataError, match="--recursive"):
        make_lists(tmp_path / "out", folder / "a cat")
    with pytest.raises(DataError, match="no picture could be read"):
        pack_list([Listed(0, (0.0,), "absent.png")], folder, tmp_path / "x.rec", Form(), on_unreadable=lambda _: None)
    with pytest.raises(FileFormatError, match="no folder"):
        make_lists(tmp_path / "no" / "out", folder)
    with pytest.raises(ParameterError, match="together at most 1"):
        make_lists(tmp_path / "out", folder, train_ratio=0.8, test_ratio=0.3)
    assert sorted(path.name for path in tmp_path.iterdir()) == [folder.name]


@pytest.mark.parametrize("name", ["tab\there.png", "line\nend.png"])
def test_names_that_no_list_can_hold(folder, tmp_path, name):
    (folder / "dog" / "0.png").rename(folder / "dog" / name)
    with pytest.raises(DataError, match="a file name with a tab or an end of line"):
        make_lists(tmp_path / "out", folder)


def test_names_of_any_bytes(folder, tmp_path):
    name = os.fsdecode(b"caf\xe9 \xe2\x98\x83.png")
    (folder / "dog" / "0.png").rename(folder / "dog" / name)
    assert mx.recordio.pack_folder(tmp_path / "out", folder) == ["a cat", "dog"]
    assert f"dog/{name}" in [one.path for one in read_list(tmp_path / "out.lst")]
    assert len(content(tmp_path / "out")) == 8


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_change_nothing(folder, tmp_path, threads):
    mx.recordio.pack_folder(tmp_path / f"{threads}", folder, threads=threads)
    mx.recordio.pack_folder(tmp_path / "again", folder)
    assert (tmp_path / f"{threads}.rec").read_bytes() == (tmp_path / "again.rec").read_bytes()


def test_lists_come_back(tmp_path):
    pictures = [Listed(7, (0.1, 2.0), "a b/c.png"), Listed(2**63, (-1.5,), "x\x0by\u2028.jpg")]
    write_list(tmp_path / "a.lst", pictures)
    assert read_list(tmp_path / "a.lst") == pictures
    (tmp_path / "a.lst").write_bytes(b"7\t1.000000\tx.png\r\n\n8\t2\ty.png")
    assert read_list(tmp_path / "a.lst") == [Listed(7, (1.0,), "x.png"), Listed(8, (2.0,), "y.png")]


@pytest.mark.parametrize("line", ["1\tx.png", "x\t1\tx.png", "1\tcat\tx.png", "1\t1\t", "1\tnan\tx.png", "-1\t1\tx"])
def test_damaged_lists(tmp_path, line):
    (tmp_path / "a.lst").write_text(f"0\t0\ta.png\n{line}\n")
    with pytest.raises(FileFormatError, match=r"a\.lst, line 2: expected number, tab, label or labels"):
        read_list(tmp_path / "a.lst")
    (tmp_path / "a.lst").write_text("0\t0\ta.png\n0\t0\tb.png\n")
    with pytest.raises(FileFormatError, match=r"line 2: number 0 is in an earlier line"):
        read_list(tmp_path / "a.lst")
