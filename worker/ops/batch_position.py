"""Where a batch stands in a training: what random numbers and error messages depend on, beside the arrays."""

from __future__ import annotations

from typing import NamedTuple


class BatchPosition(NamedTuple):
    """One step's batch: which training and step it belongs to, and where its rows lie in the global batch.

    `seed` and `fit` (which training since the seed was set) are keys of its random numbers; `number` counts training
    steps from 0. `first_row` is the global batch's index of the first row here, and `global_rows` the size of the
    global batch, so that nothing depends on which thread or worker computes a row.
    """

    seed: int = 0
    fit: int = 0
    number: int = 0
    first_row: int = 0
    global_rows: int = 1

    def behind(self, rows: int) -> BatchPosition:
        """The same batch without its first `rows` rows: where the next slice or device begins."""
        # All fields, as `_replace` takes as long as a small network's layer.
        return BatchPosition(self.seed, self.fit, self.number, self.first_row + rows, self.global_rows)
