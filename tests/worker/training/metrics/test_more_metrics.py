"""F1, precision, recall, MCC, Pearson and loss.

Expected: MXNet 1.9.1 (average="micro") and scikit-learn 1.9.1 (zero_division=0), which agree, and the formulas by hand.
"""

import math

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import DataError, ParameterError, ShapeError

P = np.float32([0.548813522, 0.715189338, 0.602763355, 0.544883192, 0.423654795, 0.64589411, 0.437587202, 0.891772985,
                0.963662744, 0.383441508, 0.79172504, 0.528894901])  # fmt: skip
LABEL = np.float32([1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1])
BOTH = np.stack([1 - P, P], axis=1)
# tp 7, fp 2, fn 2, tn 1
VALUES = {"f1": 0.7777777777777778, "mcc": 0.1111111111111111, "precision": 7 / 9, "recall": 7 / 9}


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("output", [P, P[:, None], BOTH])
def test_yes_or_no(name, output):
    metric = mx.metric.create(name)
    assert metric.measure(LABEL, output) == pytest.approx(VALUES[name], rel=1e-12)
    assert metric.measure(LABEL[:, None], output) == pytest.approx(VALUES[name], rel=1e-12)
    assert metric.maximize
    parts = [metric.statistics(LABEL[rows], output[rows]) for rows in (slice(0, 5), slice(5, 12))]
    assert metric.value(sum(parts)) == pytest.approx(VALUES[name], rel=1e-12)


@pytest.mark.parametrize(
    ("chosen", "label", "expected"),
    [
        ([1, 1, 0, 0], [1, 0, 1, 0], {"precision": 1 / 2, "recall": 1 / 2, "f1": 1 / 2, "mcc": 0}),
        ([1, 1, 1, 0], [1, 0, 0, 1], {"precision": 1 / 3, "recall": 1 / 2, "f1": 2 / 5, "mcc": -1 / math.sqrt(3)}),
        ([1, 0, 0], [1, 0, 0], {"precision": 1, "recall": 1, "f1": 1, "mcc": 1}),
        ([0, 1], [1, 0], {"precision": 0, "recall": 0, "f1": 0, "mcc": -1}),
        ([0, 0], [0, 0], {"precision": 0, "recall": 0, "f1": 0, "mcc": 0}),
        ([1, 1], [1, 1], {"precision": 1, "recall": 1, "f1": 1, "mcc": 0}),
    ],
)
def test_formulas_by_hand(chosen, label, expected):
    for name, value in expected.items():
        found = mx.metric.create(name).measure(np.array(label), np.array(chosen))
        assert found == pytest.approx(value, abs=1e-12), name


def test_yes_or_no_takes_one_hot_labels_an_axis_and_an_ignored_label():
    assert mx.metric.F1(axis=1).measure(np.eye(2)[LABEL.astype(int)], BOTH) == pytest.approx(VALUES["f1"])
    with_others, outputs = np.append(LABEL, [9, 9]), np.append(P, [0.2, 0.9])
    assert mx.metric.F1(ignore_label=9).measure(with_others, outputs) == pytest.approx(VALUES["f1"])


def test_yes_or_no_refuses_more():
    with pytest.raises(ShapeError, match="metric mcc: expected two classes, got 3"):
        mx.metric.MCC().measure(np.zeros(2), np.eye(3)[:2])
    with pytest.raises(DataError, match=r"metric f1: label: expected 0 or 1, got 0\.0 to 2\.0"):
        mx.metric.F1().measure(np.array([0.0, 2.0]), np.array([0.0, 1.0]))
    assert math.isnan(mx.metric.F1().measure(np.zeros(0), np.zeros(0)))


X = np.float32([0.11827443, 0.63992101, 0.14335328, 0.94466889, 0.52184832, 0.41466194, 0.2645556, 0.7742337,
                0.45615032, 0.56843394])  # fmt: skip
Y = np.float32([0.12766933, 0.94873875, 0.44940114, 1.25313592, 0.99372238, 0.75557208, 0.44430956, 0.99274969,
                0.80496591, 0.59854668])  # fmt: skip


def test_pearson():
    metric = mx.metric.create("pearsonr")
    assert metric.measure(X, Y) == pytest.approx(0.9083530854969571, rel=1e-6)  # MXNet 1.9.1
    assert metric.measure(X[:, None], Y) == pytest.approx(np.corrcoef(X, Y)[0, 1], rel=1e-6)
    assert metric.measure(X + 1000, -Y) == pytest.approx(-np.corrcoef(X + 1000, Y)[0, 1], rel=1e-5)
    parts = metric.statistics(X[:3], Y[:3]) + metric.statistics(X[3:], Y[3:])
    assert metric.value(parts) == pytest.approx(metric.measure(X, Y), rel=1e-9)
    assert math.isnan(metric.measure(np.ones(4), X[:4])) and math.isnan(metric.measure(X[:0], Y[:0]))


def test_loss_is_the_mean_of_the_output():
    assert mx.metric.create("loss").measure(np.zeros(3), np.float32([[1, 2], [3, 4], [5, 9]])) == 4.0


def test_names_with_the_number_of_classes():
    for name in ("top_k_accuracy_3", "top_k_acc_3"):
        metric = mx.metric.create(name)
        assert (metric.top_k, metric.name) == (3, "top_k_accuracy_3")
    with pytest.raises(ParameterError, match="top_k"):
        mx.metric.create("top_k_accuracy_0")


def test_a_name_that_is_nearly_right():
    with pytest.raises(ParameterError, match="Did you mean accuracy"):
        mx.metric.create("acuracy")
