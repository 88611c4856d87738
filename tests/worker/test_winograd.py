"""Winograd's convolution against the plain operator, and its transforms against the matrices of the article."""

import numpy as np
import pytest

from pushgrad.worker.kernels import winograd, winograd_tiles
from pushgrad.worker.kernels.registry import kernel_for
from pushgrad.worker.kernels.winograd import WinogradKernel
from pushgrad.worker.ops.activation import Activation
from pushgrad.worker.ops.convolution import Convolution
from pushgrad.worker.ops.operator import Step

INPUT = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]])
WEIGHT = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
OUTPUT = np.array([[1, 1, 1, 0], [0, 1, -1, -1]])


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_weights_become_tiles():
    weight, tiles = normal(1, 3, 2, 3, 3), np.empty((16, 3, 2), np.float32)
    winograd_tiles.weight_to_tiles(weight, tiles)
    expected = np.einsum("ia,fcab,jb->ijfc", WEIGHT, weight, WEIGHT)
    np.testing.assert_allclose(tiles, expected.reshape(16, 3, 2), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("pad", [0, 1, 2])
@pytest.mark.parametrize("plane", [(4, 6), (5, 7)])
def test_images_become_tiles(plane, pad):
    image = normal(2, 3, *plane)
    down, across = ((extent + 2 * pad - 1) // 2 for extent in plane)
    tiles = np.full((16, 3, 1 + down * across), np.nan, np.float32)
    winograd_tiles.image_to_tiles(image, tiles, 1, (0, down), (pad, pad))
    padded = np.pad(image, ((0, 0), (pad, pad + 2), (pad, pad + 2)))
    for row in range(down):
        for t in range(across):
            patch = padded[:, 2 * row : 2 * row + 4, 2 * t : 2 * t + 4]
            expected = np.einsum("ia,cab,jb->ijc", INPUT, patch, INPUT).reshape(16, 3)
            np.testing.assert_allclose(tiles[:, :, 1 + row * across + t], expected, rtol=1e-5, atol=1e-6)
    assert np.isnan(tiles[:, :, 0]).all()


@pytest.mark.parametrize("plane", [(4, 6), (5, 7)])
def test_tiles_become_planes(plane):
    down, across = (-(-extent // 2) for extent in plane)
    tiles, out = normal(3, 16, 2, down * across), np.full((2, *plane), np.nan, np.float32)
    winograd_tiles.tiles_to_plane(tiles, out, 0, (0, down))
    square = tiles.reshape(4, 4, 2, down, across)
    expected = np.einsum("ai,ijfyx,bj->fyaxb", OUTPUT, square, OUTPUT).reshape(2, 2 * down, 2 * across)
    np.testing.assert_allclose(out, expected[:, : plane[0], : plane[1]], rtol=1e-5, atol=1e-5)


def assert_adjoint(forward, backward, left, right):
    """<A x, y> = <x, A^T y>."""
    there, back = np.zeros_like(right), np.zeros_like(left)
    forward(left, there)
    backward(right, back)
    np.testing.assert_allclose(np.vdot(there, right), np.vdot(left, back), rtol=1e-4)


@pytest.mark.parametrize("plane", [(4, 6), (5, 7), (1, 1), (2, 3)])
def test_backward_is_the_adjoint(plane):
    tiles = winograd_tiles
    assert_adjoint(tiles.weight_to_tiles, tiles.tiles_to_weight, normal(4, 3, 2, 3, 3), normal(5, 16, 3, 2))
    down, across = (-(-extent // 2) for extent in plane)
    image, made = normal(6, 2, *plane), normal(7, 16, 2, down * across)
    assert_adjoint(
        lambda x, y: tiles.image_to_tiles(x, y, 0, (0, down), (1, 1)),
        lambda y, x: tiles.add_tiles_to_image(y, x, 0, (0, down), (1, 1)),
        image,
        made,
    )
    assert_adjoint(
        lambda x, y: tiles.plane_to_tiles(x, y, 0, (0, down)),
        lambda y, x: tiles.tiles_to_plane(y, x, 0, (0, down)),
        image,
        made,
    )


@pytest.fixture(params=["whole", "bands"])
def cut(request, monkeypatch):
    """Images together in one band, or bands of a few rows of tiles."""
    monkeypatch.setattr(winograd, "FEWEST_TILES", 8)
    monkeypatch.setattr(winograd, "BAND_BYTES", 1 << 24 if request.param == "whole" else 0)


@pytest.mark.parametrize("act_type", [None, "relu"])
@pytest.mark.parametrize("pad", [(0, 0), (1, 1), (2, 1)])
@pytest.mark.parametrize("plane", [(8, 8), (9, 13), (14, 7)])
def test_it_computes_what_the_plain_operator_does(cut, plane, pad, act_type):
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
    np.testing.assert_allclose(out, expected, atol=3e-5)
    for index, gradient in enumerate(gradients):
        np.testing.assert_allclose(found[index], gradient, rtol=1e-4, atol=1e-4)
        alone = [np.full_like(array, np.nan) if i == index else None for i, array in enumerate(inputs)]
        fast.backward(Step(), [grad], inputs, [out], alone)
        assert np.array_equal(alone[index], found[index])


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
