import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import ParameterError, ShapeError
from pushgrad.worker.ops.roi_pooling import ROIPooling

RAMP = np.arange(84.0).reshape(2, 1, 6, 7) - 20

# Region, grid, scale -> output and number of pixels that get gradient, from MXNet 1.9.1 on RAMP.
RECORDED = [
    ([0, 0, 0, 4, 4], (2, 2), 1.0, [[-4, -2], [10, 12]], 4),
    ([1, 0, 0, 4, 4], (2, 2), 1.0, [[38, 40], [52, 54]], 4),
    ([0, 1.5, 2.5, 3.5, 4.5], (2, 2), 1.0, [[11, 12], [18, 19]], 4),
    ([0, 0.5, 2.49, 3.51, 4.5], (2, 2), 1.0, [[3, 5], [17, 19]], 4),
    ([0, 5, 5, 3, 3], (2, 2), 1.0, [[20, 20], [20, 20]], 4),
    ([0, -3, -3, 20, 20], (2, 2), 1.0, [[21, 0], [0, 0]], 1),
    ([0, 10, 10, 20, 20], (2, 2), 1.0, [[0, 0], [0, 0]], 0),
    ([2, 0, 0, 4, 4], (2, 2), 1.0, [[0, 0], [0, 0]], 0),
    ([-1, 0, 0, 4, 4], (2, 2), 1.0, [[0, 0], [0, 0]], 0),
    ([0, 0, 0, 1, 1], (3, 3), 1.0, [[-20, -19, -19], [-13, -12, -12], [-13, -12, -12]], 9),
    ([0, 2, 2, 9, 9], (2, 2), 0.5, [[4, 6], [18, 20]], 4),
    ([0, 3, 1, 4, 1], (1, 3), 1.0, [[-10, -9, -9]], 3),
]


@pytest.mark.parametrize(("roi", "grid", "scale", "expected", "gradients"), RECORDED)
def test_as_mxnet(roi, grid, scale, expected, gradients, forward, backward):
    op = ROIPooling(pooled_size=grid, spatial_scale=scale)
    inputs = [RAMP, np.array([roi], np.float64)]
    out = forward(op, inputs)
    assert out[0][0, 0].tolist() == expected
    data_grad, roi_grad = backward(op, inputs, out, [np.ones_like(out[0])])
    assert data_grad.sum() == gradients
    assert not roi_grad.any()


@pytest.mark.parametrize("grid", [(2, 2), (3, 1), (1, 4)])
def test_gradients(grid, gradcheck):
    data = np.random.default_rng(0).permutation(2 * 3 * 5 * 6).reshape(2, 3, 5, 6) / 7.0
    rois = np.array([[0, 0, 0, 5, 4], [1, 1, 1, 4, 3], [1, 2, 0, 9, 9], [0, 3, 2, 3, 2]], np.float64)
    gradcheck(ROIPooling(pooled_size=grid, spatial_scale=1.0), [data, rois], wrt=[0])


def test_equal_pixels_give_their_gradient_to_the_first(forward, backward):
    op, inputs = ROIPooling(pooled_size=(1, 1), spatial_scale=1), [np.ones((1, 1, 3, 3)), np.array([[0.0, 1, 1, 2, 2]])]
    grad = backward(op, inputs, forward(op, inputs), [np.ones((1, 1, 1, 1))])[0]
    assert grad[0, 0].tolist() == [[0, 0, 0], [0, 1, 0], [0, 0, 0]]


def test_shapes_both_ways():
    op = ROIPooling(pooled_size=(2, 3), spatial_scale=0.5)
    assert op.infer_shape([(1, 3, 4, 4), (5, 5)], [None]) == ([(1, 3, 4, 4), (5, 5)], [(5, 3, 2, 3)])
    assert op.infer_shape([None, None], [(5, 3, 0, 0)])[0] == [(0, 3, 0, 0), (5, 5)]


def test_rows_are_not_computed_apart():
    net = mx.sym.ROIPooling(mx.sym.Variable("x"), mx.sym.Variable("r"), pooled_size=(1, 1), spatial_scale=1)
    executor = net.simple_bind(mx.cpu(), slices=2, x=(2, 1, 2, 2), r=(2, 5))
    rois = np.array([[1, 0, 0, 1, 1], [0, 0, 0, 1, 1]], np.float32)
    out = executor.forward(x=np.arange(8, dtype=np.float32).reshape(2, 1, 2, 2), r=rois)[0]
    assert out.ravel().tolist() == [7, 3]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"pooled_size": 2}, "parameter pooled_size: expected 2 numbers"),
        ({"pooled_size": (2, 2), "spatial_scale": -1}, "parameter spatial_scale"),
        ({}, "missing parameter pooled_size"),
    ],
)
def test_wrong_parameters(options, text):
    with pytest.raises(ParameterError, match=f"ROIPooling: {text}"):
        ROIPooling(**{"spatial_scale": 1, **options})


@pytest.mark.parametrize("shapes", [[(1, 3, 4), (5, 5)], [(1, 3, 4, 4), (5, 4)], [(1, 3, 4, 4), (5,)]])
def test_wrong_shapes(shapes):
    with pytest.raises(ShapeError, match=r"ROIPooling: (data|rois)"):
        ROIPooling(pooled_size=(2, 2), spatial_scale=1).infer_shape(shapes, [None])
