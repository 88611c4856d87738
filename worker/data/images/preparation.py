"""The way from the bytes of a picture's file to one row of a batch: decode, augment, subtract the mean, scale."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

import numpy as np

from ....common.errors import FileFormatError, ParameterError
from ...array import Array, Shape
from ...files import ndfile
from .augment import Augmentation
from .pixels import MODES, decode

_CHANNELS = "rgba"
_LEVELS = [f"{kind}_{channel}" for kind in ("mean", "std") for channel in _CHANNELS]
_AUGMENTATIONS = [field.name for field in fields(Augmentation) if field.name != "data_shape"]


class Preparation:
    """Makes rows of shape data_shape = (channels, rows, columns): (pixels - mean) * scale / std, in float32.

    `options` are those of `Augmentation`, and mean_r, mean_g, mean_b, mean_a, std_r, ..., mean_img and scale. Pixels
    are 0 to 255, channels red, green, blue, alpha; a grey picture's mean and std are those of red. `mean_img` is a
    file of mx.nd.save with one array, the mean picture of shape `data_shape` (mean_image.py makes one). `who` is the
    iterator's name in errors.
    Raises ParameterError for options unknown or out of range, FileFormatError if `mean_img` cannot be used.
    """

    def __init__(self, data_shape: Shape, options: Mapping[str, Any], who: str) -> None:
        known = [*_AUGMENTATIONS, *_LEVELS, "mean_img", "scale"]
        if unknown := [name for name in options if name not in known]:
            raise ParameterError(
                f"{who} has no option {', '.join(unknown)}", expected=f"one of {', '.join(sorted(known))}"
            )
        chosen = {name: value for name, value in options.items() if name in _AUGMENTATIONS}
        self.augmentation = Augmentation(tuple(data_shape), **chosen)
        channels = self.augmentation.data_shape[0]
        self._mean = _levels(options, "mean", channels, 0.0)
        if options.get("mean_img") is not None:
            if self._mean.any():
                raise ParameterError("mean_img and mean_r, mean_g, mean_b, mean_a exclude each other")
            self._mean = _mean_image(options["mean_img"], self.augmentation.data_shape)
        deviation = _levels(options, "std", channels, 1.0)  # float32, like the mean: (channels, 1, 1)
        scale = options.get("scale", 1.0)
        if not (deviation > 0).all() or not math.isfinite(scale):
            raise ParameterError("std and scale", expected="std above 0", got=(*deviation.ravel().tolist(), scale))
        # One factor, so that a row is read and written twice and not three times.
        self._factor = (scale / deviation).astype(np.float32)

    def apply(self, content: bytes, random: np.random.Generator | None, out: Array, what: str) -> None:
        """Fill the row `out`, float32 of shape data_shape, from the bytes of a picture's file.

        `random` decides about the augmentation; None takes the centre and mirrors nothing at random. Raises DataError,
        which begins with `what`, if the bytes are not a whole picture or it becomes too large.
        """
        edge = self.augmentation.resize if self.augmentation.resize > 0 else None
        image = decode(content, MODES[self.augmentation.data_shape[0]], what, edge)
        pixels = self.augmentation.apply(image, random, what)
        # As in MXNet, a mean image belongs to the picture before it is mirrored.
        target = out[:, :, ::-1] if self.augmentation.mirrors(random) else out
        np.subtract(pixels.transpose(2, 0, 1), self._mean, out=target)
        out *= self._factor

    def fingerprint(self) -> list[Any]:
        """Values for JSON that are equal for preparations that do the same; the mean goes in as a checksum."""
        return [asdict(self.augmentation), zlib.crc32(self._mean.tobytes()), self._factor.ravel().tolist()]


def _levels(options: Mapping[str, Any], kind: str, channels: int, default: float) -> Array:
    """The options mean_r, mean_g, ... or std_r, ... as float32 (channels, 1, 1)."""
    values = [options.get(f"{kind}_{channel}", default) for channel in _CHANNELS[:channels]]
    return np.asarray(values, np.float32).reshape(-1, 1, 1)


def _mean_image(path: Any, shape: Shape) -> Array:
    """The one array in the file `path`, of that shape, as float32."""
    found = ndfile.load(path)
    arrays = list(found.values()) if isinstance(found, dict) else found
    if len(arrays) != 1 or arrays[0].shape != shape:
        raise FileFormatError(
            f"mean_img {path}",
            expected=f"one array of shape {shape}, which is data_shape",
            got=", ".join(str(array.shape) for array in arrays) or "none",
        )
    return np.ascontiguousarray(arrays[0], np.float32)
