"""Products in each precision, against numpy's on operands that are rounded likewise."""

import numpy as np
import pytest

from pushgrad.worker.cuda.matrix_products import Product


def rounded(array, precision):
    if precision == "float16":
        return array.astype(np.float16).astype(np.float32)
    if precision == "bfloat16":
        bits = array.view(np.uint32).astype(np.uint64)
        return ((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)
    return array


@pytest.mark.parametrize("precision", ["float32", "tf32", "float16", "bfloat16"])
@pytest.mark.parametrize("turned", [(False, False), (False, True), (True, False)])
@pytest.mark.parametrize("shape", [(5, 7, 3), (1, 33, 2), (64, 1, 1)])
def test_products(bench, precision, turned, shape):
    rows, depth, columns = shape
    generator = np.random.default_rng(rows)
    left = generator.standard_normal((depth, rows) if turned[0] else (rows, depth)).astype(np.float32)
    right = generator.standard_normal((columns, depth) if turned[1] else (depth, columns)).astype(np.float32)
    there, out = [bench.send(left), bench.send(right)], bench.send(np.full((rows, columns), np.nan, np.float32))
    product = Product(bench.device, precision)
    with bench.device.active():
        product(there[0].T if turned[0] else there[0], there[1].T if turned[1] else there[1], out)
    left, right = rounded(left, precision), rounded(right, precision)
    expected = (left.T if turned[0] else left) @ (right.T if turned[1] else right)
    tolerance = 2e-3 if precision == "tf32" else 1e-5
    np.testing.assert_allclose(bench.fetch(out), expected, rtol=tolerance, atol=tolerance)
