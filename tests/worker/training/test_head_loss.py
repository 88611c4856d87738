"""The loss beside the metric: of every kind of head what the metric, or numpy's arithmetic, makes of the arrays."""

import math

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.worker.ops.operator import Step
from pushgrad.worker.ops.softmax_output import SoftmaxOutput
from pushgrad.worker.ops.svm_output import SVMOutput
from pushgrad.worker.training.head_loss import HeadLoss
from pushgrad.worker.training.metrics.base import Head

RNG = np.random.default_rng(0)
DATA = mx.sym.Variable("data")


def probabilities(*shape, axis=1):
    values = RNG.random(shape, np.float32) + 0.1
    return values / values.sum(axis=axis, keepdims=True)


def loss(symbol, *pairs, checks=False):
    """The loss of a network with these outputs, from (label, output) of each."""
    heads = [Head(name) for name in symbol.list_outputs()]
    return HeadLoss(symbol, checks).measure([label for label, _ in pairs], [output for _, output in pairs], heads)


@pytest.mark.parametrize(
    ("options", "label", "output"),
    [
        ({}, RNG.integers(0, 4, 6), probabilities(6, 4)),
        ({}, probabilities(6, 4), probabilities(6, 4)),
        ({"multi_output": True}, RNG.integers(0, 3, (5, 4)), probabilities(5, 3, 2, 2)),
        ({"preserve_shape": True}, RNG.integers(0, 3, (5, 2)), probabilities(5, 2, 3, axis=2)),
        ({"use_ignore": True, "ignore_label": 9}, np.array([0, 9, 2, 9]), probabilities(4, 3)),
        ({"use_ignore": True, "multi_output": True}, np.array([[0, -1], [2, 1]]), probabilities(2, 3, 2)),
    ],
)
def test_softmax(options, label, output):
    """As the metric "ce", which is compared with MXNet's and torch's."""
    label, op = label.astype(np.float32), SoftmaxOutput(**options)
    head = Head("softmax_output", "softmax_label", op.rows, op.ignore_label if op.use_ignore else None)
    expected = mx.metric.create("ce").measure([label], [output], [head])
    found = loss(mx.sym.SoftmaxOutput(DATA, name="softmax", **options), (label, output))
    assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("operator", "formula"),
    [
        (mx.sym.LinearRegressionOutput, lambda y, p: np.mean((p - y) ** 2)),
        (mx.sym.MAERegressionOutput, lambda y, p: np.mean(np.abs(p - y))),
        (mx.sym.LogisticRegressionOutput, lambda y, p: -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))),
    ],
)
def test_regression(operator, formula):
    label, output = RNG.integers(0, 2, 7).astype(np.float32), RNG.uniform(0.1, 0.9, (7, 1)).astype(np.float32)
    expected = formula(label.astype(np.float64), output[:, 0].astype(np.float64))
    assert loss(operator(DATA), (label, output)) == pytest.approx(expected, rel=1e-6)


def test_several_heads_add_up():
    net = mx.sym.Group([mx.sym.LinearRegressionOutput(DATA, name="a"), mx.sym.MakeLoss(mx.sym.square(DATA), name="b")])
    zeros, twos = np.zeros((4, 2), np.float32), np.full((4, 2), 2, np.float32)
    assert loss(net, (zeros, twos), (zeros, twos)) == 4 + 2


@pytest.mark.parametrize("options", [{}, {"use_linear": True}, {"margin": 0.3, "regularization_coefficient": 2.5}])
def test_svm(options):
    """Its slope is the gradient of SVMOutput, which is that of MXNet."""
    label, output = RNG.integers(0, 4, 6).astype(np.float32), RNG.normal(size=(6, 4)).astype(np.float32)
    op, gradient = SVMOutput(**options), np.zeros((6, 4), np.float32)
    op.backward(Step(np), [None], [output, label], [output], [gradient, None])
    net, step = mx.sym.SVMOutput(DATA, **options), np.float32(1e-3)
    for place in np.ndindex(6, 4):
        moved = [output.copy(), output.copy()]
        for array, by in zip(moved, (-step, step), strict=True):
            array[place] += by
        low, high = (6 * loss(net, (label, array)) for array in moved)
        assert (high - low) / (2 * step) == pytest.approx(gradient[place], abs=2e-2)


def test_svm_and_nan():
    assert math.isnan(loss(mx.sym.SVMOutput(DATA), (np.zeros(1, np.float32), np.array([[1, math.nan]], np.float32))))


class Nothing(mx.operator.CustomOp):
    def forward(self, is_train, req, in_data, out_data, aux):
        self.assign(out_data[0], req[0], in_data[0])


@mx.operator.register("loss_of_ones_own")
class NothingProp(mx.operator.CustomOpProp):
    def create_operator(self, ctx, shapes, dtypes):
        return Nothing()


def test_a_loss_that_is_not_known():
    net = mx.sym.Custom(DATA, op_type="loss_of_ones_own")
    assert math.isnan(loss(net, (np.zeros(4, np.float32), probabilities(4, 2))))


@pytest.mark.parametrize("label", [-1, 2, math.nan])
def test_a_label_that_is_no_class_in_an_evaluation(label):
    pair = np.array([0, label], np.float32), probabilities(2, 2)
    for operator in (mx.sym.SoftmaxOutput, mx.sym.SVMOutput):
        assert math.isnan(loss(operator(DATA), pair, checks=True))


def test_a_fit_leaves_the_loss_of_each_epoch():
    X, y = RNG.random((40, 5), np.float32), RNG.integers(0, 2, 40).astype(np.float32)
    model = mx.mlp(
        X, y, out_node=2, num_epoch=3, batch_size=16, learning_rate=0.5, verbose=False,
        eval_data=(X, y), eval_metric=["accuracy", "ce"],
    )  # fmt: skip
    assert model.history.loss == pytest.approx(model.history.train["cross-entropy"], rel=1e-6)
    assert model.history.validation_loss == pytest.approx(model.history.validation["cross-entropy"], rel=1e-6)
