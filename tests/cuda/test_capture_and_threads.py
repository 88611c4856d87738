"""While one thread captures a step on a GPU, no other thread does anything there."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.worker.cuda.device import Device
from pushgrad.worker.devices.placement import Placement
from pushgrad.worker.execution.gpu.replicas import Replicas
from pushgrad.worker.training.feeding import InputNames
from pushgrad.worker.training.gpu.engine import CudaEngine
from pushgrad.worker.training.gpu.inputs import ResidentInputs, StagedInputs

pytestmark = pytest.mark.timeout(60)

PATIENCE = 20  # seconds after which something that should happen at once is taken to hang
DATA = np.random.default_rng(0).standard_normal((20, 6)).astype(np.float32)
LABELS = np.arange(20) % 3


def network():
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3, name="fc"), name="softmax")


def fit(**options):
    return mx.FeedForward.create(
        network(), DATA, LABELS, ctx=mx.gpu(0), num_epoch=1, batch_size=10, verbose=False, **options
    )


def replicas():
    shapes = {"data": (10, 6), "softmax_label": (10,)}
    return Replicas(network(), Placement.of(mx.gpu(0)), "write", shapes, "float32", 10)


def inputs(kind):
    iterator = mx.io.NDArrayIter(DATA, LABELS, 10)
    return kind(replicas(), iterator, InputNames.match(network(), iterator))


def building_an_executor():
    model = fit()
    return lambda: model.predict(DATA)


def training():
    return fit


def beginning_an_epoch():
    source = inputs(ResidentInputs)
    return lambda: next(source.epoch())


def sending_a_batch():
    source = inputs(StagedInputs)
    return lambda: next(source.epoch())


def ending_a_fit():
    engine = object.__new__(CudaEngine)
    engine._replicas, engine._measures = replicas(), SimpleNamespace(close=lambda: None)
    return engine.close


def emptying_the_cache():
    return mx.gpu(0).empty_cache


class Watched:
    """A device's lock that tells when a certain thread asks for it."""

    def __init__(self, lock, thread, asked):
        self.lock, self.thread, self.asked = lock, thread, asked

    def __enter__(self):
        if threading.current_thread() is self.thread:
            self.asked.set()
        self.lock.acquire()

    def __exit__(self, *_):
        self.lock.release()


class Intruder:
    """A thread that begins `work` at the moment when a GPU of `Replicas` is being captured for the first time."""

    def __init__(self, work, monkeypatch):
        self.errors, self.seen, self.ended_meanwhile = [], threading.Event(), None
        self.work, self.thread = work, threading.Thread(target=self._run, daemon=True)
        original, device = Replicas.infer, Device.get(0)

        def infer(replicas, index):
            if device.stream.is_capturing() and self.ended_meanwhile is None:
                self.ended_meanwhile = False
                self.thread.start()
                assert self.seen.wait(PATIENCE)  # waits for the lock, or has not asked for it
                self.ended_meanwhile = not self.thread.is_alive()
            yield from original(replicas, index)

        monkeypatch.setattr(Replicas, "infer", infer)
        monkeypatch.setattr(device, "lock", Watched(device.lock, self.thread, self.seen))

    def _run(self):
        try:
            self.work()
        except Exception as error:
            self.errors.append(error)
        finally:
            self.seen.set()


WORK = [building_an_executor, training, beginning_an_epoch, sending_a_batch, ending_a_fit, emptying_the_cache]


@pytest.mark.parametrize("prepare", WORK)
def test_others_wait_until_a_step_is_captured(gpus, monkeypatch, prepare):
    model = fit()
    intruder = Intruder(prepare(), monkeypatch)
    found = model.predict(DATA)  # two batches, the second of which is captured
    intruder.thread.join(PATIENCE)
    assert not intruder.thread.is_alive()
    assert intruder.errors == []
    assert intruder.ended_meanwhile is False
    scores = np.exp(DATA @ model.arg_params["fc_weight"].T + model.arg_params["fc_bias"])
    np.testing.assert_allclose(found, scores / scores.sum(axis=1, keepdims=True), rtol=1e-4)
    np.testing.assert_array_equal(model.predict(DATA), found)
