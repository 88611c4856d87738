import math

import numpy as np
import pytest

from pushgrad.common.errors import ParameterError, ShapeError
from pushgrad.worker.ops.operator import Step, lookup

BINARY = {
    "elemwise_add": np.add,
    "elemwise_sub": np.subtract,
    "elemwise_mul": np.multiply,
    "elemwise_div": np.divide,
    "_power": np.power,
}
SCALAR = {
    "_plus_scalar": lambda x, s: x + s,
    "_minus_scalar": lambda x, s: x - s,
    "_rminus_scalar": lambda x, s: s - x,
    "_mul_scalar": lambda x, s: x * s,
    "_div_scalar": lambda x, s: x / s,
    "_rdiv_scalar": lambda x, s: s / x,
    "_power_scalar": lambda x, s: x**s,
    "_rpower_scalar": lambda x, s: s**x,
}
ACTIVATIONS = {
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "softrelu": lambda x: np.log1p(np.exp(x)),
    "softsign": lambda x: x / (1 + np.abs(x)),
}
SHAPES = [(3,), (2, 3), (2, 1, 3, 2)]


def positive(shape, seed=0):
    return np.random.default_rng(seed).uniform(0.5, 2, shape)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", BINARY)
def test_binary(name, shape, forward, gradcheck):
    op = lookup(name)()
    arrays = [positive(shape), positive(shape, 1)]
    np.testing.assert_allclose(forward(op, arrays)[0], BINARY[name](*arrays), rtol=1e-15)
    gradcheck(op, arrays)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scalar", [0.7, 2])
@pytest.mark.parametrize("name", SCALAR)
def test_scalar(name, scalar, shape, forward, gradcheck):
    op = lookup(name)(scalar=scalar)
    array = positive(shape)
    np.testing.assert_allclose(forward(op, [array])[0], SCALAR[name](array, scalar), rtol=1e-15)
    gradcheck(op, [array])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("act_type", ACTIVATIONS)
def test_activation(act_type, shape, forward, gradcheck):
    op = lookup("Activation")(act_type=act_type)
    array = np.random.default_rng(2).normal(size=shape) * 3
    np.testing.assert_allclose(forward(op, [array])[0], ACTIVATIONS[act_type](array), rtol=1e-13)
    gradcheck(op, [array])


@pytest.mark.parametrize("act_type", ACTIVATIONS)
def test_activation_of_extremes_neither_overflows_nor_hides_nan(act_type, forward, backward):
    op = lookup("Activation")(act_type=act_type)
    array = np.array([-1e4, -90, 0, 90, 1e4, np.nan], np.float32)
    with np.errstate(invalid="ignore"):  # numpy may say that it met a NaN
        out = forward(op, [array])
        (grad,) = backward(op, [array], out, [np.ones_like(array)])
    assert out[0].dtype == grad.dtype == np.float32
    assert np.isfinite(out[0][:5]).all() and np.isfinite(grad[:5]).all()
    assert np.isnan(out[0][5]) and np.isnan(grad[5])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softsign_of_infinity(dtype, forward, backward):
    array = np.array([np.inf, -np.inf, np.finfo(dtype).max, 1e30], dtype)
    op = lookup("Activation")(act_type="softsign")
    out = forward(op, [array])
    assert out[0].tolist() == [1, -1, 1, 1]
    assert not backward(op, [array], out, [np.ones(4, dtype)])[0][:3].any()


def test_small_sigmoids_keep_their_digits(forward):
    (out,) = forward(lookup("Activation")(act_type="sigmoid"), [np.array([-20.0, -60.0], np.float32)])
    np.testing.assert_allclose(out, [1 / (1 + math.exp(20)), 1 / (1 + math.exp(60))], rtol=1e-5)


def test_relu_has_slope_zero_at_zero(forward, backward):
    op, array = lookup("Activation")(act_type="relu"), np.zeros(1)
    assert backward(op, [array], forward(op, [array]), [np.ones(1)])[0] == 0


@pytest.mark.parametrize(
    ("alias", "name"),
    [("_Plus", "elemwise_add"), ("_minus", "elemwise_sub"), ("_PlusScalar", "_plus_scalar"), ("_Power", "_power")],
)
def test_aliases_of_old_files(alias, name):
    assert lookup(alias) is lookup(name)
    assert lookup(alias).op_name() == name


def test_different_shapes_are_refused_by_name():
    with pytest.raises(ShapeError, match=r"elemwise_add: rhs: expected shape \(2, 3\), got \(2, 4\)"):
        lookup("elemwise_add")().infer_shape([(2, 3), (2, 4)], [None])


def test_scalar_is_one_unless_given(forward):
    assert forward(lookup("_plus_scalar")(), [np.ones(1)])[0] == 2
    assert forward(lookup("_plus_scalar")(scalar="2", is_int="1"), [np.ones(1)])[0] == 3


def test_unknown_activation_lists_the_known():
    with pytest.raises(ParameterError, match=r"Activation: parameter act_type: expected one of relu, .*got 'gelu'"):
        lookup("Activation")(act_type="gelu")


def test_power_of_a_negative_number_has_no_gradient_for_its_exponent(forward, backward):
    op = lookup("_rpower_scalar")(scalar=-2.0)
    array = np.array([2.0])
    out = forward(op, [array])
    assert out[0][0] == 4
    with np.errstate(invalid="ignore"):
        assert np.isnan(backward(op, [array], out, [np.ones(1)], Step())[0][0])
