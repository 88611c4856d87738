"""LRN, L2Normalization, InstanceNorm, LayerNorm."""

import numpy as np
import pytest

from pushgrad.common.errors import ParameterError, ShapeError
from pushgrad.worker.ops.instance_norm import InstanceNorm, LayerNorm
from pushgrad.worker.ops.l2_normalization import L2Normalization
from pushgrad.worker.ops.lrn import LRN

SHAPES = [(2, 3, 4), (2, 2, 3, 2)]


def data(*shape):
    return np.random.default_rng(sum(shape)).normal(1, 2, shape)


def first_output(inputs, outputs):
    """A loss of the first output alone: no gradient passes through the others."""
    return float((np.random.default_rng(1).normal(size=outputs[0].shape) * outputs[0]).sum())


@pytest.mark.parametrize("options", [{}, {"alpha": 0.5, "beta": 0.6, "knorm": 1.5}])
@pytest.mark.parametrize("nsize", [1, 3, 5, 15])
@pytest.mark.parametrize("shape", [(2, 4), (2, 6, 3)])
def test_lrn(shape, nsize, options, forward, gradcheck):
    op, x = LRN(nsize=nsize, **options), data(*shape)
    expected = np.empty_like(x)
    for channel in range(shape[1]):
        window = x[:, max(channel - nsize // 2, 0) : channel + nsize // 2 + 1]
        total = op.knorm + op.alpha / nsize * (window**2).sum(1)
        expected[:, channel] = x[:, channel] / total**op.beta
    np.testing.assert_allclose(forward(op, [x])[0], expected, rtol=1e-12)
    gradcheck(op, [x])


def test_lrn_refuses_even_windows_and_data_without_channels():
    with pytest.raises(ParameterError, match="LRN: parameter nsize: expected an odd number, got 4"):
        LRN(nsize=4)
    with pytest.raises(ParameterError, match="missing parameter nsize"):
        LRN()
    with pytest.raises(ShapeError, match="LRN: data: expected rows and channels"):
        LRN(nsize=3).infer_shape([(4,)], [None])


@pytest.mark.parametrize("eps", [1e-10, 0.5])
@pytest.mark.parametrize(("mode", "axes"), [("instance", (1, 2, 3)), ("channel", (1,)), ("spatial", (2, 3))])
def test_l2_normalization(mode, axes, eps, forward, gradcheck):
    op, x = L2Normalization(mode=mode, eps=eps), data(2, 3, 2, 2)
    expected = x / np.sqrt((x**2).sum(axes, keepdims=True) + eps)
    np.testing.assert_allclose(forward(op, [x])[0], expected, rtol=1e-12)
    gradcheck(op, [x])


def test_l2_normalization_of_nothing_but_zeros(forward):
    assert (forward(L2Normalization(), [np.zeros((2, 3))])[0] == 0).all()


@pytest.mark.parametrize(
    ("mode", "shape", "least"), [("instance", (3,), 2), ("channel", (3, 4), 3), ("spatial", (3, 4), 3)]
)
def test_l2_normalization_needs_axes(mode, shape, least):
    with pytest.raises(ShapeError, match=f"in mode {mode}: expected at least {least} axes"):
        L2Normalization(mode=mode).infer_shape([shape], [None])


@pytest.mark.parametrize("kind", [LRN, L2Normalization])
def test_shapes_in_both_directions(kind):
    op = kind(nsize=3) if kind is LRN else kind()
    assert op.infer_shape([None], [(4, 0, 2)]) == ([(4, 0, 2)], [(4, 0, 2)])
    assert op.infer_shape([(4, 3, 0)], [(4, 0, 2)]) == ([(4, 3, 2)], [(4, 3, 2)])
    assert op.infer_shape([None], [None]) == ([None], [None])


@pytest.mark.parametrize("eps", [0.001, 0.5])
@pytest.mark.parametrize("shape", SHAPES)
def test_instance_norm(shape, eps, forward, gradcheck):
    x, gamma, beta = data(*shape), data(shape[1]), data(shape[1]) + 1
    over, beside = tuple(range(2, len(shape))), (-1, *(1,) * (len(shape) - 2))
    normal = (x - x.mean(over, keepdims=True)) / np.sqrt(x.var(over, keepdims=True) + eps)
    op = InstanceNorm(eps=eps)
    expected = normal * gamma.reshape(beside) + beta.reshape(beside)
    np.testing.assert_allclose(forward(op, [x, gamma, beta])[0], expected, rtol=1e-10)
    gradcheck(op, [x, gamma, beta])


@pytest.mark.parametrize("mean_var", [False, True])
@pytest.mark.parametrize("axis", [-1, 0, 1, 2, -2])
def test_layer_norm(axis, mean_var, forward, gradcheck):
    x = data(2, 3, 4)
    gamma, beta = data(x.shape[axis]), data(x.shape[axis]) + 1
    mean, deviation = x.mean(axis, keepdims=True), np.sqrt(x.var(axis, keepdims=True) + 1e-5)
    expected = np.moveaxis(np.moveaxis((x - mean) / deviation, axis, -1) * gamma + beta, -1, axis)
    op = LayerNorm(axis=axis, output_mean_var=mean_var)
    found = forward(op, [x, gamma, beta])
    for got, want in zip(found, [expected, mean, deviation] if mean_var else [expected], strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-10)
    gradcheck(op, [x, gamma, beta], loss=first_output)


def test_shapes_with_gamma_and_beta():
    assert InstanceNorm().infer_shape([(4, 3, 2), None, None], [None]) == ([(4, 3, 2), (3,), (3,)], [(4, 3, 2)])
    assert InstanceNorm().infer_shape([(4, 0, 2), None, (3,)], [None]) == ([(4, 3, 2), (3,), (3,)], [(4, 3, 2)])
    assert InstanceNorm().infer_shape([None, (3,), None], [None]) == ([None, (3,), (3,)], [None])
    inputs, outputs = LayerNorm(output_mean_var=True).infer_shape([None, None, None], [(4, 3), None, None])
    assert inputs == [(4, 3), (3,), (3,)] and outputs == [(4, 3), (4, 1), (4, 1)]


@pytest.mark.parametrize(
    ("op", "shapes", "words"),
    [
        (InstanceNorm(), [(4, 3), None, None], "InstanceNorm: data: expected rows, channels, positions"),
        (InstanceNorm(), [(4, 3, 2), (2,), None], "InstanceNorm: gamma"),
        (LayerNorm(), [(4, 3), (3,), (4,)], "LayerNorm: beta"),
        (LayerNorm(axis=2), [(4, 3), None, None], "LayerNorm: data: expected a shape with axis 2"),
        (LayerNorm(axis=-3), [(4, 3), None, None], "LayerNorm: data: expected a shape with axis -3"),
    ],
)
def test_shapes_that_do_not_fit(op, shapes, words):
    with pytest.raises(ShapeError, match=words):
        op.infer_shape(shapes, [None])


def test_which_couple_rows():
    assert LayerNorm(axis=0).couples_rows([(4, 3)]) and LayerNorm(axis=-2).couples_rows([(4, 3)])
    assert LayerNorm().couples_rows() and not LayerNorm().couples_rows([(4, 3)])
    assert not any(op.couples_rows([(4, 3, 2)]) for op in (InstanceNorm(), L2Normalization(), LRN(nsize=3)))
