"""The random numbers of a node, the same as those of worker/ops/philox.py, drawn on the GPU.

The step's number is read from device memory, so that a captured graph draws other numbers in each step.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..array import Array
from .device import Device


def random_bits(device: Device, step: Any, first: int, count: int) -> Array:
    """Numbers `first` to `first + count` of the stream of `step.node`: shape (count,), uint32; `step` is a CudaStep."""
    out = device.empty((count,), np.uint32)
    # A thread makes a block of four numbers, so there is one thread per block, not per number.
    args = (out, step.now, *stream_words(step), np.int64(first), np.int64(count))
    device.module("random_bits").over("random_bits", blocks(first, count), args)
    return out


def stream_words(step: Any) -> tuple[np.uint32, np.uint32, np.uint32]:
    """Node and key of the stream, in the order of the kernels' parameters; they do not change from step to step."""
    stream = step.random_stream()
    return np.uint32(stream.node), np.uint32(stream.key[0]), np.uint32(stream.key[1])


def blocks(first: int, count: int) -> int:
    """How many of Philox's blocks of four numbers hold numbers `first` to `first + count`."""
    return -(-(first + count) // 4) - first // 4
