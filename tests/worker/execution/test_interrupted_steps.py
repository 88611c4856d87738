"""After Ctrl-C, wherever it comes, no thread waits for ever, and the next step has the bits of any other."""

import threading
from contextlib import suppress

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import DataError
from pushgrad.worker.cpu.sum_rows import add_row
from pushgrad.worker.execution import guarded_work, program_rows, slice_threads, table_walk

pytestmark = pytest.mark.timeout(30)


def network(couples_rows):
    hidden = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=5, name="fc1")
    hidden = mx.sym.BatchNorm(hidden, name="bn") if couples_rows else mx.sym.Activation(hidden, act_type="tanh")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(hidden, num_hidden=3, name="fc2"), name="softmax")


def bound(couples_rows=False):
    """An executor on two threads, which share out what follows when gradients are final."""
    executor = network(couples_rows).simple_bind(mx.cpu(), slices=2, data=(8, 6))
    for number, array in enumerate(executor.arg_arrays):
        array[...] = np.random.default_rng(number).normal(size=array.shape)
    executor.finish_by(lambda name, gradient, part: [add_row(*[gradient.reshape(-1)[part]] * 2)])
    assert executor.threads == 2
    return executor


def gradients(executor, seed):
    """Those of a step with data of its own."""
    executor.arg_dict["data"][...] = np.random.default_rng(seed).normal(size=(8, 6))
    executor.arg_dict["softmax_label"][...] = np.arange(8) % 3
    executor.forward_backward()
    return {name: array.tobytes() for name, array in executor.grad_dict.items() if array is not None}


@pytest.fixture(autouse=True)
def two_threads(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")


@pytest.mark.parametrize("couples_rows", [False, True])
@pytest.mark.parametrize("steps_before", [0, 1])
def test_before_the_first_thread_has_begun(steps_before, couples_rows, monkeypatch):
    executor = bound(couples_rows)
    for step in range(steps_before):
        gradients(executor, step)

    def interrupted(work, release):
        if threading.current_thread() is threading.main_thread():
            raise KeyboardInterrupt
        guarded_work.guarded(work, release)

    with monkeypatch.context() as patch:
        for module in (table_walk, slice_threads):
            patch.setattr(module, "guarded", interrupted)
        with pytest.raises(KeyboardInterrupt):
            gradients(executor, 5)
    assert gradients(executor, 6) == gradients(bound(couples_rows), 6)


@pytest.mark.parametrize("couples_rows", [False, True])
@pytest.mark.parametrize("before", [0, 2, 4])
def test_between_the_calls_of_a_long_step(before, couples_rows, monkeypatch):
    """As soon as a thread comes to Python; here it does so after each call."""
    monkeypatch.setattr(program_rows, "UNBROKEN", 0)
    came, looks = threading.Event(), []

    def interrupted():
        if threading.current_thread() is not threading.main_thread() or came.is_set():
            return
        looks.append(1)
        if len(looks) > before:
            came.set()
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(program_rows, "see_to_signals", interrupted)
        executor = bound(couples_rows)
        with pytest.raises(KeyboardInterrupt):
            gradients(executor, 5)
        assert gradients(executor, 6) == gradients(bound(couples_rows), 6)


@pytest.mark.parametrize("before", range(4))
def test_no_parameter_or_all_have_changed_when_a_lone_thread_is_interrupted(before, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(program_rows, "UNBROKEN", 0)
    looks, changed = [], {}

    def interrupted():
        looks.append(1)
        if len(looks) > before:
            raise KeyboardInterrupt

    monkeypatch.setattr(program_rows, "see_to_signals", interrupted)
    executor = network(couples_rows=False).simple_bind(mx.cpu(), data=(8, 6))
    for name, array in executor.grad_dict.items():
        changed[name] = np.zeros(array.size, np.float32)
    executor.finish_by(lambda name, gradient, part: [add_row(changed[name][part], np.ones_like(changed[name])[part])])
    for _ in range(2):
        with suppress(KeyboardInterrupt):
            executor.forward_backward()
        assert len({float(array[0]) for array in changed.values()}) == 1


def test_a_short_step_does_not_look_for_signals():
    executor = bound()
    gradients(executor, 0)
    _, tables = executor._tables.step._laid_out
    assert program_rows.see_to_signals not in [row.stopped for table in tables for row in table._rows]


@pytest.mark.parametrize("couples_rows", [False, True])
def test_while_tables_are_laid_out_again_after_an_error(couples_rows, monkeypatch):
    executor, tables = bound(couples_rows), table_walk.tables
    gradients(executor, 0)
    executor.arg_dict["softmax_label"][...] = 7

    def interrupted(*given):
        tables(*given)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(table_walk, "tables", interrupted)
        with pytest.raises((DataError, KeyboardInterrupt)):
            executor.forward_backward()
        with suppress(KeyboardInterrupt):
            gradients(executor, 1)
    assert gradients(executor, 6) == gradients(bound(couples_rows), 6)
