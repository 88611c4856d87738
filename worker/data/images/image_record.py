"""The content of a record in MXNet's files of pictures: a header with labels, then the bytes of a picture's file.

u32 flag, f32 label, u64 id, u64 id2       flag > 0: that many f32 labels follow, and `label` is 0    (little endian)
"""

from __future__ import annotations

import numbers
import struct
from typing import Any, NamedTuple

import numpy as np

from ....common.errors import DataError, FileFormatError, ParameterError
from ...array import Array
from ..user_arrays import check_whole
from .pixels import FORMATS, decode, encode, pillow, to_array

_HEADER = struct.Struct("<IfQQ")
_COLOURS = {-1: None, 0: "L", 1: "RGB"}  # `iscolor`, with OpenCV's numbers -> Pillow's mode


class IRHeader(NamedTuple):
    """Header of a picture's record. `label` is a number if `flag` is 0, else a float32 array of shape (flag,)."""

    flag: int
    label: Any
    id: int
    id2: int


def pack(header: IRHeader | tuple[int, Any, int, int], s: bytes) -> bytes:
    """A record's content: the header, then the bytes `s`. The header's own flag is ignored; its label decides.

    Raises ParameterError if a value of the header does not fit its field, DataError if a label is an integer that
    float32 would round.
    """
    _, label, number, number2 = header
    try:
        check_whole(np.asarray(label), "recordio.pack: label")
        if isinstance(label, numbers.Number):
            return _HEADER.pack(0, label, number, number2) + s
        with np.errstate(over="raise"):
            labels = np.asarray(label, "<f4").reshape(-1)
        return _HEADER.pack(labels.size, 0.0, number, number2) + labels.tobytes() + s
    except DataError:
        raise
    except (struct.error, ArithmeticError, TypeError, ValueError) as error:
        raise ParameterError(
            f"recordio.pack: {error}", expected="(flag, label or labels, id, id2) and bytes", got=repr(tuple(header))
        ) from None


def unpack(s: bytes) -> tuple[IRHeader, bytes]:
    """The header in a record's content, and the bytes after it. Raises FileFormatError if the content is too short."""
    if len(s) < _HEADER.size:
        raise FileFormatError("a record without the header of a picture", expected="24 bytes or more", got=len(s))
    header = IRHeader(*_HEADER.unpack_from(s))
    if not header.flag:
        return header, s[_HEADER.size :]
    end = _HEADER.size + 4 * header.flag
    if end > len(s):
        raise FileFormatError(
            f"a record whose header announces {header.flag} labels", expected=f"{end} bytes or more", got=len(s)
        )
    return header._replace(label=np.frombuffer(s, "<f4", header.flag, _HEADER.size)), s[end:]


def pack_img(
    header: IRHeader | tuple[int, Any, int, int],
    img: Array,
    quality: int = 95,
    img_fmt: str = ".jpg",
    channels: str = "BGR",
) -> bytes:
    """A record's content for the pixels `img`: uint8 (rows, columns), or (rows, columns, 1, 3 or 4).

    `quality` is JPEG's, 1 to 100, or PNG's compression, 0 to 9 (more counts as 9). As in MXNet, whose pictures came
    from OpenCV, blue comes first; pass `channels="RGB"` for pixels from anywhere else. Raises DataError if `img` has
    another type or shape, ParameterError if the header, `quality`, `img_fmt` or `channels` is out of range.
    """
    pixels = np.asarray(img)
    if pixels.dtype != np.uint8 or not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (1, 3, 4))):
        raise DataError(
            "recordio.pack_img",
            expected="uint8 pixels (rows, columns[, 1, 3 or 4])",
            got=f"{pixels.dtype} {pixels.shape}",
        )
    pixels = pixels[..., 0] if pixels.shape[2:] == (1,) else _swapped(pixels, channels)
    image = pillow().fromarray(np.ascontiguousarray(pixels))
    is_png = FORMATS.get(img_fmt.lower()) == "PNG"  # the default quality of 95 must do for PNG, too
    return pack(header, encode(image, img_fmt, min(quality, 9) if is_png else quality))


def unpack_img(s: bytes, iscolor: int = -1, channels: str = "BGR") -> tuple[IRHeader, Array]:
    """The header in a record's content, and its picture's pixels: uint8 (rows, columns), or (rows, columns, 3 or 4).

    Blue comes first unless `channels="RGB"`. `iscolor`: 1 converts to colour, 0 to grey, -1 keeps the picture as it is
    (with alpha if it has one). Pictures are turned upright as their EXIF orientation says. Raises FileFormatError if
    the record is too short, DataError if it holds no whole picture, ParameterError for other `iscolor` or `channels`.
    """
    if iscolor not in _COLOURS:
        raise ParameterError("recordio.unpack_img: iscolor", expected="-1, 0 or 1", got=repr(iscolor))
    header, content = unpack(s)
    pixels = to_array(decode(content, _COLOURS[iscolor], f"the record with id {header.id}"))
    return header, np.ascontiguousarray(_swapped(pixels, channels))


def _swapped(pixels: Array, channels: str) -> Array:
    """Pixels (rows, columns[, channels]) with red and blue exchanged if `channels` is "BGR"."""
    if channels not in ("BGR", "RGB"):
        raise ParameterError("recordio: channels", expected="'BGR' or 'RGB'", got=repr(channels))
    if channels == "RGB" or pixels.ndim == 2:
        return pixels
    order = [2, 1, 0, 3][: pixels.shape[2]]
    return pixels[..., order]
