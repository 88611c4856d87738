"""Optimizers in trainings: by name, with states in checkpoints and snapshots, and counts that go on."""

import numpy as np
import pytest

import pushgrad as mx

NAMES = ["adam", "adamw", "adagrad", "adadelta", "rmsprop", "ftrl", "adamax", "nadam", "nag", "signum", "lamb", "lars"]
random = np.random.default_rng(0)
X = random.normal(size=(40, 6)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.float32)


def network():
    data = mx.symbol.Variable("data")
    hidden = mx.symbol.Activation(mx.symbol.FullyConnected(data, num_hidden=5, name="fc1"), act_type="tanh", name="a")
    return mx.symbol.SoftmaxOutput(mx.symbol.FullyConnected(hidden, num_hidden=2, name="fc2"), name="softmax")


def fitted(name, epochs, load=None, **options):
    mx.random.seed(3)
    common = {"num_epoch": epochs, "optimizer": name, "batch_size": 10, "learning_rate": 0.05, "wd": 0.001, **options}
    model = mx.FeedForward.load(*load, **common) if load else mx.FeedForward(network(), **common)
    return model.fit(X, Y, kvstore="local", shuffle=False, verbose=False)


def bits(model):
    arrays = dict(model.arg_params)
    arrays |= {f"{name}:{state}": a for name, slots in model.optimizer_states.items() for state, a in slots.items()}
    return {name: array.tobytes() for name, array in arrays.items()}


@pytest.mark.parametrize("name", [*NAMES, "sgld"])
def test_a_checkpoint_goes_on_with_states_and_counts(tmp_path, name):
    whole = fitted(name, 4)
    fitted(name, 2).save(tmp_path / "net", 2)
    assert bits(fitted(name, 4, load=(tmp_path / "net", 2))) == bits(whole)


def test_counts_begin_anew_where_states_do(tmp_path):
    fitted("sgd", 2).save(tmp_path / "net", 2)
    after = fitted("adam", 3, load=(tmp_path / "net", 2))
    first = mx.FeedForward.load(tmp_path / "net", 2, optimizer="adam", num_epoch=1, batch_size=10, learning_rate=0.05)
    fresh = mx.FeedForward(
        first.symbol, arg_params=first.arg_params, num_epoch=1, batch_size=10, optimizer="adam", learning_rate=0.05,
        wd=0.001,
    ).fit(X, Y, kvstore="local", shuffle=False, verbose=False)  # fmt: skip
    assert bits(after) == bits(fresh)


def test_adam_learns():
    model = fitted("adam", 40)
    assert model.score(mx.io.NDArrayIter(X, Y, 10)) > 0.9


def test_a_wrong_parameter_is_named():
    with pytest.raises(mx.PushgradError, match=r"optimizer adam: no parameter beta3\. Did you mean beta[12]"):
        mx.FeedForward(network(), optimizer="adam", beta3=0.5)
    with pytest.raises(
        mx.PushgradError, match="optimizer adam: beta1: expected a number of at least 0 and less than 1"
    ):
        mx.FeedForward(network(), optimizer="adam", beta1=1.0)
    with pytest.raises(mx.PushgradError, match=r"no optimizer 'adan'\. Did you mean adam"):
        mx.FeedForward(network(), optimizer="adan")
