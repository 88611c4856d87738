"""A metric pairs an output with the label of its loss, by name."""

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import ParameterError, ShapeError

S = mx.sym
RNG = np.random.default_rng(1)
X = RNG.standard_normal((40, 3)).astype(np.float32)
Y = RNG.integers(0, 3, 40).astype(np.float32)
Z = RNG.integers(0, 2, 40).astype(np.float32)
W = RNG.standard_normal((3, 3)).astype(np.float32)
V = RNG.standard_normal((2, 3)).astype(np.float32)


DATA = S.Variable("data")


def layer(name, size):
    return S.FullyConnected(DATA, num_hidden=size, no_bias=True, name=name)


def first():
    return S.SoftmaxOutput(layer("a", 3), name="first")


def second():
    return S.SoftmaxOutput(layer("b", 2), name="second")


def model_of(symbol):
    known = {"a_weight": W, "b_weight": V}
    return mx.FeedForward(symbol, arg_params={name: known[name] for name in symbol.list_arguments() if name in known})


RIGHT_FIRST, RIGHT_SECOND = ((X @ W.T).argmax(axis=1) == Y).mean(), ((X @ V.T).argmax(axis=1) == Z).mean()


@pytest.mark.parametrize("heads", [lambda a, f: [f, a], lambda a, f: [a, f], lambda a, f: [f, a, f]])
def test_features_beside_a_loss_are_left_out(heads):
    loss = first()
    feature = S.BlockGrad(loss.get_internals()["a_output"])
    model = model_of(S.Group(heads(loss, feature)))
    assert model.score(X, Y, batch_size=7) == pytest.approx(RIGHT_FIRST)
    seen = []
    model.score(X, Y, lambda label, output: seen.append(output) or 0.0)
    np.testing.assert_allclose(seen[0].sum(axis=1), 1, rtol=1e-5)


def test_features_beside_a_loss_in_training():
    loss, log = first(), mx.callback.Logger()
    symbol = S.Group([S.BlockGrad(loss.get_internals()["a_output"]), loss])
    model = mx.FeedForward(symbol, arg_params={"a_weight": W}, num_epoch=1, batch_size=20, learning_rate=0.0)
    model.fit(X, Y, epoch_end_callback=mx.callback.log_train_metric(9, log), verbose=False)
    assert log.train == [("accuracy", pytest.approx(RIGHT_FIRST))]


@pytest.mark.parametrize("order", [("first_label", "second_label"), ("second_label", "first_label")])
@pytest.mark.parametrize("heads", [lambda: [first(), second()], lambda: [second(), first()]])
def test_labels_in_any_order(order, heads):
    labels = {"first_label": Y, "second_label": Z}
    it = mx.io.NDArrayIter(X, {name: labels[name] for name in order}, batch_size=7)
    model = model_of(S.Group(heads()))
    assert model.score(it) == pytest.approx((RIGHT_FIRST + RIGHT_SECOND) / 2)
    pairs = []
    model.score(it, eval_metric=lambda label, output: pairs.append((label, output.shape[1])) or 0.0)
    for label, classes in pairs:
        np.testing.assert_array_equal(label, Y if classes == 3 else Z)


def test_a_metric_may_choose_among_outputs_as_in_mxnet():
    it = mx.io.NDArrayIter(X, {"second_label": Z, "first_label": Y}, batch_size=7)
    model = model_of(S.Group([first(), second()]))
    metrics = [
        mx.metric.Accuracy("one", output_names=["first_output"]),
        mx.metric.create("accuracy", label_names=["second_label"]),
        mx.metric.custom("three", lambda label, output: output.shape[1], output_names=["first_output"]),
    ]
    expected = {"one": pytest.approx(RIGHT_FIRST), "accuracy": pytest.approx(RIGHT_SECOND), "three": 3.0}
    assert model.score(it, eval_metric=metrics) == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output_names": ["frist_output"]}, "accuracy: output_names: no 'frist_output'. Did you mean first_output"),
        ({"label_names": "label"}, "accuracy: label_names: no 'label'"),
    ],
)  # fmt: skip
def test_a_metric_of_outputs_that_are_not_there(options, message):
    model, metric = model_of(first()), mx.metric.Accuracy(**options)
    with pytest.raises(ParameterError, match=message):
        model.score(X, Y, metric)
    with pytest.raises(ParameterError, match=message):
        model.fit(X, Y, eval_metric=metric, verbose=False)


def test_one_name_needs_no_list():
    it = mx.io.NDArrayIter(X, {"second_label": Z, "first_label": Y}, batch_size=7)
    metric = mx.metric.Accuracy(output_names="first_output")
    assert model_of(S.Group([first(), second()])).score(it, eval_metric=metric) == pytest.approx(RIGHT_FIRST)


def test_a_label_shared_by_two_losses_counts_for_both():
    label = S.Variable("softmax_label")
    symbol = S.Group([S.SoftmaxOutput(layer("a", 3), label, name="first"), S.BlockGrad(S.SoftmaxOutput(
        layer("c", 3), label, name="second"))])  # fmt: skip
    model = mx.FeedForward(symbol, arg_params={"a_weight": W, "c_weight": -W})
    expected = (RIGHT_FIRST + ((X @ -W.T).argmax(axis=1) == Y).mean()) / 2
    assert model.score(X, Y) == pytest.approx(expected)


def test_an_autoencoder_is_compared_with_its_data():
    symbol = S.LinearRegressionOutput(layer("a", 3), label=DATA)
    it = mx.io.NDArrayIter(X, batch_size=7)
    error = X @ W.T - X
    assert model_of(symbol).score(it) == pytest.approx(np.sqrt((error**2).mean()), rel=1e-5)


def test_a_loss_made_of_the_label_is_paired_with_it():
    label = S.Variable("softmax_label")
    symbol = S.MakeLoss(S.square(S.sum(layer("a", 3), axis=1) - label))
    assert model_of(symbol).score(X, Y) == pytest.approx((((X @ W.T).sum(axis=1) - Y) ** 2).mean(), rel=1e-5)


@pytest.mark.parametrize("metric", ["accuracy", lambda label, output: 0.0])
def test_a_label_in_another_order_than_the_output_is_refused(metric):
    pictures = RNG.standard_normal((8, 2, 4, 6)).astype(np.float32)
    symbol = S.SoftmaxOutput(
        S.broadcast_mul(DATA, S.Variable("scale", shape=(1, 1, 1, 1))), name="softmax", multi_output=True
    )
    model = mx.FeedForward(symbol, batch_size=4, num_epoch=1, arg_params={"scale": np.ones((1, 1, 1, 1))})
    for shape in ((8, 6, 4), (8, 3, 8), (8, 2, 12)):
        with pytest.raises(ShapeError, match=r"softmax_label of output softmax_output .*expected shape \(4, 4, 6\)"):
            model.fit(pictures, np.zeros(shape), eval_metric=metric, verbose=False)
    for shape in ((8, 4, 6), (8, 24), (8, 1, 4, 6)):
        model.begin_epoch = 0
        model.fit(pictures, np.zeros(shape), eval_metric=metric, verbose=False)
