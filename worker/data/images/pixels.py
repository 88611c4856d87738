"""Conversion of pictures between the bytes of a file, Pillow's images, and arrays of pixels."""

from __future__ import annotations

import io
import sys
from contextlib import suppress
from types import ModuleType
from typing import Any

import numpy as np

from ....common.errors import DataError, ParameterError
from ....common.extras import install
from ...array import Array

MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # number of channels -> Pillow's name of the mode
_WITH_ALPHA = ("RGBA", "LA", "PA", "RGBa", "La")
_GREY = ("1", "L", "I", "I;16", "I;16L", "I;16B", "I;16N")
_EXIF = b"Exif\0\0"  # how a JPEG's segment with EXIF data begins
FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG"}  # what `encode` writes
# What counts as a picture in a folder, whatever else Pillow could read.
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm")


def pillow() -> ModuleType:
    """The module PIL.Image. Raises DataError, which says how to install it, if it is missing."""
    try:
        import PIL.Image
        import PIL.ImageOps  # `decode` finds it in sys.modules
    except ImportError:
        raise DataError("pictures cannot be read without Pillow", remedy=install("images")) from None
    return PIL.Image


def decode(content: bytes, mode: str | None, what: str, shorter_edge: int | None = None) -> Any:
    """The picture in a file's bytes as a Pillow image of 8 bits per channel, turned upright by its EXIF orientation.

    `mode` is one of `MODES`, or None for the one of these that loses nothing. If only `shorter_edge` pixels are wanted
    in the end, a JPEG may come at a reduced size (never below twice that), which is faster. Only the first frame of an
    animation is read, and alpha is dropped if `mode` has none. Raises DataError, which begins with `what`, if the bytes
    are not a whole picture, or one with more pixels than Pillow's limit (PIL.Image.MAX_IMAGE_PIXELS).
    """
    image_module = pillow()
    try:
        image = _opened(image_module, content)
        # Pillow itself only warns from its limit on and refuses twice that; here the limit is one. So far only the
        # header was read: nothing of the picture's size is allocated yet.
        limit = image_module.MAX_IMAGE_PIXELS
        if limit is not None and image.width * image.height > limit:
            raise _too_large(what, f"{image.width} x {image.height}", limit)
        if shorter_edge is not None:
            # JPEG's decoder can leave out the finer coefficients of each block and so give 1/2, 1/4 or 1/8 of the size.
            # Twice the wanted size leaves the rest of the reduction to the better filter that follows.
            image.draft(None, (2 * shorter_edge, 2 * shorter_edge))
        image.load()
        with suppress(Exception):  # a picture whose EXIF data are damaged can still be used
            sys.modules["PIL.ImageOps"].exif_transpose(image, in_place=True)
        return _in_mode(image, mode or _lossless_mode(image), what)
    except DataError:
        raise
    except (image_module.DecompressionBombError, image_module.DecompressionBombWarning) as error:
        raise _too_large(what, str(error), image_module.MAX_IMAGE_PIXELS) from None
    except Exception as error:  # on foreign bytes Pillow's readers raise almost any class
        raise DataError(f"{what} cannot be read as a picture: {_brief(error, content)}") from None


def _opened(image_module: ModuleType, content: bytes) -> Any:
    """The picture in a file's bytes, of which only the header is read yet; a JPEG with damaged EXIF data without them.

    Of a JPEG Pillow reads the resolution in these data at once, and so fails, or warns, which can be an error as well.
    """
    try:
        return image_module.open(io.BytesIO(content))
    except Exception:
        if not (content.startswith(b"\xff\xd8") and _EXIF in content):
            raise
        return image_module.open(io.BytesIO(content.replace(_EXIF, _EXIF.lower(), 1)))


def encode(image: Any, suffix: str, quality: int | None = None) -> bytes:
    """A Pillow image as the bytes of a file; `suffix` is .jpg, .jpeg or .png. JPEG drops alpha.

    `quality` is JPEG's, 1 to 100 (95 by default), or PNG's compression, 0 to 9 (3 by default). Raises ParameterError
    for another suffix or a quality out of range.
    """
    if suffix.lower() not in FORMATS:
        raise ParameterError("encoding of pictures", expected=" or ".join(FORMATS), got=repr(suffix))
    out, kind = io.BytesIO(), FORMATS[suffix.lower()]
    low, high, usual = (1, 100, 95) if kind == "JPEG" else (0, 9, 3)
    level = usual if quality is None else quality
    if not low <= level <= high:
        raise ParameterError(f"quality of {kind}", expected=f"{low} to {high}", got=level)
    if kind == "JPEG":
        flat = image.convert("RGB") if image.mode == "RGBA" else image
        flat.save(out, kind, quality=level)
    else:
        image.save(out, kind, compress_level=level)
    return out.getvalue()


def resized(image: Any, size: tuple[int, int], method: Any, what: str) -> Any:
    """A Pillow image resized to size = (width, height) in pixels; `method` is one of Pillow's Resampling.

    Raises DataError, which begins with `what`, if it would have more pixels than Pillow's limit.
    """
    # A long thin picture of few pixels grows beyond any bound when its shorter edge is brought to a given length.
    limit = pillow().MAX_IMAGE_PIXELS
    if limit is not None and size[0] * size[1] > limit:
        raise _too_large(f"{what}, resized from {image.width} x {image.height},", f"{size[0]} x {size[1]}", limit)
    return image if size == image.size else image.resize(size, method)


def to_array(image: Any) -> Array:
    """The pixels of a Pillow image of 8 bits: uint8 (rows, columns, channels), or (rows, columns) if it is grey."""
    array: Array = np.asarray(image)
    return array


def _in_mode(image: Any, mode: str, what: str) -> Any:
    """`image` converted to `mode`, one of `MODES`."""
    if image.mode == "F":
        raise DataError(f"{what}: a picture of floating-point pixels, whose range is unknown")
    if image.mode.startswith("I"):  # 16 bits: Pillow's convert would clip them at 255 instead of scaling
        high_bytes = np.clip(np.asarray(image), 0, 65535).astype(np.uint16) >> 8
        image = pillow().fromarray(high_bytes.astype(np.uint8))
    # A palette may give each colour an alpha of its own, which a direct conversion to RGB ignores with a warning.
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image if image.mode == mode else image.convert(mode)


def _lossless_mode(image: Any) -> str:
    """The smallest of `MODES` that holds what the picture shows."""
    if image.mode in _WITH_ALPHA or "transparency" in image.info:
        return "RGBA"
    return "L" if image.mode in _GREY else "RGB"


def _too_large(what: str, got: str, limit: int) -> DataError:
    return DataError(
        f"{what} has too many pixels",
        expected=f"at most {limit}",
        got=got,
        remedy="If you trust it, set PIL.Image.MAX_IMAGE_PIXELS higher",
    )


def _brief(error: Exception, content: bytes) -> str:
    """What is wrong, in words; for unknown content, Pillow's own text would only name a BytesIO object."""
    if type(error).__name__ == "UnidentifiedImageError":
        return f"its {len(content)} bytes are of no known format (they begin with {content[:8]!r})"
    return str(error) or type(error).__name__
