"""The stream of random numbers behind initial parameters: MXNet's CPU generator of 2016, draw for draw.

It is a Mersenne twister (std::mt19937) read through libstdc++'s uniform_real_distribution<float> and
normal_distribution<float>; MXNet 1.9.1 has the same uniform values, and every other one of the normal values. Equal
seeds and equal calls give equal bits on every machine. Shuffling, and what is random inside a training step (Dropout),
use counter-based generators keyed by `current_seed()` instead, since a shared stream would make their numbers depend on
who draws first.
"""

from __future__ import annotations

import math
import operator
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..common.errors import ParameterError
from .array import Array, Shape

_SEED_FACTOR = 127  # MXNet seeds the generator of CPU 0 with 127 times the global seed
# The largest float32 below 1. A 32-bit draw near 2**32 rounds up to 1 in float32, which [0, 1) excludes.
_BELOW_ONE = np.nextafter(np.float32(1), np.float32(0))


class MersenneTwister:
    """One Mersenne twister; its methods may be called from several threads. Values are float32 arrays of `shape`.

    `trainings` and `predictions` count what `next_training` and `next_prediction` do, since the seed was set.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed % 2**32
        self._twister = np.random.RandomState(self._seed * _SEED_FACTOR % 2**32)
        self._lock = threading.Lock()
        self.trainings = self.predictions = 0

    @property
    def seed(self) -> int:
        """The seed that it was made with, modulo 2**32."""
        return self._seed

    def state(self) -> dict[str, Any]:
        """All that its further draws depend on, in numbers and one array of uint32 (624,)."""
        with self._lock:
            _, words, position, *_ = self._twister.get_state()
        counts = {"trainings": self.trainings, "predictions": self.predictions}
        return {"seed": self._seed, "words": words, "position": int(position), **counts}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where the generator of that `state` was. Raises ValueError if it is not the state of one."""
        with self._lock:
            self._twister.set_state(("MT19937", state["words"], state["position"], 0, 0.0))
            self._seed, self.trainings, self.predictions = state["seed"], state["trainings"], state["predictions"]

    def uniform(self, low: float, high: float, shape: Shape) -> Array:
        """Values in [low, high), one 32-bit draw each, in C order."""
        with self._lock:
            values = self._canonical(math.prod(shape))
        # canonical * (high - low) + low with each step rounded to float32, as uniform_real_distribution<float> does.
        values *= np.float32(high) - np.float32(low)
        values += np.float32(low)
        return values.reshape(shape)

    def normal(self, loc: float, scale: float, shape: Shape) -> Array:
        """Values of mean `loc` and standard deviation `scale`; a scale of 0 takes no draws from the stream."""
        if scale == 0:
            return np.full(shape, loc, np.float32)
        count = math.prod(shape)
        with self._lock:
            # The polar method makes values in pairs. The spare one of an odd count is dropped: MXNet makes a new
            # distribution object for each call, and the value that the old one kept goes with it.
            values = self._polar((count + 1) // 2)[:count]
        values *= np.float32(scale)
        values += np.float32(loc)
        return values.reshape(shape)

    def _canonical(self, count: int) -> Array:
        """generate_canonical<float, 24>: a draw over 2**32, rounded to float32 and kept below 1."""
        values = self._twister.randint(0, 2**32, size=count, dtype=np.uint32).astype(np.float32)
        values *= np.float32(2.0**-32)
        return np.minimum(values, _BELOW_ONE, out=values)

    def _polar(self, pairs: int) -> Array:
        """2 * pairs standard normal values by Marsaglia's polar method, y before x of each accepted point.

        Each round draws as many points as are still wanted. So the stream advances exactly as far as it would with
        libstdc++'s loop over single points.
        """
        found: list[Array] = []
        while pairs > 0:
            points = self._canonical(2 * pairs).reshape(pairs, 2) * np.float32(2) - np.float32(1)
            square = points[:, 0] * points[:, 0] + points[:, 1] * points[:, 1]
            inside = (square <= 1) & (square != 0)
            points, square = points[inside], square[inside]
            # Through float64, so that the result is correctly rounded to float32 on every machine; libm's logf is not
            # in some 20 of a million values.
            logarithm = np.log(square.astype(np.float64)).astype(np.float32)
            factor = np.sqrt(np.float32(-2) * logarithm / square)
            found.append(points[:, ::-1] * factor[:, None])
            pairs -= len(points)
        return np.concatenate([*found, np.empty((0, 2), np.float32)]).reshape(-1)


_stream = MersenneTwister(0)


def seed(value: int) -> None:
    """Restart the stream from a seed, as MXNet's mx.random.seed (R: mx.set.seed) does on the CPU.

    A process that never calls this has the seed 0. Raises ParameterError if `value` is not a whole number.
    """
    global _stream
    try:
        _stream = MersenneTwister(operator.index(value))
    except TypeError:
        raise ParameterError("random.seed", expected="a whole number", got=repr(value)) from None


def state() -> dict[str, Any]:
    """Where the stream is: seed, counts, and the twister's words."""
    return _stream.state()


def restore(state: Mapping[str, Any]) -> None:
    """Let the stream go on from what `state` returned. Raises ValueError if it is something else."""
    _stream.restore(state)


def current_seed() -> int:
    """The seed last set, in [0, 2**32); counter-based generators (Dropout, shuffles) use it as their key."""
    return _stream.seed


def next_training() -> int:
    """Count one more training since the seed was last set, and return its number, from 1.

    It is part of the key of random operators, so that two trainings in one script drop different elements.
    """
    _stream.trainings += 1
    return _stream.trainings


def next_prediction() -> int:
    """Count one more batch that is predicted since the seed was last set, and return its number, from 1.

    It is part of the key of operators that are random outside of training as well, as Dropout(mode="always") is.
    """
    _stream.predictions += 1
    return _stream.predictions


def uniform(low: float = 0.0, high: float = 1.0, shape: int | Shape = (1,)) -> Array:
    """Uniformly distributed float32 values in [low, high), an array of that shape.

    Raises ParameterError if `shape` is not a whole number or several, each 0 or more.
    """
    return _stream.uniform(low, high, _shape(shape))


def normal(loc: float = 0.0, scale: float = 1.0, shape: int | Shape = (1,)) -> Array:
    """Normally distributed float32 values, an array of that shape; `scale` is the standard deviation, 0 or more.

    Raises ParameterError if `scale` is negative or NaN, or if `shape` is not whole numbers of 0 or more.
    """
    # `not >=` and not `<`, so that NaN is refused as well.
    if not scale >= 0:
        raise ParameterError("random.normal: scale", expected="0 or more", got=scale)
    return _stream.normal(loc, scale, _shape(shape))


def _shape(shape: int | Shape) -> Shape:
    """`shape` as a tuple of ints of 0 or more."""
    try:
        extents = (
            tuple(operator.index(n) for n in shape) if isinstance(shape, tuple | list) else (operator.index(shape),)
        )
    except TypeError:
        extents = (-1,)
    if any(n < 0 for n in extents):
        raise ParameterError("random: shape", expected="whole numbers of 0 or more", got=repr(shape))
    return extents
