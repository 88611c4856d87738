"""From the bytes of a picture's file to one row of a batch: decoded, augmented, mean and scale applied."""

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
    """What makes rows; `options` are those of `Augmentation`, and mean_r (g, b, a), std_r (g, b, a), mean_img, scale.

    A row is (pixels - mean) * scale / std, in float32 (channels, rows, columns), channels in the order red, green,
    blue, alpha; pixels are 0 to 255, and a grey picture's mean and std are those of red. `mean_img` is a file of
    mx.nd.save with the mean picture, of shape `data_shape`. Raises ParameterError or FileFormatError.
    """

    def __init__(self, data_shape: Shape, options: Mapping[str, Any], who: str) -> None:
        known = [*_AUGMENTATIONS, *_LEVELS, "mean_img", "scale"]
        if unknown := [name for name in options if name not in known]:
            raise ParameterError(
                f"{who} has no option {', '.join(unknown)}", expected=f"among {', '.join(sorted(known))}"
            )
        chosen = {name: value for name, value in options.items() if name in _AUGMENTATIONS}
        self.augmentation = Augmentation(tuple(data_shape), **chosen)
        channels = self.augmentation.data_shape[0]
        self._mean = _levels(options, "mean", channels, 0.0)
        if options.get("mean_img") is not None:
            if self._mean.any():
                raise ParameterError("mean_img and mean_r, mean_g, mean_b, mean_a exclude each other")
            self._mean = _mean_image(options["mean_img"], self.augmentation.data_shape)
        deviation = _levels(options, "std", channels, 1.0)
        scale = options.get("scale", 1.0)
        if not (deviation > 0).all() or not math.isfinite(scale):
            raise ParameterError("std and scale", expected="std above 0", got=(*deviation.ravel().tolist(), scale))
        self._factor = (scale / deviation).astype(np.float32)

    def apply(self, content: bytes, random: np.random.Generator | None, out: Array, what: str) -> None:
        """Fill `out` from a file's bytes; DataError that begins with `what` if they are no picture."""
        edge = self.augmentation.resize if self.augmentation.resize > 0 else None
        image = decode(content, MODES[self.augmentation.data_shape[0]], what, edge)
        pixels = self.augmentation.apply(image, random, what)
        # As in MXNet, a mean image belongs to the picture before it is mirrored.
        target = out[:, :, ::-1] if self.augmentation.mirrors(random) else out
        np.subtract(pixels.transpose(2, 0, 1), self._mean, out=target)
        out *= self._factor

    def fingerprint(self) -> list[Any]:
        """What two preparations must have in common to be the same."""
        return [asdict(self.augmentation), zlib.crc32(self._mean.tobytes()), self._factor.ravel().tolist()]


def _levels(options: Mapping[str, Any], kind: str, channels: int, default: float) -> Array:
    """float32 (channels, 1, 1)."""
    values = [options.get(f"{kind}_{channel}", default) for channel in _CHANNELS[:channels]]
    return np.asarray(values, np.float32).reshape(-1, 1, 1)


def _mean_image(path: Any, shape: Shape) -> Array:
    found = ndfile.load(path)
    arrays = list(found.values()) if isinstance(found, dict) else found
    if len(arrays) != 1 or arrays[0].shape != shape:
        raise FileFormatError(
            f"mean_img {path}",
            expected=f"one array of shape {shape}, which is data_shape",
            got=", ".join(str(array.shape) for array in arrays) or "none",
        )
    return np.ascontiguousarray(arrays[0], np.float32)
