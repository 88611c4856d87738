"""What draws weights if no initializer was chosen, and that small networks learn from it."""

import sys
from pathlib import Path

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.worker.training.initializers.default import default_initializer

sys.path.append(str(Path(__file__).parents[4] / "examples"))
from tables import sonar

DATA = mx.sym.Variable("data")


@pytest.mark.parametrize(
    ("layer", "rectifies"),
    [
        (lambda x: mx.sym.Activation(x, act_type="relu"), True),
        (lambda x: mx.sym.relu(x), True),
        (lambda x: mx.sym.LeakyReLU(x, act_type="elu"), True),
        (lambda x: mx.sym.clip(x, a_min=0.0, a_max=6.0), True),
        (lambda x: mx.sym.clip(x, a_min=-1.0, a_max=1.0), False),
        (lambda x: mx.sym.Activation(x, act_type="tanh"), False),
        (lambda x: mx.sym.Activation(x, act_type="sigmoid"), False),
        (lambda x: x, False),
    ],
)
def test_the_activations_decide(layer, rectifies):
    chosen = default_initializer(layer(mx.sym.FullyConnected(DATA, num_hidden=4)))
    wanted = ("gaussian", "in", 2.0) if rectifies else ("uniform", "avg", 3.0)  # MXNet's for either
    assert (chosen.rnd_type, chosen.factor_type, chosen.magnitude) == wanted


def test_it_draws_what_the_named_one_draws():
    network = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(DATA, num_hidden=3))
    X, y = np.ones((4, 5), np.float32), np.zeros(4, np.float32)

    def first(**options):
        mx.random.seed(7)
        model = mx.FeedForward(network, num_epoch=1, learning_rate=0.0, array_layout="rowmajor", **options)
        return model.fit(X, y, verbose=False).arg_params

    given = first(initializer=mx.init.Xavier())
    for name, value in first().items():
        np.testing.assert_array_equal(value, given[name])


def test_a_weight_of_one_axis_has_a_value_too():
    value = default_initializer(DATA)("scale_weight", (1000,))
    assert 0.06 < np.abs(value).max() <= 0.07


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_two_hidden_layers_learn_by_default_and_not_from_the_default_of_r(activation):
    X, y = sonar()
    X = ((X - X.mean(axis=0)) / X.std(axis=0)).astype(np.float32)

    def accuracy(**options):
        mx.random.seed(0)
        model = mx.mlp(
            X, y, hidden_node=[32, 16], activation=activation, batch_size=16, learning_rate=0.1,
            array_layout="rowmajor", verbose=False, **options,
        )  # fmt: skip
        return model.score(X, y)

    assert accuracy() > 0.75
    assert accuracy(initializer=mx.init.Uniform(0.01)) == np.mean(
        y == 0
    )  # always the more frequent class, of 111 in 208
