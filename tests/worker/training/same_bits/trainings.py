"""Small trainings of which every bit is to be the same on all processors: a checksum of each, in JSON.

    python trainings.py [NAME...] > checksums.json

With FLOATS_OF_VECTORS the width of vectors is not that of the processor. Data are whole numbers divided by a power of
two, and so exact. The number of slices is fixed: it decides in which order gradients are added up.
"""

import hashlib
import json
import os
import sys

import numpy as np
from llvmlite import ir

import pushgrad as mx
from pushgrad.worker.cpu import vectors

sym = mx.sym

# Before any kernel is declared. Where the processor has not as many, LLVM takes several registers for a vector.
if "FLOATS_OF_VECTORS" in os.environ:
    vectors.WIDTH = int(os.environ["FLOATS_OF_VECTORS"])
    vectors.VECTOR = ir.VectorType(vectors.FLOAT, vectors.WIDTH)


def numbers(shape, seed):
    """Numbers in [-0.5, 0.5) that look random."""
    count = int(np.prod(shape))
    drawn = (np.arange(count, dtype=np.uint64) + seed) * 2654435761 % 65521
    return (drawn.astype(np.float32) / 65536 - 0.5).reshape(shape)


def convolved():
    """3x3 and depthwise convolutions, BatchNorm, one activation of each kind, LRN, max- and mean-pooling, Adam."""
    net = sym.Variable("data")
    for index, act_type in enumerate(("tanh", "sigmoid", "softrelu", "softsign", "relu")):
        net = sym.Convolution(net, kernel=(3, 3), pad=(1, 1), num_filter=16, name=f"conv{index}")
        net = sym.BatchNorm(net, name=f"norm{index}") if index % 2 else net
        net = sym.Activation(net, act_type=act_type)
    net = sym.Pooling(net, kernel=(2, 2), stride=(2, 2), pool_type="max")
    for act_type in ("elu", "selu", "gelu", "prelu"):
        net = sym.LeakyReLU(net, act_type=act_type, name=act_type)
    net = sym.Convolution(net, kernel=(3, 3), num_filter=16, num_group=16, name="depthwise")
    net = sym.LRN(net, nsize=3, beta=0.6)
    net = sym.Dropout(net, p=0.2)
    net = sym.Pooling(net, kernel=(1, 1), global_pool=True, pool_type="avg")
    return trained(net, numbers((32, 8, 12, 12), 1), 16, optimizer="adam", learning_rate=0.01)


def functions():
    """Operators without kernels: exp, log, powers, softmax, norms, reductions; momentum SGD."""
    net = sym.Variable("data")
    net = sym.LayerNorm(sym.broadcast_add(net, sym.Variable("first_bias", shape=(1, 24))), name="norm")
    for function in ("exp", "log1p", "expm1", "arctan", "sin", "erf", "cbrt"):
        net = getattr(sym, function)(sym.broadcast_mul(net, sym.Variable(f"{function}_weight", shape=(1, 24))) + 0.3)
    net = sym.L2Normalization(sym.abs(net) ** 1.3)
    net = net - sym.broadcast_mul(sym.log_softmax(net), sym.mean(net, axis=1, keepdims=True))
    return trained(net, numbers((40, 24), 2), 24, learning_rate=0.1, momentum=0.9)


def perceptron():
    return trained(mx.models.mlp(10, (32, 16), "tanh"), numbers((60, 20), 3), 10, learning_rate=0.1, momentum=0.9)


def lenet():
    return trained(mx.models.lenet(), numbers((16, 1, 28, 28), 4), 10, learning_rate=0.05, momentum=0.9)


def recurrent():
    """An LSTM and a GRU over 5 steps; Adam."""
    net = sym.SwapAxis(sym.Variable("data"), dim1=0, dim2=1)
    for mode in ("lstm", "gru"):
        net = sym.RNN(net, mode=mode, state_size=20, num_layers=1, name=mode)
    net = sym.FullyConnected(sym.mean(net, axis=0), num_hidden=6, name="last")
    return trained(net, numbers((24, 5, 8), 5), 6, optimizer="adam", learning_rate=0.01)


def trained(net, data, classes, **options):
    """The checksum of parameters, states, predictions and cross-entropy after two epochs."""
    if "SoftmaxOutput" not in net.tojson():
        net = sym.SoftmaxOutput(sym.Flatten(net), name="softmax")
    labels = np.arange(len(data), dtype=np.float32) * 7 % classes
    mx.random.seed(1)
    model = mx.FeedForward.create(
        net, data, labels, num_epoch=2, batch_size=len(data) // 2, slices=2, verbose=False, kvstore="local", **options
    )
    found = hashlib.sha256()
    for _, array in sorted({**model.arg_params, **model.aux_params}.items()):
        assert np.isfinite(array).all()
        found.update(np.ascontiguousarray(array).tobytes())
    found.update(np.ascontiguousarray(model.predict(data)).tobytes())
    found.update(repr(float(model.score(data, labels, eval_metric="ce"))).encode())
    return found.hexdigest()[:16]


TRAININGS = {function.__name__: function for function in (convolved, functions, perceptron, lenet, recurrent)}

if __name__ == "__main__":
    print(json.dumps({name: TRAININGS[name]() for name in sys.argv[1:] or TRAININGS}, indent=1))
