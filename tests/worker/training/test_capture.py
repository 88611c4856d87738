"""Copies of one step that are made while the next is computed, by whoever comes first to a key."""

import threading

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import JobError, RemoteError
from pushgrad.worker.store import kv
from pushgrad.worker.training.capture import Capture, Copies, Held

WEIGHTS = {"fc1": np.arange(6, dtype=np.float32), "fc2": np.full(3, 9, np.float32)}


def nothing():
    pass


@pytest.fixture
def store():
    found = kv.create("local")
    found.set_optimizer(mx.optimizer.SGD(momentum=0.9))
    for name, array in WEIGHTS.items():
        found.init(name, array)
    return found


def copies_of(store):
    return Copies(store, {name: store.value(name) for name in WEIGHTS}, {"mean": np.ones(2, np.float32)}, WEIGHTS)


def step(store, copies, n, keys=WEIGHTS):
    for key in keys:
        copies.before(key)
        store.push_gradient(key, np.full(WEIGHTS[key].shape, n, np.float32), n, 0.1)


def test_what_is_copied_is_of_the_step_before_whoever_copies_it(store):
    copies = copies_of(store)
    capture = copies.capture((), whole=True)
    step(store, copies, 1, ["fc2"])
    capture.finish()
    step(store, copies, 1, ["fc1"])
    for name, array in WEIGHTS.items():
        np.testing.assert_array_equal(capture.arrays.weights[name], array)
        assert not np.array_equal(store.value(name), array)
    np.testing.assert_array_equal(capture.arrays.states["mean"], [1, 1])
    assert capture.held > 0


def test_memory_is_used_again_and_has_the_next_step(store):
    copies = copies_of(store)
    copies.reserve()
    first = copies.capture((), whole=True)
    first.finish()
    before = {name: array.ctypes.data for name, array in first.arrays.weights.items()}
    step(store, copies, 1)
    second = copies.capture((), whole=True)
    second.finish()
    assert {name: array.ctypes.data for name, array in second.arrays.weights.items()} == before
    for name in WEIGHTS:
        np.testing.assert_array_equal(second.arrays.weights[name], store.value(name))
        np.testing.assert_array_equal(second.arrays.optimizer_states[name]["mom"], store.states([name])[0]["mom"])


def test_each_key_is_copied_once_and_first_what_is_about_to_change():
    order = []
    copies = Capture(Held(), "cba", lambda key: order.append(key) or nothing)
    copies.before("a")
    copies.finish()
    copies.before("a")
    assert order == ["a", "c", "b"]


def test_a_key_that_is_being_copied_is_waited_for():
    copying, go_on, over = threading.Event(), threading.Event(), []

    def copy(key):
        copying.set()
        assert go_on.wait(30)
        over.append(key)
        return nothing

    capture = Capture(Held(), ["w"], copy)
    thread = threading.Thread(target=capture.finish)
    thread.start()
    assert copying.wait(30)
    threading.Timer(0.01, go_on.set).start()
    capture.before("w")
    assert over == ["w"]
    thread.join()


def test_after_close_nothing_is_copied_any_more():
    order = []

    def copy(key):
        if key == "b":
            raise RemoteError("gone", "no such version")
        order.append(key)
        return nothing

    capture = Capture(Held(), "abc", copy)
    capture.close()
    assert order == ["a"]
    with pytest.raises(JobError, match="the fit is over, and a snapshot of its last step was not complete"):
        capture.finish()
    assert order == ["a"]
