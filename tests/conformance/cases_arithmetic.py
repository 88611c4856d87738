"""Functions of numbers: of one, of one and a constant, of two of equal or of fitting shapes; comparisons."""

import mxnet as mx
import numpy as np
from draws import inside, normal, positive

S = mx.sym
DATA, OTHER = S.Variable("data"), S.Variable("other")
COMPARISONS = ("equal", "not_equal", "greater", "greater_equal", "lesser", "lesser_equal")
LOGICAL = ("logical_and", "logical_or", "logical_xor")


def pairs():
    both = {"data": positive(2, 3), "other": positive(2, 3)}
    found = {"plus": DATA + OTHER, "minus": DATA - OTHER, "mul": DATA * OTHER, "div": DATA / OTHER}
    found |= {"power": DATA**OTHER, "square_by_hand": DATA * DATA + OTHER, "mod": DATA % OTHER}
    found |= {"maximum": S.maximum(DATA, OTHER), "minimum": S.minimum(DATA, OTHER), "hypot": S.hypot(DATA, OTHER)}
    for name, symbol in found.items():
        yield name, symbol, both
    same = np.array([[1, 2, 2.5], [0, 2, 4]], np.float32)
    other = np.array([[1, 3, 2.5], [1, 1, 4]], np.float32)
    for name in COMPARISONS:
        yield name, getattr(S._internal, f"_{name}")(DATA, OTHER), {"data": same, "other": other}
    for name in LOGICAL:
        yield name, getattr(S._internal, f"_{name}")(DATA, OTHER), {"data": same - 1, "other": other - 1}
    yield "maximum_ties", S.maximum(DATA, OTHER), {"data": same, "other": other}
    yield "minimum_ties", S.minimum(DATA, OTHER), {"data": same, "other": other}


def scalars():
    one = {"data": positive(2, 3)}
    found = {"plus": DATA + 1.5, "minus": DATA - 1.5, "rminus": 1.5 - DATA, "mul": DATA * 1.5, "div": DATA / 1.5}
    found |= {"rdiv": 1.5 / DATA, "power": DATA**1.5, "rpower": 1.5**DATA, "mod": DATA % 0.7, "rmod": 1.5 % DATA}
    found |= {"maximum": S.maximum(DATA, 1.2), "minimum": S.minimum(DATA, 1.2), "hypot": S.hypot(DATA, 1.5)}
    for name, symbol in found.items():
        yield f"{name}_scalar", symbol, one
    yield "negative_by_hand", -DATA, one
    steps = {"data": np.array([[1, 2, 2.5], [0, 2, 4]], np.float32)}
    for name in COMPARISONS:
        yield f"{name}_scalar", getattr(S._internal, f"_{name}_scalar")(DATA, scalar=2), steps
    for name in LOGICAL:
        for scalar in (0, 1):
            yield f"{name}_scalar{scalar}", getattr(S._internal, f"_{name}_scalar")(DATA, scalar=scalar), steps
    yield "smooth_l1", S.smooth_l1(DATA, scalar=2), {"data": normal(3, 4)}
    yield "clip", S.clip(DATA, a_min=-0.5, a_max=0.8), {"data": normal(3, 4)}
    yield "clip_edges", S.clip(DATA, a_min=0, a_max=6), {"data": np.array([-1, 0, 3, 6, 7], np.float32)}


def unary():
    anywhere = "abs ceil cos exp floor round rint fix trunc sign sin square tanh sigmoid relu negative arctan sinh cosh"
    anywhere += " arcsinh expm1 cbrt softsign hard_sigmoid erf zeros_like ones_like degrees radians"
    above = "log log2 log10 log1p sqrt rsqrt reciprocal rcbrt gamma gammaln"
    within = "arcsin arccos arctanh tan"
    for names, numbers in ((anywhere, normal(3, 4) * 2), (above, positive(3, 4)), (within, inside(3, 4))):
        for name in names.split():
            yield f"unary_{name}", getattr(S, name)(DATA), {"data": numbers}
    yield "unary_arccosh", S.arccosh(DATA), {"data": 1 + positive(3, 4)}
    yield "unary_logical_not", S.logical_not(DATA), {"data": np.array([0, 1, -2, 0], np.float32)}
    halves = {"data": np.array([-2.5, -1.5, -0.5, -0.4, 0, 0.5, 1.5, 2.5], np.float32)}
    for name in ("round", "rint", "fix", "sign", "abs", "relu"):
        yield f"unary_{name}_halves", getattr(S, name)(DATA), halves


def broadcast():
    inputs = {"data": positive(2, 3, 1), "other": positive(1, 3, 4)}
    for name in ("add", "sub", "mul", "div", "power", "maximum", "minimum", "mod", "hypot"):
        yield f"broadcast_{name}", getattr(S, f"broadcast_{name}")(DATA, OTHER), inputs
    yield "broadcast_one", S.broadcast_mul(DATA, OTHER), {"data": normal(2, 3), "other": normal(1, 1)}
    steps = {"data": np.array([[1], [2]], np.float32), "other": np.array([[1, 2, 3]], np.float32)}
    for name in (*COMPARISONS, *LOGICAL):
        yield f"broadcast_{name}", getattr(S, f"broadcast_{name}")(DATA, OTHER), steps
    yield "broadcast_to", S.broadcast_to(DATA, shape=(2, 0, 4)), {"data": normal(1, 3, 1)}
    yield "broadcast_axis", S.broadcast_axis(DATA, axis=(0, 2), size=(2, 3)), {"data": normal(1, 3, 1)}
    yield "broadcast_like", S.broadcast_like(DATA, OTHER), {"data": normal(1, 3), "other": normal(2, 3)}


FAMILIES = (pairs, scalars, unary, broadcast)
