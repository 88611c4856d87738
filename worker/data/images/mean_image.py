"""Making the mean picture of a data set, which `mean_img` names, where the file is not there yet, as MXNet does."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ...array import Array, Shape
from ...files import ndfile
from ...log import log_line
from .preparation import Preparation

_NAME = "mean_img"  # the array's, in MXNet's files
_LEFT_OUT = ("mirror", "rand_mirror", "scale")  # besides means and deviations: the mean is that of plain pixels


class Pictures(Protocol):
    """As much of a Source as is needed here."""

    def __len__(self) -> int: ...

    def read(self, index: int) -> Any:
        """Picture `index`, from 0, with `content` and `what`."""


def make_mean_image(pictures: Pictures, data_shape: Shape, options: Mapping[str, Any], who: str, threads: int) -> None:
    """Write the mean of all `pictures`, float32 of `data_shape`, to the file that options["mean_img"] names.

    Nothing happens at random: where an epoch crops at random, the centre counts. All parts of a data set and all
    workers make the same file. Does nothing if it is there. Raises DataError or FileFormatError for a picture that
    cannot be read, FileFormatError if the folder does not exist.
    """
    path = options.get("mean_img")
    if path is None or Path(path).exists():
        return
    plain = {key: value for key, value in options.items() if not key.startswith(("mean_", "std_"))}
    preparation = Preparation(data_shape, {k: v for k, v in plain.items() if k not in _LEFT_OUT}, who)

    def added_up(first: int) -> Array:
        total, row = np.zeros(data_shape, np.float64), np.empty(data_shape, np.float32)
        for index in range(first, len(pictures), threads):
            picture = pictures.read(index)
            preparation.apply(picture.content, None, row, picture.what)
            total += row
        return total

    with ThreadPoolExecutor(threads) as pool:
        # Pixels are whole numbers, whose sums float64 holds: the mean does not depend on how they are shared out.
        total = np.sum(list(pool.map(added_up, range(threads))), axis=0)
    ndfile.save(path, {_NAME: (total / len(pictures)).astype(np.float32)})
    log_line(f"{path}: the mean of {len(pictures)} pictures")
