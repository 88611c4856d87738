"""Arrays of GPUs as keys' values: users of mx.kv may bring them."""

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import JobError, ParameterError


@pytest.mark.parametrize("gpus", [2], indirect=True)
def test_arrays_of_several_gpus_are_summed_and_filled(gpus):
    kv = mx.kv.create("device")
    kv.set_optimizer(mx.optimizer.SGD(learning_rate=0.5))
    kv.init("weight", np.ones((2, 3), np.float32))
    parts, outs = [], []
    for index in range(2):
        with gpus.cuda.Device(index):
            parts.append(gpus.full((2, 3), index + 1, np.float32))
            outs.append(gpus.zeros((2, 3), np.float32))
    kv.push("weight", parts)
    kv.pull("weight", outs)
    for index, out in enumerate(outs):
        with gpus.cuda.Device(index):
            np.testing.assert_array_equal(out.get(), np.full((2, 3), 1 - 0.5 * 3))
    kv.close()


@pytest.mark.parametrize("gpus", [1], indirect=True)
@pytest.mark.parametrize("kind", ["dist_sync", "servers"])
def test_a_store_that_does_not_fit_is_refused_on_gpus_too(gpus, kind):
    data, labels = np.zeros((4, 2), np.float32), np.zeros(4, np.float32)
    net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2), name="softmax")
    with pytest.raises((JobError, ParameterError), match="kvstore"):
        mx.FeedForward.create(net, data, labels, ctx=mx.gpu(0), kvstore=kind, verbose=False)
