"""Batches of pictures: order, parts, what is prepared ahead and by whom, and what is left when it is over."""

import gc
import os
import subprocess
import sys
import threading
import warnings

import numpy as np
import PIL.Image
import pytest

import pushgrad as mx
from pushgrad.common.errors import DataError, FileFormatError, ParameterError
from pushgrad.worker.data.images.image_iter import ImageIter, Picture

COUNT = 23
RANDOM = {"shuffle": True, "seed": 3, "rand_crop": True, "rand_mirror": True}


def write_records(prefix, count=COUNT, labels=1):
    """Picture i is of noise, with label i (and i + 0.5 ...) and key 10 * i."""
    noise = np.random.default_rng(1)
    with mx.recordio.MXIndexedRecordIO(f"{prefix}.idx", f"{prefix}.rec", "w") as file:
        for i in range(count):
            label = i if labels == 1 else [i + k / 2 for k in range(labels)]
            pixels = noise.integers(0, 256, (9, 10 + i % 3, 3)).astype(np.uint8)
            file.write_idx(10 * i, mx.recordio.pack_img((0, label, i, 0), pixels, 3, ".png"))


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    prefix = tmp_path_factory.mktemp("packed") / "pictures"
    write_records(prefix)
    return prefix


@pytest.fixture
def pictures(packed):
    """Makes iterators that are closed in the end."""
    made = []

    def make(batch_size=4, **options):
        made.append(mx.io.ImageRecordIter(f"{packed}.rec", (3, 8, 8), batch_size, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def decoders():
    return [thread for thread in threading.enumerate() if thread.name.startswith("pushgrad-decode")]


def open_files():
    """How many files this process has open, those not counted that only garbage holds, maybe another test's."""
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


def same(first, second):
    """Whether two iterators give the same batches of this epoch."""
    pairs = list(zip(first, second, strict=True))
    for one, other in pairs:
        np.testing.assert_array_equal(one.data[0], other.data[0])
        np.testing.assert_array_equal(one.label[0], other.label[0])
        assert one.pad == other.pad
    return len(pairs)


def test_batches_in_order(pictures):
    batches = list(pictures())
    assert [batch.pad for batch in batches] == [0, 0, 0, 0, 0, 1]
    labels = np.concatenate([batch.label[0] for batch in batches])
    assert labels.tolist() == [*range(COUNT), 0]
    np.testing.assert_array_equal(np.concatenate([batch.index for batch in batches]), labels)
    assert batches[0].data[0].shape == (4, 3, 8, 8) and batches[0].data[0].dtype == np.float32
    np.testing.assert_array_equal(batches[-1].data[0][-1], batches[0].data[0][0])
    assert len(list(pictures(round_batch=False))) == 5
    assert pictures(data_name="x", label_name="y").provide_data == [("x", (4, 3, 8, 8))]


def test_several_labels(tmp_path):
    write_records(tmp_path / "two", 3, labels=2)
    with mx.io.ImageRecordIter(tmp_path / "two.rec", (3, 8, 8), 3, label_width=2) as pictures:
        assert pictures.provide_label == [("softmax_label", (3, 2))]
        assert pictures.next().label[0].tolist() == [[0, 0.5], [1, 1.5], [2, 2.5]]
    with (
        mx.io.ImageRecordIter(tmp_path / "two.rec", (3, 8, 8), 3) as pictures,
        pytest.raises(DataError, match=r"two\.rec, record 0 at byte 0: number of labels: expected 1 .* got 2"),
    ):
        pictures.next()


def test_each_epoch_has_an_order_of_its_own_from_the_seed(pictures):
    iterator = pictures(**RANDOM)
    orders = []
    for _ in range(3):
        batches = list(iterator)
        orders.append(np.concatenate([batch.index for batch in batches])[:COUNT].tolist())
        iterator.reset()
    assert all(sorted(order) == list(range(COUNT)) for order in orders)
    assert len(set(map(tuple, orders))) == 3
    assert same(pictures(**RANDOM), pictures(**RANDOM)) == 6
    other = pictures(**{**RANDOM, "seed": 4}).next()
    assert other.index.tolist() != orders[0][:4]


def test_the_seed_is_the_jobs_by_default(pictures):
    mx.random.seed(11)
    try:
        assert pictures().seed == 11
    finally:
        mx.random.seed(0)


@pytest.mark.parametrize("options", [{"preprocess_threads": 1, "prefetch_buffer": 0}, {"prefetch_buffer": 50}])
def test_threads_and_buffers_change_nothing(pictures, options):
    assert same(pictures(**RANDOM), pictures(**RANDOM, **options)) == 6


def test_what_is_random_depends_on_epoch_and_picture_alone(pictures):
    shuffled, straight = pictures(**RANDOM), pictures(**{**RANDOM, "shuffle": False}, batch_size=5)
    by_index = [
        {int(i): row for batch in iterator for i, row in zip(batch.index, batch.data[0], strict=True)}
        for iterator in (shuffled, straight)
    ]
    for i in range(COUNT):
        np.testing.assert_array_equal(by_index[0][i], by_index[1][i])
    straight.reset()
    again = {int(i): row for batch in straight for i, row in zip(batch.index, batch.data[0], strict=True)}
    assert sum((again[i] != by_index[1][i]).any() for i in range(COUNT)) > COUNT / 2


def test_seek_goes_anywhere(pictures):
    whole = pictures(**RANDOM)
    epochs = []
    for _ in range(3):
        epochs.append([batch.data[0] for batch in whole])
        whole.reset()
    other = pictures(**RANDOM)
    for epoch, batch in ((2, 1), (0, 0), (1, 4), (1, 5), (0, 3)):
        other.seek(epoch, batch)
        np.testing.assert_array_equal(other.next().data[0], epochs[epoch][batch])
    other.seek(1, 6)
    with pytest.raises(StopIteration):
        other.next()
    with pytest.raises(ParameterError, match="seek"):
        other.seek(-1, 0)


def test_reset_before_the_first_batch_changes_nothing(pictures):
    iterator = pictures(**RANDOM)
    iterator.reset()
    assert (iterator.epoch, iterator.batch) == (0, 0)
    first = iterator.next()
    iterator.reset()
    assert (iterator.epoch, iterator.batch) == (1, 0)
    assert iterator.next().index.tolist() != first.index.tolist()


def test_another_seed_from_the_next_batch_on(pictures):
    iterator, other = pictures(**RANDOM), pictures(**{**RANDOM, "seed": 8})
    iterator.next()
    iterator.reseed(8)
    other.seek(0, 1)
    assert same(iterator, other) == 5


@pytest.mark.parametrize("parts", [2, 3, 5])
@pytest.mark.parametrize("round_batch", [True, False])
def test_parts_together_are_the_whole(pictures, parts, round_batch):
    options = {**RANDOM, "round_batch": round_batch}
    whole = list(pictures(4 * parts, **options))
    own = [list(pictures(4, num_parts=parts, part_index=i, **options)) for i in range(parts)]
    assert {len(part) for part in own} == {len(whole)}
    for i, batch in enumerate(whole):
        rows = [part[i] for part in own]
        np.testing.assert_array_equal(batch.data[0], np.concatenate([row.data[0] for row in rows]))
        np.testing.assert_array_equal(batch.label[0], np.concatenate([row.label[0] for row in rows]))
        assert batch.pad == sum(row.pad for row in rows)


def test_with_an_index_file(packed, pictures):
    assert same(pictures(), pictures(path_imgidx=f"{packed}.idx")) == 6


def test_an_index_of_another_file(packed, tmp_path):
    write_records(tmp_path / "other", 5)
    with pytest.raises(FileFormatError, match=r"other\.idx does not belong to .*pictures\.rec"):
        mx.io.ImageRecordIter(f"{packed}.rec", (3, 8, 8), 4, tmp_path / "other.idx")
    with pytest.raises(FileFormatError, match=r"pictures\.rec|other\.rec"):
        mx.io.ImageRecordIter(tmp_path / "other.rec", (3, 8, 8), 4, f"{packed}.idx")


def test_a_damaged_picture_is_an_error_of_its_batch(packed, tmp_path):
    content = bytearray((packed.parent / "pictures.rec").read_bytes())
    offset = int((packed.parent / "pictures.idx").read_text().splitlines()[17].split()[1])
    content[offset + 8 + 24 : offset + 8 + 50] = bytes(26)
    path = tmp_path / "damaged.rec"
    path.write_bytes(content)
    with mx.io.ImageRecordIter(path, (3, 8, 8), 4) as pictures:
        assert [pictures.next().index[0] for _ in range(4)] == [0, 4, 8, 12]
        with pytest.raises(DataError, match=rf"damaged\.rec, record 17 at byte {offset} cannot be read as a picture"):
            pictures.next()
        assert pictures.next().index.tolist() == [20, 21, 22, 0]


def test_a_file_that_is_damaged_or_has_no_records(tmp_path, packed):
    (tmp_path / "empty.rec").write_bytes(b"")
    with pytest.raises(FileFormatError, match=r"empty\.rec has no records"):
        mx.io.ImageRecordIter(tmp_path / "empty.rec", (3, 8, 8), 4)
    (tmp_path / "cut.rec").write_bytes((packed.parent / "pictures.rec").read_bytes()[:-9])
    with pytest.raises(FileFormatError, match=r"cut\.rec, byte \d+: truncated"):
        mx.io.ImageRecordIter(tmp_path / "cut.rec", (3, 8, 8), 4)
    with mx.recordio.MXRecordIO(tmp_path / "foreign.rec", "w") as file:
        file.write(b"short")
    with (
        mx.io.ImageRecordIter(tmp_path / "foreign.rec", (3, 8, 8), 1) as pictures,
        pytest.raises(FileFormatError, match=r"foreign\.rec, record 0 at byte 0: a record without the header"),
    ):
        pictures.next()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 24}, "expected at most 23"),
        ({"batch_size": 8, "num_parts": 3}, r"batch_size \* num_parts"),
        ({"num_parts": 2, "part_index": 2}, "part_index"),
        ({"preprocess_threads": 0}, "preprocess_threads"),
        ({"random_h": 3}, "ImageRecordIter has no option random_h: expected one of"),
    ],
)
def test_wrong_parameters_leave_no_file_open(pictures, options, message):
    before = open_files()
    with pytest.raises(ParameterError, match=message):
        pictures(**options)
    assert open_files() == before


def test_options_of_mxnet_that_only_concern_messages_and_memory(pictures):
    assert len(list(pictures(verbose=False, ctx="cpu", device_id=0))) == 6


# ---- working ahead


class Gate:
    """A source of `count` equal pictures, as many of which can be read as there are permits; counts what was begun."""

    label_width = 1

    def __init__(self, count, permits):
        self.count, self.begun, self.permits = count, [], threading.Semaphore(permits)
        packed = mx.recordio.pack_img((0, 0, 0, 0), np.zeros((2, 2, 3), np.uint8), 3, ".png")
        self.content = mx.recordio.unpack(packed)[1]

    def __len__(self):
        return self.count

    def read(self, index):
        self.begun.append(index)
        self.permits.acquire()
        return Picture(self.content, np.float32([index]), f"picture {index}")

    def fingerprint(self):
        return []

    def close(self):
        pass


def test_no_more_than_asked_for_is_prepared_ahead():
    gate = Gate(100, permits=100)
    with ImageIter(gate, (3, 2, 2), 5, {}, prefetch_buffer=2, preprocess_threads=3) as pictures:
        assert gate.begun == [] and decoders() == []
        for number in range(4):
            pictures.next()
            assert len(gate.begun) <= 5 * (number + 3)
        assert len(decoders()) == 3
    assert sorted(gate.begun) == list(range(len(gate.begun)))


def test_close_does_not_wait_for_what_nobody_wants():
    gate = Gate(100, permits=10)
    pictures = ImageIter(gate, (3, 2, 2), 10, {}, preprocess_threads=2)
    pictures.next()
    team, closing = pictures._team, threading.Thread(target=pictures.close)
    closing.start()
    assert team._stopped.wait(10)
    gate.permits.release(90)  # for the two pictures that were begun, if they were
    closing.join(10)
    assert not closing.is_alive() and decoders() == []
    assert len(gate.begun) <= 12
    with pytest.raises(DataError, match="the ImageIter is closed"):
        pictures.next()
    pictures.close()


def test_a_dropped_iterator_ends_its_threads(packed):
    before = open_files()
    pictures = mx.io.ImageRecordIter(f"{packed}.rec", (3, 8, 8), 4)
    pictures.next()
    threads = decoders()
    assert len(threads) == 4
    del pictures
    gc.collect()
    for thread in threads:
        thread.join(10)
    assert decoders() == []
    assert open_files() == before


def test_a_forked_child_has_threads_of_its_own(pictures):
    iterator = pictures()
    iterator.next()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that fork and threads do not go together well
        child = os.fork()
    if not child:
        os._exit(0 if iterator.next().index.tolist() == [4, 5, 6, 7] else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert iterator.next().index.tolist() == [4, 5, 6, 7]


def test_a_process_ends_at_once_and_quietly_in_the_middle(packed):
    code = "import sys, pushgrad as mx; it = mx.io.ImageRecordIter(sys.argv[1], (3, 900, 900), 8); it.next()"
    done = subprocess.run([sys.executable, "-c", code, f"{packed}.rec"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


# ---- folders


@pytest.fixture
def folder(tmp_path):
    """Two classes, one with a name of two words and a picture deeper in it, and things that do not count."""
    for name, number in (("a cat", 2), ("dog", 3), ("empty", 0), (".hidden", 1)):
        (tmp_path / name).mkdir()
        for i in range(number):
            PIL.Image.new("L", (5, 5), 10 * i + len(name)).save(tmp_path / name / f"p {i}.PNG")
    (tmp_path / "dog" / "notes.txt").write_text("not a picture")
    (tmp_path / "dog" / ".thumb.png").write_bytes(b"")
    return tmp_path


def test_a_folder_of_classes(folder):
    with mx.io.ImageFolderIter(folder, (1, 5, 5), 5) as pictures:
        assert pictures.classes == ["a cat", "dog"]
        batch = pictures.next()
        assert batch.label[0].tolist() == [0, 0, 1, 1, 1]
        assert batch.data[0][:, 0, 0, 0].tolist() == [5, 15, 3, 13, 23]
    with mx.io.ImageFolderIter(folder, (3, 4, 4), 2, num_parts=2, part_index=1, **RANDOM) as pictures:
        assert len(list(pictures)) == 2


def test_folders_that_do_not_do(folder, tmp_path):
    with pytest.raises(DataError, match=r"absent cannot be read: No such file or directory. Check the path"):
        mx.io.ImageFolderIter(tmp_path / "absent", (1, 5, 5), 1)
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"file is not a folder. Name the one that has a folder of pictures for each"):
        mx.io.ImageFolderIter(tmp_path / "file", (1, 5, 5), 1)
    with pytest.raises(DataError, match="has no pictures in folders of classes"):
        mx.io.ImageFolderIter(folder / "dog", (1, 5, 5), 1)
    (folder / "dog" / "p 1.PNG").write_bytes(b"junk")
    with (
        mx.io.ImageFolderIter(folder, (1, 5, 5), 5) as pictures,
        pytest.raises(DataError, match=r"dog/p 1\.PNG cannot be read as a picture"),
    ):
        pictures.next()
    with mx.io.ImageFolderIter(folder, (1, 5, 5), 5) as pictures:
        (folder / "a cat" / "p 0.PNG").unlink()
        with pytest.raises(DataError, match=r"p 0\.PNG cannot be read: No such file"):
            pictures.next()


# ---- in a job


def test_fingerprints_tell_data_and_options_apart(packed, pictures, tmp_path):
    same_ones = [pictures(), pictures(path_imgidx=f"{packed}.idx", preprocess_threads=1)]
    assert same_ones[0].fingerprint() == same_ones[1].fingerprint()
    write_records(tmp_path / "other", COUNT + 1)
    with mx.io.ImageRecordIter(tmp_path / "other.rec", (3, 8, 8), 4) as other:
        others = [other, pictures(shuffle=True), pictures(rand_crop=True), pictures(mean_r=1), pictures(batch_size=5)]
        for one in others:
            assert one.fingerprint() != same_ones[0].fingerprint()
    parts = [pictures(num_parts=2, part_index=i) for i in range(2)]
    assert parts[0].fingerprint() == parts[1].fingerprint()
