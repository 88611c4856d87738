"""cuBLAS through its C interface, since cupy refuses its own calls of cuBLAS while a stream is being captured."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from ...common.errors import DeviceError
from ..array import Array
from .cupy_module import load_cublas
from .device import Device

# Bytes; what NVIDIA advises for Hopper. We provide it, as cuBLAS would allocate its own, which no capture allows.
WORKSPACE = 32 << 20
KINDS = {"float32": 0, "float16": 2, "bfloat16": 14}  # cudaDataType
_FLOAT32, _SUMS_IN_FLOAT32, _TF32, _DEFAULT = 0, 68, 77, -1  # CUDA_R_32F, cublasComputeType_t, cublasGemmAlgo_t
_ONE, _ZERO = ctypes.c_float(1.0), ctypes.c_float(0.0)


class Cublas:
    """Products on one GPU's main stream. To be made and used while the device is active.

    Methods raise DeviceError if cuBLAS reports a failure.
    """

    def __init__(self, device: Device) -> None:
        self._device, self._library = device, load_cublas()
        self._handle = ctypes.c_void_p()
        self._call("cublasCreate_v2", ctypes.byref(self._handle))
        self._call("cublasSetStream_v2", self._handle, ctypes.c_void_p(device.stream.ptr))
        # Kept here, as cuBLAS only knows its address.
        workspace: Any = device.empty((WORKSPACE,), np.uint8)
        self._workspace, address = workspace, ctypes.c_void_p(workspace.data.ptr)
        self._call("cublasSetWorkspace_v2", self._handle, address, ctypes.c_size_t(WORKSPACE))

    @staticmethod
    def of(device: Device) -> Cublas:
        """The device's own instance, made when first asked for. Raises DeviceError if cuBLAS cannot be set up."""
        made = device.companions.get(Cublas)
        if made is None:
            made = device.companions[Cublas] = Cublas(device)
        assert isinstance(made, Cublas)
        return made

    def multiply(self, left: Array, right: Array, out: Array, values: Any = None, kind: str = "float32") -> None:
        """Queue out = left @ right in float32, for (b, m, k), (b, k, n), (b, m, n) or the same without b.

        `out` is in C order; left and right are, or are transposes of matrices that are. `values`: the elements of both
        in the same order, rounded to `kind` ("float16" or "bfloat16"), where they are to be read instead of the arrays;
        kind "tf32" lets tensor cores round float32. Sums are float32. Raises DeviceError if cuBLAS fails.
        """
        (*_, rows, depth), columns = left.shape, right.shape[-1]
        if not out.size or not depth:  # there is nothing to multiply, and cuBLAS refuses leading dimensions of 0
            out.fill(0)
            return
        turns = [not is_plain(right), not is_plain(left)]
        first, second = values[::-1] if values else (right, left)
        leading = depth if turns[0] else columns, rows if turns[1] else depth
        data = ctypes.c_int(KINDS.get(kind, _FLOAT32))
        compute = ctypes.c_int(_TF32 if kind == "tf32" else _SUMS_IN_FLOAT32)
        # cuBLAS takes matrices column by column. What lies row by row is its transpose to cuBLAS, so that with the
        # operands exchanged out^T = right^T left^T is computed, and nothing has to be copied.
        operands = [(first, data, leading[0], _stride(right)), (second, data, leading[1], _stride(left))]
        target = (out, ctypes.c_int(_FLOAT32), columns, _stride(out))
        self._gemm(turns, (columns, rows, depth), operands, target, compute, _batch(out))

    def _gemm(
        self, turns: list[bool], sizes: tuple[int, ...], operands: list[Any], target: Any, compute: Any, batch: int
    ) -> None:
        # The library has no prototypes here: every argument must have the C type that the function declares.
        several = batch > 1  # the batched call takes strides and a count in addition

        def described(operand: Any) -> list[Any]:
            array, data, leading, stride = operand
            found = [ctypes.c_void_p(array.data.ptr), data, ctypes.c_int(leading)]
            return [*found, ctypes.c_longlong(stride)] if several else found

        self._call(
            "cublasGemmStridedBatchedEx" if several else "cublasGemmEx",
            self._handle,
            *(ctypes.c_int(turn) for turn in turns),
            *(ctypes.c_int(size) for size in sizes),
            ctypes.byref(_ONE),
            *described(operands[0]),
            *described(operands[1]),
            ctypes.byref(_ZERO),
            *described(target),
            *([ctypes.c_int(batch)] if several else []),
            compute,
            ctypes.c_int(_DEFAULT),
        )

    def _call(self, name: str, *arguments: Any) -> None:
        status = getattr(self._library, name)(*arguments)
        if status:
            raise DeviceError(f"{self._device}: {name} failed with cuBLAS's status {status}")


def is_plain(matrix: Array) -> bool:
    """Whether an array of shape (..., rows, columns) has each matrix row by row, rather than column by column."""
    return bool(matrix.strides[-1] == matrix.itemsize or matrix.shape[-1] == 1)


def _stride(matrices: Array) -> int:
    """Elements from one matrix to the next; 0 if one serves the whole batch."""
    return matrices.strides[0] // matrices.itemsize if matrices.ndim == 3 else 0


def _batch(out: Array) -> int:
    return len(out) if out.ndim == 3 else 1
