"""Normalisations: over the batch, an instance, a vector's length, neighbouring channels."""

import mxnet as mx
from draws import normal, positive

S = mx.sym
DATA = S.Variable("data")


def _with_states(data, channels):
    """Inputs of a BatchNorm named bn, with averages that are no longer as they began."""
    states = {"bn_moving_mean": normal(channels) / 2, "bn_moving_var": positive(channels)}
    return {"data": data, "bn_gamma": positive(channels), "bn_beta": normal(channels), **states}


def batch_norm():
    options = {
        "default": {},
        "gamma": {"fix_gamma": False},
        "global": {"fix_gamma": False, "use_global_stats": True},
        "global_fixed": {"use_global_stats": True},
        "eps": {"fix_gamma": False, "eps": 0.1},
        "momentum": {"fix_gamma": False, "momentum": 0.5},
        "no_momentum": {"fix_gamma": False, "momentum": 0},
        "mean_var": {"fix_gamma": False, "output_mean_var": True},
    }
    for name, option in options.items():
        symbol = S.BatchNorm(DATA, name="bn", **option)
        yield f"batchnorm_{name}", symbol, _with_states(normal(3, 2, 3, 2) + 0.5, 2)
    yield "batchnorm_flat", S.BatchNorm(DATA, fix_gamma=False, name="bn"), _with_states(normal(5, 3), 3)
    yield "batchnorm_1d", S.BatchNorm(DATA, fix_gamma=False, name="bn"), _with_states(normal(3, 2, 4), 2)
    last = S.BatchNorm(DATA, fix_gamma=False, axis=-1, name="bn")
    yield "batchnorm_last_axis", last, _with_states(normal(2, 3, 2, 4), 4)
    used = S.BatchNorm(S.BatchNorm(DATA, name="first") * 2, fix_gamma=False, name="bn")
    yield "batchnorm_twice", used, {"data": normal(4, 3)}
    relu = S.Activation(S.BatchNorm(DATA, fix_gamma=False, name="bn"), act_type="relu")
    yield "batchnorm_relu", relu, _with_states(normal(3, 2, 3, 3), 2)


def instance_norm():
    yield "instancenorm", S.InstanceNorm(DATA, name="norm"), {"data": normal(2, 3, 4, 2)}
    yield "instancenorm_eps", S.InstanceNorm(DATA, eps=0.1, name="norm"), {"data": normal(2, 3, 5)}


def layer_norm():
    yield "layernorm", S.LayerNorm(DATA, name="norm"), {"data": normal(2, 3, 4)}
    yield "layernorm_axis", S.LayerNorm(DATA, axis=1, eps=0.1, name="norm"), {"data": normal(2, 3, 4)}
    whole = S.LayerNorm(DATA, output_mean_var=True, name="norm")
    yield "layernorm_mean_var", whole, {"data": normal(3, 4)}


def l2_normalization():
    for mode in ("instance", "channel", "spatial"):
        yield f"l2normalization_{mode}", S.L2Normalization(DATA, mode=mode), {"data": normal(2, 3, 2, 2)}
    yield "l2normalization_eps", S.L2Normalization(DATA, eps=0.5), {"data": normal(3, 4)}


def lrn():
    image = normal(2, 5, 2, 3) * 3
    yield "lrn", S.LRN(DATA, nsize=5), {"data": image}
    yield "lrn_options", S.LRN(DATA, nsize=3, alpha=0.5, beta=0.6, knorm=1), {"data": image}
    yield "lrn_wide", S.LRN(DATA, nsize=5, alpha=1, knorm=0.5), {"data": image}


FAMILIES = (batch_norm, instance_norm, layer_norm, l2_normalization, lrn)
