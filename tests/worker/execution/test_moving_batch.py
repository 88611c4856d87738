"""Graphs in which the batch moves to another axis and back, as around an RNN, run in slices where rows stay apart."""

import numpy as np
import pytest

import pushgrad as mx

ROWS, STEPS = 6, 6  # equal, so that only inference for fewer rows tells which axis is which


def recurrent(mode="lstm", behind=lambda net: mx.sym.SwapAxis(net, dim1=0, dim2=1)):
    net = mx.sym.Embedding(mx.sym.Variable("data"), input_dim=9, output_dim=5, name="embed")
    net = mx.sym.transpose(net, axes=(1, 0, 2))
    net = mx.sym.RNN(net, mode=mode, state_size=4, num_layers=2, bidirectional=True, p=0.3, name="rnn")
    net = behind(mx.sym.Activation(net, act_type="tanh") * 2)
    net = mx.sym.FullyConnected(net, num_hidden=3, name="classes")
    return mx.sym.SoftmaxOutput(net, name="softmax")


def bound(symbol, slices, threads=None, states="null"):
    requests = {
        name: "null" if name in ("data", "softmax_label") else states if "state" in name else "write"
        for name in symbol.list_arguments()
    }
    executor = symbol.simple_bind(data=(ROWS, STEPS), slices=slices, grad_req=requests)
    rng = np.random.default_rng(5)
    for name, array in executor.arg_dict.items():
        whole = name in ("data", "softmax_label")
        array[...] = rng.integers(0, 3, array.shape) if whole else rng.uniform(-0.5, 0.5, array.shape)
    return executor


def gradients(executor):
    executor.forward_backward()
    found = {name: array.copy() for name, array in executor.grad_dict.items() if array is not None}
    return {"output": executor.outputs[0].copy(), **found}


BEHIND = {
    "swapped": lambda net: mx.sym.SwapAxis(net, dim1=0, dim2=1),
    "mean": lambda net: mx.sym.mean(net, axis=0),
    "last": lambda net: mx.sym.SequenceLast(net),
    "added": lambda net: mx.sym.mean(mx.sym.SequenceReverse(net) + net, axis=0),
}


@pytest.mark.parametrize("behind", BEHIND)
@pytest.mark.parametrize("slices", [2, 4])
def test_slices_change_nothing_but_rounding(behind, slices):
    symbol = recurrent(behind=BEHIND[behind])
    executor = bound(symbol, slices)
    assert len(executor.slices) == slices
    found, whole = gradients(executor), gradients(bound(symbol, 1))
    np.testing.assert_array_equal(found["output"], whole["output"])
    for name, array in whole.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-4, atol=1e-6, err_msg=name)


def test_a_language_model_needs_no_python_between_its_layers():
    net = mx.sym.Embedding(mx.sym.Variable("data"), input_dim=9, output_dim=8, name="embed")
    net = mx.sym.RNN(mx.sym.SwapAxis(net, dim1=0, dim2=1), mode="lstm", state_size=8, num_layers=2, name="rnn")
    net = mx.sym.FullyConnected(mx.sym.SwapAxis(net, dim1=0, dim2=1), num_hidden=9, flatten=False, name="classes")
    symbol = mx.sym.SoftmaxOutput(net, preserve_shape=True, name="softmax")
    executor = bound(symbol, 2)
    assert [program.compiled for program in executor._programs] == [1, 1]


def test_forward_and_backward_apart_give_the_bits_of_both_at_once():
    symbol = recurrent("gru")
    expected, executor = gradients(bound(symbol, 2)), bound(symbol, 2)
    executor.forward(is_train=True)
    executor.backward()
    for name, array in executor.grad_dict.items():
        if array is not None:
            np.testing.assert_array_equal(array, expected[name], err_msg=name)


def test_what_wants_a_gradient_and_has_the_batch_elsewhere_keeps_the_batch_whole():
    executor = bound(recurrent(), 2, states="write")
    assert executor.slices == [(0, ROWS)]
    assert np.abs(gradients(executor)["rnn_state"]).max() > 0


@pytest.mark.parametrize(
    "coupling",
    [
        lambda net: mx.sym.broadcast_sub(net, mx.sym.mean(net, axis=1, keepdims=True)),
        lambda net: mx.sym.softmax(net, axis=1),
        lambda net: mx.sym.Dropout(net, p=0.5),  # whose numbers are those of the places of rows on axis 0
        lambda net: mx.sym.L2Normalization(net),
    ],
)
def test_nodes_that_need_all_rows_elsewhere_keep_the_batch_whole(coupling):
    net = coupling(mx.sym.SwapAxis(mx.sym.Variable("data"), dim1=0, dim2=1))
    executor = mx.sym.SwapAxis(net, dim1=0, dim2=1).simple_bind(data=(ROWS, 4, 3), slices=2)
    assert executor.slices == [(0, ROWS)]
