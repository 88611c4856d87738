"""Matrix products, in the precision that was asked for, that a stream can be captured with."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..array import Array
from .cublas import Cublas
from .device import Device
from .kernels.channel_packs import HALVES


class Product:
    """out (m, n) = left (m, k) @ right (k, n), float32 in C order; left and right may also be transposes of such.

    "float32" multiplies operands as they are; "tf32" lets tensor cores round them to 10 bits of mantissa; "float16" and
    "bfloat16" round them to that type. Sums are float32 in each. Raises DeviceError if cuBLAS fails.
    """

    def __init__(self, device: Device, precision: str) -> None:
        self._device, self._precision = device, precision
        self._halves: dict[tuple[str, int], Array] = {}

    def __call__(self, left: Array, right: Array, out: Array) -> None:
        """Queue the product."""
        values = None
        if self._precision in HALVES:
            values = self._half("left", left), self._half("right", right)
        # `left` and `right` still tell shapes and orders, where `values` are what is multiplied.
        Cublas.of(self._device).multiply(left, right, out, values, self._precision)

    def _half(self, side: str, matrix: Array) -> Array:
        """The matrix's elements, rounded to 16 bits, as they lie in memory (flat, uint16).

        Their memory is kept for the next product of that size, as a captured graph goes on using it.
        """
        key = side, matrix.size
        if key not in self._halves:
            self._halves[key] = self._device.empty((matrix.size,), np.uint16)
        module = self._device.module("round_half", BFLOAT16=int(self._precision == "bfloat16"))
        flat = matrix if matrix.flags.c_contiguous else matrix.T  # a transpose lies in memory as the matrix itself
        module.over("round_half", matrix.size, (flat, self._halves[key], np.int64(matrix.size)))
        return self._halves[key]


class CapturableArrays:
    """cupy as plain operators see it in a step: with a `matmul` that can be captured and a `take` that knows "clip".

    Everything else is cupy's own.
    """

    def __init__(self, device: Device) -> None:
        self._device, self._cupy = device, device.xp

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._cupy, name)
        # Called only for names that are not here yet: the next time the attribute is found without this method.
        setattr(self, name, value)
        return value

    def matmul(self, left: Array, right: Array, out: Array | None = None) -> Array:
        """As numpy's: (..., m, k) @ (..., k, n), with broadcasting, -> (..., m, n).

        float32 with two axes or more is multiplied by cuBLAS and raises DeviceError if that fails; all else by cupy.
        """
        xp = self._cupy
        if not left.dtype == right.dtype == np.float32 or min(left.ndim, right.ndim) < 2:
            product: Array = xp.matmul(left, right, out=out)
            return product
        batch = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
        shape = (*batch, left.shape[-2], right.shape[-1])
        if out is None:
            out = xp.empty(shape, np.float32)
        # Cublas writes C order only; any other `out` is filled by a copy.
        target = out if out.flags.c_contiguous else xp.empty(shape, np.float32)
        operands = self._matrices(left, batch), self._matrices(right, batch)
        Cublas.of(self._device).multiply(*operands, target.reshape(-1, *shape[-2:]) if batch else target)
        if target is not out:
            out[...] = target
        return out

    def take(self, array: Array, indices: Array, axis: int, out: Array, mode: str) -> Array:
        """As numpy's along one axis: `indices` of any shape replace `axis`. `mode` must be "clip", which cupy lacks."""
        assert mode == "clip"
        inside = self._cupy.clip(indices, 0, array.shape[axis] - 1)
        taken: Array = self._cupy.take(array, inside, axis=axis, out=out)
        return taken

    def _matrices(self, array: Array, batch: tuple[int, ...]) -> Array:
        """`array` as (matrices, rows, columns), or one matrix for all, each row by row or column by column."""
        xp = self._cupy
        # One matrix for the whole batch stays one, and is read with stride 0; what has axes before is broadcast.
        if array.ndim > 2:
            array = xp.broadcast_to(array, (*batch, *array.shape[-2:]))
        turned = array.swapaxes(-1, -2)
        if not (array.flags.c_contiguous or turned.flags.c_contiguous):
            array = xp.ascontiguousarray(array)
        if array.ndim == 2:
            return array
        if array.flags.c_contiguous:
            return array.reshape(-1, *array.shape[-2:])
        return array.swapaxes(-1, -2).reshape(-1, *turned.shape[-2:]).swapaxes(-1, -2)
