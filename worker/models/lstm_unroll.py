"""A language model: long short-term memory (LSTM), unrolled over the steps of a piece of text."""

from __future__ import annotations

from ..symbols import sym
from ..symbols.symbol import Symbol


def lstm_unroll(
    num_classes: int,
    seq_len: int = 32,
    num_layers: int = 1,
    num_hidden: int = 128,
    num_embed: int = 64,
    dropout: float = 0.0,
) -> Symbol:
    """Predict the next token after each of seq_len tokens out of num_classes (Hochreiter and Schmidhuber 1997).

    data (N, seq_len) holds the tokens' numbers, softmax_label (N, seq_len) those that follow. For each layer i the
    inputs l<i>_init_h, l<i>_init_c (N, num_hidden) are the state before the first step. Outputs: softmax_output
    (N, seq_len, num_classes), then for each layer l<i>_last_h_output and l<i>_last_c_output, through which no gradient
    passes: feed them back as the next piece's state. All steps share their weights: embed_weight, l<i>_i2h_weight,
    l<i>_h2h_weight and biases, with the gates in MXNet's order (input, transform, forget, output), and cls_weight.
    """
    net = sym.Embedding(sym.Variable("data"), input_dim=num_classes, output_dim=num_embed, name="embed")
    states = []
    for layer in range(num_layers):
        if dropout > 0:
            net = sym.Dropout(net, p=dropout, name=f"l{layer}_dropout")
        net, hidden, cell = _layer(net, f"l{layer}", seq_len, num_hidden)
        states += [sym.BlockGrad(hidden, name=f"l{layer}_last_h"), sym.BlockGrad(cell, name=f"l{layer}_last_c")]
    if dropout > 0:
        net = sym.Dropout(net, p=dropout, name="dropout")
    net = sym.FullyConnected(net, num_hidden=num_classes, flatten=False, name="cls")
    return sym.Group([sym.SoftmaxOutput(net, preserve_shape=True, name="softmax"), *states])


def _layer(data: Symbol, name: str, seq_len: int, num_hidden: int) -> tuple[Symbol, Symbol, Symbol]:
    """(N, seq_len, inputs) -> hidden states (N, seq_len, num_hidden), last hidden state and last cell (N, num_hidden).

    c' = sigmoid(forget) * c + sigmoid(input) * tanh(transform) and h' = sigmoid(output) * tanh(c'), where the gates are
    W x + V h + b.
    """
    # V and its bias are made here so that all steps share them. W x does not depend on the state: one product for all
    # steps, which is larger and so faster than seq_len small ones.
    weight, bias = sym.Variable(f"{name}_h2h_weight"), sym.Variable(f"{name}_h2h_bias")
    hidden, cell = sym.Variable(f"{name}_init_h"), sym.Variable(f"{name}_init_c")
    inputs = sym.FullyConnected(data, num_hidden=4 * num_hidden, flatten=False, name=f"{name}_i2h")
    steps = sym.SliceChannel(inputs, num_outputs=seq_len, axis=1, squeeze_axis=True, name=f"{name}_steps")
    found = []
    for t in range(seq_len):
        at = f"{name}_t{t}"
        gates = sym.FullyConnected(hidden, weight, bias, num_hidden=4 * num_hidden, name=f"{at}_h2h")
        gates = sym.elemwise_add(steps[t], gates, name=f"{at}_sum")
        enter, transform, forget, leave = sym.SliceChannel(gates, num_outputs=4, axis=1, name=f"{at}_gates")
        kept = sym.elemwise_mul(_sigmoid(forget, f"{at}_forget"), cell, name=f"{at}_kept")
        new = sym.elemwise_mul(_sigmoid(enter, f"{at}_enter"), _tanh(transform, f"{at}_transform"), name=f"{at}_new")
        cell = sym.elemwise_add(kept, new, name=f"{at}_c")
        hidden = sym.elemwise_mul(_sigmoid(leave, f"{at}_leave"), _tanh(cell, f"{at}_tanh"), name=f"{at}_h")
        found.append(sym.expand_dims(hidden, axis=1, name=f"{at}_row"))
    return sym.Concat(*found, dim=1, name=f"{name}_hidden"), hidden, cell


def _sigmoid(data: Symbol, name: str) -> Symbol:
    return sym.Activation(data, act_type="sigmoid", name=name)


def _tanh(data: Symbol, name: str) -> Symbol:
    return sym.Activation(data, act_type="tanh", name=name)
