"""Augmentation: from a picture of any size to one of the network's size, cut out at the centre or at random."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....common.errors import ParameterError
from ...array import Array, Shape
from .pixels import MODES, pillow, resized, to_array

_ATTEMPTS = 10  # to find a random part that lies within the picture, as in MXNet
_METHODS = {0: "NEAREST", 1: "BILINEAR", 2: "BICUBIC", 3: "BOX", 4: "LANCZOS"}


@dataclass(frozen=True)
class Augmentation:
    """What is done to each picture, in this order; names and defaults are those of MXNet's ImageRecordIter.

    `resize`: the shorter edge becomes that many pixels (-1: as it is). `max_rotate_angle`: turned by up to that many
    degrees to either side. `pad`: that many pixels of `fill_value` are put around it. Then it gets the network's size,
    `data_shape` (channels, rows, columns). With `random_resized_crop` a part is scaled to it, which has
    `min_random_area` to `max_random_area` of the picture's area and a width over height of `min_aspect_ratio` to
    `max_aspect_ratio` (1 - max to 1 + max if only the latter is given). Otherwise a part of exactly that size is cut
    out at the centre, or anywhere with `rand_crop`; a smaller picture is enlarged first. Last, it is mirrored
    (`mirror`), or every second one at random (`rand_mirror`). `inter_method` says how pixels are interpolated: 0
    nearest, 1 bilinear, 2 cubic, 3 area, 4 Lanczos. Raises ParameterError for values out of range.
    """

    data_shape: Shape
    resize: int = -1
    max_rotate_angle: int = 0
    pad: int = 0
    fill_value: int = 255
    random_resized_crop: bool = False
    min_random_area: float = 1.0
    max_random_area: float = 1.0
    min_aspect_ratio: float | None = None
    max_aspect_ratio: float = 0.0
    rand_crop: bool = False
    mirror: bool = False
    rand_mirror: bool = False
    inter_method: int = 1

    def __post_init__(self) -> None:
        shape = self.data_shape
        if len(shape) != 3 or shape[0] not in MODES or min(shape) < 1:
            raise ParameterError("data_shape", expected="(1, 3 or 4 channels, rows, columns)", got=shape)
        if self.resize != -1 and self.resize < 1:
            raise ParameterError("resize", expected="-1, or 1 or more pixels", got=self.resize)
        if not 0 <= self.max_rotate_angle <= 360 or self.pad < 0 or not 0 <= self.fill_value <= 255:
            raise ParameterError(
                "max_rotate_angle, pad, fill_value",
                expected="0 to 360, 0 or more, 0 to 255",
                got=(self.max_rotate_angle, self.pad, self.fill_value),
            )
        if self.inter_method not in _METHODS:
            raise ParameterError("inter_method", expected=f"one of {list(_METHODS)}", got=self.inter_method)
        self._check_random_part()

    def _check_random_part(self) -> None:
        low, high = self.aspect_ratios
        if self.random_resized_crop and not (0 < self.min_random_area <= self.max_random_area <= 1 and 0 < low <= high):
            raise ParameterError(
                "random_resized_crop",
                expected="0 < min_random_area <= max_random_area <= 1 and 0 < min_aspect_ratio <= max_aspect_ratio",
                got=(self.min_random_area, self.max_random_area, low, high),
            )

    @property
    def aspect_ratios(self) -> tuple[float, float]:
        """The least and the greatest width over height of a random part."""
        if self.min_aspect_ratio is None:
            return 1 - self.max_aspect_ratio, 1 + self.max_aspect_ratio
        return self.min_aspect_ratio, self.max_aspect_ratio

    @property
    def is_random(self) -> bool:
        """Whether a picture may come out differently in each epoch."""
        return bool(self.rand_crop or self.rand_mirror or self.random_resized_crop or self.max_rotate_angle)

    def apply(self, image: Any, random: np.random.Generator | None, what: str) -> Array:
        """The pixels of a Pillow image, uint8 (rows, columns, channels), augmented but not mirrored yet.

        `image` has the channels of `data_shape`. Without `random` nothing happens at random. Raises DataError, which
        begins with `what`, if the picture would become too large on the way.
        """
        # The order of the draws below is part of what a seed means: do not reorder them.
        channels, rows, columns = self.data_shape
        if self.resize > 0:
            factor = self.resize / min(image.size)
            # Rounded down; 1e-6 keeps the shorter edge at `resize` where the product falls just below it.
            size = (max(1, int(image.width * factor + 1e-6)), max(1, int(image.height * factor + 1e-6)))
            image = resized(image, size, self._method(), what)
        if self.max_rotate_angle and random is not None:
            angle = random.uniform(-self.max_rotate_angle, self.max_rotate_angle)
            image = image.rotate(angle, pillow().Resampling.BILINEAR, fillcolor=self._fill())
        if self.pad:
            image = self._padded(image)
        if self.random_resized_crop and random is not None and (box := self._random_part(image.size, random)):
            image = image.resize((columns, rows), self._method(), box=box)
        else:
            image = self._cut_out(image, random, what)
        return to_array(image).reshape(rows, columns, channels)

    def mirrors(self, random: np.random.Generator | None) -> bool:
        """Whether this picture is to be mirrored. Call it after `apply`: it takes the next draw of `random`."""
        return self.mirror or (self.rand_mirror and random is not None and random.random() < 0.5)

    def _method(self) -> Any:
        return getattr(pillow().Resampling, _METHODS[self.inter_method])

    def _fill(self) -> int | tuple[int, ...]:
        """`fill_value` as Pillow wants a colour: a number for grey, else one number per channel."""
        channels = self.data_shape[0]
        return self.fill_value if channels == 1 else (self.fill_value,) * channels

    def _padded(self, image: Any) -> Any:
        """`image` with `pad` pixels of `fill_value` on each side."""
        around = pillow().new(image.mode, tuple(extent + 2 * self.pad for extent in image.size), self._fill())
        around.paste(image, (self.pad, self.pad))
        return around

    def _random_part(self, size: tuple[int, int], random: np.random.Generator) -> tuple[int, int, int, int] | None:
        """The left, upper, right and lower edge of a part of random area and aspect ratio; None if none was found."""
        for _ in range(_ATTEMPTS):
            # width * height = area and width / height = ratio, solved for both; the part may stick out of the picture.
            area = size[0] * size[1] * random.uniform(self.min_random_area, self.max_random_area)
            ratio = random.uniform(*self.aspect_ratios)
            width, height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < width <= size[0] and 0 < height <= size[1]:
                left = int(random.integers(size[0] - width + 1))
                upper = int(random.integers(size[1] - height + 1))
                return left, upper, left + width, upper + height
        return None

    def _cut_out(self, image: Any, random: np.random.Generator | None, what: str) -> Any:
        """A part of exactly the network's size; a smaller picture is enlarged first, its proportions kept."""
        _, rows, columns = self.data_shape
        if image.height < rows:
            image = resized(image, (max(1, image.width * rows // image.height), rows), self._method(), what)
        if image.width < columns:
            image = resized(image, (columns, max(1, image.height * columns // image.width)), self._method(), what)
        left, upper = image.width - columns, image.height - rows
        if self.rand_crop and random is not None:
            left, upper = int(random.integers(left + 1)), int(random.integers(upper + 1))
        else:
            left, upper = left // 2, upper // 2
        return image.crop((left, upper, left + columns, upper + rows))
