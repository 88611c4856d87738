"""How far a fit is, how fast it goes, and how long it will take from there."""

from __future__ import annotations

import time

from ..data.data_iter import DataIter
from ..data.images.image_iter import ImageIter
from ..data.iterators import NDArrayIter


class Pace:
    """`epoch` counts from 0, up to `epochs.stop`; `count` of the `steps` of that epoch are done.

    `steps` is None as long as nobody knows: an iterator of ours says it, of others it is as many as in the epoch
    before. `batch` is the number of examples in a step.
    """

    def __init__(self, epochs: range, batch: int, iterator: DataIter) -> None:
        self.epochs, self.epoch, self.count = epochs, epochs.start, 0
        self.steps: int | None = None
        self._batch = batch
        self._batches = iterator.batches if isinstance(iterator, NDArrayIter | ImageIter) else None
        self._began: float | None = None  # when the fit's first step had ended, which may have compiled kernels
        self._done = 0  # steps since then
        self._epoch_began: tuple[float, int] | None = None  # when the epoch's first step here had ended, and its number

    def begin_epoch(self, epoch: int, done: int) -> None:
        """Epoch `epoch` begins; `done` of its steps were carried out before."""
        known = None if self._batches is None else self._batches(epoch)
        self.steps = known or self.count or None
        self.epoch, self.count, self._epoch_began = epoch, done, None

    def step(self, count: int) -> None:
        """Step `count` of the epoch, from 1, has ended."""
        now = time.monotonic()
        self.count = count
        self._done += self._began is not None
        self._began = now if self._began is None else self._began
        self._epoch_began = self._epoch_began or (now, count)

    @property
    def speed(self) -> float | None:
        """Examples per second in this epoch; None before its second step."""
        if self._epoch_began is None or self.count == self._epoch_began[1]:
            return None
        began, first = self._epoch_began
        return (self.count - first) * self._batch / max(time.monotonic() - began, 1e-9)

    @property
    def left(self) -> float | None:
        """Seconds until the last epoch's end, at the pace of the whole fit, evaluations included; None if unknown."""
        if self._began is None or self.steps is None or not self._done:
            return None
        steps = self.steps * (self.epochs.stop - self.epoch) - self.count
        return max(0.0, (time.monotonic() - self._began) / self._done * steps)
