"""FusedRNN: values recorded from MXNet 1.9.1's initializer of that name."""

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import ParameterError, ShapeError
from pushgrad.worker.training.initializers import initializer


def test_weights_by_the_rule_and_forget_biases_of_their_own():
    """With MXNet, Constant(0.5) gives 60 halves for data of two channels, then the two biases of each layer."""
    vector = mx.init.FusedRNN(mx.init.Constant(0.5), 3, 1, "lstm").weight("rnn_parameters", (84,))
    biases = [0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0]
    np.testing.assert_array_equal(vector, [0.5] * 60 + biases * 2)
    vector = mx.init.FusedRNN(mx.init.Constant(0.5), 3, 1, "gru").weight("rnn_parameters", (63,))
    np.testing.assert_array_equal(vector, [0.5] * 45 + [0] * 18)


def test_layers_directions_and_another_forget_bias():
    vector = mx.init.FusedRNN(mx.init.Constant(0.5), 2, 2, "lstm", True, 2.0).weight("rnn_parameters", (240,))
    np.testing.assert_array_equal(vector, [0.5] * 176 + [0, 0, 2, 2, 0, 0, 0, 0] * 8)


def test_a_rule_sees_the_matrix_of_each_gate():
    seen = []

    def rule(name, shape):
        seen.append((name, shape))
        return np.zeros(shape, np.float32)

    mx.init.FusedRNN(rule, 3, 1, "rnn_tanh", bidirectional=True).weight("rnn_parameters", (42,))
    expected = [("l0_i2h", (3, 2)), ("l0_h2h", (3, 3)), ("r0_i2h", (3, 2)), ("r0_h2h", (3, 3))]
    assert seen == [(f"rnn_{name}_0_weight", shape) for name, shape in expected]


def test_its_text_is_mxnets():
    text = (
        '["fusedrnn", {"init": "[\\"one\\", {}]", "num_hidden": 3, "num_layers": 2, "mode": "lstm", '
        '"bidirectional": false, "forget_bias": 1.0}]'
    )
    made = mx.init.FusedRNN(mx.init.One(), 3, 2, "lstm")
    assert mx.sym.Variable("x", init=made).attr("__init__") == text
    again = initializer.create(text)
    np.testing.assert_array_equal(again.weight("x", (192,)), made.weight("x", (192,)))


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: mx.init.FusedRNN(None, 3, 1, "lstm").weight("x", (84,)), ParameterError),
        (lambda: mx.init.FusedRNN(mx.init.One(), 3, 1, "lstm").weight("x", (85,)), ShapeError),
        (lambda: mx.init.FusedRNN(mx.init.One(), 3, 1, "lstm").weight("x", (84, 1)), ShapeError),
        (lambda: mx.init.FusedRNN("xavier", 3, 1, "lstm"), ParameterError),
        (lambda: mx.init.FusedRNN(None, 3, 1, "lsmt"), ParameterError),
    ],
)
def test_refused(make, error):
    with pytest.raises(error):
        make()
