"""What an evaluation collects, batch by batch and worker by worker, until the metric can be computed of all of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np

from ..array import Array
from ..graphs.example_axis import ExampleAxis
from ..store.session import Session
from .metrics.base import Metric
from .pairing import Pairing

PIECE = 1 << 24  # bytes of one gather: the scheduler holds those of all workers at once


class Collected:
    """Arrays of batches of examples, to be joined: one list for each array, `axes` saying where its examples lie."""

    def __init__(self, axes: Sequence[ExampleAxis | None]) -> None:
        self._axes = axes
        self._parts: list[list[tuple[Array, int]]] = [[] for _ in axes]

    @property
    def batches(self) -> int:
        """How many batches there are."""
        return max((len(parts) for parts in self._parts), default=0)

    def add(self, arrays: Sequence[Array], examples: int) -> None:
        """Keep these arrays of one batch of `examples`."""
        for parts, array in zip(self._parts, arrays, strict=True):
            parts.append((array, examples))

    def joined(self) -> list[Array]:
        """The arrays of all batches; one without an axis of examples has the batches along its axis 0."""
        return [
            np.concatenate([part for part, _ in parts]) if axis is None else axis.joined(parts)
            for parts, axis in zip(self._parts, self._axes, strict=True)
        ]


def taken(axis: ExampleAxis | None, array: Array, examples: int, keep: int) -> Array:
    """A copy of the first `keep` of the `examples` in the array; of all of it if it has no axis of examples."""
    return (array if axis is None else axis.take(array, examples, 0, keep)).copy()


class Evaluation:
    """Counts rows in a metric whose value is that of all of them, and not a mean over batches.

    Built-in metrics are sums. For custom ones labels and outputs are kept.
    """

    def __init__(self, metric: Metric, pairing: Pairing) -> None:
        self._pairing = pairing
        self._leaves = metric.leaves()
        self._summed = [leaf for leaf in self._leaves if leaf.sums]
        self._custom = [leaf for leaf in self._leaves if not leaf.sums]
        self._sums = [np.zeros(leaf.count) for leaf in self._summed]
        self._axes: list[ExampleAxis | None] = [ExampleAxis() for _ in pairing.pairs]  # those of labels, then outputs
        self._axes += [pair.examples for pair in pairing.pairs]
        self._kept = Collected(self._axes)

    def add(self, inputs: Mapping[str, Array], outputs: Sequence[Array], examples: int, keep: int) -> None:
        """Count the first `keep` of the `examples` in the network's outputs; `inputs` (keep, ...) are its arguments."""
        pairs, heads = self._pairing.pairs, self._pairing.heads
        mine = [taken(pair.examples, outputs[pair.output], examples, keep) for pair in pairs]
        for total, leaf in zip(self._sums, self._summed, strict=True):
            total += leaf.statistics(self._pairing.labels(inputs, leaf), mine, heads)
        if self._custom:
            labels = self._pairing.labels(inputs, self._custom[0])
            self._kept.add([*(label.copy() for label in labels), *mine], keep)

    def count(self, session: Session | None, what: str) -> None:
        """Leave the value over all rows in the metric: over those of all workers of `session`, or only our own.

        In a job every worker calls it; `what` is the gather's name. All find the same bits, as sums are in the order of
        ranks.
        """
        sums, kept = self._sums, self._kept
        if session is not None and sums:
            everyone = session.gather(np.concatenate(sums).tobytes(), what)
            total = np.sum([np.frombuffer(one, np.float64) for one in everyone], axis=0)
            sums = np.split(total, np.cumsum([len(one) for one in sums])[:-1])
        if session is not None and self._custom:
            kept = self._gathered(session, what)
        for leaf in self._leaves:
            leaf.reset()
        for leaf, total in zip(self._summed, sums, strict=True):
            leaf.add(leaf.value(total))
        if kept.batches:
            arrays = kept.joined()
            half = len(self._pairing.pairs)
            for leaf in self._custom:
                leaf.add(leaf.measure(arrays[:half], arrays[half:], self._pairing.heads))

    def _gathered(self, session: Session, what: str) -> Collected:
        """What all workers kept, in the order of ranks."""
        mine = self._kept.joined() if self._kept.batches else []
        found = Collected(self._axes)
        for arrays in gather_arrays(session, mine, what):
            if arrays:
                examples = len(arrays[0])  # a label, whose axis 0 is the example
                found.add(arrays, examples)
        return found


def gather_arrays(session: Session, arrays: Sequence[Array], what: str) -> list[list[Array]]:
    """Every worker's arrays, in the order of ranks. Every worker calls it; errors as of `Session.gather`."""
    forms = json.dumps([[array.dtype.str, array.shape] for array in arrays]).encode()
    mine = b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)
    said = [json.loads(one) for one in session.gather(forms, what)]
    sizes = [sum(np.dtype(kind).itemsize * int(np.prod(shape)) for kind, shape in one) for one in said]
    content = [bytearray() for _ in said]
    for first in range(0, max(sizes), PIECE):
        for whole, piece in zip(content, session.gather(mine[first : first + PIECE], what), strict=True):
            whole += piece
    return [_unpacked(one, bytes(whole)) for one, whole in zip(said, content, strict=True)]


def _unpacked(forms: Sequence[tuple[str, Sequence[int]]], content: bytes) -> list[Array]:
    """The arrays of those dtypes and shapes that lie one after the other in `content`."""
    found, at = [], 0
    for kind, shape in forms:
        array = np.frombuffer(content, kind, int(np.prod(shape)), at).reshape(shape)
        found.append(array)
        at += array.nbytes
    return found
