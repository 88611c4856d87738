"""BatchNorm's compiled passes over float32, a few channels at a time: their second loop finds them in the cache.

Arrays are (rows, channels, behind) in C order: a channel has `behind` neighbouring places of each row. A group is as
many channels as LANES places hold, at least one. Its run of places is gone through LANES at a time, and each lane has
sums of its own, which only then are added up: so which channels share a group or a thread does not change a bit.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...common.jit import kernel
from ..array import Array
from .batch_norm_loops import (
    CENTRE,
    LEAST,
    LINES,
    REST,
    SCALE,
    SHIFT,
    SLOPE,
    head_sums,
    moment_sums,
    relu_head_sums,
    write_gradient,
    write_normalised,
    write_relu_gradient,
)
from .panels import address, read
from .plane_lanes import LANES
from .run_loops import fill_lanes, rows_ahead, sum_of_lanes

BLOCK = 1 << 14  # numbers of data in small channels that are worked off together; the cache holds them
Extents = tuple[int, int, int, int]  # of a run: its rows, the floats from row to row, its places, `rows_ahead`


class Channels(NamedTuple):
    """The shape of arrays (rows, channels, behind), and which of their channels are meant: [first, last)."""

    rows: int
    channels: int
    behind: int
    first: int
    last: int


@kernel
def forward(
    data: int,
    out: int,
    channels: Channels,
    is_own: bool,
    statistics: tuple[Array, Array, Array],
    factors: tuple[Array, Array],
    eps: float,
    least: float,
) -> None:
    """Write the output of these channels, no number below `least`, and their statistics if `is_own`.

    `statistics` are their mean, variance and inverse deviation, `factors` gamma and beta. The output is (x - centre) *
    scale + shift in single precision. `centre` is the float32 nearest to the mean, and what rounding took from the mean
    goes into `shift`: so a mean that is large beside the deviation costs no digits.
    """
    (mean, var, inverse), (gamma, beta), behind = statistics, factors, channels.behind
    if channels.rows * behind == 0:
        inverse[:] = 1 / np.sqrt(var + eps)
        return
    table = np.zeros((LINES, LANES), np.float32)
    table[LEAST] = least
    # All statistics of a block before its output: else the processor would wait for those of each channel in turn.
    group = _group(behind)
    block = group * max(1, BLOCK // (channels.rows * behind * group))
    for start in range(0, mean.size, block):
        end = min(start + block, mean.size)
        if is_own:
            moments(data, channels, start, end, mean, var)
        for c in range(start, end):
            inverse[c] = 1 / np.sqrt(var[c] + eps)
        for begin in range(start, end, group):
            stop = min(begin + group, end)
            for c in range(begin, stop):
                _lay_out(table, (c - begin) * behind, behind, (mean[c], inverse[c], gamma[c], beta[c]))
            place, (rows, width, places, far) = _run(channels, begin, stop)
            write_normalised((data + place,), address(table), out + place, rows, width, places, far)


@kernel
def moments(data: int, channels: Channels, start: int, end: int, mean: Array, var: Array) -> None:
    """Mean and (biased) variance of some of these channels, [start, end) counted from the first of them.

    One loop over the data adds up d and d^2 in double precision, d being the distance from the channel's first element.
    Around 0 instead, E[x^2] - E[x]^2 would cancel where the mean is large; a constant channel gets exactly 0.
    """
    pivots, sums = np.zeros((1, LANES), np.float32), np.empty((2, LANES))
    behind = channels.behind
    group, count = _group(behind), channels.rows * behind
    for begin in range(start, end, group):
        stop = min(begin + group, end)
        place, (rows, width, places, far) = _run(channels, begin, stop)
        for c in range(begin, stop):
            lane = (c - begin) * behind
            _fill(pivots, 0, lane, behind, read(data + place + 4 * lane))
        moment_sums((data + place,), address(pivots), address(sums), rows, width, places, far)
        for c in range(begin, stop):
            lane = (c - begin) * behind
            distance = _joined(sums, 0, lane, behind) / count
            mean[c] = np.float64(pivots[0, lane]) + distance
            spread = _joined(sums, 1, lane, behind) / count - distance * distance
            var[c] = 0.0 if spread < 0 else spread  # rounding may take it below 0; a NaN stays NaN


@kernel
def backward(
    given: tuple[int, int],
    grad: int,
    channels: Channels,
    is_own: bool,
    factors: tuple[Array, Array, Array, Array],
    has_relu: bool,
    totals: Array,
) -> None:
    """For these channels write `totals` (2, channels), the sums of d and of d h, and data's gradient unless it is 0.

    `given` are data and the head gradient, `factors` the channels' mean, inverse, gamma and beta. d is the head
    gradient, times the slope of relu if there is one, and h = (x - mean) * inverse the normalised data. With n elements
    in a channel, data's gradient gamma * inverse * (d - sum(d) / n - h * sum(d h) / n) is computed as d * scale -
    (x - centre) * slope - rest.
    """
    behind = channels.behind
    if channels.rows * behind == 0:
        return
    mean, inverse, gamma, beta = factors
    table, sums = np.zeros((LINES, LANES), np.float32), np.empty((2, LANES))
    # Moving averages do not depend on the data, so no gradient passes through them.
    portion = 1 / (channels.rows * behind) if is_own else 0.0
    group = _group(behind)
    for start in range(0, mean.size, group):
        end = min(start + group, mean.size)
        for c in range(start, end):
            _lay_out(table, (c - start) * behind, behind, (mean[c], inverse[c], gamma[c], beta[c]))
        place, extents = _run(channels, start, end)
        sources = given[0] + place, given[1] + place
        _sum_up(sources, table, sums, extents, has_relu)
        for c in range(start, end):
            lane = (c - start) * behind
            # Lanes know the mean in single precision only; what they miss of it is added once per channel.
            missed, scale = mean[c] - np.float64(table[CENTRE, lane]), gamma[c] * inverse[c]
            totals[0, c] = _joined(sums, 0, lane, behind)
            totals[1, c] = (_joined(sums, 1, lane, behind) - missed * totals[0, c]) * inverse[c]
            slope = scale * inverse[c] * totals[1, c] * portion
            _fill(table, SLOPE, lane, behind, slope)
            _fill(table, REST, lane, behind, scale * totals[0, c] * portion - missed * slope)
        if grad:
            _write(sources, table, grad + place, extents, has_relu)


@kernel
def _run(channels: Channels, begin: int, end: int) -> tuple[int, Extents]:
    """Bytes before the run of some of these channels, [begin, end) counted from the first of them, and its extents."""
    behind = channels.behind
    rows, places = channels.rows, (end - begin) * behind
    extents = (rows, channels.channels * behind, places, rows_ahead(rows, places))
    return 4 * (channels.first + begin) * behind, extents


@kernel
def _sum_up(sources: tuple[int, int], table: Array, sums: Array, extents: Extents, relu: bool) -> None:
    """Each lane's sums of d and of d * (x - centre)."""
    if relu:
        relu_head_sums(sources, address(table), address(sums), *extents)
    else:
        head_sums(sources, address(table), address(sums), *extents)


@kernel
def _write(sources: tuple[int, int], table: Array, target: int, extents: Extents, relu: bool) -> None:
    """Data's gradient of a group."""
    if relu:
        write_relu_gradient(sources, address(table), target, *extents)
    else:
        write_gradient(sources, address(table), target, *extents)


@kernel
def _group(behind: int) -> int:
    """The channels of a group."""
    return max(1, LANES // behind)


@kernel
def _lay_out(table: Array, lane: int, behind: int, channel: tuple[float, float, float, float]) -> None:
    """The first lines of the table for a channel (mean, inverse, gamma, beta) whose places begin in that lane."""
    mean, inverse, gamma, beta = channel
    centre, scale = np.float64(np.float32(mean)), gamma * inverse
    _fill(table, CENTRE, lane, behind, centre)
    _fill(table, SCALE, lane, behind, scale)
    _fill(table, SHIFT, lane, behind, beta - (mean - centre) * scale)


@kernel
def _fill(table: Array, line: int, lane: int, behind: int, number: float | np.float32) -> None:
    """Write a number to a channel's lanes, which begin with that one."""
    if behind >= LANES:
        fill_lanes(address(table) + 4 * LANES * line, np.float32(number))
    else:
        for k in range(lane, lane + behind):
            table[line, k] = number


@kernel
def _joined(sums: Array, line: int, lane: int, behind: int) -> float:
    """The sum of a channel's lanes, as a tree; it takes their place."""
    if behind >= LANES:
        return float(sum_of_lanes(address(sums) + 8 * LANES * line))
    count = behind
    while count > 1:
        half = (count + 1) // 2
        for k in range(lane, lane + count - half):
            sums[line, k] += sums[line, k + half]
        count = half
    return float(sums[line, lane])
