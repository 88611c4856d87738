"""Functions of our own: right to two units in the last place, at all ends of their ranges, with the recorded bits."""

import math
import zlib

import numba
import numpy as np
import pytest

from pushgrad.worker.cpu import double_elementwise, elementwise, vectors
from pushgrad.worker.cpu.elementwise import FUNCTIONS
from pushgrad.worker.cpu.functions import tanh
from pushgrad.worker.cpu.vector_loops import mapped

# Every 65521st of all float32 numbers, NaNs and infinities among them, and those around which something changes.
EDGES = [
    0,
    1e-45,
    1.17549435e-38,
    0.34657,
    0.5,
    1,
    1.0000001,
    2,
    9.02,
    16,
    17.5,
    88.72283,
    88.72284,
    103.97,
    104,
    3.4e38,
]
SAMPLE = np.concatenate(
    [
        np.arange(0, 1 << 32, 65521, dtype=np.uint64).astype(np.uint32).view(np.float32),
        np.array([*EDGES, np.inf, np.nan], np.float32),
        -np.array([*EDGES, np.inf, np.nan], np.float32),
    ]
)


def _stable_sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


# In float64, to which numpy is right to the last of its 53 bits or nearly so.
EXACT = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "tanh": np.tanh,
    "erf": np.vectorize(math.erf, otypes=[float]),
    "sigmoid": _stable_sigmoid,
    "softrelu": lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
    "softsign": lambda x: np.where(np.isinf(x), np.sign(x), x / (1 + np.abs(x))),
    "relu": lambda x: np.where(x < 0, 0, x),
}


def of(function, x):
    out = np.empty_like(x)
    function(x, out)
    return out


def units_off(found, exact):
    """How many units in the last place of float32 `found` is off, where `exact`, float64, is a number of that range."""
    largest = float(np.finfo(np.float32).max)
    size = np.spacing(np.minimum(np.abs(exact), largest).astype(np.float32)).astype(np.float64)
    inside = np.abs(exact) <= largest
    return np.where(inside, np.abs(found - np.where(inside, exact, 0)) / size, 0)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_it_is_right_to_two_units_in_the_last_place(name):
    found = of(FUNCTIONS[name], SAMPLE)
    with np.errstate(all="ignore"):
        exact = EXACT[name](SAMPLE.astype(np.float64))
        rounded = exact.astype(np.float32)
        assert units_off(found.astype(np.float64), exact).max() < 2
    ends = ~np.isfinite(rounded) | (rounded == 0)
    np.testing.assert_array_equal(found[ends], rounded[ends])
    real = ends & ~np.isnan(rounded)
    np.testing.assert_array_equal(np.signbit(found[real]), np.signbit(rounded[real]))


# Of the bits of each function of SAMPLE, all NaNs being one. They are the same on every processor.
BITS = {
    "exp": "fa52b7a9",
    "expm1": "e37ca3ec",
    "log": "b785845c",
    "log1p": "d02ccf17",
    "erf": "2c84aed9",
    "tanh": "4eff6f52",
    "sigmoid": "eb406509",
    "softrelu": "1bf3f4ce",
    "softsign": "cbc50fcd",
    "relu": "746fdfd3",
}


def bits(values):
    return zlib.crc32(np.where(np.isnan(values), np.float32(np.nan), values).tobytes())


@pytest.mark.parametrize("name", FUNCTIONS)
def test_its_bits_are_those_of_every_processor(name):
    assert f"{bits(of(FUNCTIONS[name], SAMPLE)):08x}" == BITS[name]


@pytest.mark.parametrize("width", [4, 8, 16])
def test_the_width_of_vectors_changes_no_bit(width, monkeypatch):
    monkeypatch.setattr(vectors, "WIDTH", width)
    loop = mapped(tanh)

    @numba.njit
    def run(x, out):
        loop((x.ctypes.data,), (), out.ctypes.data, x.size)

    for count in (1, 5, 16, 37, len(SAMPLE)):
        np.testing.assert_array_equal(of(run, SAMPLE[:count]), of(FUNCTIONS["tanh"], SAMPLE)[:count])


def test_powers_are_those_of_c_with_all_their_exceptions():
    ends = [0, 1, 0.5, 2, 3, 2.5, 1e-45, 1e10, 16777217, 33554431, 3.4e38, np.inf]
    ends = np.array([*ends, *(-end for end in ends), np.nan], np.float32)
    rng = np.random.default_rng(1)
    drawn = np.ldexp(rng.uniform(1, 2, 5000), rng.integers(-126, 127, 5000)).astype(np.float32)
    x = np.concatenate([np.repeat(ends, len(ends)), drawn])
    y = np.concatenate([np.tile(ends, len(ends)), rng.normal(size=5000).astype(np.float32) * 5])
    found = np.empty_like(x)
    elementwise.power(x, y, found)
    with np.errstate(all="ignore"):
        exact = np.power(x.astype(np.float64), y.astype(np.float64))
        np.testing.assert_array_equal(found[: len(ends) ** 2], exact[: len(ends) ** 2].astype(np.float32))
        real = ~np.isnan(exact)
        np.testing.assert_array_equal(np.signbit(found[real]), np.signbit(exact[real]))
        assert units_off(found.astype(np.float64), exact).max() < 0.501


@pytest.mark.parametrize("name", double_elementwise.FUNCTIONS)
def test_double_precision(name):
    ends = [0, -0.0, 1, -1, -2, 5e-324, 1e-310, 1e300, 709.78, 709.79, -745.13, -745.14, np.inf, -np.inf, np.nan]
    rng = np.random.default_rng(2)
    x = np.concatenate([ends, rng.uniform(-0.99, 3, 5000), np.exp(rng.uniform(-700, 700, 5000))])
    with np.errstate(all="ignore"):
        exact = getattr(np, name)(x.astype(np.longdouble))
        found, rounded = of(double_elementwise.FUNCTIONS[name], x), exact.astype(np.float64)
        inside = np.isfinite(rounded)
        assert (np.abs(found - exact) / np.spacing(np.abs(rounded)))[inside].max() < 1.5
    np.testing.assert_array_equal(found[~inside], rounded[~inside])
