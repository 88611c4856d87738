"""Forward of a lone slice on several threads: the bits of one thread, errors of any of them, and when it is used."""

import threading

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.call_table import in_python
from pushgrad.worker.cpu.claims import Stretch
from pushgrad.worker.execution import shared_forward
from pushgrad.worker.execution.table_walk import TableWalk
from pushgrad.worker.profiling.spans import recorder

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(autouse=True)
def any_work_is_enough(monkeypatch):
    monkeypatch.setattr(shared_forward, "LEAST_WORK", 0)


def convolution(filters, kernel=1, act_type=None, pooled=False, **options):
    made = mx.sym.Variable("data")
    made = mx.sym.Convolution(made, kernel=(kernel, kernel), num_filter=filters, name="conv", **options)
    if pooled:
        made = mx.sym.Pooling(made, pool_type="max", kernel=(2, 2), stride=(2, 2))
    return mx.sym.Activation(made, act_type=act_type) if act_type else made


def dense(size, act_type=None, **options):
    made = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=size, name="fc", **options)
    return mx.sym.Activation(made, act_type=act_type) if act_type else made


def branches():
    """Calls that are split and calls that are not, in turns, with memory that is used again, and a copied head."""
    data = mx.sym.Variable("data")
    left = mx.sym.Activation(mx.sym.Convolution(data, kernel=(1, 1), num_filter=20, name="a"), act_type="tanh")
    right = mx.sym.Convolution(data, kernel=(3, 3), pad=(1, 1), num_filter=20, name="b")
    both = mx.sym.Convolution(mx.sym.exp(left - right), kernel=(1, 1), num_filter=33, name="c")
    normal = mx.sym.BatchNorm(both, name="norm")
    flat = mx.sym.Flatten(normal)
    return mx.sym.Group([mx.sym.FullyConnected(flat, num_hidden=5, name="d"), flat, mx.sym.Activation(normal, "relu")])


def bound(symbol, shape, threads, monkeypatch, **options):
    monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
    executor = symbol.simple_bind(data=shape, grad_req="null", **options)
    rng = np.random.default_rng(3)
    for array in (*executor.arg_dict.values(), *executor.aux_dict.values()):
        array[...] = rng.uniform(0.1, 1, array.shape) - (0.5 if array.ndim > 1 else 0)
    return executor


def outputs(executor, **options):
    return [output.copy() for output in executor.forward(**options)]


def pool(pool_type):
    return mx.sym.Pooling(mx.sym.Variable("data"), kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type=pool_type)


DATA = mx.sym.Variable("data")
PLANES = {
    "pixels": (convolution(24, act_type="relu"), (9, 9, 15)),
    "filters": (convolution(70, act_type="relu"), (9, 7, 7)),
    "sigmoid": (convolution(24, act_type="sigmoid"), (9, 9, 15)),
    "no bias": (convolution(37, no_bias=True), (5, 6, 6)),
    "groups": (convolution(36, act_type="tanh", num_group=3), (9, 6, 7)),
    "one filter": (convolution(1), (5, 6, 6)),
    "depthwise": (convolution(9, 3, num_group=9, stride=(2, 2), pad=(1, 1)), (9, 13, 12)),
    "depthwise tanh": (convolution(7, 3, "tanh", num_group=7, no_bias=True), (7, 9, 12)),
    "clipped": (mx.sym.clip(convolution(24), a_min=-0.1, a_max=0.2), (9, 9, 15)),
    "clipped depthwise": (mx.sym.clip(convolution(9, 5, num_group=9), a_min=0, a_max=0.2), (9, 9, 15)),
    "direct": (convolution(50, 3, "relu", stride=(2, 2)), (6, 11, 10)),
    "direct sigmoid": (convolution(33, 2, "sigmoid", no_bias=True), (6, 9, 10)),
    "direct pooled": (convolution(35, 3, "relu", pooled=True), (3, 12, 10)),
    "direct, few filters": (convolution(3, 3, "relu"), (6, 11, 10)),
    "direct groups": (convolution(36, 3, num_group=3), (6, 11, 10)),
    "winograd": (convolution(40, 3, "relu", pad=(1, 1)), (9, 25, 23)),
    "large winograd": (convolution(17, 3, "tanh", no_bias=True), (8, 26, 26)),
    "winograd of five": (convolution(33, 5, pad=(2, 2)), (8, 17, 17)),
    "winograd pooled": (convolution(33, 3, "relu", pooled=True, pad=(1, 1)), (8, 24, 24)),
    "dense": (dense(45, "relu"), (60,)),
    "dense tanh": (dense(37, "tanh"), (2, 30)),
    "dense rows": (dense(20, "tanh", no_bias=True, flatten=False), (7, 60)),
    "one number": (dense(1), (60,)),
    "activation": (mx.sym.Activation(mx.sym.Variable("data"), act_type="softrelu"), (3, 50, 41)),
    "sum": (DATA + mx.sym.Reshape(DATA, shape=(0, -1, 41, 50)), (3, 41, 50)),
    "clip": (mx.sym.clip(DATA, a_min=-0.2, a_max=0.3), (3, 50, 41)),
    "pad": (mx.sym.Pad(DATA, mode="constant", pad_width=(0, 0, 0, 0, 1, 2, 0, 3), constant_value=2), (3, 9, 8)),
    "largest": (pool("max"), (5, 12, 9)),
    "mean": (pool("avg"), (5, 12, 9)),
    "whole planes": (mx.sym.Pooling(DATA, global_pool=True, kernel=(1, 1), pool_type="avg"), (5, 12, 9)),
    "one plane": (pool("max"), (1, 12, 9)),
    "branches": (branches(), (6, 12, 12)),
}


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("symbol, shape", PLANES.values(), ids=PLANES)
def test_the_bits_of_one_thread(symbol, shape, rows, monkeypatch):
    alone = bound(symbol, (rows, *shape), 1, monkeypatch)
    assert alone._shared is None
    expected = outputs(alone)
    for threads in (2, 3):
        executor = bound(symbol, (rows, *shape), threads, monkeypatch)
        for _ in range(2):
            for one, other in zip(outputs(executor), expected, strict=True):
                np.testing.assert_array_equal(one, other)
            executor.outputs[0][...] = -7  # each number is written anew


def test_most_of_these_are_shared(monkeypatch):
    shared = {
        name
        for name, (symbol, shape) in PLANES.items()
        if bound(symbol, (1, *shape), 2, monkeypatch)._shared is not None
    }
    assert PLANES.keys() - shared == {"direct, few filters", "direct groups", "one number", "one plane"}


def test_infinity_and_nan_come_through(monkeypatch):
    symbol, shape = PLANES["filters"]
    executors = [bound(symbol, (1, *shape), threads, monkeypatch) for threads in (1, 2)]
    for executor in executors:
        executor.arg_dict["data"][0, 2, 3, 3:6] = [np.nan, np.inf, -np.inf]
    one, other = (outputs(executor)[0] for executor in executors)
    np.testing.assert_array_equal(one, other)
    assert np.isnan(one[0, :, 3, 3]).all() and np.isinf(one).any()


def test_who_shares_forward(monkeypatch):
    symbol, shape = PLANES["filters"]
    assert bound(symbol, (1, *shape), 2, monkeypatch)._shared is not None
    assert bound(symbol, (2, *shape), 2, monkeypatch, slices=2)._shared is None
    assert bound(symbol, (1, *shape), 2, monkeypatch, slices=2)._shared is not None  # the other slice is empty
    assert symbol.simple_bind(data=(1, *shape))._shared is None  # wants gradients
    assert bound(symbol, (1, *shape), 2, monkeypatch, type_dict={"data": np.float64})._shared is None
    assert len(bound(symbol, (1, *shape), 100, monkeypatch)._shared._laid_out[1]) == shared_forward.MOST_THREADS
    monkeypatch.setattr(shared_forward, "LEAST_WORK", 1e7)
    assert bound(symbol, (1, *shape), 2, monkeypatch)._shared is None


def test_a_profile_has_whole_calls(monkeypatch):
    symbol, shape = PLANES["branches"]
    executor = bound(symbol, (1, *shape), 2, monkeypatch)
    expected = outputs(executor)
    monkeypatch.setattr(recorder, "on", True)
    found = outputs(executor)
    names = [span.name for span in recorder.spans]
    recorder.spans.clear()
    assert names.count("a") == 0 and names.count("c") == 1 and len(names) == len(set(names))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_averages_move_while_training(monkeypatch):
    """Without gradients, too, a forward may be one of training: BatchNorm's parts take their own channels."""
    symbol, shape = PLANES["branches"]
    found = []
    for threads in (1, 2):
        executor = bound(symbol, (1, *shape), threads, monkeypatch)
        before = executor.aux_dict["norm_moving_mean"].copy()
        found.append([*outputs(executor, is_train=True), *(array.copy() for array in executor.aux_arrays)])
        assert (executor.aux_dict["norm_moving_mean"] != before).all()
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_of_the_first_thread_releases_the_other(error, register, monkeypatch):
    fails = []

    def same(data):
        if fails:
            raise error("no")
        return data

    register("same", same)
    before = mx.sym.Convolution(mx.sym.Variable("data"), kernel=(1, 1), num_filter=40, name="a")
    custom = mx.sym.Custom(before, op_type="same", name="custom")
    symbol = mx.sym.Convolution(custom, kernel=(1, 1), num_filter=40, name="b")
    executor = bound(symbol, (1, 5, 6, 6), 2, monkeypatch)
    assert executor._shared is not None
    expected = outputs(executor)
    for _ in range(2):
        fails.append(True)
        with pytest.raises(error, match="no"):
            executor.forward()
        fails.clear()
        np.testing.assert_array_equal(outputs(executor)[0], expected[0])


def test_an_error_of_another_thread_releases_the_first():
    fails, done = [True], []

    def failing():
        if fails:
            raise ValueError("no")

    stages = [[[in_python(lambda: done.append(1))]]] * 2
    walk = TableWalk([Stretch([[], [in_python(failing)]], stages), Stretch([[], []], stages)], needs_blas=False)
    with pytest.raises(ValueError, match="no"):
        walk.run()
    assert not done
    fails.clear()
    walk.run()
    assert len(done) == 4


def test_an_executor_within_a_shared_forward(register, monkeypatch):
    """An operator in Python computes on the same kind of executor while the other thread waits."""
    inner = bound(convolution(40), (1, 40, 6, 6), 2, monkeypatch)
    register("inner", lambda data: inner.forward(data=data)[0])
    made = mx.sym.Custom(convolution(40), op_type="inner", name="custom")
    executor = bound(mx.sym.Activation(made, act_type="relu"), (1, 5, 6, 6), 2, monkeypatch)
    alone = bound(convolution(40), (1, 5, 6, 6), 1, monkeypatch)
    expected = np.maximum(outputs(inner, data=outputs(alone)[0])[0], 0)
    np.testing.assert_array_equal(outputs(executor)[0], expected)


def test_a_thread_that_comes_late_holds_nobody_up(monkeypatch):
    """The first thread does the parts of the other one, which finds nothing left to do."""
    symbol, shape = PLANES["branches"]
    executor = bound(symbol, (1, *shape), 2, monkeypatch)
    claims, (first, late) = executor._shared._laid_out
    expected = outputs(executor)
    for output in executor.outputs:
        output[...] = -7
    claims.begin()
    first.run()
    found = [output.copy() for output in executor.outputs]
    executor.arg_dict["data"][...] = 0
    late.run()
    for one, other, wanted in zip(executor.outputs, found, expected, strict=True):
        np.testing.assert_array_equal(other, wanted)
        np.testing.assert_array_equal(one, wanted)


def test_a_slow_operator_is_waited_for(register, monkeypatch):
    pause = threading.Event()
    register("slow", lambda data: (pause.wait(0.2), data)[1])
    made = mx.sym.Custom(convolution(40), op_type="slow", name="custom")
    symbol = mx.sym.Activation(made, act_type="relu")
    executor = bound(symbol, (1, 5, 6, 6), 2, monkeypatch)
    alone = bound(symbol, (1, 5, 6, 6), 1, monkeypatch)
    np.testing.assert_array_equal(outputs(executor)[0], outputs(alone)[0])


def test_predictions_of_one_example(monkeypatch):
    symbol = mx.sym.BatchNorm(convolution(40, 3, pad=(1, 1)), name="norm")
    symbol = mx.sym.FullyConnected(mx.sym.Activation(symbol, act_type="relu"), num_hidden=3, name="fc")
    symbol = mx.sym.SoftmaxOutput(symbol, name="softmax")
    rng = np.random.default_rng(4)
    X = rng.uniform(-1, 1, (3, 4, 9, 9)).astype(np.float32)
    shapes, _, states = symbol.infer_shape(data=(1, *X.shape[1:]))
    arguments = {
        name: rng.uniform(-0.5, 0.5, shape).astype(np.float32)
        for name, shape in zip(symbol.list_arguments(), shapes, strict=True)
        if name not in ("data", "softmax_label")
    }
    auxiliaries = {
        name: rng.uniform(0.5, 1, shape).astype(np.float32)
        for name, shape in zip(symbol.list_auxiliary_states(), states, strict=True)
    }
    model = mx.FeedForward(symbol, arg_params=arguments, aux_params=auxiliaries)
    found = {}
    for threads in (1, 2, 3):
        monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
        found[threads] = model.predict(X, batch_size=1)
        assert (model._spare._kept[0][2].executor._shared is not None) == (threads > 1)
        np.testing.assert_array_equal(found[threads], found[1])
    np.testing.assert_allclose(model.predict(X, batch_size=3), found[1], rtol=1e-5)
