"""Small networks: several operators at once, shared inputs, several outputs."""

import mxnet as mx
from draws import classes, normal

S = mx.sym
DATA = S.Variable("data")


def _conv(data, filters, kernel, name, act=True, **options):
    pad = tuple(extent // 2 for extent in kernel)
    net = S.Convolution(data, num_filter=filters, kernel=kernel, pad=pad, no_bias=True, name=f"{name}_conv", **options)
    net = S.BatchNorm(net, fix_gamma=False, eps=2e-5, name=f"{name}_bn")
    return S.Activation(net, act_type="relu", name=f"{name}_relu") if act else net


def _head(net, classes_=4):
    pooled = S.Flatten(S.Pooling(net, global_pool=True, pool_type="avg", kernel=(1, 1)))
    return S.SoftmaxOutput(S.FullyConnected(pooled, num_hidden=classes_, name="fc"), name="softmax")


def _inputs(*shape):
    return {"data": normal(*shape), "softmax_label": classes(4, shape[0])}


def lenet():
    net = S.Convolution(DATA, kernel=(3, 3), num_filter=3, name="conv1")
    net = S.Pooling(S.Activation(net, act_type="tanh"), kernel=(2, 2), stride=(2, 2), pool_type="max")
    side = S.Pooling(net, kernel=(3, 3), stride=(1, 1), pad=(1, 1), pool_type="avg")
    net = S.Flatten(S.Concat(net, side * 0.5))
    net = S.FullyConnected(S.Activation(S.FullyConnected(net, num_hidden=6), act_type="relu"), num_hidden=4, name="fc2")
    yield "network", S.SoftmaxOutput(net, name="softmax"), _inputs(5, 1, 8, 8)


def residual():
    first = _conv(DATA, 4, (3, 3), "a")
    block = _conv(_conv(first, 4, (3, 3), "b"), 4, (3, 3), "c", act=False)
    yield "residual_block", _head(S.Activation(block + first, act_type="relu")), _inputs(4, 2, 6, 6)
    before = S.Activation(S.BatchNorm(DATA, fix_gamma=True, name="bn_data"), act_type="relu")
    short = S.Convolution(before, num_filter=4, kernel=(1, 1), stride=(2, 2), no_bias=True, name="short")
    long = _conv(before, 4, (3, 3), "d", stride=(2, 2))
    long = S.Convolution(long, num_filter=4, kernel=(3, 3), pad=(1, 1), name="e")
    yield "residual_block_v2", _head(long + short), _inputs(3, 2, 6, 6)


def inception():
    ways = [_conv(DATA, 2, (1, 1), "one"), _conv(_conv(DATA, 2, (1, 1), "reduce"), 3, (3, 3), "three")]
    pooled = S.Pooling(DATA, kernel=(3, 3), stride=(1, 1), pad=(1, 1), pool_type="avg")
    ways.append(_conv(pooled, 2, (1, 1), "project"))
    yield "inception_block", _head(S.Concat(*ways, name="concat")), _inputs(4, 3, 6, 6)
    halved = _conv(DATA, 2, (3, 3), "down", stride=(2, 2))
    pooled = S.Pooling(DATA, kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="max")
    yield "inception_down", _head(S.Concat(halved, pooled)), _inputs(4, 2, 6, 6)


def mobile():
    deep = _conv(DATA, 4, (3, 3), "depth", num_group=4)
    gate = S.Pooling(deep, global_pool=True, pool_type="avg", kernel=(1, 1))
    gate = S.Activation(S.Convolution(gate, num_filter=4, kernel=(1, 1), name="gate"), act_type="sigmoid")
    net = S.clip(S.broadcast_mul(deep, gate), a_min=0, a_max=6)
    yield "mobile_block", _head(_conv(net, 3, (1, 1), "point", act=False)), _inputs(3, 4, 5, 5)


def alexnet():
    net = S.Activation(S.Convolution(DATA, kernel=(3, 3), stride=(2, 2), num_filter=4, name="conv"), act_type="relu")
    net = S.LRN(net, alpha=0.1, beta=0.75, knorm=1, nsize=3)
    net = S.Pooling(net, kernel=(3, 3), stride=(2, 2), pool_type="max", pooling_convention="full")
    net = S.Dropout(S.FullyConnected(S.Flatten(net), num_hidden=5, name="fc1"), p=0)
    net = S.FullyConnected(net, num_hidden=4, name="fc2")
    yield "alexnet_head", S.SoftmaxOutput(net, name="softmax"), _inputs(3, 2, 9, 9)


def segmentation():
    small = S.Convolution(DATA, kernel=(3, 3), stride=(2, 2), pad=(1, 1), num_filter=3, name="conv")
    small = S.Activation(small, act_type="relu")
    large = S.Deconvolution(small, kernel=(4, 4), stride=(2, 2), pad=(1, 1), num_filter=4, name="up")
    cut = S.Crop(large, DATA, num_args=2)
    inputs = {"data": normal(2, 2, 5, 6), "softmax_label": classes(4, 2, 30)}
    yield "segmentation", S.SoftmaxOutput(cut, multi_output=True, normalization="valid", name="softmax"), inputs


FAMILIES = (lenet, residual, inception, mobile, alexnet, segmentation)
