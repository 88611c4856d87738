"""cuBLAS's general product: column-major matrices at addresses, of float32 or of halves."""

from types import SimpleNamespace

import numpy as np

from .copies import _bytes_at
from .streams import get_current_stream

R_32F, R_16F, R_16BF = 0, 2, 14
COMPUTE_32F, COMPUTE_32F_FAST_TF32 = 68, 77


def _matrix(address, kind, rows, columns, leading):
    """A view of a column-major matrix, as a function that reads it as float32 when the product is due."""
    assert leading >= rows
    item = 4 if kind == R_32F else 2
    raw, where = _bytes_at(address, item * (leading * (columns - 1) + rows))
    assert where == "device"

    def read():
        values = raw.view(np.float32) if kind == R_32F else raw.view(np.uint16)
        if kind == R_16F:
            values = values.view(np.float16)
        elif kind == R_16BF:
            values = (values.astype(np.uint32) << 16).view(np.float32)
        steps = values.itemsize, leading * values.itemsize
        return np.lib.stride_tricks.as_strided(values, (rows, columns), steps).astype(np.float32)

    return read, raw


def _gemm_ex(
    handle, turn_a, turn_b, m, n, k, alpha, a, a_kind, lda, b, b_kind, ldb, beta, c, c_kind, ldc, compute, algo
):
    assert a_kind == b_kind and c_kind == R_32F and compute in (COMPUTE_32F, COMPUTE_32F_FAST_TF32)
    assert ldc == m, "the stand-in writes whole matrices"
    left, _ = _matrix(a, a_kind, *((k, m) if turn_a else (m, k)), lda)
    right, _ = _matrix(b, b_kind, *((n, k) if turn_b else (k, n)), ldb)
    _, target = _matrix(c, c_kind, m, n, ldc)

    def multiply():
        product = (left().T if turn_a else left()) @ (right().T if turn_b else right())
        target.view(np.float32)[:] = product.T.reshape(-1)

    get_current_stream().enqueue(multiply)


def make_cublas():
    return SimpleNamespace(
        CUBLAS_COMPUTE_32F=COMPUTE_32F,
        CUBLAS_COMPUTE_32F_FAST_TF32=COMPUTE_32F_FAST_TF32,
        CUBLAS_GEMM_DEFAULT=-1,
        gemmEx=_gemm_ex,
    )
