"""cuBLAS's C interface, as far as pushgrad.worker.cuda.cublas calls it, on column-major matrices at addresses."""

import ctypes

import numpy as np

from .copies import _bytes_at
from .streams import get_current_stream

R_32F, R_16F, R_16BF = 0, 2, 14
SUMS_IN_FLOAT32, TF32 = 68, 77


class Library:
    """Takes what ctypes would pass, and checks that it is of the right C type."""

    def cublasCreate_v2(self, handle):
        handle._obj.value = 1
        return 0

    def cublasSetStream_v2(self, handle, stream):
        assert isinstance(stream, ctypes.c_void_p)
        return 0

    def cublasSetWorkspace_v2(self, handle, address, size):
        assert _bytes_at(address.value, size.value)[1] == "device"
        return 0

    def cublasGemmEx(
        self, handle, turn_a, turn_b, m, n, k, alpha, a, a_kind, lda, b, b_kind, ldb, beta, c, c_kind, ldc, compute, how
    ):
        operands = [(turn_a, a, a_kind, lda, None), (turn_b, b, b_kind, ldb, None)]
        return _queue(operands, (m, n, k), (alpha, beta), (c, c_kind, ldc, None), compute, how, 1)

    def cublasGemmStridedBatchedEx(
        self, handle, turn_a, turn_b, m, n, k, alpha, a, a_kind, lda, a_step, b, b_kind, ldb, b_step, beta, c, c_kind,
        ldc, c_step, count, compute, how,
    ):  # fmt: skip
        operands = [(turn_a, a, a_kind, lda, a_step), (turn_b, b, b_kind, ldb, b_step)]
        return _queue(operands, (m, n, k), (alpha, beta), (c, c_kind, ldc, c_step), compute, how, count.value)


def _queue(operands, sizes, factors, target, compute, how, count):
    assert compute.value in (SUMS_IN_FLOAT32, TF32) and how.value == -1
    assert [factor._obj.value for factor in factors] == [1, 0]
    assert operands[0][2].value == operands[1][2].value and target[1].value == R_32F
    m, n, k = (size.value for size in sizes)
    shapes = [(k, m) if operands[0][0].value else (m, k), (n, k) if operands[1][0].value else (k, n)]
    left, right = (
        [_matrix(*one[1:], shape, i) for i in range(count)] for one, shape in zip(operands, shapes, strict=True)
    )
    out = [_matrix(*target, (m, n), i) for i in range(count)]
    turned = [operand[0].value for operand in operands]

    def multiply():
        for a, b, c in zip(left, right, out, strict=True):
            first, second = (_numbers(x).T if turn else _numbers(x) for x, turn in zip((a, b), turned, strict=True))
            c[...] = first @ second

    get_current_stream().enqueue(multiply)
    return 0


def _matrix(address, kind, leading, step, shape, index):
    """A view of the column-major matrix number `index`."""
    dtype = {R_32F: np.float32, R_16F: np.float16, R_16BF: np.uint16}[kind.value]
    item, leading = np.dtype(dtype).itemsize, leading.value
    assert isinstance(address, ctypes.c_void_p) and leading >= shape[0]
    start = address.value + (step.value * item * index if step else 0)
    raw, where = _bytes_at(start, item * (leading * (shape[1] - 1) + shape[0]))
    assert where == "device"
    return np.lib.stride_tricks.as_strided(raw.view(dtype), shape, (item, leading * item))


def _numbers(matrix):
    if matrix.dtype == np.uint16:  # bfloat16
        return (matrix.astype(np.uint32) << 16).view(np.float32)
    return matrix.astype(np.float32)
