"""The compiled count of hits agrees with numpy, and metrics use it for the usual arrays alone."""

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.worker.cpu.class_scores import hits, takes


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


@pytest.mark.parametrize("wrong", [-1, 7, 1e9, np.nan, np.inf])
def test_a_label_that_is_no_class_reads_nothing_else(wrong):
    label, output = arrays()
    label[3] = wrong
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
