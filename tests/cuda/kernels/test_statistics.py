"""The statistics of metrics on the device against those of the host."""

import numpy as np
import pytest

from pushgrad.common.errors import ShapeError
from pushgrad.worker.training.gpu.statistics import device_statistics
from pushgrad.worker.training.metrics import metric as metrics


def queued(bench, metric, label, output):
    target, sent = bench.send(np.full(4, np.nan)), [bench.send(array.astype(np.float32)) for array in (label, output)]
    with bench.device.active():
        device_statistics(bench.device, metric).queue(*sent, target[1:3])
    found = bench.fetch(target)
    assert np.isnan(found[[0, 3]]).all()
    return found[1:3]


def check(bench, metric, label, output, exact=False):
    label, output = label.astype(np.float32), output.astype(np.float32)
    with np.errstate(all="ignore"):
        want = metric.statistics(label, output)
    got = queued(bench, metric, label, output)
    np.testing.assert_array_equal(got, want) if exact else np.testing.assert_allclose(got, want, 1e-12)


@pytest.mark.parametrize(
    "label, output, classes",
    [
        ((9,), (9, 4), 4),
        ((9, 1), (9, 40), 40),
        ((1000,), (1000, 100), 100),
        ((3, 5, 6), (3, 7, 5, 6), 7),
        ((6,), (6, 1), 2),
        ((6,), (6,), 2),
        ((300, 70), (300, 70), 3),
        ((0,), (0, 4), 4),
        ((2, 100), (2, 33, 100), 33),
    ],
)
def test_accuracy(bench, label, output, classes):
    rng = np.random.default_rng(0)
    output = rng.integers(0, 5, output) / 4  # many equal ones
    check(bench, metrics.Accuracy(), rng.integers(0, classes, label), output, exact=True)


def test_accuracy_and_nan(bench):
    output = np.random.default_rng(0).random((6, 50))
    output[0, 7] = output[0, 9] = output[1, 0] = np.nan
    check(bench, metrics.Accuracy(), np.array([7, 0, 3, np.nan, -1, 50]), output, exact=True)


@pytest.mark.parametrize("top_k", [1, 3, 100])
@pytest.mark.parametrize("classes", [5, 70])
def test_top_k(bench, top_k, classes):
    rng = np.random.default_rng(1)
    label, output = rng.integers(0, classes, 400).astype(float), rng.integers(0, 20, (400, classes)) / 8
    label[:4] = -1, classes, 1.5, np.nan
    output[5:60:3, 2] = output[9:60:3, 4] = np.nan
    check(bench, metrics.TopKAccuracy(top_k), label, output, exact=True)


@pytest.mark.parametrize("kind", [metrics.MAE, metrics.MSE, metrics.RMSE, metrics.RMSLE])
@pytest.mark.parametrize("label, output", [((9,), (9,)), ((9,), (9, 1)), ((300, 80), (300, 80)), ((0, 2), (0, 2))])
def test_regression(bench, kind, label, output):
    rng = np.random.default_rng(2)
    check(bench, kind(), rng.random(label) * 3, rng.random(output) * 3)


def test_logarithms_of_what_has_none(bench):
    check(bench, metrics.RMSLE(), np.ones(3), np.array([1, -2, 0]))


@pytest.mark.parametrize("kind", [metrics.CrossEntropy, metrics.Perplexity])
@pytest.mark.parametrize("rows", [0, 7, 40000])
def test_cross_entropy(bench, kind, rows):
    rng = np.random.default_rng(3)
    output = rng.random((rows, 3))
    output[:5, 0] = 0
    check(bench, kind(), rng.integers(0, 3, rows), output)


CLASS_METRICS = [
    lambda **options: metrics.Accuracy(**options), lambda **options: metrics.TopKAccuracy(2, **options),
    metrics.CrossEntropy, metrics.Perplexity,
]  # fmt: skip


@pytest.mark.parametrize("make", CLASS_METRICS)
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("rows", [6, 3000])
def test_classes_on_any_axis_and_labels_that_do_not_count(bench, make, axis, rows):
    rng = np.random.default_rng(4)
    output = np.moveaxis(rng.random((rows, 5, 40)), 2, axis)
    label = rng.integers(-1, 40, (rows, 5))
    check(bench, make(axis=axis, ignore_label=-1), label, output)
    check(bench, make(axis=axis, ignore_label=-1), np.full((rows, 5), -1), output, exact=True)


@pytest.mark.parametrize("value", [-1, 3, np.nan, 1e30])
def test_cross_entropy_of_no_class(bench, value):
    found = queued(bench, metrics.CrossEntropy(), np.array([0, value, 1]), np.full((3, 3), 0.5))
    assert np.isnan(found[0]) and found[1] == 3


@pytest.mark.parametrize(
    "metric, label, output",
    [
        (metrics.Accuracy(), (3,), (4, 2)),
        (metrics.TopKAccuracy(2), (3, 2), (3, 4)),
        (metrics.MSE(), (3, 2), (3, 4)),
        (metrics.CrossEntropy(), (3,), (3, 4, 2)),
    ],
)
def test_shapes_that_do_not_fit(bench, metric, label, output):
    arrays = np.zeros(label, np.float32), np.zeros(output, np.float32)
    with pytest.raises(ShapeError) as want:
        metric.statistics(*arrays)
    with pytest.raises(ShapeError) as got:
        queued(bench, metric, *arrays)
    assert str(got.value) == str(want.value)


def test_what_the_host_must_compute(bench):
    class Own(metrics.Accuracy):
        pass

    for metric in (Own(), metrics.custom("own", lambda label, pred: 0.0)):
        assert bench.make(device_statistics, metric) is None
