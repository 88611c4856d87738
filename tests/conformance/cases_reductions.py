"""One number for many: sums, means, extremes, norms, and where the extremes are; softmax along an axis."""

import mxnet as mx
import numpy as np
from draws import distinct, normal, positive

S = mx.sym
DATA = S.Variable("data")


def reductions():
    options = {
        "all": {},
        "axis": {"axis": 1},
        "axes": {"axis": (0, 2)},
        "keepdims": {"axis": (1, 2), "keepdims": True},
        "exclude": {"axis": 1, "exclude": True},
        "last": {"axis": -1},
    }
    for function in ("sum", "mean", "max", "min", "prod"):
        numbers = positive(2, 3, 4) if function == "prod" else distinct(2, 3, 4)
        for name, option in options.items():
            yield f"{function}_{name}", getattr(S, function)(DATA, **option), {"data": numbers}
    gaps = normal(3, 4)
    gaps[[0, 1], [2, 3]] = np.nan
    for function in ("nansum", "nanprod"):
        yield function, getattr(S, function)(DATA, axis=1), {"data": gaps}
    yield "max_ties", S.max(DATA, axis=1), {"data": normal(2, 3).round()}
    yield "norm", S.norm(DATA), {"data": normal(2, 3)}
    yield "norm_axis", S.norm(DATA, axis=1, keepdims=True), {"data": normal(2, 3)}
    yield "norm_l1", S.norm(DATA, ord=1, axis=0), {"data": normal(2, 3)}


def positions():
    for name in ("argmax", "argmin"):
        yield f"{name}_axis", getattr(S, name)(DATA, axis=1), {"data": distinct(3, 4)}
        yield f"{name}_keepdims", getattr(S, name)(DATA, axis=0, keepdims=True), {"data": distinct(3, 4)}
        yield f"{name}_all", getattr(S, name)(DATA), {"data": distinct(3, 4)}
    yield "predict_argmax_channel", S.argmax_channel(DATA), {"data": distinct(3, 4)}


def softmax():
    for name in ("softmax", "log_softmax", "softmin"):
        for tail, option in (("", {}), ("_axis", {"axis": 1}), ("_temperature", {"temperature": 2.5})):
            yield f"{name}{tail}", getattr(S, name)(DATA, **option), {"data": normal(2, 3, 4)}
    yield "softmaxactivation_instance", S.SoftmaxActivation(DATA), {"data": normal(3, 4)}
    yield "softmaxactivation_channel", S.SoftmaxActivation(DATA, mode="channel"), {"data": normal(2, 3, 2, 2)}


FAMILIES = (reductions, positions, softmax)
