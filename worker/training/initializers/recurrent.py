"""The first values of RNN's vector of parameters, block by block, as MXNet's FusedRNN has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ....common.errors import ParameterError, ShapeError
from ...array import Array, Shape
from ...ops.rnn import RNN
from .base import Initializer

Rule = Callable[[str, Shape], Array]  # the value of a parameter from its name and shape


class FusedRNN(Initializer):
    """For the parameters of an RNN with these options: each gate's weights are drawn by `init`, and biases are 0.

    For lstm both biases of the forget gate are `forget_bias`, so that cells remember from the start. `init` None stands
    for FeedForward's initializer, or Xavier if that was not chosen; it sees weights (state_size, inputs). Raises
    ParameterError for wrong options.
    """

    def __init__(
        self,
        init: Any,
        num_hidden: int,
        num_layers: int,
        mode: str,
        bidirectional: bool = False,
        forget_bias: float = 1.0,
    ) -> None:
        if init is not None and not callable(init):
            raise ParameterError("FusedRNN: init", expected="an initializer or None", got=repr(init)[:80])
        self.rnn = RNN(state_size=num_hidden, num_layers=num_layers, mode=mode, bidirectional=bidirectional)
        self.init: Rule | None = init
        self.forget_bias = float(forget_bias)

    def weight(self, name: str, shape: Shape) -> Array:
        """Values for the whole vector (n,). Raises ShapeError if no number of inputs makes it that long."""
        if self.init is None:
            raise ParameterError(f"FusedRNN: parameter {name!r}", expected="an initializer of weights", got=None)
        layout, size = self.rnn.layout(), self.rnn.state_size
        empty = layout.length(0)
        channels, rest = divmod(shape[0] - empty, layout.length(1) - empty) if len(shape) == 1 else (0, 1)
        if rest or channels < 1:
            raise ShapeError(f"FusedRNN: parameter {name!r}", expected="a vector as long as RNN's", got=shape)
        vector = np.zeros(shape, np.float32)
        for index, weights in enumerate(layout.unpack(vector, channels)):
            where = f"{name.removesuffix('parameters')}{'lr'[index % layout.directions]}{index // layout.directions}"
            for source, matrix, bias in (
                ("i2h", weights.input, weights.input_bias),
                ("h2h", weights.state, weights.state_bias),
            ):
                for gate in range(layout.gates):
                    rows = slice(gate * size, (gate + 1) * size)
                    matrix[rows] = self.init(f"{where}_{source}_{gate}_weight", matrix[rows].shape)
                    bias[rows] = self.forget_bias if self.rnn.mode == "lstm" and gate == 1 else 0
        return vector

    def options(self) -> dict[str, Any]:
        """The keywords that make this initializer again, `init` as its own text."""
        describe = getattr(self.init, "dumps", None)
        rnn = self.rnn
        return {
            "init": None if describe is None else describe(), "num_hidden": rnn.state_size,
            "num_layers": rnn.num_layers, "mode": rnn.mode, "bidirectional": rnn.bidirectional,
            "forget_bias": self.forget_bias,
        }  # fmt: skip
