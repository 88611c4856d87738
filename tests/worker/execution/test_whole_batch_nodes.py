"""Nodes that couple the rows of a batch: slices meet there, and nothing but rounding depends on the slices."""

import threading

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import DataError
from pushgrad.worker.array import aligned_zeros
from pushgrad.worker.compute_threads import Inbox
from pushgrad.worker.execution import slice_layout as module
from pushgrad.worker.execution.awake_barrier import AwakeBarrier
from pushgrad.worker.execution.bound_arrays import Places
from pushgrad.worker.execution.executor import Executor
from pushgrad.worker.ops.operator import Step
from pushgrad.worker.profiling.spans import recorder


def normalised(data, name):
    return mx.sym.BatchNorm(data, fix_gamma=False, momentum=0.5, name=name)


def convolved(data, filters, name):
    return mx.sym.Convolution(data, kernel=(3, 3), pad=(1, 1), num_filter=filters, no_bias=True, name=name)


def relu(data):
    return mx.sym.Activation(data, act_type="relu")


def residual(relu=relu):
    """BatchNorm on a sum that is also read by the next sum, as in residual networks, and a loss behind it."""
    start = convolved(mx.sym.Variable("data"), 4, "conv0")
    branch = relu(normalised(start, "bn1"))
    total = start + convolved(branch, 4, "conv1")
    branch = relu(normalised(total, "bn2"))
    total = relu(total + convolved(branch, 4, "conv2") * 0.5)
    flat = mx.sym.Flatten(normalised(total, "bn3"))
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(flat, num_hidden=3, name="fc"), name="softmax")


def bound(slices=1, dtype=np.float32, threads=None, symbol=None):
    symbol, rows = (residual() if symbol is None else symbol), 10
    requests = {name: "null" if name in ("data", "softmax_label") else "write" for name in symbol.list_arguments()}
    executor = symbol.simple_bind(
        data=(rows, 2, 6, 6), slices=slices, grad_req=requests, type_dict=dict.fromkeys(symbol.list_arguments(), dtype)
    )
    rng = np.random.default_rng(7)
    for name, array in executor.arg_dict.items():
        array[...] = rng.integers(0, 3, array.shape) if name.endswith("label") else rng.uniform(-1, 1, array.shape)
    for name, array in executor.aux_dict.items():
        array[...] = 1 if name.endswith("var") else 0
    return executor


def results(executor, steps=2):
    for _ in range(steps):
        executor.forward_backward()
    gradients = {name: array.copy() for name, array in executor.grad_dict.items() if array is not None}
    states = {name: array.copy() for name, array in executor.aux_dict.items()}
    return {"output": executor.outputs[0].copy(), **gradients, **states}


def assert_equal(found, expected):
    for name, array in expected.items():
        assert np.array_equal(found[name], array), name


@pytest.mark.parametrize("slices", [2, 3, 4, 10, 16])
def test_slices_that_meet_compute_what_the_whole_batch_computes(slices):
    executor = bound(slices)
    assert len(executor.slices) == slices
    found = results(executor)
    for name, array in results(bound(dtype=np.float64)).items():
        np.testing.assert_allclose(found[name], array, rtol=2e-4, atol=2e-5, err_msg=name)


@pytest.mark.parametrize("slices", [1, 2, 3])
def test_relu_in_the_kernel_of_what_is_before_it_has_the_bits_of_a_node_of_its_own(slices, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    # The operator `relu` is never fused.
    assert_equal(results(bound(slices, symbol=residual(mx.sym.relu))), results(bound(slices)))


def test_every_state_moves_once_a_step_whatever_the_slices():
    states = {name: array.copy() for name, array in bound().aux_dict.items()}
    moved = results(bound(4), steps=1)
    assert all(not np.array_equal(moved[name], array) for name, array in states.items())


def test_threads_do_not_change_bits(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    many = bound(4)
    assert many.threads == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert_equal(results(bound(4)), results(many))


def test_forward_then_backward_gives_the_bits_of_both_at_once():
    together, apart = bound(3), bound(3)
    expected = results(together, steps=1)
    apart.forward(is_train=True)
    apart.backward()
    found = {"output": apart.outputs[0], **apart.grad_dict, **apart.aux_dict}
    assert_equal(found, expected)


def test_inference_leaves_the_states_alone():
    executor = bound(4)
    before = {name: array.copy() for name, array in executor.aux_dict.items()}
    executor.forward(is_train=False)
    assert_equal(executor.aux_dict, before)


def test_gradients_add_up_over_slices_and_calls():
    executor, symbol = bound(2), residual()
    requests = {name: "null" if name in ("data", "softmax_label") else "add" for name in symbol.list_arguments()}
    adding = symbol.simple_bind(data=(10, 2, 6, 6), slices=2, grad_req=requests)
    adding.copy_params_from(executor.arg_dict, executor.aux_dict)
    once = results(executor, steps=1)
    for name, array in results(adding, steps=2).items():
        if name in symbol.list_arguments():
            np.testing.assert_allclose(array, 2 * once[name], rtol=1e-4, atol=1e-5, err_msg=name)


def test_each_gradient_is_announced_once_when_it_is_final():
    executor, heard, lock = bound(4), {}, threading.Lock()

    def announce(name, gradient):
        with lock:
            assert name not in heard
            heard[name] = gradient.copy()

    executor.forward_backward(announce)
    assert heard.keys() == {name for name, array in executor.grad_dict.items() if array is not None}
    assert_equal(heard, {name: executor.grad_dict[name] for name in heard})


def test_head_gradients_reach_a_node_that_couples_rows():
    symbol = normalised(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=4, name="fc"), "bn")
    rng = np.random.default_rng(3)
    head, values = rng.normal(size=(6, 4)).astype(np.float32), {}
    gradients = []
    for slices in (1, 3):
        requests = {name: "null" if name == "data" else "write" for name in symbol.list_arguments()}
        executor = symbol.simple_bind(data=(6, 5), slices=slices, grad_req=requests)
        for name, array in executor.arg_dict.items():
            array[...] = values.setdefault(name, rng.normal(size=array.shape))
        executor.forward(is_train=True)
        executor.backward(head)
        gradients.append({name: array.copy() for name, array in executor.grad_dict.items() if array is not None})
    assert len(executor.slices) == 3
    for name, array in gradients[0].items():
        np.testing.assert_allclose(gradients[1][name], array, rtol=1e-4, atol=1e-5, err_msg=name)


def test_an_error_in_one_slice_ends_the_step_and_not_the_executor(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    hidden = mx.sym.FullyConnected(mx.sym.Flatten(normalised(mx.sym.Variable("data"), "bn1")), num_hidden=3, name="fc")
    executor = bound(2, symbol=normalised(mx.sym.SoftmaxOutput(hidden, name="softmax"), "bn2"))
    executor.arg_dict["softmax_label"][-1] = 99
    executor.forward(is_train=True)
    with pytest.raises(DataError):
        executor.backward()  # while the other slice waits for this one at bn1
    executor.arg_dict["softmax_label"][-1] = 2
    executor.forward_backward()
    assert np.isfinite(executor.outputs[0]).all()


def test_a_thread_that_an_interrupted_step_has_left_waiting_takes_no_part_in_the_next(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.setattr(module, "WORK_OF_ONE", 0)
    executor, expected = bound(slices=2), results(bound(slices=2))
    put, wait, waiting = Inbox.put, AwakeBarrier.wait, threading.Event()

    def interrupted(inbox, job):
        put(inbox, job)
        if job is not None:
            waiting.wait(10)  # until the thread is about to wait for this one, which has not begun
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(recorder, "on", True)  # threads that walk tables meet elsewhere: see test_interrupted_steps.py
        patch.setattr(AwakeBarrier, "wait", lambda barrier: (waiting.set(), wait(barrier))[1])
        patch.setattr(Inbox, "put", interrupted)
        with pytest.raises(KeyboardInterrupt):
            executor.forward_backward()
    for name, array in results(executor).items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)


def test_a_state_is_not_cut_where_its_length_is_the_batch():
    symbol = normalised(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=6, no_bias=True, name="fc"), "bn")
    executor = Executor.for_share(symbol, "null", [(0, 3), (3, 6)], {"data": (6, 6)})
    assert executor.aux_dict["bn_moving_mean"].shape == (6,)
    executor.arg_dict["data"][...] = np.arange(36).reshape(6, 6)
    executor.arg_dict["fc_weight"][...] = np.eye(6)
    executor.forward(is_train=True)
    expected = aligned_zeros((6,)) + np.arange(36).reshape(6, 6).mean(axis=0) / 2
    np.testing.assert_allclose(executor.aux_dict["bn_moving_mean"], expected, rtol=1e-6)


def stacked():
    """Three BatchNorms whose outputs are equally large, so that the memory of a gradient fits the others' too."""
    net, found = mx.sym.Variable("data"), []
    for number in (1, 2, 3):
        net = normalised(mx.sym.FullyConnected(net, num_hidden=4, name=f"fc{number}"), f"bn{number}")
        found.append(net)
        net = mx.sym.Activation(net, act_type="tanh")
    return mx.sym.FullyConnected(net, num_hidden=2, name="fc4"), *found


def gradients_for_random_heads(symbol, slices, dtype=np.float64):
    requests = {name: "null" if name == "data" else "write" for name in symbol.list_arguments()}
    types = dict.fromkeys(symbol.list_arguments(), dtype)
    executor = symbol.simple_bind(data=(6, 5), slices=slices, grad_req=requests, type_dict=types)
    assert len(executor.slices) == slices
    rng = np.random.default_rng(3)
    for array in executor.arg_dict.values():
        array[...] = rng.normal(size=array.shape)
    executor.forward(is_train=True)
    executor.backward([rng.normal(size=output.shape) for output in executor.outputs])
    return {name: array.copy() for name, array in executor.grad_dict.items() if array is not None}


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (0, 1, 2, 3), (3, 1, 1, 0), (1,), (0, 1, 3)])
def test_heads_that_are_also_read_inside_the_graph(order):
    outputs = stacked()
    symbol = mx.sym.Group([outputs[number] for number in order])
    expected = gradients_for_random_heads(symbol, 1)
    for slices in (2, 3):
        for name, array in gradients_for_random_heads(symbol, slices).items():
            np.testing.assert_allclose(array, expected[name], rtol=1e-9, atol=1e-12, err_msg=name)
    for slices in (1, 2, 3):
        for name, array in gradients_for_random_heads(symbol, slices, np.float32).items():
            np.testing.assert_allclose(array, expected[name], rtol=2e-3, atol=2e-4, err_msg=name)


def shared_gradients(symbol, slices):
    """The BatchNorms whose data's gradient takes the place of the output's."""
    executor = bound(slices, symbol=symbol)
    meeting, programs = executor._meeting, executor._programs
    calls = meeting._calls.values() if meeting else programs[0].calls
    batch_norms = [call for call in calls if call is not None and call.operators.startswith("BatchNorm")]
    return [call.node.name for call in batch_norms if np.shares_memory(call.in_grads[0], call.out_grads[0])]


@pytest.mark.parametrize("slices", [1, 2])
def test_a_gradient_takes_the_place_of_the_one_that_it_is_made_of(slices):
    flat = mx.sym.Flatten(normalised(convolved(mx.sym.Variable("data"), 4, "conv"), "bn"))
    symbol = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(flat, num_hidden=3, name="fc"), name="softmax")
    assert shared_gradients(symbol, slices) == ["bn"]
    # Not where it is added to one that is there already: `bn1` and `bn2` read what the next sum has read.
    assert shared_gradients(residual(mx.sym.relu), slices) == ["bn3"]


def blocked():
    """A BatchNorm whose parameters want a gradient and get none."""
    hidden = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=4, name="fc1")
    hidden = mx.sym.BlockGrad(normalised(hidden, "bn"))
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(hidden, num_hidden=3, name="fc2"), name="softmax")


@pytest.mark.parametrize("ranges", [[(0, 6)], [(0, 3), (3, 6)], [(0, 3), (3, 3), (3, 6)], [(0, 0), (0, 6)]])
@pytest.mark.parametrize("request_", ["write", "add"])
def test_gradients_that_nothing_reaches_are_announced_as_zeros(ranges, request_):
    symbol, heard = blocked(), []
    requests = {name: "null" if name in ("data", "softmax_label") else request_ for name in symbol.list_arguments()}
    places = Places(gradients={"bn_gamma": np.full(4, 0 if request_ == "add" else np.nan, np.float32)})
    executor = Executor.for_share(symbol, requests, ranges, {"data": (6, 5)}, places)
    assert executor.slices == ranges
    for _ in range(2):
        executor.forward_backward(lambda name, gradient: heard.append((name, gradient.copy())))
    wanted = [name for name, wish in requests.items() if wish != "null"]
    assert sorted(name for name, _ in heard) == sorted(2 * wanted)
    assert all((gradient == 0).all() for name, gradient in heard if name.startswith("bn"))


def test_weight_decay_reaches_parameters_without_a_gradient_whatever_the_slices():
    rng = np.random.default_rng(0)
    data, labels = rng.normal(size=(12, 5)).astype(np.float32), np.arange(12) % 3
    gammas = []
    for slices in (1, 2):
        mx.random.seed(1)
        model = mx.FeedForward.create(
            blocked(), data, labels, ctx=mx.cpu(), num_epoch=3, batch_size=6, slices=slices, wd=0.5, verbose=False
        )
        gammas.append(model.arg_params["bn_gamma"])
    assert (gammas[0] < 1).all()
    np.testing.assert_array_equal(gammas[1], gammas[0])


def test_a_head_that_does_not_follow_the_batch_though_a_slice_is_as_long():
    constant = mx.sym.Variable("constant", shape=(2, 5)) * 2
    symbol = mx.sym.Group([mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=4, name="fc"), constant])
    executor = symbol.simple_bind(data=(4, 5), slices=2)
    executor.arg_dict["constant"][...] = 3
    assert (executor.forward()[1] == 6).all()


class Recording(Step):
    """A step that remembers every count it was told: threads that share it may read any of them."""

    def __setattr__(self, name, value):
        if name == "count":
            self.__dict__.setdefault("told", []).append(value)
        super().__setattr__(name, value)


def test_the_count_of_a_computed_label_is_the_only_one_that_a_step_is_told():
    """Parts of one kernel share a step, so a count that was wrong for a moment would be another thread's factor."""
    options = {"normalization": "valid", "use_ignore": True, "ignore_label": 1, "name": "softmax"}
    label = mx.sym.Variable("softmax_label") * 1
    symbol = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3), label, **options)
    executor = symbol.simple_bind(data=(6, 5), softmax_label=(6,), slices=2)
    assert len(executor.slices) == 2
    step = Recording()
    step.told.clear()
    executor._meeting.step = step
    executor.arg_dict["softmax_label"][:] = [0, 1, 2, 1, 0, 2]
    executor.forward_backward()
    assert step.told
    assert set(step.told) == {4.0}
