"""softmax, log_softmax, softmin, SoftmaxActivation."""

import numpy as np
import pytest

from pushgrad.common.errors import ParameterError, ShapeError
from pushgrad.worker.ops.operator import lookup
from pushgrad.worker.ops.softmax_activation import SoftmaxActivation

NAMES = ("softmax", "log_softmax", "softmin")


def data(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape) * 3


def softmax(x, axis):
    exponentials = np.exp(x)
    return exponentials / exponentials.sum(axis, keepdims=True)


@pytest.mark.parametrize("temperature", [None, 2.5])
@pytest.mark.parametrize(("shape", "axis"), [((5,), -1), ((3, 4), 1), ((3, 4), 0), ((2, 3, 2), 1), ((2, 3, 2), -3)])
@pytest.mark.parametrize("name", NAMES)
def test_softmax(name, shape, axis, temperature, forward, gradcheck):
    op, x = lookup(name)(axis=axis, temperature=temperature), data(*shape)
    scaled = x / (temperature or 1)
    expected = {"softmax": softmax(scaled, axis), "softmin": softmax(-scaled, axis)}
    expected["log_softmax"] = np.log(expected["softmax"])
    np.testing.assert_allclose(forward(op, [x])[0], expected[name], rtol=1e-12)
    gradcheck(op, [x])


@pytest.mark.parametrize("name", NAMES)
def test_large_numbers(name, forward):
    (out,) = forward(lookup(name)(), [np.array([[1e4, 0, -1e4]])])
    assert out.tolist() == [{"softmax": [1, 0, 0], "softmin": [0, 0, 1], "log_softmax": [0, -1e4, -2e4]}[name]]


@pytest.mark.parametrize("name", NAMES)
def test_errors(name):
    kind = lookup(name)
    for wrong in (0, -1):
        with pytest.raises(ParameterError, match=f"{name}: parameter temperature: expected a number above 0"):
            kind(temperature=wrong)
    with pytest.raises(ParameterError, match=f"{name}: parameter use_length: expected False"):
        kind(use_length=True)
    with pytest.raises(ShapeError, match=f"{name}: data: expected a shape with axis 2"):
        kind(axis=2).infer_shape([(3, 4)], [None])
    assert kind(use_length="False", dtype="None", temperature="None").temperature is None


def test_which_couple_rows():
    kind = lookup("softmax")
    assert kind(axis=0).couples_rows() and kind(axis=-2).couples_rows([(3, 4)])
    assert kind().couples_rows() and not kind().couples_rows([(3, 4)])
    assert not SoftmaxActivation().couples_rows([(3, 4)])


@pytest.mark.parametrize(
    ("mode", "shape", "axis"), [("instance", (3, 4), 1), ("instance", (2, 3, 4), 2), ("channel", (2, 3, 2, 2), 1)]
)
def test_softmax_activation(mode, shape, axis, forward, gradcheck):
    op, x = SoftmaxActivation(mode=mode), data(*shape)
    np.testing.assert_allclose(forward(op, [x])[0], softmax(x, axis), rtol=1e-12)
    gradcheck(op, [x])


@pytest.mark.parametrize(("mode", "shape", "least"), [("instance", (4,), 2), ("channel", (3, 4), 3)])
def test_softmax_activation_needs_axes(mode, shape, least):
    with pytest.raises(ShapeError, match=f"in mode {mode}: expected at least {least} axes"):
        SoftmaxActivation(mode=mode).infer_shape([shape], [None])


@pytest.mark.parametrize("op", [lookup("softmax")(), SoftmaxActivation()])
def test_shapes_in_both_directions(op):
    assert op.infer_shape([None], [(4, 3)]) == ([(4, 3)], [(4, 3)])
    assert op.infer_shape([(0, 3)], [(4, 0)]) == ([(4, 3)], [(4, 3)])
