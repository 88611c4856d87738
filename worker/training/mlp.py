"""mx.mlp: a multi-layer perceptron in one call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from ...common.errors import ParameterError
from ..symbols import sym
from ..symbols.symbol import Symbol
from .feedforward import FeedForward
from .options import CREATE_DEFAULTS, CreateOptions, spelled_out

_LAYERS_END = {
    "softmax": "SoftmaxOutput",
    "rmse": "LinearRegressionOutput",
    "logistic": "LogisticRegressionOutput",
}


@spelled_out(CREATE_DEFAULTS)
def mlp(
    X: Any,
    y: Any,
    hidden_node: int | Sequence[int] = 10,
    out_node: int = 2,
    dropout: float | None = None,
    activation: str | Sequence[str] = "tanh",
    out_activation: str = "softmax",
    ctx: Any = None,
    num_epoch: int = 10,
    **options: Unpack[CreateOptions],
) -> FeedForward:
    """Train a perceptron with one hidden layer per entry of `hidden_node` and `out_node` outputs, as R's mx.mlp.

    X (examples, features) or a DataIter, and y (examples,), as for `FeedForward.fit`. `activation`: one for all hidden
    layers, or one each. `dropout` is the share of the last hidden layer that is dropped. `out_activation`: softmax
    (classes), rmse (linear), logistic. `options` are those of FeedForward.create; errors as of that and `perceptron`.
    """
    symbol = perceptron(hidden_node, out_node, dropout, activation, out_activation)
    return FeedForward.create(symbol, X, y, ctx, num_epoch, **options)


def perceptron(
    hidden_node: int | Sequence[int],
    out_node: int,
    dropout: float | None = None,
    activation: str | Sequence[str] = "tanh",
    out_activation: str = "softmax",
) -> Symbol:
    """The graph that `mlp` trains: data (N, features) -> (N, out_node).

    Raises ParameterError if the activations do not match the hidden layers, or if `out_activation` or `dropout` is not
    one of the possible values.
    """
    hidden = [hidden_node] if isinstance(hidden_node, int) else list(hidden_node)
    kinds = [activation] * len(hidden) if isinstance(activation, str) else list(activation)
    if len(kinds) != len(hidden):
        raise ParameterError(
            "mlp: activation", expected=f"one name or {len(hidden)}, as many as hidden layers", got=len(kinds)
        )
    if out_activation not in _LAYERS_END:
        raise ParameterError("mlp: out_activation", expected=" or ".join(_LAYERS_END), got=repr(out_activation))
    layer = sym.Variable("data")
    for size, kind in zip(hidden, kinds, strict=True):
        layer = sym.Activation(sym.FullyConnected(layer, num_hidden=size), act_type=kind)
    if dropout is not None:
        if not isinstance(dropout, int | float) or not 0 <= dropout < 1:
            raise ParameterError("mlp: dropout", expected="one number from 0 to below 1", got=repr(dropout))
        layer = sym.Dropout(layer, p=dropout)
    layer = sym.FullyConnected(layer, num_hidden=out_node)
    ending: Symbol = getattr(sym, _LAYERS_END[out_activation])(layer)
    return ending
