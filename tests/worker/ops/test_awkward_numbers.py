"""Zero, infinity, NaN and half precision: what operators make of them, and that they do so without a word.

Values are those of MXNet 1.9.1, whose `x % 0` is 0, where numpy's is NaN.
"""

import warnings

import numpy as np
import pytest

import pushgrad as mx

LEFT = np.array([5, -5, 0, 3.5, -3.5, 5, np.inf, 5, np.nan, 7, -7], np.float32)
RIGHT = np.array([0, 0, 0, 2, 2, -2, 3, np.inf, 2, -np.inf, np.inf], np.float32)
NAN, INF = np.nan, np.inf


def run(symbol, dtype=np.float32, **inputs):
    """The output and the gradients of its sum, by name."""
    arrays = {name: np.asarray(value, dtype) for name, value in inputs.items()}
    executor = symbol.bind(mx.cpu(), arrays, {name: np.empty_like(array) for name, array in arrays.items()})
    output = executor.forward(is_train=True)[0]
    executor.backward()
    return output, executor.grad_dict


@pytest.mark.parametrize("form", ["%", "broadcast_mod"])
def test_modulo_by_zero_is_zero(form):
    a, b = mx.sym.Variable("a"), mx.sym.Variable("b")
    output, gradients = run(a % b if form == "%" else mx.sym.broadcast_mod(a, b), a=LEFT, b=RIGHT)
    np.testing.assert_array_equal(output, [0, 0, 0, 1.5, 0.5, -1, NAN, 5, NAN, -INF, INF])
    np.testing.assert_array_equal(gradients["a"], np.ones(11))
    np.testing.assert_array_equal(gradients["b"], [-INF, INF, NAN, -1, 2, 3, -INF, 0, NAN, 0, 0])


@pytest.mark.parametrize(
    ("symbol", "expected"),
    [
        (mx.sym.Variable("a") % 0, np.zeros(11)),
        (mx.sym.Variable("a") % -2, [-1, -1, 0, -0.5, -1.5, -1, NAN, -1, NAN, -1, -1]),
        (2 % mx.sym.Variable("a"), [2, -3, 0, 2, -1.5, 2, 2, 2, NAN, 2, -5]),
        (0 % mx.sym.Variable("a"), [0, 0, 0, 0, 0, 0, 0, 0, NAN, 0, 0]),
    ],
)
def test_modulo_with_a_number(symbol, expected):
    np.testing.assert_array_equal(run(symbol, a=LEFT)[0], expected)


@pytest.mark.parametrize(
    ("name", "expected", "slope"),
    [
        (
            "erf",
            [-0.99951171875, -0.5205078125, 0.2763671875, 0.8427734375, 1.0, 1.0],
            [0.002178192138671875, 0.87890625, 1.0595703125, 0.4150390625, 5.424022674560547e-06, 0.0],
        ),
        (
            "gamma",
            [-0.9453125, -3.544921875, 3.625, 1.0, 3.32421875, 5040.0],
            [-1.04296875, -0.12939453125, -15.328125, -0.5771484375, 3.666015625, 10160.0],
        ),
        (
            "gammaln",
            [-0.056243896484375, 1.265625, 1.2880859375, 0.0, 1.201171875, 8.5234375],
            [1.103515625, 0.0364990234375, -4.2265625, -0.5771484375, 1.103515625, 2.015625],
        ),
    ],
)
def test_special_functions_of_halves(name, expected, slope):
    output, gradients = run(getattr(mx.sym, name)(mx.sym.Variable("x")), np.float16, x=[-2.5, -0.5, 0.25, 1, 3.5, 8])
    assert output.dtype == np.float16
    np.testing.assert_allclose(output, expected, rtol=1e-3)
    np.testing.assert_allclose(gradients["x"], slope, rtol=1e-2, atol=1e-6)


QUIET = {
    "log": [0, -1, INF], "sqrt": [-1, 0, NAN], "arcsin": [2, -2, INF], "exp": [1e4, -1e4, NAN],
    "reciprocal": [0, INF, 1e-39],
    "square": [1e30, INF, NAN], "sin": [INF, NAN, 0], "softmax": [[INF, INF], [NAN, 1]], "norm": [1e30, 1e30, 1],
    "L2Normalization": [[1e30, 1e30]], "LinearRegressionOutput": [INF, NAN, 1e38],
}  # fmt: skip


@pytest.mark.parametrize("name", QUIET)
@pytest.mark.parametrize("slices", [None, 2])
def test_no_numpy_warning_leaves_an_executor(name, slices):
    """numpy warns of what compiled loops and GPUs compute in silence."""
    data = np.array(QUIET[name], np.float32)
    executor = getattr(mx.sym, name)(mx.sym.Variable("x")).simple_bind(mx.cpu(), slices=slices, x=data.shape)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        executor.forward(is_train=True, x=data)
        executor.backward()


def test_the_callers_own_settings_stay():
    executor = mx.sym.log(mx.sym.Variable("x")).simple_bind(mx.cpu(), x=(1,))
    with np.errstate(divide="raise"):
        assert executor.forward(x=np.zeros(1, np.float32))[0] == -INF
        with pytest.raises(FloatingPointError):
            np.log(np.zeros(1))


def test_a_folded_batch_norm_is_as_quiet():
    """With a negative variance and eps 0, the scale of the layer before it is NaN."""
    data = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=1, no_bias=True, name="fc")
    net = mx.sym.SoftmaxOutput(mx.sym.BatchNorm(data, name="bn", fix_gamma=False), name="softmax")
    one = np.ones(1, np.float32)
    model = mx.FeedForward(
        net,
        arg_params={"fc_weight": one.reshape(1, 1), "bn_gamma": one, "bn_beta": one},
        aux_params={"bn_moving_mean": one, "bn_moving_var": -one},
    )
    assert np.isnan(model.predict(np.ones((2, 1)))).all()
