import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import ParameterError, ShapeError
from pushgrad.worker.ops.operator import Step
from pushgrad.worker.ops.recurrent_cells import Vanilla
from pushgrad.worker.ops.rnn import RNN

MODES = ("rnn_relu", "rnn_tanh", "lstm", "gru")


def arrays(op, data=(3, 2, 4), seed=0):
    random = np.random.default_rng(seed)
    shapes, _ = op.infer_shape([data] + [None] * (len(op.arguments()) - 1), [None] * len(op.outputs()))
    return [random.normal(size=shape) * 0.7 for shape in shapes]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("state_outputs", [False, True])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_gradients(mode, state_outputs, bidirectional, gradcheck):
    layers = 1 if bidirectional and state_outputs else 2
    op = RNN(mode=mode, state_size=2, num_layers=layers, bidirectional=bidirectional, state_outputs=state_outputs)
    gradcheck(op, arrays(op, (3, 2, 3), seed=4))


@pytest.mark.parametrize("mode", MODES)
def test_gradients_with_dropout(mode, gradcheck):
    op = RNN(mode=mode, state_size=2, num_layers=3, p=0.4)
    gradcheck(op, arrays(op, (2, 3, 2), seed=1), step=Step(is_train=True, seed=5, first_row=3))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def written_out(op, data, vector, state, cell=None):
    """One direction, any layers, gate by gate from slices of the vector, as cuDNN's documentation orders them."""
    hidden, gates = op.state_size, {"lstm": 4, "gru": 3}.get(op.mode, 1)
    position, weights = 0, []

    def take(*shape):
        nonlocal position
        block = vector[position : position + int(np.prod(shape))].reshape(shape)
        position += block.size
        return block

    for layer in range(op.num_layers):
        channels = hidden if layer else data.shape[2]
        w, r = take(gates * hidden, channels), take(gates * hidden, hidden)
        weights.append([np.split(w, gates), np.split(r, gates)])
    for layer in range(op.num_layers):
        weights[layer] += [np.split(take(gates * hidden), gates), np.split(take(gates * hidden), gates)]
    assert position == len(vector)
    for layer, (w, r, b, c) in enumerate(weights):
        h, out = state[layer], []
        memory = cell[layer] if cell is not None else None
        for x in data:
            xs = [x @ m.T + v for m, v in zip(w, b, strict=True)]
            hs = [h @ m.T + v for m, v in zip(r, c, strict=True)]
            if op.mode == "lstm":
                i, f, g, o = (
                    act(p + q) for act, p, q in zip((sigmoid, sigmoid, np.tanh, sigmoid), xs, hs, strict=True)
                )
                memory = f * memory + i * g
                h = o * np.tanh(memory)
            elif op.mode == "gru":
                reset, update = sigmoid(xs[0] + hs[0]), sigmoid(xs[1] + hs[1])
                h = (1 - update) * np.tanh(xs[2] + reset * hs[2]) + update * h
            else:
                total = xs[0] + hs[0]
                h = np.tanh(total) if op.mode == "rnn_tanh" else np.maximum(total, 0)
            out.append(h)
        data = np.array(out)
    return data


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("layers", [1, 3])
def test_definition(mode, layers, forward):
    op = RNN(mode=mode, state_size=3, num_layers=layers)
    inputs = arrays(op, (5, 2, 4))
    np.testing.assert_allclose(forward(op, inputs)[0], written_out(op, *inputs), rtol=1e-12)


@pytest.mark.parametrize("mode", MODES)
def test_second_direction_reads_from_the_end(mode, forward):
    both = RNN(mode=mode, state_size=3, num_layers=1, bidirectional=True, state_outputs=True)
    one = RNN(mode=mode, state_size=3, num_layers=1)
    data, vector, *states = arrays(both, (5, 2, 4))
    out, last = forward(both, [data, vector, *states])[:2]
    weights, biases = (
        np.split(vector[: -4 * both.layout().gates * 3], 2),
        np.split(vector[-4 * one.layout().gates * 3 :], 2),
    )
    for direction, order in enumerate((slice(None), slice(None, None, -1))):
        mine = np.concatenate([weights[direction], biases[direction]])
        expected = forward(one, [data[order], mine, *(state[direction : direction + 1] for state in states)])[0]
        np.testing.assert_allclose(out[..., 3 * direction : 3 * direction + 3], expected[order])
        np.testing.assert_allclose(last[direction], expected[-1])


def test_states_carry_a_sequence_on(forward):
    op = RNN(mode="lstm", state_size=3, num_layers=2, state_outputs=True)
    data, vector, state, cell = arrays(op, (6, 2, 4))
    whole = forward(op, [data, vector, state, cell])
    first = forward(op, [data[:4], vector, state, cell])
    second = forward(op, [data[4:], vector, *first[1:]])
    np.testing.assert_allclose(np.concatenate([first[0], second[0]]), whole[0])
    np.testing.assert_allclose(second[1], whole[1])
    np.testing.assert_allclose(second[2], whole[2])


def test_dropout_depends_on_the_global_row_and_only_while_training(forward):
    op = RNN(mode="rnn_tanh", state_size=4, num_layers=2, p=0.5)
    data, vector, state = arrays(op, (3, 6, 2))
    whole = forward(op, [data, vector, state], Step(is_train=True, seed=1))[0]
    part = forward(op, [data[:, 4:], vector, state[:, 4:]], Step(is_train=True, seed=1, first_row=4))[0]
    np.testing.assert_allclose(part, whole[:, 4:])
    plain = forward(op, [data, vector, state], Step(is_train=False))[0]
    assert not np.allclose(plain, whole)
    np.testing.assert_allclose(
        plain, forward(RNN(mode="rnn_tanh", state_size=4, num_layers=2), [data, vector, state])[0]
    )


def test_shapes_both_ways():
    op = RNN(mode="lstm", state_size=3, num_layers=2, bidirectional=True, state_outputs=True)
    states = (4, 2, 3)
    expected = [(5, 2, 4), (480,), states, states], [(5, 2, 6), states, states]
    assert op.infer_shape([(5, 2, 4), None, None, None], [None] * 3) == expected
    assert op.infer_shape([(0, 0, 4), None, states, None], [(5, 0, 0), None, None]) == expected
    assert op.infer_shape([(5, 0, 4), None, None, None], [None, None, (0, 2, 0)]) == expected
    assert op.infer_shape([None] * 4, [None] * 3)[0][2] == (4, 0, 3)


def test_names_are_those_of_mxnet():
    net = mx.sym.RNN(mx.sym.Variable("x"), state_size=3, num_layers=1, mode="lstm", state_outputs=True, name="r")
    assert net.list_arguments() == ["x", "r_parameters", "r_state", "r_state_cell"]
    assert net.list_outputs() == ["r_output", "r_state_output", "r_statecell_output"]


def test_binds_and_trains_in_float32():
    net = mx.sym.RNN(mx.sym.Variable("x"), state_size=5, num_layers=2, mode="gru", bidirectional=True, name="r")
    executor = net.simple_bind(mx.cpu(), x=(4, 3, 2))
    op = RNN(mode="gru", state_size=5, num_layers=2, bidirectional=True)
    inputs = [array.astype(np.float32) for array in arrays(op, (4, 3, 2))]
    for array, value in zip(executor.arg_arrays, inputs, strict=True):
        array[...] = value
    head = np.random.default_rng(2).standard_normal((4, 3, 10)).astype(np.float32)
    out = executor.forward(is_train=True)[0]
    executor.backward(head)
    exact = [array.astype(np.float64) for array in inputs]
    want, grads = np.empty((4, 3, 10)), [np.empty_like(array) for array in exact]
    op.forward(Step(is_train=True), exact, [want])
    op.backward(Step(is_train=True), [head.astype(np.float64)], exact, [want], grads)
    np.testing.assert_allclose(out, want, rtol=1e-4, atol=1e-5)
    for got, expected in zip(executor.grad_arrays, grads, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"mode": "elman"}, "parameter mode: expected one of rnn_relu, rnn_tanh, lstm, gru"),
        ({"p": 1}, r"parameter p: expected a number in \[0, 1\)"),
        ({"projection_size": 3}, "parameter projection_size is not supported"),
        ({"use_sequence_length": True}, "parameter use_sequence_length is not supported"),
        ({"state_size": 0}, "parameter state_size: expected a whole number of at least 1"),
    ],
)
def test_wrong_parameters(options, text):
    with pytest.raises(ParameterError, match=text):
        RNN(**{"mode": "lstm", "state_size": 2, "num_layers": 1, **options})


@pytest.mark.parametrize(
    ("which", "shape", "text"),
    [
        (0, (3, 2), "RNN: data"),
        (1, (7,), "RNN: parameters"),
        (2, (2, 2, 2), "RNN: state: expected shape"),
        (3, (1, 5, 2), "RNN: data"),
    ],
)
def test_wrong_shapes(which, shape, text):
    shapes = [(3, 2, 4), None, None, None]
    shapes[which] = shape
    with pytest.raises(ShapeError, match=text):
        RNN(mode="lstm", state_size=2, num_layers=1).infer_shape(shapes, [None])


def test_clipping_is_accepted_and_not_done(forward):
    options = {"mode": "lstm", "state_size": 2, "num_layers": 1, "state_outputs": True}
    clipped = RNN(**options, lstm_state_clip_min=-1e-3, lstm_state_clip_max="0.001")
    inputs = arrays(clipped)
    for found, expected in zip(forward(clipped, inputs), forward(RNN(**options), inputs), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_relu_cells_keep_nan_in_gradients():
    kept = np.array([[np.nan, 0.0, 2.0]])
    back = Vanilla("relu").back(np, np.full((1, 3), 5.0), None, kept, kept, None)
    np.testing.assert_array_equal(back.x, [[np.nan, 0, 5]])
