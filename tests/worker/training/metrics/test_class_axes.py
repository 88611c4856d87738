"""Classes on any axis, labels that hold probabilities, and labels that do not count. Expected: arithmetic."""

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import DataError, ParameterError, ShapeError
from pushgrad.worker.training.metrics.base import Head
from pushgrad.worker.training.metrics.class_metric import regrouped

RNG = np.random.default_rng(0)
P = RNG.random((6, 4, 5)).astype(np.float32)  # classes on the last axis
P /= P.sum(axis=-1, keepdims=True)
LABEL = RNG.integers(0, 5, (6, 4)).astype(np.float32)
ENTROPY = -np.log(np.take_along_axis(P, LABEL.astype(int)[..., None], axis=-1)[..., 0].astype(np.float64))
EXPECTED = {
    "accuracy": (P.argmax(axis=-1) == LABEL).mean(),
    "top_k_accuracy_2": (np.argsort(-P, axis=-1)[..., :2] == LABEL[..., None]).any(axis=-1).mean(),
    "ce": ENTROPY.mean(),
    "perplexity": np.exp(ENTROPY.mean()),
}
ONE_HOT = np.eye(5, dtype=np.float32)[LABEL.astype(int)]
NAMES = pytest.mark.parametrize("name", EXPECTED)


@NAMES
@pytest.mark.parametrize("axis", [-1, 2, 1, 0])
def test_the_axis_that_is_named(name, axis):
    output, one_hot = np.moveaxis(P, -1, axis), np.moveaxis(ONE_HOT, -1, axis)
    metric = mx.metric.create(name, axis=axis)
    assert metric.measure(LABEL, output) == pytest.approx(EXPECTED[name], rel=1e-6)
    assert metric.measure(one_hot, output) == pytest.approx(EXPECTED[name], rel=1e-6)


@NAMES
def test_tokens_may_be_merged(name):
    metric = mx.metric.create(name)
    assert metric.measure(LABEL, P.reshape(24, 5)) == pytest.approx(EXPECTED[name], rel=1e-6)
    assert metric.measure(LABEL[..., None], np.moveaxis(P, -1, 1)) == pytest.approx(EXPECTED[name], rel=1e-6)


@NAMES
@pytest.mark.parametrize("axis", [None, 1])
def test_what_fits_neither_is_refused(name, axis):
    metric = mx.metric.create(name, axis=axis)
    for label, output in ((LABEL.T, P), (LABEL, P), (LABEL[:5], P), (LABEL, P[..., 0].T)):
        with pytest.raises(ShapeError, match=r"metric .*label .*output"):
            metric.measure(label, output)
    with pytest.raises(ShapeError, match="classes on axis 3"):
        mx.metric.create(name, axis=3).measure(LABEL, P)


def test_soft_labels():
    soft = np.float32([[0.7, 0.2, 0.1], [0.0, 0.5, 0.5]])
    p = np.float32([[0.5, 0.25, 0.25], [0.1, 0.3, 0.6]])
    found = mx.metric.CrossEntropy(axis=1).measure(soft, p)
    assert found == pytest.approx(0.8792452812194824, rel=1e-6)  # PyTorch 2.14: F.cross_entropy(torch.log(p), soft)


S = mx.sym


def label(*shape):
    return S.Variable("softmax_label", shape=(0, *shape))


NETS = {
    "one-hot": (lambda d: S.SoftmaxOutput(d, label(5), name="softmax"), P.reshape(24, 5), ONE_HOT.reshape(24, 5)),
    "preserve_shape": (lambda d: S.SoftmaxOutput(d, name="softmax", preserve_shape=True), P, LABEL),
    "preserve_shape, one-hot": (
        lambda d: S.SoftmaxOutput(d, label(4, 5), name="softmax", preserve_shape=True), P, ONE_HOT,
    ),
    "multi_output": (
        lambda d: S.SoftmaxOutput(d, name="softmax", multi_output=True), P.transpose(0, 2, 1), LABEL,
    ),
    "multi_output, one-hot": (
        lambda d: S.SoftmaxOutput(d, label(5, 4), name="softmax", multi_output=True),
        P.transpose(0, 2, 1), ONE_HOT.transpose(0, 2, 1),
    ),
    "all axes are classes": (
        lambda d: S.SoftmaxOutput(d, name="softmax"), P[:, 0].reshape(6, 5, 1), LABEL[:, 0],
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", NETS)
def test_the_loss_says_where_the_classes_are(kind):
    make, p, label = NETS[kind]
    # softmax(log p) is p, and the table of the network's only parameter is 1.
    scaled = S.broadcast_mul(S.Variable("data"), S.Variable("one", shape=(1,) * p.ndim))
    model = mx.FeedForward(make(scaled), arg_params={"one": np.ones((1,) * p.ndim, np.float32)}, num_epoch=1)
    expected = EXPECTED
    if kind == "all axes are classes":
        entropy = ENTROPY[:, 0].mean()
        expected = {
            "accuracy": (P[:, 0].argmax(axis=-1) == label).mean(),
            "top_k_accuracy_2": (np.argsort(-P[:, 0], axis=-1)[:, :2] == label[:, None]).any(axis=-1).mean(),
            "ce": entropy,
            "perplexity": np.exp(entropy),
        }
    it = mx.io.NDArrayIter(np.log(p), label, batch_size=4)
    found = model.score(it, eval_metric=list(expected))
    assert list(found.values()) == [pytest.approx(value, rel=1e-5) for value in expected.values()]


def test_classes_that_are_said_already_and_probabilities_of_yes():
    assert mx.metric.Accuracy().measure(np.array([[0, 3], [2, 1]]), np.array([[0, 3], [1, 1]])) == 0.75
    net = S.LogisticRegressionOutput(S.broadcast_mul(S.Variable("data"), S.Variable("one", shape=(1, 1))), name="lro")
    model = mx.FeedForward(net, arg_params={"one": np.ones((1, 1), np.float32)})
    x, y = RNG.standard_normal((20, 3)).astype(np.float32), RNG.integers(0, 2, (20, 3)).astype(np.float32)
    it = mx.io.NDArrayIter(x, {"lro_label": y}, batch_size=8)
    assert model.score(it) == pytest.approx(((x > 0) == y).mean())


def test_one_hot_labels_without_a_loss_that_says_so():
    """Ten classes: 0.9 of the numbers in a one-hot label and rounded scores agree, whatever the classes."""
    scores = RNG.random((200, 10)) * 0.4
    truth = RNG.integers(0, 10, 200)
    right = (scores.argmax(axis=1) == truth).mean()
    for name, expected in (("accuracy", right), ("top_k_accuracy_1", right)):
        assert mx.metric.create(name).measure(np.eye(10)[truth], scores) == expected
    net = S.LinearRegressionOutput(S.broadcast_mul(S.Variable("data"), S.Variable("one", shape=(1, 1))), name="out")
    model = mx.FeedForward(net, arg_params={"one": np.ones((1, 1), np.float32)})
    it = mx.io.NDArrayIter(scores, {"out_label": np.eye(10)[truth]}, batch_size=64)
    assert model.score(it, eval_metric="accuracy") == right


IGNORING = np.where(RNG.random((6, 4)) < 0.3, -1, LABEL).astype(np.float32)
VALID = IGNORING != -1


@NAMES
def test_labels_that_do_not_count(name):
    metric = mx.metric.create(name, ignore_label=-1, axis=-1)
    every = mx.metric.create(name, axis=-1)
    expected = every.measure(IGNORING[VALID], P[VALID])
    assert metric.measure(IGNORING, P) == pytest.approx(expected, rel=1e-12)
    head = Head(rows=lambda array: array.reshape(24, -1, 1), ignored=-1.0)
    assert mx.metric.create(name).measure([IGNORING], [P], [head]) == pytest.approx(expected, rel=1e-12)
    assert np.isnan(metric.measure(np.full((6, 4), -1), P))


def test_mxnets_perplexity_with_ignore_label():
    p = np.round(RECORDED, 4).astype(np.float32)
    label = np.float32([[0, 3, -1], [2, -1, 1]])
    found = mx.metric.Perplexity(ignore_label=-1, axis=-1).measure(label, p)
    assert found == pytest.approx(3.40860900849802, rel=1e-6)  # MXNet 1.9.1
    entropy = mx.metric.CrossEntropy(ignore_label=-1, axis=-1).measure(label, p)
    assert entropy == pytest.approx(1.226304292678833, rel=1e-6)  # PyTorch 2.14: F.nll_loss with ignore_index=-1


@pytest.mark.parametrize("metric", ["ce", "perplexity", "accuracy"])
def test_rows_that_the_loss_ignores_do_not_count(metric):
    net = S.FullyConnected(S.Variable("data"), num_hidden=5, no_bias=True, name="fc")
    net = S.SoftmaxOutput(net, name="softmax", use_ignore=True, ignore_label=-1, normalization="valid")
    X, y = RNG.standard_normal((24, 3)).astype(np.float32), IGNORING.reshape(24)
    model = mx.FeedForward.create(net, X, y, num_epoch=2, batch_size=5, eval_metric=metric, verbose=False)
    expected = mx.metric.create(metric).measure(y[y != -1], model.predict(X)[y != -1])
    assert model.score(X, y, metric, batch_size=7) == pytest.approx(expected, rel=1e-6)


def test_labels_that_are_no_classes_are_still_refused():
    with pytest.raises(DataError, match=r"expected 0 to 4, got -1.0 to 4.0.*ignore_label"):
        mx.metric.CrossEntropy(axis=-1).measure(np.where(VALID, 4, -1).astype(np.float32), P)


@pytest.mark.parametrize(
    ("shape", "other", "same"),
    [
        ((16, 5), (80,), True),
        ((60, 4, 6), (60, 24), True),
        ((60, 6, 4), (60, 4, 6), False),
        ((60, 1, 4, 6), (60, 4, 6), True),
        ((3, 1), (3,), True),
        ((3,), (4,), False),
        ((0,), (0, 4), True),
        ((), (1,), True),
    ],
)
def test_the_same_elements_in_the_same_order(shape, other, same):
    assert regrouped(shape, other) == regrouped(other, shape) == same


RECORDED = np.array(
    [
        [[0.3977, 0.4, 0.1255, 0.0769], [0.1869, 0.2155, 0.3378, 0.2598], [0.6767, 0.0699, 0.143, 0.1104]],
        [[0.4039, 0.1566, 0.2884, 0.1511], [0.1494, 0.1037, 0.6169, 0.1299], [0.1325, 0.2486, 0.5535, 0.0655]],
    ]
)


@pytest.mark.parametrize("option", [{"axis": "1"}, {"axis": 1.0}, {"axis": (1,)}, {"ignore_label": "0"}])
def test_options_that_are_no_numbers(option):
    with pytest.raises(ParameterError, match=f"metric accuracy: {next(iter(option))}: expected "):
        mx.metric.create("accuracy", **option)
