"""A lone worker's batches, which compiled calls count where that is possible: the values stay what metrics say."""

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.worker.training.feeding import InputNames
from pushgrad.worker.training.head_loss import HeadLoss
from pushgrad.worker.training.metrics.base import CompositeMetric
from pushgrad.worker.training.metrics.batch_metric import BatchMetric
from pushgrad.worker.training.pairing import Pairing

ROWS = 12
RNG = np.random.default_rng(3)
OUTPUT = RNG.dirichlet(np.ones(3), ROWS).astype(np.float32)
LABEL = RNG.integers(0, 3, ROWS).astype(np.float32)


class Twice(mx.metric.Accuracy):
    """Counts every hit twice."""

    def _pair(self, label, output, head):
        hits, rows = super()._pair(label, output, head)
        return 2 * hits, rows


def network(**options):
    layer = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3)
    return mx.sym.SoftmaxOutput(layer, name="softmax", **options)


def batch_metric(symbol, metric):
    iterator = mx.io.NDArrayIter(np.zeros((ROWS, 4), np.float32), LABEL, ROWS)
    pairing = Pairing(symbol, InputNames(("data",), ("softmax_label",)), iterator, ROWS)
    return BatchMetric(metric, pairing, None), pairing.heads


def counted(symbol, metric, label=LABEL):
    """The metric's value and the loss of two batches, as a fit counts them and as the metrics' own `update` does."""
    batches, heads = batch_metric(symbol, CompositeMetric([metric, loss := HeadLoss(symbol)]))
    for output in (OUTPUT, OUTPUT[::-1].copy()):
        batches.begin({"softmax_label": label}, [output])
    in_fit = metric.get()[1], loss.get()[1]
    for one in (metric, loss):
        one.reset()
        for output in (OUTPUT, OUTPUT[::-1].copy()):
            one.update([label], [output], heads)
    return in_fit, (metric.get()[1], loss.get()[1])


METRICS = {
    "accuracy": mx.metric.Accuracy,
    "of an ignored label": lambda: mx.metric.Accuracy(ignore_label=1),
    "of another label": lambda: mx.metric.Accuracy(label_names="other"),
    "a subclass": Twice,
    "another": mx.metric.CrossEntropy,
    "one's own": lambda: mx.metric.create(lambda label, output: float(output[0, 0])),
}


@pytest.mark.parametrize("make", METRICS.values(), ids=METRICS)
@pytest.mark.parametrize("options", [{}, {"use_ignore": True, "ignore_label": 2}], ids=["all labels", "ignored labels"])
def test_values_are_those_of_the_metrics(make, options):
    in_fit, own = counted(network(**options), make())
    np.testing.assert_array_equal(in_fit, own)


@pytest.mark.parametrize("label", [LABEL.astype(np.int32), LABEL[:, None].copy(), LABEL[::-1][::-1]], ids=str)
def test_labels_of_any_form(label):
    in_fit, own = counted(network(), mx.metric.Accuracy(), label)
    np.testing.assert_array_equal(in_fit, own)


def test_accuracy_and_loss_are_a_compiled_call_each(monkeypatch):
    def refuse(*arguments):
        raise AssertionError("counted by numpy")

    symbol = network()
    metric, loss = mx.metric.Accuracy(), HeadLoss(symbol)
    monkeypatch.setattr(mx.metric.Accuracy, "update", refuse)
    monkeypatch.setattr(HeadLoss, "update", refuse)
    batches, _ = batch_metric(symbol, CompositeMetric([metric, loss]))
    batches.begin({"softmax_label": LABEL}, [OUTPUT])
    assert metric.get()[1] == (OUTPUT.argmax(axis=1) == LABEL).mean()
