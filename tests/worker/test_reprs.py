"""What is shown of objects in a console, a debugger or a list."""

import numpy as np

import pushgrad as mx
from pushgrad.worker.training.options import CREATE_DEFAULTS


def network():
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2, name="fc"), name="softmax")


def test_symbols_and_executors():
    net = network()
    assert repr(net) == "<Symbol softmax>"
    assert repr(mx.sym.Group([net, net.get_internals()["fc_output"]])) == "<Symbol group [softmax, fc]>"
    assert repr(net.simple_bind(mx.cpu(), data=(5, 3))).endswith("Executor softmax_output (5, 2)>")


def test_models():
    model = mx.FeedForward(network(), num_epoch=2)
    assert repr(model) == "<FeedForward softmax_output: no parameters yet>"
    model.fit(np.zeros((4, 3)), np.zeros(4), verbose=False)
    assert repr(model) == "<FeedForward softmax_output: 8 parameters after 2 epochs>"


def test_iterators():
    batches = mx.io.NDArrayIter(np.zeros((6, 3)), np.zeros(6), batch_size=2)
    assert repr(batches) == "<NDArrayIter data (2, 3), softmax_label (2,)>"

    class Part(mx.io.DataIter):
        num_parts, part_index = 2, 1

    assert repr(Part()) == "<Part without arrays, part 1 of 2>"


def test_stores():
    kv = mx.kv.create("local")
    kv.init([1, 2], [np.zeros(2), np.zeros(3)])
    assert repr(kv) == "<KVStore local: worker 0 of 1, 2 keys, keeps sums>"
    kv.set_optimizer("sgd")
    assert repr(kv) == "<KVStore local: worker 0 of 1, 2 keys, sgd>"


def test_metrics():
    metric = mx.metric.create(["accuracy", "mae"])
    assert repr(metric) == "<CompositeMetric [<Accuracy accuracy: no batches yet>, <MAE mae: no batches yet>]>"
    metric.leaves()[0].add(0.5)
    assert repr(metric.leaves()[0]) == "<Accuracy accuracy: 0.5 over 1 batches>"


def test_help_explains_each_option_with_its_default():
    text = mx.FeedForward.create.__doc__
    assert "    batch_size (None): examples per step over the whole job" in text
    for name in (*CREATE_DEFAULTS,):
        assert f"    {name} ({CREATE_DEFAULTS[name]!r}): " in text
    assert "batch_size" in mx.FeedForward.__init__.__doc__ and "verbose (True)" in mx.FeedForward.fit.__doc__
