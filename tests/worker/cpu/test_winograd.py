"""Winograd's convolution against the plain operator, and its transforms against the matrices of the article."""

import numpy as np
import pytest

from pushgrad.worker.cpu import winograd, winograd_2x2, winograd_4x4
from pushgrad.worker.cpu.registry import kernel_for
from pushgrad.worker.cpu.winograd import WinogradKernel
from pushgrad.worker.ops.activation import Activation
from pushgrad.worker.ops.convolution import Convolution
from pushgrad.worker.ops.operator import Step

INPUT_2 = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]])
WEIGHT_2 = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
OUTPUT_2 = np.array([[1, 1, 1, 0], [0, 1, -1, -1]])


def interpolation(p, q):
    """B^T, G and A^T of F(4, 3) with the points 0, p, -p, q, -q and infinity, by the formulas of Toom and Cook."""
    points = np.array([0, p, -p, q, -q])
    rows = [np.poly(np.delete(points, i))[::-1] for i in range(5)]
    parts = [1 / np.prod(np.delete(points[i] - points, i)) for i in range(5)]
    inputs = np.zeros((6, 6))
    inputs[:5, :5] = rows
    inputs[5] = np.poly(points)[::-1]
    weight = np.array([[part, part * x, part * x * x] for part, x in zip(parts, points, strict=True)] + [[0, 0, 1]])
    outputs = np.array([[*points**k, float(k == 3)] for k in range(4)])
    return inputs, weight, outputs


MATRICES = {winograd_2x2: (INPUT_2, WEIGHT_2, OUTPUT_2), winograd_4x4: interpolation(0.75, 1.5)}


def planes_first(form, tiles, planes):
    """Tiles as (numbers, planes, tiles), which is how F(2x2, 3x3) keeps them anyway."""
    return tiles if form is winograd_2x2 else tiles.swapaxes(1, 2)[:, :planes]


def kept(form, tiles):
    """The way back: an array as the form keeps it, lanes without a plane being zero."""
    _, planes, count = tiles.shape
    made = np.zeros(form.tiles_shape(planes, count), np.float32)
    planes_first(form, made, planes)[:] = tiles
    return made


forms = pytest.mark.parametrize("form", [winograd_2x2, winograd_4x4])


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@forms
def test_weights_become_tiles(form):
    weight, tiles = normal(1, 3, 2, 3, 3), np.zeros(form.weight_shape(3, 2), np.float32)
    form.weight_to_tiles(weight, tiles)
    matrix = MATRICES[form][1]
    expected = np.einsum("ia,fcab,jb->ijfc", matrix, weight, matrix).reshape(form.NUMBERS, 3, 2)
    found = tiles if form is winograd_2x2 else tiles.swapaxes(1, 2)[:, :3, :2]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(np.abs(tiles).sum(), np.abs(expected).sum(), rtol=1e-5)  # the rest is zero


@forms
@pytest.mark.parametrize("pad", [0, 1, 2])
@pytest.mark.parametrize("plane", [(4, 6), (5, 7), (13, 11)])
def test_images_become_tiles(form, plane, pad):
    image, side, matrix = normal(2, 3, *plane), form.SIDE, MATRICES[form][0]
    down, across = (-(-(extent + 2 * pad - 2) // side) for extent in plane)
    made = np.full(form.tiles_shape(3, 1 + down * across), np.nan, np.float32)
    form.image_to_tiles(image, made, 1, (0, down), (pad, pad))
    tiles = planes_first(form, made, 3)
    padded = np.pad(image, ((0, 0), (pad, pad + side), (pad, pad + side)))
    for row in range(down):
        for t in range(across):
            patch = padded[:, side * row : side * row + side + 2, side * t : side * t + side + 2]
            expected = np.einsum("ia,cab,jb->ijc", matrix, patch, matrix).reshape(form.NUMBERS, 3)
            np.testing.assert_allclose(tiles[:, :, 1 + row * across + t], expected, rtol=1e-5, atol=2e-6)
    assert np.isnan(tiles[:, :, 0]).all()


@forms
@pytest.mark.parametrize("plane", [(4, 6), (5, 7), (13, 11)])
def test_tiles_become_planes(form, plane):
    side, matrix = form.SIDE, MATRICES[form][2]
    down, across = (-(-extent // side) for extent in plane)
    tiles, out = normal(3, form.NUMBERS, 2, down * across), np.full((2, *plane), np.nan, np.float32)
    form.tiles_to_plane(kept(form, tiles), out, 0, (0, down))
    square = tiles.reshape(side + 2, side + 2, 2, down, across)
    expected = np.einsum("ai,ijfyx,bj->fyaxb", matrix, square, matrix).reshape(2, side * down, side * across)
    np.testing.assert_allclose(out, expected[:, : plane[0], : plane[1]], rtol=1e-5, atol=2e-5)


def assert_adjoint(forward, backward, left, right):
    """<A x, y> = <x, A^T y>."""
    there, back = np.zeros_like(right), np.zeros_like(left)
    forward(left, there)
    backward(right, back)
    np.testing.assert_allclose(np.vdot(there, right), np.vdot(left, back), rtol=1e-4)


@forms
@pytest.mark.parametrize("plane", [(4, 6), (5, 7), (1, 1), (2, 3), (13, 11)])
def test_backward_is_the_adjoint(form, plane):
    weight = np.zeros(form.weight_shape(3, 2), np.float32)
    form.weight_to_tiles(np.ones((3, 2, 3, 3), np.float32), weight)
    weight *= normal(5, *weight.shape)  # zero where there is no filter or channel
    assert_adjoint(form.weight_to_tiles, form.tiles_to_weight, normal(4, 3, 2, 3, 3), weight)
    down, across = (-(-extent // form.SIDE) for extent in plane)
    image, made = normal(6, 2, *plane), kept(form, normal(7, form.NUMBERS, 2, down * across))
    assert_adjoint(
        lambda x, y: form.image_to_tiles(x, y, 0, (0, down), (1, 1)),
        lambda y, x: form.add_tiles_to_image(y, x, 0, (0, down), (1, 1)),
        image,
        made,
    )
    assert_adjoint(
        lambda x, y: form.plane_to_tiles(x, y, 0, (0, down)),
        lambda y, x: form.tiles_to_plane(y, x, 0, (0, down)),
        image,
        made,
    )


@pytest.fixture(params=["whole", "bands"])
def cut(request, monkeypatch):
    """Images together in one band, or bands of a few rows of tiles."""
    monkeypatch.setattr(winograd, "FEWEST_TILES", 8)
    monkeypatch.setattr(winograd, "BAND_BYTES", 1 << 24 if request.param == "whole" else 0)


@forms
@pytest.mark.parametrize("act_type", [None, "relu"])
@pytest.mark.parametrize("pad", [(0, 0), (1, 1), (2, 1)])
@pytest.mark.parametrize("plane", [(8, 8), (9, 13), (14, 7)])
def test_it_computes_what_the_plain_operator_does(cut, monkeypatch, form, plane, pad, act_type):
    monkeypatch.setattr(winograd, "form_for", lambda out: form)
    op = Convolution(kernel=(3, 3), pad=pad, num_filter=9, no_bias=act_type is None)
    shapes, (out_shape,) = op.infer_shape([(3, 8, *plane), *[None] * (1 if act_type is None else 2)], [None])
    inputs = [normal(8 + i, *shape) for i, shape in enumerate(shapes)]
    grad = normal(20, *out_shape)
    chain = [op] if act_type is None else [op, Activation(act_type=act_type)]
    fast = kernel_for(chain, shapes, [out_shape], np.float32)
    assert isinstance(fast, WinogradKernel)
    out = np.full(out_shape, np.nan, np.float32)
    fast.forward(Step(), inputs, [out])
    found = [np.full_like(array, np.nan) for array in inputs]
    fast.backward(Step(), [grad], inputs, [out], found)
    wide = [array.astype(np.float64) for array in inputs]
    expected, head = np.empty(out_shape), grad.astype(np.float64)
    op.forward(Step(), wide, [expected])
    if act_type:
        head = np.where(expected > 0, head, 0)
        expected = np.maximum(expected, 0)
    gradients = [np.empty(shape) for shape in shapes]
    op.backward(Step(), [head], wide, [expected], gradients)
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=3e-5 if form is winograd_2x2 else 1e-4)
    for index, gradient in enumerate(gradients):
        np.testing.assert_allclose(found[index], gradient, rtol=1e-4, atol=1e-4)
        alone = [np.full_like(array, np.nan) if i == index else None for i, array in enumerate(inputs)]
        fast.backward(Step(), [grad], inputs, [out], alone)
        assert np.array_equal(alone[index], found[index])


def test_large_planes_take_large_tiles():
    for extent, form in [
        (7, winograd_2x2),
        (14, winograd_2x2),
        (28, winograd_4x4),
        (56, winograd_4x4),
        (25, winograd_2x2),
    ]:
        assert winograd.form_for((4, 16, extent, extent)) is form


def test_small_or_other_convolutions_stay_as_they_were():
    for options, data in [
        ({"stride": (2, 2)}, (4, 16, 20, 20)),
        ({"dilate": (2, 2)}, (4, 16, 20, 20)),
        ({"num_group": 2}, (4, 16, 20, 20)),
        ({}, (4, 3, 20, 20)),
        ({}, (1, 16, 6, 6)),
    ]:
        op = Convolution(kernel=(3, 3), num_filter=16, no_bias=True, **options)
        shapes, out_shapes = op.infer_shape([data, None], [None])
        assert not isinstance(kernel_for([op], shapes, out_shapes, np.float32), WinogradKernel), options
