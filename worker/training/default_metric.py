"""Which metric a training or a score has if none is named: the network's losses say what is worth knowing."""

from __future__ import annotations

from typing import Any

from ..graphs.graph import Graph
from .metrics import metric
from .metrics.base import Metric
from .pairing import loss_of

_BY_LOSS = {"LinearRegressionOutput": "rmse", "MAERegressionOutput": "mae", "MakeLoss": "loss", "make_loss": "loss"}


def chosen_metric(symbol: Graph, given: Any) -> Metric:
    """What `mx.metric.create` makes of `given`; the network's own metric if that is None. Errors as of `create`."""
    return default_metric(symbol) if given is None else metric.create(given)


def default_metric(symbol: Graph) -> Metric:
    """rmse for LinearRegressionOutput, mae for MAERegressionOutput, loss for MakeLoss, accuracy for all else.

    A network with losses of several kinds has one for each kind, which counts the outputs of that kind.
    """
    kinds: dict[str, list[str]] = {}
    for entry, name in zip(symbol.heads, symbol.list_outputs(), strict=True):
        op = loss_of(entry)
        if op is not None and (op.is_loss or "label" in op.arguments()):
            kinds.setdefault(_BY_LOSS.get(op.op_name(), "accuracy"), []).append(name)
    if len(kinds) > 1:
        return metric.create([metric.create(kind, output_names=names) for kind, names in kinds.items()])
    return metric.create(next(iter(kinds), "accuracy"))
