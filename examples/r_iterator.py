"""The data iterator of R's mxnet in 2016 (mx.io.arrayiter) with all its quirks, to reproduce its numbers.

It differs from mx.io.NDArrayIter in three ways:
- It shuffles only once, when it is made, with one uniform draw per row from mx.random.
- It prepares its batches in one buffer, so that a short last batch keeps rows of the batch before it in its tail;
  training uses these rows, and training metrics count them.
- The first epoch lacks its first batch: the R code took that one to learn the shape of the data.
"""

import numpy as np

import pushgrad as mx


class RArrayIter(mx.io.DataIter):
    """Batches of rows of `X` (rows, ...) with labels `y` (rows, ...); float32.

    A `batch_size` above the number of rows is lowered to it. `skip_first=False` gives the first epoch all batches, as
    for evaluation data. Raises ValueError if X and y have different numbers of rows.
    """

    def __init__(self, X, y, batch_size, shuffle=True, skip_first=True, data_name="data", label_name="softmax_label"):
        X, y = np.asarray(X, np.float32), np.asarray(y, np.float32)
        if len(X) != len(y):
            raise ValueError(f"X has {len(X)} rows and y has {len(y)}")
        self.batch_size = min(len(y), batch_size)
        order = shuffled_order(len(y)) if shuffle else np.arange(len(y))
        self._batches = prebuilt_batches(X[order], y[order], self.batch_size)
        self._skipped = int(skip_first)
        self.provide_data = [(data_name, (self.batch_size, *X.shape[1:]))]
        self.provide_label = [(label_name, (self.batch_size, *y.shape[1:]))]
        self.seek(0, 0)

    def seek(self, epoch, batch):
        """Continue before batch `batch` of epoch `epoch`, both counted from 0."""
        self.epoch, self.batch = epoch, batch

    def reset(self):
        """Begin the next epoch; do nothing if no batch of this one has been taken."""
        if self.batch:
            self.seek(self.epoch + 1, 0)

    def next(self):
        """The next batch of this epoch, whose `pad` counts stale rows; StopIteration after the last."""
        place = self.batch + (self._skipped if self.epoch == 0 else 0)
        if place >= len(self._batches):
            raise StopIteration
        self.batch += 1
        return self._batches[place]


def shuffled_order(rows):
    """Fisher and Yates's shuffle of the row numbers, (rows,), from one draw per row."""
    draws = mx.random.uniform(shape=rows).astype(np.float64)  # the product below is in double precision, as in C++
    order = np.arange(rows)
    for i in range(rows - 1, 0, -1):
        j = int(draws[i] * (i + 1))
        order[i], order[j] = order[j], order[i]
    return order


def prebuilt_batches(X, y, batch_size):
    """All batches of one epoch, from X (rows, ...) and y (rows, ...), made one after the other in the same buffer."""
    data = np.zeros((batch_size, *X.shape[1:]), np.float32)
    label = np.zeros((batch_size, *y.shape[1:]), np.float32)
    batches = []
    for first in range(0, len(y), batch_size):
        rows = min(batch_size, len(y) - first)
        data[:rows], label[:rows] = X[first : first + rows], y[first : first + rows]
        batches.append(mx.io.DataBatch([data.copy()], [label.copy()], pad=batch_size - rows))
    return batches
