"""Functions of one array: their values against numpy and math, their slopes against numeric ones."""

import math

import numpy as np
import pytest

from pushgrad.worker.cpu.registry import kernel_for
from pushgrad.worker.ops.operator import Step, lookup
from pushgrad.worker.ops.unary import Unary

vectorize = np.vectorize

FUNCTIONS = {
    "abs": np.abs,
    "sign": np.sign,
    "negative": np.negative,
    "reciprocal": np.reciprocal,
    "square": np.square,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: x**-0.5,
    "cbrt": np.cbrt,
    "rcbrt": lambda x: 1 / np.cbrt(x),
    "round": lambda x: np.sign(x) * np.floor(np.abs(x) + 0.5),
    "rint": lambda x: np.ceil(x - 0.5),
    "ceil": np.ceil,
    "floor": np.floor,
    "trunc": np.trunc,
    "fix": np.trunc,
    "logical_not": lambda x: x == 0,
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "log2": np.log2,
    "log10": np.log10,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "arcsin": np.arcsin,
    "arccos": np.arccos,
    "arctan": np.arctan,
    "degrees": np.degrees,
    "radians": np.radians,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "arcsinh": np.arcsinh,
    "arccosh": np.arccosh,
    "arctanh": np.arctanh,
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "erf": vectorize(math.erf),
    "gamma": vectorize(math.gamma),
    "gammaln": vectorize(math.lgamma),
}
# Where not all numbers have a value, or where a step would make the numeric slope wrong.
DOMAINS = {
    "arccosh": (1.2, 3),
    **dict.fromkeys(["arcsin", "arccos", "arctanh", "tan"], (-0.9, 0.9)),
    **dict.fromkeys(["sqrt", "rsqrt", "rcbrt", "log", "log2", "log10", "gamma", "gammaln", "reciprocal"], (0.3, 3)),
    "log1p": (-0.7, 3),
}


def test_every_function_is_tested():
    assert FUNCTIONS.keys() == {kind.op_name() for kind in Unary.__subclasses__()}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function(name, forward, gradcheck):
    op = lookup(name)()
    for shape in [(5,), (2, 3, 2)]:
        array = np.random.default_rng(3).uniform(*DOMAINS.get(name, (-3, 3)), shape)
        np.testing.assert_allclose(forward(op, [array])[0], FUNCTIONS[name](array), rtol=1e-13)
        gradcheck(op, [array])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_single_precision_stays_single(name, forward, backward):
    op, array = lookup(name)(), np.array([[1.5, 1.2]] if name == "arccosh" else [[0.5, 0.7]], np.float32)
    out = forward(op, [array])
    np.testing.assert_allclose(out[0], FUNCTIONS[name](array.astype(float)), rtol=1e-5)
    assert backward(op, [array], out, [np.ones_like(array)])[0].dtype == np.float32


def test_halves_and_their_neighbours_round_as_mxnet_does(forward):
    below = np.nextafter(np.float32(0.5), np.float32(0))
    array = np.array([-2.5, -0.5, -below, below, 0.5, 1.5, 2.5, 8388609], np.float32)
    assert forward(lookup("round")(), [array])[0].tolist() == [-3, -1, 0, 0, 1, 2, 3, 8388609]
    assert forward(lookup("rint")(), [array])[0].tolist() == [-3, -1, 0, 0, 0, 1, 2, 8388609]


@pytest.mark.parametrize("name", ["round", "rint", "ceil", "floor", "trunc", "fix"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_steps_leave_infinity_and_nan_alone(name, dtype, forward):
    """Without a warning: warnings are errors here."""
    array = np.array([np.inf, -np.inf, np.nan, 1e30, -1e30], dtype)
    np.testing.assert_array_equal(forward(lookup(name)(), [array])[0], array)


@pytest.mark.parametrize(
    ("name", "slopes"),
    [("square", [np.inf, -np.inf]), ("arctan", [0, 0]), *((name, [0]) for name in ("log", "log1p", "log2", "log10"))],
)
def test_slopes_at_infinity(name, slopes, forward, backward):
    op, array = lookup(name)(), np.array([np.inf, -np.inf][: len(slopes)])
    assert backward(op, [array], forward(op, [array]), [np.ones_like(array)])[0].tolist() == slopes


@pytest.mark.parametrize("x", [-3.7, -0.2, 1e-3, 0.5, 1.0, 20.0])
def test_slope_of_gammaln_is_digamma(x, forward, gradcheck):
    gradcheck(lookup("gammaln")(), [np.array([x])])


def test_digamma_of_one_is_eulers_constant(forward, backward):
    op, one = lookup("gammaln")(), np.ones(1)
    (slope,) = backward(op, [one], forward(op, [one]), [np.ones(1)])
    assert slope[0] == pytest.approx(-0.5772156649015329, abs=1e-14)


def test_slopes_where_functions_have_corners(forward, backward):
    zero = np.zeros(1)
    for name in ["abs", "relu", "sign"]:
        op = lookup(name)()
        assert backward(op, [zero], forward(op, [zero]), [np.ones(1)])[0][0] == 0


@pytest.mark.parametrize("name", ["relu", "sigmoid", "tanh", "softsign"])
def test_compiled_functions(name, forward, backward):
    op, array = lookup(name)(), np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    compiled = kernel_for([op], [array.shape], [array.shape], np.float32)
    assert compiled is not op
    out, grad, heads = np.empty_like(array), np.empty_like(array), array[::-1].copy()
    compiled.forward(Step(), [array], [out])
    compiled.backward(Step(), [heads], [array], [out], [grad])
    plain = forward(op, [array])
    np.testing.assert_allclose(out, plain[0], rtol=1e-6)
    np.testing.assert_allclose(grad, backward(op, [array], plain, [heads])[0], rtol=1e-5, atol=1e-7)


def test_hard_sigmoid(forward, backward, gradcheck):
    op = lookup("hard_sigmoid")()
    array = np.array([-2.6, -2.4, -1.0, 0.3, 2.4, 2.6])
    np.testing.assert_allclose(forward(op, [array])[0], np.clip(0.2 * array + 0.5, 0, 1))
    gradcheck(op, [array])
    gradcheck(lookup("hard_sigmoid")(alpha=0.5, beta=-0.1), [array])
    edge = np.array([2.5])
    assert backward(op, [edge], forward(op, [edge]), [np.ones(1)])[0][0] == 0


@pytest.mark.parametrize("scalar", [1.0, 2.0, 0.5])
def test_smooth_l1(scalar, forward, gradcheck):
    op = lookup("smooth_l1")(scalar=scalar)
    array = np.array([-5, -1.1, -0.2, 0, 0.1, 0.9, 3])
    near = np.abs(array) < scalar**-2
    expected = np.where(near, (scalar * array) ** 2 / 2, np.abs(array) - 0.5 / scalar**2)
    np.testing.assert_allclose(forward(op, [array])[0], expected)
    gradcheck(op, [array])


def test_constants_in_the_shape_of_data(forward, gradcheck):
    array = np.array([[np.pi, -1.0]])
    assert forward(lookup("zeros_like")(), [array])[0].tolist() == [[0, 0]]
    assert forward(lookup("ones_like")(), [array])[0].tolist() == [[1, 1]]
    gradcheck(lookup("ones_like")(), [array])


@pytest.mark.parametrize("bounds", [(-1, 1), (0, 6), (2.0, 2.0)])
def test_clip(bounds, forward, backward, gradcheck):
    op = lookup("clip")(a_min=bounds[0], a_max=bounds[1])
    array = np.random.default_rng(0).normal(size=(3, 4)) * 3
    assert (forward(op, [array])[0] == np.clip(array, *bounds)).all()
    gradcheck(op, [array])
    edges = np.array([*bounds, np.nan], np.float32)
    out = forward(op, [edges])
    assert np.isnan(out[0][2])
    assert backward(op, [edges], out, [np.ones(3, np.float32)])[0][:2].tolist() == [1, 1]


def test_clip_needs_bounds_in_order():
    with pytest.raises(ValueError, match=r"clip: parameter a_max: expected at least a_min 1, got 0"):
        lookup("clip")(a_min=1, a_max=0)
