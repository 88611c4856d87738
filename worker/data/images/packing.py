"""Making RecordIO files of pictures: list files say which pictures and in which order, `Form` how they are stored."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

from ....common.errors import DataError, FileFormatError, ParameterError
from ...atomic_files import PathLike, write_atomically
from .class_folders import find_pictures
from .image_record import IRHeader, pack
from .list_file import Listed, read_list, write_list
from .pixels import FORMATS, decode, encode, pillow, resized
from .records import write_record

_AHEAD = 4  # pictures per thread that may be encoded ahead of the writer, which bounds the memory
_Item = TypeVar("_Item")
_Made = TypeVar("_Made")


@dataclass(frozen=True)
class Form:
    """How a picture is stored: encoded as `encoding`, .jpg or .png, with that `quality` (see `encode`).

    `resize` is the length of its shorter edge in pixels (None: as it is), and `center_crop` cuts it to a square first.
    `pass_through` stores the bytes of its file unchanged instead, after checking that they are a picture. Raises
    ParameterError for another encoding, or options that `pass_through` excludes.
    """

    resize: int | None = None
    center_crop: bool = False
    encoding: str = ".jpg"
    quality: int | None = None
    pass_through: bool = False

    def __post_init__(self) -> None:
        if self.encoding not in FORMATS:
            raise ParameterError("encoding", expected=" or ".join(FORMATS), got=self.encoding)
        if self.pass_through and (self.resize or self.center_crop or self.quality is not None):
            raise ParameterError("pass_through stores pictures as they are: no resize, center_crop or quality with it")

    def apply(self, content: bytes, what: str) -> bytes:
        """The bytes to store for the picture in a file's bytes.

        Raises DataError, which begins with `what`, if it cannot be read; ParameterError for a quality out of range.
        """
        image = decode(content, None, what, self.resize)
        if self.pass_through:
            return content
        if self.center_crop:
            edge = min(image.size)
            left, upper = (image.width - edge) // 2, (image.height - edge) // 2
            image = image.crop((left, upper, left + edge, upper + edge))
        if self.resize:
            edge = min(image.size)
            size = (max(1, image.width * self.resize // edge), max(1, image.height * self.resize // edge))
            image = resized(image, size, pillow().Resampling.BICUBIC, what)
        return encode(image, self.encoding, self.quality)


def make_lists(
    prefix: PathLike,
    root: PathLike,
    shuffle_seed: int | None = 0,
    train_ratio: float = 1.0,
    test_ratio: float = 0.0,
    recursive: bool = False,
) -> tuple[list[str], list[tuple[Path, int]]]:
    """Write list files of the pictures in `root` (see `find_pictures`).

    Returns the names of the classes, and the path of each list with its number of pictures. There is one list,
    PREFIX.lst, or by ratio PREFIX_train.lst, PREFIX_test.lst and, with the rest, PREFIX_val.lst. The order is random by
    `shuffle_seed`, or alphabetical if that is None. PREFIX_classes.txt names the classes, one per line. Raises
    ParameterError for ratios out of range, DataError if there are no pictures, FileFormatError if the folder of the
    lists does not exist.
    """
    # 1e-9: ratios that add up to 1 on paper may exceed it by a rounding error.
    if not (0 < train_ratio <= 1 and 0 <= test_ratio <= 1 and train_ratio + test_ratio <= 1 + 1e-9):
        raise ParameterError(
            "train_ratio and test_ratio", expected="0 to 1, together at most 1", got=(train_ratio, test_ratio)
        )
    classes, found = find_pictures(root, recursive)
    if not found:
        raise DataError(
            f"{root} has no pictures in folders of classes",
            remedy=None if recursive else "With --recursive, pictures in it and at any depth are found, too",
        )
    pictures = [Listed(number, (float(label),), path) for number, (path, label) in enumerate(found)]
    if shuffle_seed is not None:
        random.Random(shuffle_seed).shuffle(pictures)
    made = []
    for ending, part in _split(pictures, train_ratio, test_ratio).items():
        path = Path(f"{prefix}{ending}.lst")
        write_list(path, part)
        made.append((path, len(part)))
    names = "".join(f"{name}\n" for name in classes)
    write_atomically(f"{prefix}_classes.txt", lambda stream: stream.write(names.encode(errors="surrogateescape")))
    return classes, made


def pack_folder(
    prefix: PathLike,
    root: PathLike,
    train_ratio: float = 1.0,
    test_ratio: float = 0.0,
    seed: int | None = 0,
    recursive: bool = False,
    threads: int = 1,
    shuffle: bool = True,
    **form: Any,
) -> list[str]:
    """Make list files and RecordIO files of the pictures in `root`, as `pushgrad im2rec` does; returns the classes.

    `make_lists` describes the lists, to each of which a .rec and an .idx file belong. Their order is random by `seed`,
    or alphabetical without `shuffle` or if `seed` is None. `form` takes the fields of Form: resize, center_crop,
    encoding, quality, pass_through. Raises ParameterError for options out of range, DataError if
    there are no pictures or one cannot be read, FileFormatError if a file cannot be written.
    """
    chosen = Form(**form)
    classes, lists = make_lists(prefix, root, seed if shuffle else None, train_ratio, test_ratio, recursive)
    for path, _ in lists:
        pack_list(read_list(path), root, path.with_suffix(".rec"), chosen, threads)
    return classes


def pack_list(
    pictures: Iterable[Listed],
    root: PathLike,
    target: PathLike,
    form: Form,
    threads: int = 1,
    on_unreadable: Callable[[DataError], None] | None = None,
) -> int:
    """Write `target` and its index (.idx beside it) with these pictures in this order; returns how many were written.

    Each file appears whole or not at all. Raises DataError for a picture that cannot be read, unless `on_unreadable`
    is given: then the error is passed to that function and the picture left out. Raises DataError, too, if no picture
    is left, FileFormatError if the files cannot be written.
    """
    index: list[str] = []

    def write(stream: IO[bytes]) -> None:
        offset = 0
        for listed, made in _in_order(lambda one: _record(one, Path(root), form), pictures, threads):
            if isinstance(made, DataError):
                if on_unreadable is None:
                    raise made
                on_unreadable(made)
                continue
            index.append(f"{listed.number}\t{offset}\n")
            offset += write_record(stream, made)
        if not index:
            raise DataError(f"{target}: no picture could be read")
        # Before the new file gets its name: an old index beside a new file would point into the middle of records.
        index_path.unlink(missing_ok=True)

    index_path = Path(target).with_suffix(".idx")
    try:
        # The index second: a file can be read without its index, but an index is worth nothing without its file.
        write_atomically(target, write)
        write_atomically(index_path, lambda stream: stream.write("".join(index).encode()))
    except OSError as error:
        raise FileFormatError(f"{target} cannot be written: {error.strerror}") from None
    return len(index)


def _split(pictures: list[Listed], train_ratio: float, test_ratio: float) -> dict[str, list[Listed]]:
    """The pictures of each list, by what its name adds to the prefix; empty lists are left out."""
    if train_ratio == 1:
        return {"": pictures}
    test = round(len(pictures) * test_ratio)
    train = test + round(len(pictures) * train_ratio)
    parts = {"_test": pictures[:test], "_train": pictures[test:train], "_val": pictures[train:]}
    return {ending: part for ending, part in parts.items() if part}


def _record(one: Listed, root: Path, form: Form) -> bytes | DataError:
    """The content of a picture's record, or the error that says why there is none."""
    path = root / one.path
    try:
        content = form.apply(path.read_bytes(), str(path))
    except OSError as error:
        return DataError(f"{path} cannot be read: {error.strerror}")
    except DataError as error:
        return error
    label = one.labels[0] if len(one.labels) == 1 else one.labels
    return pack(IRHeader(0, label, one.number, 0), content)


def _in_order(make: Callable[[_Item], _Made], items: Iterable[_Item], threads: int) -> Iterator[tuple[_Item, _Made]]:
    """Yield (item, make(item)) in the order of `items`; `threads` threads work up to `_AHEAD` items each ahead."""
    waiting: deque[tuple[_Item, Future[_Made]]] = deque()
    pool = ThreadPoolExecutor(threads, "pushgrad-pack")
    try:
        for item in items:
            waiting.append((item, pool.submit(make, item)))
            if len(waiting) > _AHEAD * threads:
                first, made = waiting.popleft()
                yield first, made.result()
        while waiting:
            first, made = waiting.popleft()
            yield first, made.result()
    finally:  # also if the caller stops early, as on an unreadable picture
        pool.shutdown(cancel_futures=True)
