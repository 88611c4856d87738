"""Who holds memory on a GPU, and for how long; several threads that use one GPU."""

import threading

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import ParameterError
from pushgrad.worker.cuda.device import Device
from pushgrad.worker.execution.gpu import pinned_pages


def network():
    net = mx.sym.Convolution(mx.sym.Variable("data"), kernel=(3, 3), num_filter=4, name="conv")
    net = mx.sym.FullyConnected(mx.sym.Flatten(mx.sym.Activation(net, act_type="relu")), num_hidden=3, name="fc")
    return mx.sym.SoftmaxOutput(net, name="softmax")


def train(ctx, seed=0):
    generator = np.random.default_rng(seed)
    data, labels = generator.standard_normal((20, 1, 8, 8)), generator.integers(0, 3, 20)
    return mx.FeedForward.create(
        network(), data, labels, ctx=ctx, num_epoch=1, batch_size=10, eval_data=(data, labels), verbose=False
    )


def test_a_training_leaves_no_memory_taken(gpus):
    train(mx.gpu(0))  # makes what is there once per process: scratch memory
    device = Device.get(0)
    before = device.used_bytes()
    model = train(mx.gpu(0))
    assert device.used_bytes() == before
    model.predict(np.zeros((10, 1, 8, 8)))
    assert device.used_bytes() > before  # kept for the next prediction
    del model
    assert device.used_bytes() == before


def test_the_cache_goes_back_to_the_driver(gpus):
    train(mx.gpu(0))
    device = Device.get(0)
    with device.here():
        assert device.pool.total_bytes() > device.pool.used_bytes()
        mx.gpu(0).empty_cache()
        assert device.pool.total_bytes() == device.pool.used_bytes()
    with pytest.raises(ParameterError, match=r"cpu\(0\).empty_cache"):
        mx.cpu().empty_cache()


def test_registered_pages_are_let_go(gpus, monkeypatch):
    let_go, close = [], pinned_pages._unregister
    monkeypatch.setattr(pinned_pages, "_unregister", lambda *args: (let_go.append(len(args[1])), close(*args)))
    model = train([mx.gpu(0), mx.cpu()])
    model.predict(np.zeros((10, 1, 8, 8)))
    during = len(let_go)
    del model
    assert len(let_go) == during + 1
    assert sum(let_go) > 0


def test_threads_take_turns_on_a_gpu(gpus):
    models = [train(mx.gpu(0), seed) for seed in range(3)]
    data = np.random.default_rng(9).standard_normal((20, 1, 8, 8))
    expected, wrong = [model.predict(data) for model in models], []

    def use(index):
        for _ in range(5):
            found = models[index].predict(data)
            if not np.array_equal(found, expected[index]):
                wrong.append(index)

    threads = [threading.Thread(target=use, args=(index % 3,)) for index in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def fit(rows, callback=None):
    data, labels = np.zeros((rows, 1, 8, 8), np.float32), np.zeros(rows, np.float32)
    return mx.FeedForward.create(
        network(), data, labels, ctx=mx.gpu(0), num_epoch=1, batch_size=10, batch_end_callback=callback, verbose=False
    )


def test_no_step_waits_for_the_gpu(cupy_on_cpu, monkeypatch):
    from on_cpu.streams import Stream

    waits, original = [], Stream.may_wait
    monkeypatch.setattr(Stream, "may_wait", lambda self, what: (waits.append(what), original(self, what)))

    def count(rows):
        waits.clear()
        fit(rows)
        return len(waits)

    fit(50)  # finds and compiles what every fit needs
    assert count(50) == count(250) > 0


def test_no_step_allocates_once_it_is_recorded(gpus):
    taken = []
    fit(100, lambda end: taken.append(Device.get(0).used_bytes()))
    assert len(taken) == 10
    assert len(set(taken[1:])) == 1
