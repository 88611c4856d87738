"""Forms of large weights are made before a pass, once for all threads: no bit depends on that, and none is stale."""

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.worker.cpu import convolution_direct, winograd
from pushgrad.worker.execution.executor import Executor

ROWS = 6
# Two that Winograd's algorithm computes, with tiles of both sizes, one of them pooled, and two direct ones.
LAYERS = {
    "large_tiles": {"kernel": (3, 3), "pad": (1, 1), "num_filter": 20},
    "pooled": {"kernel": (5, 5), "pad": (2, 2), "num_filter": 17},
    "direct": {"kernel": (3, 3), "stride": (2, 2), "num_filter": 18},
    "groups": {"kernel": (3, 3), "stride": (2, 2), "num_filter": 16, "num_group": 2},
    "small_tiles": {"kernel": (3, 3), "pad": (1, 1), "num_filter": 9},
}


def network():
    net = mx.sym.Variable("data")
    for name, options in LAYERS.items():
        net = mx.sym.Activation(mx.sym.Convolution(net, name=name, **options), act_type="tanh")
        if name == "pooled":
            net = mx.sym.Pooling(net, kernel=(2, 2), stride=(2, 2), pool_type="max")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Flatten(net), num_hidden=3, name="fc"), name="softmax")


def bound(symbol=None, slices=2, grad_req="write", **inputs):
    executor = Executor.simple_bind(
        network() if symbol is None else symbol, grad_req, slices=slices, **(inputs or {"data": (ROWS, 8, 32, 32)})
    )
    fill(executor)
    return executor


def fill(executor, seed=3):
    rng = np.random.default_rng(seed)
    for name, array in executor.arg_dict.items():
        array[...] = (
            rng.integers(3, size=array.shape) if name.endswith("label") else rng.uniform(-0.5, 0.5, array.shape)
        )


def results(executor):
    gradients = {name: array.copy() for name, array in executor.grad_dict.items() if array is not None}
    return {"output": executor.outputs[0].copy(), **gradients}


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, name)


@pytest.fixture
def large(monkeypatch):
    """Sets from how many bytes on forms of weights are large."""

    def set_large(size):
        for module in (winograd, convolution_direct):
            monkeypatch.setattr(module, "LEAST_BYTES", size)

    set_large(0)
    return set_large


def expected_of(large, make):
    """What comes out where each kernel makes its forms for itself."""
    large(1 << 40)
    made = make()
    large(0)
    return made


def trained(slices, steps=3):
    """Some steps, the parameters changing between them."""
    executor, made = bound(slices=slices), []
    for step in range(steps):
        executor.forward_backward()
        made.append(results(executor))
        fill(executor, seed=step)
    return executor, made


@pytest.mark.parametrize("threads", ["1", "2", "3"])
@pytest.mark.parametrize("slices", [1, 2, 3, 6])
def test_training_has_the_same_bits(large, monkeypatch, slices, threads):
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    _, expected = expected_of(large, lambda: trained(slices))
    executor, found = trained(slices)
    assert len(executor._parameters.arranged.forward.rows) >= len(LAYERS)
    for one, other in zip(found, expected, strict=True):
        assert_equal(one, other)


@pytest.mark.parametrize("slices", [1, 3])
def test_forward_and_backward_apart(large, slices):
    expected, found = expected_of(large, lambda: bound(slices=slices)), bound(slices=slices)
    for step in range(2):
        for executor in (expected, found):
            fill(executor, seed=step)
            executor.forward(is_train=True)
            executor.backward()
        assert_equal(results(found), results(expected))


@pytest.mark.parametrize("rows", [1, ROWS])
def test_without_gradients_threads_share_the_work_of_a_slice(large, monkeypatch, rows):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")

    def outputs():
        executor = bound(slices=1, grad_req="null", data=(rows, 8, 64, 64))
        assert executor._shared is not None
        executor.forward()
        fill(executor, seed=9)
        return executor.forward()[0].copy()

    np.testing.assert_array_equal(outputs(), expected_of(large, outputs))


def test_while_parameters_stay_their_forms_are_made_once(large):
    executor = bound(grad_req="null")
    with executor.parameters_stay():
        first = executor.forward()[0].copy()
        executor.arg_dict["data"][...] *= 2
        other = executor.forward()[0].copy()
        assert not np.array_equal(other, first)  # inputs may change
        executor.arg_dict["pooled_weight"][...] *= 2
        np.testing.assert_array_equal(executor.forward()[0], other)  # which is why parameters must not
    assert not np.array_equal(executor.forward()[0], other)


def test_weights_that_are_computed_or_fed_are_never_stale(large):
    weights = {"fed": mx.sym.Variable("weight"), "computed": mx.sym.Variable("weight") * 1.5}
    for name, weight in weights.items():
        net = mx.sym.Convolution(
            mx.sym.Variable("data"), weight, kernel=(3, 3), num_filter=9, no_bias=True, name="conv"
        )
        shapes = {"data": (8, 8, 20, 20)} | ({"weight": (9, 8, 3, 3)} if name == "fed" else {})
        executor = bound(net, slices=None, grad_req="null", **shapes)
        assert not executor._parameters.arranged.forward.rows
        with executor.parameters_stay():
            first = executor.forward()[0].copy()
            executor.arg_dict["weight"][...] *= 2
            np.testing.assert_array_equal(executor.forward()[0], 2 * first)
        assert not executor._parameters.arranged.forward.rows


@pytest.mark.parametrize("gaps", ["data", "conv_weight"])
def test_arrays_with_gaps(large, gaps):
    data, conv = mx.sym.Variable("data"), {"kernel": (3, 3), "num_filter": 9, "no_bias": True, "name": "conv"}
    shapes, rng = {"data": (8, 8, 20, 20), "conv_weight": (9, 8, 3, 3)}, np.random.default_rng(4)
    arrays = {name: rng.uniform(-1, 1, shape).astype(np.float32) for name, shape in shapes.items()}
    with_gaps = arrays | {gaps: np.repeat(arrays[gaps], 2, axis=3)[..., ::2]}
    assert not with_gaps[gaps].flags.c_contiguous

    def results_of(args):
        net = mx.sym.Convolution(data, **conv)
        executor = Executor.bind(net, args, {name: np.zeros_like(array) for name, array in arrays.items()})
        made = []
        for _ in range(2):
            executor.forward(is_train=True)
            executor.backward()
            made.append(results(executor))
            args["conv_weight"] *= 2
        return made

    copies = {name: array.copy() for name, array in arrays.items()}
    for one, other in zip(results_of(with_gaps), results_of(copies), strict=True):
        assert_equal(one, other)


def test_one_weight_in_two_layers(large):
    def both():
        data, weight = mx.sym.Variable("data"), mx.sym.Variable("weight")
        whole = mx.sym.Convolution(
            data, weight, kernel=(3, 3), num_filter=16, no_bias=True, stride=(2, 2), name="whole"
        )
        halves = mx.sym.concat(data, data, dim=1)
        halves = mx.sym.Convolution(
            halves, weight, kernel=(3, 3), num_filter=16, no_bias=True, stride=(2, 2), num_group=2
        )
        executor = bound(whole + halves, slices=None, data=(4, 8, 12, 12))
        executor.forward_backward()
        return results(executor)

    assert_equal(both(), expected_of(large, both))


def test_predictions_follow_the_parameters(large, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    rng = np.random.default_rng(5)
    X, y = rng.standard_normal((3 * ROWS, 8, 32, 32)).astype(np.float32), np.arange(3 * ROWS) % 3
    model = mx.FeedForward.create(
        network(), X, y, num_epoch=1, batch_size=ROWS, initializer=mx.init.Xavier(), verbose=False
    )
    for _ in range(2):  # the second time on the executor of the first
        expected = expected_of(
            large, lambda: mx.FeedForward(network(), arg_params=model.arg_params, aux_params={}).predict(X, ROWS)
        )
        np.testing.assert_array_equal(model.predict(X, ROWS), expected)
        model.arg_params["large_tiles_weight"][...] *= -1


def test_a_profile_shows_the_time(large):
    executor = bound()
    with mx.profiler.profile() as profile:
        executor.forward_backward()
    assert "arrange" in str(profile)
