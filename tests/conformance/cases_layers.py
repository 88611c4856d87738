"""Layers with weights, activations, and what changes no numbers."""

import mxnet as mx
import numpy as np
from draws import classes, normal

S = mx.sym
DATA, OTHER, IDS = S.Variable("data"), S.Variable("other"), S.Variable("ids")


def layers():
    image = normal(2, 4, 7, 8)
    options = [
        {"kernel": (3, 3)},
        {"kernel": (3, 2), "stride": (2, 1), "pad": (1, 2)},
        {"kernel": (2, 2), "dilate": (2, 3), "no_bias": True},
        {"kernel": (3, 3), "num_group": 2, "pad": (1, 1)},
        {"kernel": (3, 3), "num_group": 4, "stride": (2, 2), "pad": (1, 1), "no_bias": True},
        {"kernel": (1, 1), "stride": (2, 2)},
    ]
    for i, option in enumerate(options):
        yield f"convolution{i}", S.Convolution(DATA, num_filter=4, name="conv", **option), {"data": image}
    one = S.Convolution(DATA, num_filter=3, kernel=(3,), stride=(2,), pad=(1,), name="conv")
    yield "convolution_1d", one, {"data": normal(2, 2, 9)}
    three = S.Convolution(DATA, num_filter=2, kernel=(2, 3, 2), pad=(0, 1, 0), name="conv")
    yield "convolution_3d", three, {"data": normal(1, 2, 3, 4, 3)}
    yield "fc", S.FullyConnected(DATA, num_hidden=5, name="fc"), {"data": normal(3, 2, 4)}
    last = S.FullyConnected(DATA, num_hidden=5, flatten=False, no_bias=True, name="fc")
    yield "fc_last_axis", last, {"data": normal(3, 2, 4)}
    ids = np.array([[0, 3, 3], [4, 1, 0]], np.float32)
    yield "embedding", S.Embedding(IDS, input_dim=5, output_dim=3, name="embed"), {"ids": ids}
    yield "embedding_flat", S.Embedding(IDS, input_dim=4, output_dim=2, name="embed"), {"ids": classes(4, 7)}


def deconvolutions():
    image = normal(2, 4, 3, 4)
    options = [
        {"kernel": (3, 3)},
        {"kernel": (4, 4), "stride": (2, 2), "pad": (1, 1)},
        {"kernel": (3, 2), "stride": (2, 3), "pad": (1, 0), "adj": (1, 2), "no_bias": False},
        {"kernel": (4, 4), "stride": (2, 2), "target_shape": (8, 10)},
        {"kernel": (3, 3), "stride": (2, 2), "num_group": 2, "no_bias": False},
        {"kernel": (2, 2), "dilate": (2, 3)},
        {"kernel": (4, 4), "stride": (2, 2), "pad": (1, 1), "num_group": 4},
    ]
    for i, option in enumerate(options):
        yield f"deconvolution{i}", S.Deconvolution(DATA, num_filter=4, name="deconv", **option), {"data": image}
    one = S.Deconvolution(DATA, num_filter=3, kernel=(3,), stride=(2,), pad=(1,), name="deconv")
    yield "deconvolution_1d", one, {"data": normal(2, 2, 5)}


def activations():
    for act_type in ("relu", "sigmoid", "tanh", "softrelu", "softsign"):
        yield f"activation_{act_type}", S.Activation(DATA, act_type=act_type), {"data": normal(3, 4) * 3}
    image = normal(2, 3, 2, 2) * 2
    for act_type in ("leaky", "elu", "gelu", "prelu"):
        yield f"leakyrelu_{act_type}", S.LeakyReLU(DATA, act_type=act_type, name="act"), {"data": image}
    # MXNet's gradient of selu is not that of its formula: it forgets the scale of the output.
    yield "predict_leakyrelu_selu", S.LeakyReLU(DATA, act_type="selu"), {"data": image}
    yield "leakyrelu_slope", S.LeakyReLU(DATA, slope=0.1), {"data": image}
    yield "leakyrelu_elu_slope", S.LeakyReLU(DATA, act_type="elu", slope=0.7), {"data": image}
    yield "leakyrelu_prelu_flat", S.LeakyReLU(DATA, act_type="prelu", name="act"), {"data": normal(4, 3)}
    shared = {"data": image, "act_gamma": normal(1)}
    yield "leakyrelu_prelu_shared", S.LeakyReLU(DATA, act_type="prelu", name="act"), shared
    yield "predict_leakyrelu_rrelu", S.LeakyReLU(DATA, act_type="rrelu")[0], {"data": image}


def plain():
    yield "flatten", S.Flatten(DATA), {"data": normal(2, 3, 2)}
    yield "blockgrad", S.BlockGrad(DATA) * OTHER, {"data": normal(2, 3), "other": normal(2, 3)}
    yield "identity", S.identity(DATA), {"data": normal(2, 3)}
    yield "group", S.Group([DATA * 2, S.BlockGrad(DATA), OTHER]), {"data": normal(2, 3), "other": normal(3)}
    yield "dropout_off", S.Dropout(DATA, p=0), {"data": normal(2, 3)}
    yield "predict_dropout", S.Dropout(DATA, p=0.5), {"data": normal(2, 3)}
    yield "cast_half", S.Cast(S.Cast(DATA, dtype="float16"), dtype="float32"), {"data": normal(3, 4) * 100}
    whole = S.Cast(S.Cast(DATA, dtype="int32"), dtype="float32")
    yield "predict_cast_int32", whole, {"data": normal(3, 4) * 5}
    yield "predict_cast_uint8", S.Cast(S.Cast(DATA, dtype="uint8"), dtype="float32"), {"data": classes(256, 3, 4)}
    yield "cast_amp", S.amp_cast(DATA, dtype="float32"), {"data": normal(3)}
    yield "cast_same", S.Cast(DATA, dtype="float32"), {"data": normal(3)}


FAMILIES = (layers, deconvolutions, activations, plain)
