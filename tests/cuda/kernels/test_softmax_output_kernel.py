"""SoftmaxOutput against the plain operator, with every option."""

import numpy as np
import pytest

from pushgrad.common.errors import DataError
from pushgrad.worker.cuda.kernels.softmax_output import SoftmaxOutputKernel
from pushgrad.worker.ops.softmax_output import SoftmaxOutput

SHAPES = [
    ({}, (7, 10), (7,)),
    ({}, (3, 1), (3,)),
    ({}, (2, 1500), (2,)),
    ({}, (4, 3, 2), (4,)),
    ({"preserve_shape": True}, (4, 3, 5), (4, 3)),
    ({"multi_output": True}, (4, 5, 6), (4, 6)),
    ({"multi_output": True}, (2, 3, 4, 5), (2, 20)),
    ({"multi_output": True}, (2, 3, 4, 5), (2, 1, 4, 5)),
    ({}, (0, 4), (0,)),
]


def inputs(data, label, seed=0):
    rng = np.random.default_rng(seed)
    classes = int(np.prod(data)) // max(1, int(np.prod(label))) if np.prod(label) else 4
    return [rng.standard_normal(data) * 4, rng.integers(0, classes, label).astype(float)]


def both(bench, op, arrays):
    return bench.both(bench.make(SoftmaxOutputKernel, op), op, arrays)


@pytest.mark.parametrize("more", [{}, {"grad_scale": 3.0}, {"out_grad": True}, {"smooth_alpha": 0.1}])
@pytest.mark.parametrize("normalization", ["null", "batch", "valid"])
@pytest.mark.parametrize("options, data, label", SHAPES)
def test_as_the_operator(bench, options, data, label, normalization, more):
    bench.at(count=6.0, node=5)
    bench.close(*both(bench, SoftmaxOutput(normalization=normalization, **options, **more), inputs(data, label)))


@pytest.mark.parametrize("options, data, label", SHAPES[:1] + SHAPES[5:6])
def test_ignored_labels(bench, options, data, label):
    arrays = inputs(data, label)
    arrays[1].reshape(-1)[[1, 4]] = 255
    op = SoftmaxOutput(use_ignore=True, ignore_label=255, normalization="valid", **options)
    bench.at(count=5.0)
    bench.close(*both(bench, op, arrays))
    bench.step.complaints.look()


def test_a_count_of_nothing(bench):
    bench.at(count=0.0)
    bench.close(*both(bench, SoftmaxOutput(normalization="valid"), inputs((3, 4), (3,))))


@pytest.mark.parametrize("options", [{}, {"grad_scale": 0.5, "normalization": "batch"}, {"out_grad": True}])
def test_labels_that_are_probabilities(bench, options):
    data = np.random.default_rng(1).standard_normal((5, 7))
    label = np.random.default_rng(2).random((5, 7))
    bench.close(*both(bench, SoftmaxOutput(**options), [data, label]))


def test_infinities_and_nan(bench):
    data = np.random.default_rng(3).standard_normal((6, 40))
    data[0, 3], data[1, 2], data[2, 1] = np.nan, np.inf, -np.inf
    data[3], data[4, :] = -np.inf, 1e30
    bench.close(*both(bench, SoftmaxOutput(), [data.astype(np.float32), np.zeros(6, np.float32)]))


@pytest.mark.parametrize("value", [-1.0, 10.0, 2.5, np.nan])
@pytest.mark.parametrize("options, data, label", [SHAPES[0], SHAPES[5]])
def test_a_label_that_is_no_class(bench, options, data, label, value):
    arrays = [array.astype(np.float32) for array in inputs(data, label)]
    arrays[1].reshape(-1)[[-1, 3]] = -7, value  # the first is told
    op = SoftmaxOutput(**options)
    bench.at(first_row=20)
    with pytest.raises(DataError) as want:
        op.backward(bench.plain_step, [None], arrays, [arrays[0]], [arrays[0].copy(), None])
    kernel = bench.make(SoftmaxOutputKernel, op)
    bench.on_device(kernel, arrays, data, arrays[0])
    with bench.device.active(), pytest.raises(DataError) as got:
        bench.step.complaints.look()
    assert str(got.value) == str(want.value)
