"""The fused RNN operator and networks that are unrolled by hand."""

import mxnet as mx
import numpy as np
from draws import classes, normal

S = mx.sym
DATA = S.Variable("data")
GATES = {"rnn_relu": 1, "rnn_tanh": 1, "lstm": 4, "gru": 3}
STEPS, ROWS, FEATURES, HIDDEN = 3, 2, 3, 4


def _inputs(mode, layers, directions):
    """Data, parameters small enough to keep gates open, and states that are not zero."""
    widths = [FEATURES] + [directions * HIDDEN] * (layers - 1)
    per_gate = sum(directions * HIDDEN * (width + HIDDEN + 2) for width in widths)
    state = (layers * directions, ROWS, HIDDEN)
    found = {"data": normal(STEPS, ROWS, FEATURES), "r_parameters": normal(GATES[mode] * per_gate) / 2}
    found["r_state"] = normal(*state) / 2
    return found | ({"r_state_cell": normal(*state) / 2} if mode == "lstm" else {})


def fused():
    for mode in GATES:
        for layers, both in ((1, False), (2, False), (1, True), (2, True)):
            options = {"state_size": HIDDEN, "num_layers": layers, "mode": mode, "bidirectional": both, "name": "r"}
            tail = f"{mode}_{layers}{'_both' if both else ''}"
            yield f"rnn_{tail}", S.RNN(DATA, **options), _inputs(mode, layers, 1 + both)
            if layers == 2:
                states = S.RNN(DATA, state_outputs=True, **options)
                yield f"rnn_{tail}_states", states, _inputs(mode, layers, 1 + both)


def _lstm_step(data, hidden, cell, weights):
    gates = S.FullyConnected(data, weights["i2h_weight"], weights["i2h_bias"], num_hidden=4 * HIDDEN)
    gates = gates + S.FullyConnected(hidden, weights["h2h_weight"], weights["h2h_bias"], num_hidden=4 * HIDDEN)
    parts = S.SliceChannel(gates, num_outputs=4)
    enter, forget, leave = (S.Activation(parts[i], act_type="sigmoid") for i in (0, 2, 3))
    cell = forget * cell + enter * S.Activation(parts[1], act_type="tanh")
    return leave * S.Activation(cell, act_type="tanh"), cell


def unrolled():
    weights = {name: S.Variable(name) for name in ("i2h_weight", "i2h_bias", "h2h_weight", "h2h_bias")}
    embedded = S.Embedding(S.Variable("ids"), input_dim=5, output_dim=FEATURES, name="embed")
    steps = S.SliceChannel(embedded, num_outputs=2, squeeze_axis=True)
    hidden, cell, found = S.Variable("hidden"), S.Variable("cell"), []
    for i in range(2):
        hidden, cell = _lstm_step(steps[i], hidden, cell, weights)
        found.append(hidden)
    scores = S.FullyConnected(S.Concat(*found, dim=0), num_hidden=5, name="scores")
    label = S.BlockGrad(S.Reshape(S.transpose(S.Variable("label")), shape=(-1,)))
    loss = S.SoftmaxOutput(scores, label, name="softmax")
    shape = (ROWS, HIDDEN)
    inputs = {"ids": classes(5, ROWS, 2), "label": classes(5, ROWS, 2)}
    inputs |= {"hidden": normal(*shape), "cell": normal(*shape)}
    yield "lstm_unrolled", S.Group([loss, S.BlockGrad(hidden), S.BlockGrad(cell)]), inputs


def attention():
    scores = S.batch_dot(DATA, S.Variable("keys"), transpose_b=True) / np.sqrt(3)
    mixed = S.batch_dot(S.softmax(scores, axis=-1), S.Variable("values"))
    inputs = {"data": normal(2, 3, 3), "keys": normal(2, 4, 3), "values": normal(2, 4, 2)}
    yield "attention", mixed, inputs


FAMILIES = (fused, unrolled, attention)
