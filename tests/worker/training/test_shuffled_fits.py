"""A shuffled fit gathers rows where they are needed, and is the same as one of arrays that lie in that order."""

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import DataError
from pushgrad.worker.data.taken_batch import TakenBatch
from pushgrad.worker.execution import slice_layout

RNG = np.random.default_rng(3)
X, Y = RNG.normal(size=(34, 5)).astype(np.float32), RNG.integers(0, 3, 34).astype(np.float32)


@pytest.fixture(params=["1 slice", "3 slices", "3 slices on 2 threads"], autouse=True)
def slices(request, monkeypatch):
    words = request.param.split()
    monkeypatch.setenv("OMP_NUM_THREADS", words[3] if len(words) > 2 else "1")
    monkeypatch.setattr(slice_layout, "WORK_OF_ONE_COMPILED", 0)
    return int(words[0])


def scores():
    return mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3, name="fc")


def classes(**options):
    return mx.sym.SoftmaxOutput(scores(), name="softmax", **options)


HEADS = {
    "classes": (classes(), Y, "softmax_label"),
    "as many as count": (classes(use_ignore=True, ignore_label=2, normalization="valid"), Y, "softmax_label"),
    "columns": (classes(), Y[:, None], "softmax_label"),
    "numbers": (mx.sym.LinearRegressionOutput(scores(), name="out"), X[:, :3], "out_label"),
}


def fit(head, x, y, shuffle, slices, label="softmax_label", metric="acc"):
    iterator = mx.io.NDArrayIter(x, y, 10, shuffle=shuffle, seed=4, label_name=label)
    model = mx.FeedForward(head, num_epoch=1, slices=slices, learning_rate=0.1, initializer=mx.init.One())
    return model.fit(iterator, eval_metric=metric, verbose=False)


def order():
    """That of the first epoch; the last batch is filled up with its first rows."""
    return np.concatenate([batch.index for batch in mx.io.NDArrayIter(X, Y, 10, shuffle=True, seed=4)])


def same(model, other):
    for name, array in other.arg_params.items():
        np.testing.assert_array_equal(model.arg_params[name], array, err_msg=name)
    assert model.history.train == other.history.train
    assert model.history.loss == other.history.loss


@pytest.mark.parametrize("name", HEADS)
def test_the_order_alone_differs(name, slices):
    head, y, label = HEADS[name]
    metric = "mse" if name == "numbers" else "acc"
    shuffled = fit(head, X, y, True, slices, label, metric)
    same(shuffled, fit(head, X[order()], y[order()], False, slices, label, metric))


def test_an_autoencoder_is_compared_with_its_data(slices):
    data = mx.sym.Variable("data")
    head = mx.sym.LinearRegressionOutput(mx.sym.FullyConnected(data, num_hidden=5, name="fc"), data, name="out")
    shuffled = fit(head, X, None, True, slices, metric="mse")
    same(shuffled, fit(head, X[order()], None, False, slices, metric="mse"))


def test_labels_are_gathered_once(slices, monkeypatch):
    monkeypatch.setattr(TakenBatch, "label", property(lambda batch: pytest.fail("gathered apart")))
    fit(classes(), X, Y, True, slices)


def test_a_label_that_is_no_class_is_found(slices):
    wrong = Y.copy()
    wrong[order()[17]] = 3
    with pytest.raises(DataError, match="label of row 7: expected a class, a whole number from 0 to 2, got 3"):
        fit(classes(), X, wrong, True, slices)


def keeping():
    """A function, and a metric that inherits how it counts; what each of them keeps."""
    kept = []

    def keep(label, output):
        kept.append(label)
        return 0.0

    class Keeping(mx.metric.Accuracy):
        def update(self, labels, outputs, heads=None):
            kept.extend(labels)
            super().update(labels, outputs, heads)

    return {"a function": mx.metric.np(keep), "a subclass": Keeping()}, kept


@pytest.mark.parametrize("kind", ["a function", "a subclass"])
def test_what_a_metric_of_ones_own_keeps_stays(kind, slices):
    metrics, kept = keeping()
    fit(classes(), X, Y, True, slices, metric=metrics[kind])
    np.testing.assert_array_equal(np.concatenate(kept), Y[order()])
