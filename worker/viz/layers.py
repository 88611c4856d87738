"""The layout of boxes and arrows: layers from top to bottom, few crossings, arrows as straight as possible.

The steps are those of Sugiyama, Tagawa and Toda (1981): give each box a layer; let long arrows pass through places of
their own in the layers between; order each layer by the mean position of its neighbours; then move boxes towards them.
A "place" below is a box or such a point of passage. Widths and positions are in pixels.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

GAP = 24.0  # pixels between neighbours in a layer
_SWEEPS = 8  # passes over the layers that sort them, down and up in turn; twice as many straighten

Edge = tuple[int, int]


@dataclass(frozen=True)
class Layout:
    """Positions: `x`, the middle of each box, and `layer`, its row from 0 at the top.

    `routes` has the points (x, layer) through which each arrow passes; `width` is that of the whole picture.
    """

    x: list[float]
    layer: list[int]
    routes: list[list[tuple[float, int]]]
    width: float


def arrange(widths: Sequence[float], edges: Sequence[Edge]) -> Layout:
    """Find positions for boxes of these widths. Every edge (source, target) leads to a box of a higher number."""
    layer = _layers(len(widths), edges)
    sizes, chains, depth = [*widths], [], [*layer]
    for source, target in edges:  # a place of no width in every layer that a long arrow crosses
        between = range(len(sizes), len(sizes) + layer[target] - layer[source] - 1)
        sizes += [0.0] * len(between)
        depth += range(layer[source] + 1, layer[target])
        chains.append([source, *between, target])
    above: list[list[int]] = [[] for _ in sizes]
    below: list[list[int]] = [[] for _ in sizes]
    for chain in chains:
        for upper, lower in itertools.pairwise(chain):
            above[lower].append(upper)
            below[upper].append(lower)
    rows: list[list[int]] = [[] for _ in range(max(depth, default=0) + 1)]
    for place, row in enumerate(depth):
        rows[row].append(place)
    x = _order(rows, sizes, above, below)
    _straighten(rows, sizes, above, below, x)
    # So far 0 is the middle of the rows; move everything so that the leftmost edge is at 0.
    left = min((x[i] - sizes[i] / 2 for i in range(len(sizes))), default=0.0)
    x = [value - left for value in x]
    width = max((x[i] + sizes[i] / 2 for i in range(len(sizes))), default=0.0)
    return Layout(x[: len(widths)], layer, [[(x[i], depth[i]) for i in chain] for chain in chains], width)


def _layers(count: int, edges: Sequence[Edge]) -> list[int]:
    """The layer of each box: one below its lowest input. Boxes without inputs stand just above their first user."""
    layer = [0] * count
    sources: list[list[int]] = [[] for _ in range(count)]
    users: list[list[int]] = [[] for _ in range(count)]
    for source, target in edges:
        sources[target].append(source)
        users[source].append(target)
    for box in range(count):
        layer[box] = max((layer[source] + 1 for source in sources[box]), default=0)
    # Otherwise all labels and parameters would crowd at the top, with arrows across the whole picture.
    for box in range(count):
        if not sources[box] and users[box]:
            layer[box] = min(layer[user] for user in users[box]) - 1
    return layer


def _order(
    rows: list[list[int]], sizes: Sequence[float], above: list[list[int]], below: list[list[int]]
) -> list[float]:
    """Sort each layer by the mean position of its neighbours above and below in turn; returns the x of each place."""
    x = [0.0] * len(sizes)
    for row in rows:
        _pack(row, sizes, x)
    for sweep in range(_SWEEPS):
        neighbours = below if sweep % 2 else above
        for row in reversed(rows) if sweep % 2 else rows:
            wish = {place: _mean(neighbours[place], x, x[place]) for place in row}
            row.sort(key=wish.__getitem__)  # stable: places with equal wishes keep their order
            _pack(row, sizes, x)
    return x


def _pack(row: list[int], sizes: Sequence[float], x: list[float]) -> None:
    """Set the x of a row's places: side by side, with the middle of the row at 0."""
    at = -(sum(sizes[place] for place in row) + GAP * (len(row) - 1)) / 2
    for place in row:
        x[place] = at + sizes[place] / 2
        at += sizes[place] + GAP


def _straighten(
    rows: list[list[int]], sizes: Sequence[float], above: list[list[int]], below: list[list[int]], x: list[float]
) -> None:
    """Move each place towards its neighbours as far as the order and the gaps of its layer allow."""
    for sweep in range(2 * _SWEEPS):
        for row in reversed(rows) if sweep % 2 else rows:
            neighbours = below if sweep % 2 else above
            wish = [_mean(neighbours[place], x, x[place]) for place in row]
            apart = [(sizes[a] + sizes[b]) / 2 + GAP for a, b in itertools.pairwise(row)]
            # The positions nearest to the wishes from the left end and from the right end. Each keeps the gaps, but
            # pushes everything to one side; their mean does not.
            right, left = wish[:], wish[:]
            for i in range(1, len(row)):
                right[i] = max(right[i], right[i - 1] + apart[i - 1])
            for i in range(len(row) - 2, -1, -1):
                left[i] = min(left[i], left[i + 1] - apart[i])
            for i, place in enumerate(row):  # both keep the gaps, hence their mean as well
                x[place] = (left[i] + right[i]) / 2


def _mean(places: Sequence[int], x: Sequence[float], default: float) -> float:
    """The mean position of those places, or `default` if there are none."""
    return sum(x[place] for place in places) / len(places) if places else default
