"""Matrix products in the precision that was asked for."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..array import Array
from .device import Device

_ONE, _ZERO = np.ones((), np.float32), np.zeros((), np.float32)  # cuBLAS reads its factors from the host


class Product:
    """out = left @ right, of float32 matrices in C order, where left and right may also be such a matrix's transpose.

    "float32" multiplies as it is; "tf32" lets tensor cores round operands to 10 bits of mantissa; "float16" and
    "bfloat16" round them to that type. Sums are float32 in each.
    """

    def __init__(self, device: Device, precision: str) -> None:
        self._device, self._precision = device, precision
        self._halves: dict[tuple[str, int], Array] = {}

    def __call__(self, left: Array, right: Array, out: Array) -> None:
        """Queue one product."""
        if self._precision == "float32" or not (out.size and left.size):
            self._device.xp.matmul(left, right, out=out)
            return
        cublas = self._device.xp.cuda.cublas
        if self._precision == "tf32":
            kind, compute = self._device.xp.cuda.runtime.CUDA_R_32F, cublas.CUBLAS_COMPUTE_32F_FAST_TF32
            self._multiply(left, left, right, right, out, kind, compute)
            return
        names = {"float16": "CUDA_R_16F", "bfloat16": "CUDA_R_16BF"}
        kind = getattr(self._device.xp.cuda.runtime, names[self._precision])
        halves = self._half("left", left), self._half("right", right)
        self._multiply(left, halves[0], right, halves[1], out, kind, cublas.CUBLAS_COMPUTE_32F)

    def _multiply(
        self, left: Array, left_values: Any, right: Array, right_values: Any, out: Any, kind: int, compute: int
    ) -> None:
        """cuBLAS has columns first: it computes out^T = right^T left^T, for which memory lies as it should."""
        cuda = self._device.xp.cuda
        (rows, depth), columns = left.shape, right.shape[1]
        turn_right, turn_left = not right.flags.c_contiguous, not left.flags.c_contiguous
        cuda.cublas.gemmEx(
            cuda.device.get_cublas_handle(),
            int(turn_right),
            int(turn_left),
            columns,
            rows,
            depth,
            _ONE.ctypes.data,
            right_values.data.ptr,
            kind,
            depth if turn_right else columns,
            left_values.data.ptr,
            kind,
            rows if turn_left else depth,
            _ZERO.ctypes.data,
            out.data.ptr,
            cuda.runtime.CUDA_R_32F,
            columns,
            compute,
            cuda.cublas.CUBLAS_GEMM_DEFAULT,
        )

    def _half(self, side: str, matrix: Array) -> Array:
        """The matrix's memory, rounded; kept for the next product of that size."""
        key = side, matrix.size
        if key not in self._halves:
            self._halves[key] = self._device.empty((matrix.size,), np.uint16)
        module = self._device.module("round_half", BFLOAT16=int(self._precision == "bfloat16"))
        flat = matrix if matrix.flags.c_contiguous else matrix.T
        module.over("round_half", matrix.size, (flat, self._halves[key], np.int64(matrix.size)))
        return self._halves[key]
