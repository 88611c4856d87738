"""BatchNorm's passes over a range of channels, as functions for tables of calls.

The arguments of both begin with what `Channels` has, and the addresses of the statistics (3, channels) in float64, of
whether they are those of the last batch, and of whether the step is one of training, or 0 if that does not matter; then
come eps, and the addresses of data, gamma, beta and both averages.
"""

from __future__ import annotations

import numpy as np

from ...common.compiled_calls import doubles, integer, line, real
from ...common.jit import kernel
from ..array import Array
from . import batch_norm_passes as passes
from .batch_norm_passes import Channels
from .panels import read_address, whole, write_address


@kernel
def forward(at: int) -> int:
    """Write the output of some channels, and move their averages in training.

    Behind those of both come the addresses of the output and, or 0, of mean and inverse deviation as outputs; then the
    momentum of the averages, and the least number of the output.
    """
    channels, is_own, momentum = _channels(at), _uses_batch(at), real(at, 17)
    mean, var, inverse = statistics = _statistics(at)
    averages = _own(at, 12), _own(at, 13)
    if not is_own:
        mean[:], var[:] = averages
    factors = (_own(at, 10), _own(at, 11))
    passes.forward(integer(at, 9), integer(at, 14), channels, is_own, statistics, factors, real(at, 8), real(at, 18))
    write_address(integer(at, 6), whole(is_own))
    if is_own:
        for c in range(mean.size):
            averages[0][c] = np.float32(momentum) * averages[0][c] + (1 - momentum) * mean[c]
            averages[1][c] = np.float32(momentum) * averages[1][c] + (1 - momentum) * var[c]
    if integer(at, 15):
        _own(at, 15)[:], _own(at, 16)[:] = mean, inverse
    return 0


@kernel
def backward(at: int) -> int:
    """Write the gradients of some channels, those whose address is not 0.

    Behind the arguments of both come the addresses of the output's gradient, and of those of data, gamma and beta; then
    whether relu follows, and whether gamma is fixed.
    """
    channels, is_own = _channels(at), _uses_batch(at)
    mean, var, inverse = _statistics(at)
    sums = np.zeros((2, mean.size))
    if not (is_own and read_address(integer(at, 6))):
        if is_own:
            passes.moments(integer(at, 9), channels, 0, mean.size, mean, var)
        else:
            mean[:], var[:] = _own(at, 12), _own(at, 13)
            write_address(integer(at, 6), whole(0))
        inverse[:] = 1 / np.sqrt(var + real(at, 8))
    factors, has_relu = (mean, inverse, _own(at, 10), _own(at, 11)), integer(at, 18) != 0
    passes.backward((integer(at, 9), integer(at, 14)), integer(at, 15), channels, is_own, factors, has_relu, sums)
    if integer(at, 16):
        _own(at, 16)[:] = np.zeros(mean.size) if integer(at, 19) else sums[1]
    if integer(at, 17):
        _own(at, 17)[:] = sums[0]
    return 0


@kernel
def _channels(at: int) -> Channels:
    return Channels(integer(at, 0), integer(at, 1), integer(at, 2), integer(at, 3), integer(at, 4))


@kernel
def _uses_batch(at: int) -> bool:
    """Whether the batch's own statistics are used."""
    return bool(integer(at, 7) != 0 and read_address(integer(at, 7)) != 0)


@kernel
def _own(at: int, index: int) -> Array:
    """Of the array (channels,) whose address is that argument, the numbers of these channels."""
    first, last = integer(at, 3), integer(at, 4)
    made: Array = line(integer(at, index) + 4 * first, last - first)
    return made


@kernel
def _statistics(at: int) -> tuple[Array, Array, Array]:
    """Mean, variance and 1 / sqrt(variance + eps) of these channels."""
    count, first, size = integer(at, 1), integer(at, 3), integer(at, 4) - integer(at, 3)
    begin = integer(at, 5) + 8 * first
    return doubles(begin, size), doubles(begin + 8 * count, size), doubles(begin + 16 * count, size)
