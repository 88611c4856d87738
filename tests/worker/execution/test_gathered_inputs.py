"""Inputs that are rows of a data set: steps copy them themselves where the batch is cut, with the same bits."""

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import DataError
from pushgrad.worker.execution import slice_layout as module
from pushgrad.worker.execution.gathered_inputs import GatheredInputs
from pushgrad.worker.profiling.spans import recorder

RNG = np.random.default_rng(5)
SOURCE = RNG.normal(size=(50, 3, 7)).astype(np.float32)


def bound(monkeypatch, threads, head=mx.sym.LinearRegressionOutput):
    monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
    monkeypatch.setattr(module, "WORK_OF_ONE", 0)
    monkeypatch.setattr(module, "WORK_OF_ONE_COMPILED", 0)
    net = head(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=5, name="fc"), name="out")
    executor = net.simple_bind(mx.cpu(), slices=3, data=(11, 3, 7))
    for number, (name, array) in enumerate(executor.arg_dict.items()):
        if name != "data":
            array[...] = np.random.default_rng(number).normal(size=array.shape)
    return executor


def numbers(step):
    return np.random.default_rng(step).integers(0, len(SOURCE), 11)


def gradients(executor):
    return {name: array.copy() for name, array in executor.grad_dict.items() if array is not None}


def same(executor, other):
    np.testing.assert_array_equal(executor.outputs[0], other.outputs[0])
    for name, array in gradients(other).items():
        np.testing.assert_array_equal(executor.grad_dict[name], array, err_msg=name)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_steps_have_the_rows_that_were_wanted_last(threads, monkeypatch):
    executor, other = bound(monkeypatch, threads), bound(monkeypatch, 1)
    assert executor.threads == threads
    for step in range(4):
        executor.gather("data", SOURCE, numbers(step + 100))
        executor.gather("data", SOURCE, numbers(step))
        other.arg_dict["data"][...] = SOURCE[numbers(step)]
        for one in (executor, other):
            one.forward_backward()
        same(executor, other)
        np.testing.assert_array_equal(executor.arg_dict["data"], SOURCE[numbers(step)])


def test_a_step_of_which_nothing_is_wanted_has_what_the_argument_holds(monkeypatch):
    executor, other = bound(monkeypatch, 2), bound(monkeypatch, 1)
    executor.gather("data", SOURCE, numbers(0))
    executor.forward_backward()
    for one in (executor, other):
        one.arg_dict["data"][...] = SOURCE[numbers(1)]
        one.forward_backward()
    same(executor, other)


def test_nothing_is_copied_before_the_step_by_threads_that_do_it_themselves(monkeypatch):
    executor = bound(monkeypatch, 2)
    executor.gather("data", SOURCE, numbers(0))
    assert not executor.arg_dict["data"].any()


def test_a_forward_pass_and_a_profile_have_them_as_well(monkeypatch):
    executor = bound(monkeypatch, 2)
    expected = SOURCE[numbers(0)].reshape(11, -1) @ executor.arg_dict["fc_weight"].T + executor.arg_dict["fc_bias"]
    executor.gather("data", SOURCE, numbers(0))
    np.testing.assert_allclose(executor.forward()[0], expected, rtol=1e-5)
    executor.arg_dict["data"][...] = 0
    executor.gather("data", SOURCE, numbers(0))
    monkeypatch.setattr(recorder, "on", True)
    executor.forward_backward()
    recorder.spans.clear()
    np.testing.assert_allclose(executor.outputs[0], expected, rtol=1e-5)


def test_an_error_leaves_nothing_for_the_step_after_it(monkeypatch):
    executor = bound(monkeypatch, 2, mx.sym.SoftmaxOutput)
    executor.arg_dict["out_label"][...] = 7
    executor.gather("data", SOURCE, numbers(0))
    with pytest.raises(DataError, match="label"):
        executor.forward_backward()
    executor.arg_dict["out_label"][...] = 1
    executor.arg_dict["data"][...] = 0
    executor.forward_backward()
    assert not executor.arg_dict["data"].any()


def test_after_a_failed_step_no_thread_copies_any_more(monkeypatch):
    """Ctrl-C does not wait for ever for threads that still walk the step's tables."""
    executor, source = bound(monkeypatch, 2), SOURCE.copy()

    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(executor._tables.step, "run", interrupted)
    executor.gather("data", source, numbers(0))
    with pytest.raises(KeyboardInterrupt):
        executor.forward_backward()
    assert not any(told.any() for told in executor._gathered._told.values())


def test_the_last_wish_counts():
    target = np.zeros((11, 3, 7), np.float32)
    inputs = GatheredInputs({"data": target}, {"data"})
    inputs.want("data", SOURCE, numbers(0))
    inputs.want("data", SOURCE, numbers(1)[::-1])
    inputs.copy()
    np.testing.assert_array_equal(target, SOURCE[numbers(1)[::-1]])


def test_rows_that_only_a_later_step_has(monkeypatch):
    executor, other = bound(monkeypatch, 2), bound(monkeypatch, 1)
    executor.arg_dict["data"][...] = other.arg_dict["data"][...] = SOURCE[numbers(0)]
    for one in (executor, other):
        one.forward_backward()
    executor.gather("data", SOURCE, numbers(1))
    other.arg_dict["data"][...] = SOURCE[numbers(1)]
    for one in (executor, other):
        one.forward_backward()
    same(executor, other)


def test_a_fit_whose_last_batch_begins_anew(monkeypatch):
    """The batches before it are no rows by number, as nothing is shuffled."""
    x, y, weights = SOURCE[:35].reshape(35, -1), np.arange(35) % 2, []
    monkeypatch.setattr(module, "WORK_OF_ONE_COMPILED", 0)
    net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2, name="fc"), name="softmax")
    for threads in (1, 2):
        monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
        for rows in (np.arange(35), np.r_[0:35, 0:5]):  # the second data set needs no filling up
            model = mx.FeedForward(
                net, num_epoch=2, slices=2, batch_size=10, learning_rate=0.1, initializer=mx.init.One()
            )
            weights.append(model.fit(x[rows], y[rows], shuffle=False, verbose=False).arg_params["fc_weight"])
    for other in weights[1:]:
        np.testing.assert_array_equal(weights[0], other)


@pytest.mark.parametrize(
    ("source", "rows", "shared"),
    [
        (SOURCE, numbers(0), {"label"}),
        (SOURCE.astype(np.float64), numbers(0), {"data"}),
        (SOURCE[:, ::-1], numbers(0), {"data"}),
        (SOURCE, numbers(0)[::-1], {"data"}),
    ],
    ids=["an argument that is not cut", "float64", "no run of memory", "numbers with gaps"],
)
def test_what_is_copied_at_once(source, rows, shared):
    target = np.zeros((11, 3, 7), source.dtype)
    inputs = GatheredInputs({"data": target}, shared)
    inputs.want("data", source, rows)
    np.testing.assert_array_equal(target, source[rows])
    target.fill(0)
    inputs.copy()
    assert not target.any()  # nothing is left to do


def test_rows_of_no_numbers():
    inputs = GatheredInputs({"data": np.zeros((4, 0), np.float32)}, {"data"})
    inputs.want("data", np.zeros((9, 0), np.float32), np.arange(4))
    assert len(inputs.rows((0, 4))) == 1
