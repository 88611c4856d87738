"""Without a name the loss decides what is measured."""

import numpy as np
import pytest

import pushgrad as mx

S = mx.sym
RNG = np.random.default_rng(0)
X = RNG.standard_normal((30, 3)).astype(np.float32)
Y = RNG.standard_normal(30).astype(np.float32)
DATA = S.Variable("data")


def layer(size=1):
    return S.FullyConnected(DATA, num_hidden=size, name="fc")


LOSSES = {
    "accuracy": lambda: S.SoftmaxOutput(layer(3), name="softmax"),
    "rmse": lambda: S.LinearRegressionOutput(layer(), name="out"),
    "mae": lambda: S.MAERegressionOutput(layer(), name="out"),
    "loss": lambda: S.MakeLoss(S.square(S.Reshape(layer(), shape=(-1,)) - S.Variable("label"))),
}
PLAIN = {"num_epoch": 1, "batch_size": 10, "learning_rate": 0.01}


def labels(name):
    return (np.arange(30) % 3).astype(np.float32) if name == "accuracy" else Y


@pytest.mark.parametrize("name", LOSSES)
def test_of_each_loss(name, capsys):
    model = mx.FeedForward.create(LOSSES[name](), X, labels(name), eval_data=(X, labels(name)), **PLAIN)
    lines = [line.split("=")[0] for line in capsys.readouterr().out.splitlines() if line.startswith("[")]
    assert lines == [f"[1] Train-{name}", f"[1] Validation-{name}"]
    assert model.score(X, labels(name)) == model.score(X, labels(name), eval_metric=name) > 0


def test_logistic_regression_has_an_accuracy():
    net = S.LogisticRegressionOutput(layer(), name="out")
    model = mx.FeedForward.create(net, X, (Y > 0).astype(np.float32), verbose=False, **PLAIN)
    assert model.score(X, Y > 0) == ((model.predict(X)[:, 0] > 0.5) == (Y > 0)).mean()


def test_losses_of_several_kinds_have_a_metric_each():
    net = S.Group([
        S.LinearRegressionOutput(S.FullyConnected(DATA, num_hidden=1, name="a"), name="number"),
        S.SoftmaxOutput(S.FullyConnected(DATA, num_hidden=3, name="b"), name="kind"),
    ])  # fmt: skip
    it = mx.io.NDArrayIter(X, {"kind_label": labels("accuracy"), "number_label": Y}, batch_size=10)
    model = mx.FeedForward(net, num_epoch=1, learning_rate=0.01).fit(it, verbose=False)
    number, kind = model.predict(it)
    assert model.score(it) == {
        "rmse": pytest.approx(np.sqrt(((number[:, 0] - Y) ** 2).mean()), rel=1e-6),
        "accuracy": (kind.argmax(axis=1) == labels("accuracy")).mean(),
    }


def test_mlp_too(capsys):
    mx.mlp(X, Y, hidden_node=4, out_node=1, out_activation="rmse", **PLAIN)
    assert "Train-rmse=" in capsys.readouterr().out


def test_a_loss_without_a_label_is_measured():
    """An autoencoder whose loss is made of operators. Arithmetic: the mean of (x W' - x)**2, summed over columns."""
    error = S.sum(S.square(S.FullyConnected(DATA, num_hidden=3, no_bias=True, name="fc") - DATA), axis=1)
    seen = []
    model = mx.FeedForward(S.MakeLoss(error, name="error"), num_epoch=1, learning_rate=0.0)
    it = mx.io.NDArrayIter(X, batch_size=30)
    model.fit(it, eval_data=it, batch_end_callback=lambda param: seen.append(param.eval_metric.get()), verbose=False)
    expected = pytest.approx((((X @ model.arg_params["fc_weight"].T) - X) ** 2).sum(axis=1).mean(), rel=1e-5)
    assert seen == [("loss", expected)]
    assert model.score(mx.io.NDArrayIter(X, batch_size=7)) == expected


def test_a_penalty_beside_a_loss_has_a_value_of_its_own():
    weight = S.Variable("fc_weight")
    penalty = S.MakeLoss(S.sum(S.square(weight), axis=(0, 1)) * 0.1, name="penalty")
    loss = S.SoftmaxOutput(S.FullyConnected(DATA, weight=weight, num_hidden=3), name="softmax")
    net = S.Group([loss, penalty])
    model = mx.FeedForward.create(net, X, labels("accuracy"), verbose=False, **PLAIN)
    expected = 0.1 * (model.arg_params["fc_weight"] ** 2).sum()
    assert model.score(X, labels("accuracy"))["loss"] == pytest.approx(expected, rel=1e-5)
    assert (
        model.score(X, labels("accuracy"), "accuracy") == (model.predict(X)[0].argmax(1) == labels("accuracy")).mean()
    )
