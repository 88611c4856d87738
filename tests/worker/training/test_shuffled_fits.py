"""A shuffled fit gathers rows where they are needed, and is the same as one of arrays that lie in that order."""

import numpy as np
import pytest

import pushgrad as mx

RNG = np.random.default_rng(3)
X, Y = RNG.normal(size=(34, 5)).astype(np.float32), RNG.integers(0, 3, 34).astype(np.float32)


def scores():
    return mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3, name="fc")


def ignoring(**options):
    return mx.sym.SoftmaxOutput(scores(), use_ignore=True, ignore_label=2, name="softmax", **options)


HEADS = {
    "classes": (mx.sym.SoftmaxOutput(scores(), name="softmax"), Y, "softmax_label"),
    "as many as count": (ignoring(normalization="valid"), Y, "softmax_label"),
    "columns": (mx.sym.SoftmaxOutput(scores(), name="softmax"), Y[:, None], "softmax_label"),
    "numbers": (mx.sym.LinearRegressionOutput(scores(), name="out"), X[:, :3], "out_label"),
    "whole numbers": (mx.sym.SoftmaxOutput(scores(), name="softmax"), Y.astype(np.int64), "softmax_label"),
}


def fit(head, x, y, label, metric, shuffle, slices, seen=None):
    iterator = mx.io.NDArrayIter(x, y, 10, shuffle=shuffle, seed=4, label_name=label)
    model = mx.FeedForward(head, num_epoch=1, slices=slices, learning_rate=0.1, momentum=0.9, initializer=mx.init.One())
    model.fit(iterator, eval_metric=metric, verbose=False)
    return model


def order():
    """That of the first epoch; the last batch is filled up with its first rows."""
    return np.concatenate([batch.index for batch in mx.io.NDArrayIter(X, Y, 10, shuffle=True, seed=4)])


@pytest.mark.parametrize("slices", [1, 3])
@pytest.mark.parametrize("name", HEADS)
def test_the_order_alone_differs(name, slices):
    head, y, label = HEADS[name]
    metric = "mse" if name == "numbers" else "acc"
    shuffled = fit(head, X, y, label, metric, True, slices)
    in_order = fit(head, X[order()], y[order()], label, metric, False, slices)
    for parameter, array in in_order.arg_params.items():
        np.testing.assert_array_equal(shuffled.arg_params[parameter], array, err_msg=parameter)
    assert shuffled.history.train == in_order.history.train
    assert shuffled.history.loss == in_order.history.loss


@pytest.mark.parametrize("slices", [1, 3])
def test_what_a_metric_of_ones_own_keeps_stays(slices):
    kept, head = [], HEADS["classes"][0]

    def keep(label, output):
        kept.append((label, output))
        return 0.0

    fit(head, X, Y, "softmax_label", mx.metric.np(keep), True, slices)
    np.testing.assert_array_equal(np.concatenate([label for label, _ in kept]), Y[order()])


@pytest.mark.parametrize("slices", [1, 3])
def test_an_autoencoder_is_compared_with_its_data(slices):
    data = mx.sym.Variable("data")
    head = mx.sym.LinearRegressionOutput(mx.sym.FullyConnected(data, num_hidden=5, name="fc"), data, name="out")
    models = []
    for x, shuffle in ((X, True), (X[order()], False)):
        iterator = mx.io.NDArrayIter(x, None, 10, shuffle=shuffle, seed=4)
        model = mx.FeedForward(head, num_epoch=1, slices=slices, learning_rate=0.1, initializer=mx.init.One())
        models.append(model.fit(iterator, eval_metric="mse", verbose=False))
    np.testing.assert_array_equal(*(model.arg_params["fc_weight"] for model in models))
    assert models[0].history.train == models[1].history.train
