"""A multilayer perceptron."""

from __future__ import annotations

from collections.abc import Sequence

from ..symbols import sym
from ..symbols.symbol import Symbol


def mlp(num_classes: int = 10, hidden: Sequence[int] = (128, 64), activation: str = "relu") -> Symbol:
    """data (N, ...) -> softmax (N, num_classes) through fully connected layers of the sizes `hidden`.

    The layers are called fc1, fc2, ... With the default sizes and images of 784 pixels there are 109 386 parameters.
    `activation` is an act_type of Activation.
    """
    net = sym.Flatten(sym.Variable("data"), name="flatten")
    for index, size in enumerate(hidden, 1):
        net = sym.FullyConnected(net, num_hidden=size, name=f"fc{index}")
        net = sym.Activation(net, act_type=activation, name=f"{activation}{index}")
    net = sym.FullyConnected(net, num_hidden=num_classes, name=f"fc{len(hidden) + 1}")
    return sym.SoftmaxOutput(net, name="softmax")
