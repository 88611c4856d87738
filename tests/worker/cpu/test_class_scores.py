"""The compiled figures of metrics agree with numpy, and metrics use them for the usual arrays alone."""

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.worker.cpu.class_scores import cross_entropy, hits, takes


def arrays(rows=50, classes=7, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, classes, rows).astype(np.float32), rng.random((rows, classes)).astype(np.float32)


@pytest.mark.parametrize("classes", [2, 7, 40])
def test_hits_are_those_of_argmax(classes):
    label, output = arrays(classes=classes)
    output[::3] = np.round(output[::3] * 2)  # with equal numbers, of which the first counts
    output[5, 1] = output[6, :] = np.nan
    output[7, 0], output[8, 1] = np.inf, -np.inf
    label[5] = 1
    assert hits(label, output) == np.count_nonzero(output.argmax(axis=1) == label)


def test_cross_entropy():
    label, output = arrays()
    output[0, int(label[0])] = 0  # log(eps)
    expected = -np.log(output[np.arange(50), label.astype(int)].astype(np.float64) + 1e-12).sum()
    assert cross_entropy(label, output, np.float32(1e-12)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("wrong", [-1, 7, 1e9, np.nan, np.inf])
def test_a_label_that_is_no_class_reads_nothing_else(wrong):
    label, output = arrays()
    label[3] = wrong
    assert np.isfinite(cross_entropy(label, output, np.float32(1e-12)))
    assert 0 <= hits(label, output) < 50


def test_what_is_taken():
    label, output = arrays()
    assert takes(label, output)
    for other in (
        (label[:, None], output), (label[:-1], output), (label, output[:, :1]), (label.astype(np.int64), output),
        (label, output.astype(np.float64)), (label, output[:, ::2]), (label, output.T), (output, output),
    ):  # fmt: skip
        assert not takes(*other)
    label.flags.writeable = False
    assert not takes(label, output)


@pytest.mark.parametrize("metric", ["acc", "ce"])
def test_metrics_of_arrays_that_are_taken_and_others_agree(metric):
    label, output = arrays()
    output /= output.sum(axis=1, keepdims=True)
    usual, other = mx.metric.create(metric), mx.metric.create(metric)
    usual.update(label, output)
    other.update(label.astype(np.int64), output)
    assert usual.get()[1] == pytest.approx(other.get()[1], rel=1e-6)
