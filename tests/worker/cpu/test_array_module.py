"""numpy with functions and sums of our own: it takes and gives what numpy does."""

import numpy as np
import pytest

from pushgrad.worker.cpu.array_module import NUMPY
from pushgrad.worker.ops import special

X = (np.random.default_rng(4).uniform(0.1, 0.9, (6, 5, 4))).astype(np.float32)
OF_ONE = [
    "exp",
    "expm1",
    "log",
    "log1p",
    "tanh",
    "log2",
    "log10",
    "cbrt",
    "sin",
    "cos",
    "tan",
    "arcsin",
    "arccos",
    "arctan",
    "sinh",
    "cosh",
    "arcsinh",
    "arctanh",
]
LIKE = {"rtol": 3e-7, "atol": 1e-7}


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("name", OF_ONE)
def test_functions_of_one_array(name, dtype):
    x = X.astype(dtype)
    expected = getattr(np, name)(x.astype(np.float64)).astype(dtype)
    made, into, turned = getattr(NUMPY, name)(x), np.empty_like(x), np.empty_like(x)
    assert getattr(NUMPY, name)(x, out=into) is into
    getattr(NUMPY, name)(x.swapaxes(0, 2), out=turned.swapaxes(0, 2))
    for found in (made, into, turned):
        assert found.dtype == dtype
        np.testing.assert_allclose(found, expected, **({"rtol": 1e-3} if dtype == np.float16 else LIKE))


@pytest.mark.parametrize("name", ["power", "logaddexp", "hypot"])
def test_functions_of_two(name):
    for left, right in ((X, X[:1]), (X, 1.5), (0.5, X), (X[:, :1], X[:1])):
        found = getattr(NUMPY, name)(left, right)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, getattr(np, name)(left, right), rtol=3e-7)
    assert getattr(NUMPY, name)(X.astype(np.float64), X).dtype == np.float64


def test_arrays_may_be_the_result_themselves():
    x = X.copy()
    NUMPY.exp(x, out=x)
    np.testing.assert_array_equal(x, NUMPY.exp(X))


def test_erf_which_numpy_lacks():
    for dtype in (np.float32, np.float64):
        found, expected = np.empty(X.shape, dtype), np.empty(X.shape)
        special.erf(NUMPY, X.astype(dtype), found)
        special.erf(np, X.astype(np.float64), expected)
        np.testing.assert_allclose(found, expected, **LIKE)


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 1), (0, 2), (-1, 1), (0, 1, 2)], ids=str)
@pytest.mark.parametrize("name", ["sum", "mean"])
def test_sums_and_means(name, axis, keepdims):
    exact = getattr(np, name)(X, axis=axis, keepdims=keepdims, dtype=np.float64)
    for x in (X, np.asfortranarray(X)):
        found = getattr(NUMPY, name)(x, axis=axis, keepdims=keepdims)
        assert (np.shape(found), found.dtype) == (exact.shape, np.float32)
        np.testing.assert_allclose(found, exact, rtol=1e-7)
        wide = getattr(NUMPY, name)(x, axis=axis, keepdims=keepdims, dtype=np.float64)
        np.testing.assert_allclose(wide, exact, rtol=1e-14)
    if keepdims:
        out = np.empty(exact.shape, np.float32)
        assert getattr(NUMPY, name)(X, axis=axis, keepdims=True, out=out) is out
        np.testing.assert_allclose(out, exact, rtol=1e-7)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((3, 4), (4, 5)),
        ((70, 300), (300, 33)),
        ((2, 3, 4), (2, 4, 5)),
        ((2, 1, 3, 4), (5, 4, 6)),
        ((3, 0), (0, 5)),
        ((0, 4), (4, 5)),
        ((0, 3, 4), (0, 4, 5)),
    ],
)
def test_products(left, right):
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=left).astype(np.float32), rng.normal(size=right).astype(np.float32)
    expected = np.matmul(a.astype(np.float64), b)
    into, turned = np.empty(expected.shape, np.float32), np.empty(expected.swapaxes(-1, -2).shape, np.float32)
    assert NUMPY.matmul(a, b, out=into) is into
    NUMPY.matmul(b.swapaxes(-1, -2), a.swapaxes(-1, -2), out=turned)
    for found in (NUMPY.matmul(a, b), into, turned.swapaxes(-1, -2)):
        assert (found.shape, found.dtype) == (expected.shape, np.float32)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_products_of_what_does_not_fit():
    with pytest.raises(ValueError, match=r"\(5, 4\) and \(5, 4\)"):
        NUMPY.matmul(X, X)


def test_what_is_not_float32_is_numpys():
    assert NUMPY.sum(X > 0.5) == (X > 0.5).sum()
    assert NUMPY.sum(X.astype(np.float64)) == X.astype(np.float64).sum()
    assert NUMPY.sum(X.reshape(2, 3, 5, 2, 2), axis=(1, 3)).shape == (2, 5, 2)  # axes that alternate too often
    assert NUMPY.exp(1.0) == np.exp(1.0)
