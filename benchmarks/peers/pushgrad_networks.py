"""The networks that are compared, as symbols: those of `mx.models`, and a language model on a fused LSTM."""

from data import LSTM, VOCABULARY

import pushgrad as mx


def network(name):
    return lstm() if name == "lstm" else mx.models.get(name)


def lstm():
    """The next token after each of (N, steps) tokens, for (N, steps) labels."""
    net = mx.sym.Embedding(mx.sym.Variable("data"), input_dim=VOCABULARY, output_dim=LSTM.embedded, name="embed")
    net = mx.sym.SwapAxis(net, dim1=0, dim2=1)
    net = mx.sym.RNN(net, mode="lstm", state_size=LSTM.hidden, num_layers=LSTM.layers, name="lstm")
    net = mx.sym.FullyConnected(mx.sym.SwapAxis(net, dim1=0, dim2=1), num_hidden=VOCABULARY, flatten=False)
    return mx.sym.SoftmaxOutput(net, preserve_shape=True, normalization="batch", name="softmax")
