"""Winograd's convolution against the plain operator, and its transforms against the matrices of the article."""

import numpy as np
import pytest

from pushgrad.common.call_table import Table
from pushgrad.worker.cpu import winograd, winograd_weights
from pushgrad.worker.cpu import winograd_pixels as pixels
from pushgrad.worker.cpu.registry import kernel_for
from pushgrad.worker.cpu.winograd import WinogradKernel
from pushgrad.worker.cpu.winograd_tiles import Tiles
from pushgrad.worker.ops.activation import Activation
from pushgrad.worker.ops.convolution import Convolution
from pushgrad.worker.ops.operator import Step
from pushgrad.worker.ops.pooling import Pooling

INPUT_2 = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]])
WEIGHT_2 = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
OUTPUT_2 = np.array([[1, 1, 1, 0], [0, 1, -1, -1]])


def interpolation(pixels, taps, *points):
    """B^T, G and A^T of F(pixels, taps) with these points and infinity, by the formulas of Toom and Cook."""
    points, side = np.array(points), pixels + taps - 1
    rows = [np.poly(np.delete(points, i))[::-1] for i in range(side - 1)]
    parts = [1 / np.prod(np.delete(points[i] - points, i)) for i in range(side - 1)]
    inputs = np.zeros((side, side))
    inputs[:-1, :-1] = rows
    inputs[-1] = np.poly(points)[::-1]
    weight = np.array([part * points[i] ** np.arange(taps) for i, part in enumerate(parts)] + [np.eye(taps)[-1]])
    outputs = np.array([[*points**k, float(k == pixels - 1)] for k in range(pixels)])
    return inputs, weight, outputs


INPUT_5, WEIGHT_5, OUTPUT_5 = interpolation(4, 5, 0, 0.5, -0.5, 1, -1, 2, -2)
INPUT_5[0] *= -1  # the first rows of both may have the other sign
WEIGHT_5[0] *= -1
MATRICES = {
    Tiles(2, 3): (INPUT_2, WEIGHT_2, OUTPUT_2),
    Tiles(4, 3): interpolation(4, 3, 0, 0.75, -0.75, 1.5, -1.5),
    Tiles(4, 5): (INPUT_5, WEIGHT_5, OUTPUT_5),
}
forms = pytest.mark.parametrize("form", list(MATRICES), ids=["F(2,3)", "F(4,3)", "F(4,5)"])


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def to_tiles(form, weight, tiles, turned=False):
    Table(winograd_weights.rows_to_tiles(form, weight, turned, tiles, 1)).run()


def of_image(form, tiles, planes):
    """Tiles as (numbers, planes, tiles)."""
    return tiles.swapaxes(1, 2)[:, :planes]


def kept(form, tiles):
    """The way back: an array as kernels keep it, lanes without a plane being zero."""
    _, planes, count = tiles.shape
    made = np.zeros(form.tiles_shape(planes, count), np.float32)
    of_image(form, made, planes)[:, :, :count] = tiles
    return made


def count_of(form, plane, pad=(0, 0)):
    """Rows of tiles and tiles in a row of an image of this plane."""
    return tuple(-(-(extent + 2 * p - form.taps + 1) // form.out) for extent, p in zip(plane, pad, strict=True))


@forms
def test_weights_become_tiles(form):
    weight, tiles = normal(1, 3, 2, form.taps, form.taps), np.zeros(form.weight_shape(3, 2), np.float32)
    to_tiles(form, weight, tiles)
    matrix = MATRICES[form][1]
    expected = np.einsum("ia,fcab,jb->ijfc", matrix, weight, matrix).reshape(form.side**2, 3, 2)
    np.testing.assert_allclose(tiles[:, 0, :2, :3].swapaxes(1, 2), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(np.abs(tiles).sum(), np.abs(expected).sum(), rtol=1e-5)  # the rest is zero


@forms
def test_turned_tiles_have_channels_side_by_side(form):
    weight = normal(1, 19, 37, form.taps, form.taps)
    tiles, turned = (np.zeros(form.weight_shape(*planes), np.float32) for planes in ((19, 37), (37, 19)))
    to_tiles(form, weight, tiles)
    to_tiles(form, weight, turned, turned=True)
    by_filters, by_channels = (
        one[:, :, :-1].transpose(0, 1, 3, 2).reshape(len(one), -1, one.shape[2] - 1) for one in (tiles, turned)
    )
    assert np.array_equal(by_filters[:, :19], by_channels[:, :37].swapaxes(1, 2))


@forms
@pytest.mark.parametrize("pad", [0, 1, 2])
@pytest.mark.parametrize("plane", [(5, 6), (5, 7), (13, 11)])
def test_images_become_tiles(form, plane, pad):
    image, out, side, matrix = normal(2, 3, *plane), form.out, form.side, MATRICES[form][0]
    down, across = count_of(form, plane, (pad, pad))
    made = np.full(form.tiles_shape(3, 1 + down * across), np.nan, np.float32)
    pixels.image_to_tiles(form.form, image, made, 1, (0, down), (pad, pad))
    tiles = of_image(form, made, 3)
    padded = np.pad(image, ((0, 0), (pad, pad + out), (pad, pad + out)))
    for row in range(down):
        for t in range(across):
            patch = padded[:, out * row : out * row + side, out * t : out * t + side]
            expected = np.einsum("ia,cab,jb->ijc", matrix, patch, matrix).reshape(side**2, 3)
            np.testing.assert_allclose(tiles[:, :, 1 + row * across + t], expected, rtol=1e-5, atol=2e-5)
    assert np.isnan(tiles[:, :, 0]).all()


@forms
@pytest.mark.parametrize("plane", [(4, 6), (5, 7), (13, 11)])
def test_tiles_become_planes(form, plane):
    out, side, matrix = form.out, form.side, MATRICES[form][2]
    down, across = (-(-extent // out) for extent in plane)
    tiles, made = normal(3, side**2, 2, down * across), np.full((2, *plane), np.nan, np.float32)
    pixels.tiles_to_plane(form.form, kept(form, tiles), made, 0, (0, down))
    square = tiles.reshape(side, side, 2, down, across)
    expected = np.einsum("ai,ijfyx,bj->fyaxb", matrix, square, matrix).reshape(2, out * down, out * across)
    np.testing.assert_allclose(made, expected[:, : plane[0], : plane[1]], rtol=1e-5, atol=1e-4)


def assert_adjoint(forward, backward, left, right):
    """<A x, y> = <x, A^T y>."""
    there, back = np.zeros_like(right), np.zeros_like(left)
    forward(left, there)
    backward(right, back)
    np.testing.assert_allclose(np.vdot(there, right), np.vdot(left, back), rtol=1e-4)


@forms
@pytest.mark.parametrize("plane", [(5, 6), (5, 7), (3, 3), (13, 11)])
def test_backward_is_the_adjoint(form, plane):
    weight = np.zeros(form.weight_shape(3, 2), np.float32)
    to_tiles(form, np.ones((3, 2, form.taps, form.taps), np.float32), weight)
    weight *= normal(5, *weight.shape)  # zero where there is no filter or channel
    assert_adjoint(
        lambda x, y: to_tiles(form, x, y),
        lambda y, x: winograd_weights.tiles_to_weight(form.form, y, x, (0, 0, 0, True)),
        normal(4, 3, 2, form.taps, form.taps),
        weight,
    )
    down, across = count_of(form, plane, (1, 1))
    image, made = normal(6, 2, *plane), kept(form, normal(7, form.side**2, 2, down * across))
    assert_adjoint(
        lambda x, y: pixels.image_to_tiles(form.form, x, y, 0, (0, down), (1, 1)),
        lambda y, x: pixels.add_tiles_to_image(form.form, y, x, 0, (0, down), (1, 1)),
        image,
        made,
    )
    down, across = (-(-extent // form.out) for extent in plane)
    made = kept(form, normal(7, form.side**2, 2, down * across))
    assert_adjoint(
        lambda x, y: pixels.plane_to_tiles(form.form, x, y, 0, (0, down)),
        lambda y, x: pixels.tiles_to_plane(form.form, y, x, 0, (0, down)),
        image,
        made,
    )


@pytest.fixture(params=["whole", "bands"])
def cut(request, monkeypatch):
    """Images together in one band, or bands of a few rows of tiles."""
    monkeypatch.setattr(winograd, "FEWEST_TILES", {3: 1, 5: 1})
    monkeypatch.setattr(winograd, "BAND_BYTES", 1 << 24 if request.param == "whole" else 0)


def expected_of(chain, inputs, grad):
    """What the plain operators make of these inputs, in float64: the output, and the gradients of the inputs."""
    values, kept = [array.astype(np.float64) for array in inputs], []
    for op in chain:
        out = np.empty(op.infer_shape([v.shape for v in values], [None])[1][0])
        op.forward(Step(), values, [out])
        kept.append((values, out))
        values = [out]
    gradients = [grad.astype(np.float64)]
    for op, (given, written) in zip(reversed(chain), reversed(kept), strict=True):
        made = [np.empty(v.shape) for v in given]
        op.backward(Step(), [gradients[0]], given, [written], made)
        gradients = made
    return out, gradients


POOLING = Pooling(kernel=(2, 2), stride=(2, 2), pool_type="max")


@forms
@pytest.mark.parametrize(
    "members", [[], ["relu"], ["tanh", POOLING], [POOLING]], ids=["", "relu", "tanh-pooled", "pooled"]
)
@pytest.mark.parametrize("pad", [(0, 0), (1, 1), (2, 1)])
@pytest.mark.parametrize("plane", [(8, 8), (9, 13), (14, 7)])
def test_it_computes_what_the_plain_operators_do(cut, monkeypatch, form, plane, pad, members):
    monkeypatch.setattr(winograd, "tiles_for", lambda taps, out: form)
    op = Convolution(kernel=(form.taps, form.taps), pad=pad, num_filter=9, no_bias=not members)
    chain = [op, *(Activation(act_type=m) if isinstance(m, str) else m for m in members)]
    shapes, _ = op.infer_shape([(3, 8, *plane), *[None] * (2 if members else 1)], [None])
    inputs = [normal(8 + i, *shape) / (1 if i == 0 else form.taps**2) for i, shape in enumerate(shapes)]
    out_shape = op.infer_shape(shapes, [None])[1][0]
    if POOLING in members:
        out_shape = POOLING.infer_shape([out_shape], [None])[1][0]
    grad = normal(20, *out_shape)
    fast = kernel_for(chain, shapes, [out_shape], np.float32)
    assert isinstance(fast, WinogradKernel)
    out = np.full(out_shape, np.nan, np.float32)
    fast.forward(Step(), inputs, [out])
    found = [np.full_like(array, np.nan) for array in inputs]
    fast.backward(Step(), [grad], inputs, [out], found)
    expected, gradients = expected_of(chain, inputs, grad)
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=2e-5)
    for index, gradient in enumerate(gradients):
        np.testing.assert_allclose(found[index], gradient, rtol=1e-4, atol=2e-5 * np.abs(gradient).max())
        alone = [np.full_like(array, np.nan) if i == index else None for i, array in enumerate(inputs)]
        fast.backward(Step(), [grad], inputs, [out], alone)
        assert np.array_equal(alone[index], found[index])


def test_the_first_maximum_wins_and_nan_beats_all():
    op = Convolution(kernel=(3, 3), num_filter=8, no_bias=True)
    data = np.ones((40, 8, 6, 6), np.float32)
    data[1, 3, 2, 2] = np.nan  # which a window of 3x3 spreads over all pixels of the tile
    weight = np.zeros((8, 8, 3, 3), np.float32)
    kernel = kernel_for([op, POOLING], [data.shape, weight.shape], [(40, 8, 2, 2)], np.float32)
    assert isinstance(kernel, WinogradKernel)
    out, grads = np.empty((40, 8, 2, 2), np.float32), [np.empty_like(data), np.empty_like(weight)]
    kernel.forward(Step(), [data, weight], [out])
    assert np.isnan(out[1]).any()
    assert not out[0].any()
    weight[:] = 1  # all sums are equal, so the gradient goes to the first pixel of each window
    data[1] = 1
    kernel.forward(Step(), [data, weight], [out])
    kernel.backward(Step(), [np.ones_like(out)], [data, weight], [out], grads)
    expected = np.zeros((6, 6))
    for y in (0, 2):
        for x in (0, 2):
            expected[y : y + 3, x : x + 3] += 8
    np.testing.assert_allclose(grads[0][0], np.broadcast_to(expected, (8, 6, 6)), atol=1e-4)


def test_large_planes_take_large_tiles():
    for extent, out in [(7, 2), (14, 2), (28, 4), (56, 4), (25, 2)]:
        assert winograd.tiles_for(3, (4, 16, extent, extent)) == Tiles(out, 3)
        assert winograd.tiles_for(5, (4, 16, extent, extent)) == Tiles(4, 5)


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
