"""What goes wrong on a GPU is told with what helps."""

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import DeviceError
from pushgrad.worker.cuda.device import Device
from pushgrad.worker.devices.placement import Placement
from pushgrad.worker.execution.gpu.channels_last import ChannelsLast
from pushgrad.worker.execution.gpu.gpu_errors import Need, explained
from pushgrad.worker.execution.gpu.replicas import Replicas


def train(batch_size):
    net = mx.sym.FullyConnected(mx.sym.Flatten(mx.sym.Variable("data")), num_hidden=256)
    net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, num_hidden=3), name="softmax")
    data, labels = np.zeros((4096, 16), np.float32), np.zeros(4096, np.float32)
    return mx.FeedForward.create(net, data, labels, ctx=mx.gpu(0), batch_size=batch_size, num_epoch=1, verbose=False)


def test_too_large_a_batch(cupy_on_cpu):
    Device.get(0).pool.set_limit(size=6 << 20)
    message = r"gpu\(0\): out of memory: (expected \d+ MiB more, )?got \d+ MiB free; .* take \d+ MiB"
    with pytest.raises(DeviceError, match=message + r"\. batch_size=\d+ would probably fit"):
        train(4096)
    train(64)


def test_an_error_of_the_driver(device):
    runtime = device.xp.cuda.runtime
    with pytest.raises(DeviceError, match=r"gpu\(0\): .*nvidia-smi.*begin_epoch"), explained([device]):
        runtime.setDevice(99)


def test_what_a_step_needs():
    need = Need({"data": (10, 100), "out": (10, 20), "weight": (20, 100)}, rows=10, is_trained=True)
    assert need.per_row == 2 * 4 * 120
    assert need.fixed == 2 * 4 * 2000
    assert need.fitting_rows(need.fixed) == 0
    assert need.fitting_rows(int((need.fixed + 50 * need.per_row) / 0.9) + 1) == 50


def test_what_a_step_needs_in_halves():
    formats = {"out": ChannelsLast("float16")}
    need = Need({"data": (10, 100), "out": (10, 4, 5, 1)}, rows=10, is_trained=False, formats=formats)
    assert need.per_row == 4 * 100 + 2 * 20


def test_what_stays_within_a_kernel_needs_nothing(gpus):
    net = mx.sym.Activation(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=50, name="fc"), act_type="relu")
    needs = [
        Replicas(head, Placement.of(mx.gpu(0)), "null", {"data": (8, 4)}, "float32", 8).need
        for head in (net, net.get_internals()["fc_output"])
    ]
    assert needs[0].per_row == needs[1].per_row == 4 * (4 + 50)
