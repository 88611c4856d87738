"""Graphs whose values lie with channels last: which do, and that trainings are what they are in C order."""

import numpy as np
import pytest
from fake_cudnn import FakeCudnn
from test_fit_on_gpus import TWO, assert_alike

import pushgrad as mx
from pushgrad.worker.cuda.cudnn import Cudnn, available
from pushgrad.worker.devices.placement import Placement
from pushgrad.worker.execution.fusion import fuse
from pushgrad.worker.execution.gpu.backend import CudaBackend
from pushgrad.worker.execution.gpu.channels_last import ChannelsLast, formats
from pushgrad.worker.execution.gpu.host_memory_executor import HostedExecutor
from pushgrad.worker.execution.gpu.replica import Replica
from pushgrad.worker.graphs.shape_inference import complete, infer_partial

SHAPES = {"data": (20, 3, 12, 12)}


def convolution(net, name, filters, **more):
    net = mx.sym.Convolution(net, kernel=(3, 3), pad=(1, 1), num_filter=filters, name=f"{name}_conv", **more)
    return mx.sym.BatchNorm(net, fix_gamma=False, name=f"{name}_bn")


def residual(act_type="relu"):
    """Everything that can lie with channels last: sums, branches side by side, all kinds of pooling."""
    first = mx.sym.Activation(convolution(mx.sym.Variable("data"), "one", 8), act_type=act_type, name="first")
    net = mx.sym.Activation(convolution(first, "two", 8), act_type=act_type, name="second")
    net = mx.sym.clip(convolution(net, "three", 8, no_bias=True), a_min=-2, a_max=2, name="held")
    net = mx.sym.ElementWiseSum(net, first, name="sum")
    net = mx.sym.Activation(net, act_type=act_type, name="third")
    down = mx.sym.Convolution(net, kernel=(1, 1), num_filter=6, stride=(2, 2), name="down_conv")
    down = mx.sym.Activation(down, act_type="tanh", name="down")
    most = mx.sym.Pooling(net, kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="max", name="most")
    mean = mx.sym.Pooling(net, kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="avg", name="mean")
    net = mx.sym.Activation(mx.sym.Concat(down, most, mean, name="beside"), act_type="sigmoid", name="fourth")
    net = mx.sym.Pooling(net, global_pool=True, kernel=(1, 1), pool_type="avg", name="whole")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Flatten(net), num_hidden=3, name="fc"), name="softmax")


def chosen(net, shapes, fused=False):
    """The outputs that lie with channels last, by name; and the names of all that have four axes."""
    nodes = net.nodes()
    known = complete(infer_partial(nodes, shapes))
    groups = CudaBackend(None).fuse(nodes, net.heads, np.dtype(np.float32)) if fused else fuse(nodes, net.heads, None)
    found = formats(groups, net.heads, known, "tf32")
    groups = [group[-1] for group in groups]
    return {node.name for node, _ in found}, {node.name for node in groups if len(known[node, 0]) == 4}


def test_all_but_what_is_behind_the_last_pooling():
    found, all_of_them = chosen(residual(), SHAPES)
    assert all_of_them - found == {"whole"} and {"sum", "beside", "most", "one_bn"} <= found


PHOTOGRAPHS = {
    "resnet": lambda: mx.models.resnet(18),
    "resnet_v2": lambda: mx.models.resnet(50, version=2),
    "mobilenet": mx.models.mobilenet,
    "mobilenet_v2": mx.models.mobilenet_v2,
    "inception_bn": mx.models.inception_bn,
}


@pytest.mark.parametrize("network", PHOTOGRAPHS)
def test_networks_for_photographs(network):
    found, all_of_them = chosen(PHOTOGRAPHS[network](), {"data": (1, 3, 224, 224)}, fused=True)
    assert len(all_of_them - found) == 1 and "pool" in (all_of_them - found).pop()


def test_what_another_operator_reads_stays_in_c_order():
    net = mx.sym.Activation(mx.sym.Convolution(mx.sym.Variable("data"), kernel=(1, 1), num_filter=4, name="a"), "relu")
    beside = mx.sym.Convolution(net, kernel=(1, 1), num_filter=4, name="b")
    sum_of_both = mx.sym.elemwise_add(beside, mx.sym.exp(net), name="c")
    last = mx.sym.Convolution(mx.sym.Convolution(sum_of_both, kernel=(1, 1), num_filter=2, name="d"), kernel=(1, 1),
                              num_filter=2, name="e")  # fmt: skip
    assert chosen(last, SHAPES)[0] == {"d"}  # b is added to what exp makes, a is read by it, e is a head


def test_sums_with_variables_stay_in_c_order():
    data = mx.sym.Variable("data")
    net = mx.sym.elemwise_add(mx.sym.Convolution(data, kernel=(1, 1), num_filter=3, name="a"), data)
    net = mx.sym.Convolution(net, kernel=(1, 1), num_filter=3, name="b")
    assert not chosen(net, SHAPES)[0]


def test_data_that_is_a_weight_as_well_stays_in_c_order():
    net = mx.sym.Convolution(mx.sym.Variable("data"), kernel=(1, 1), num_filter=3, no_bias=True, name="a")
    net = mx.sym.Convolution(net, net, kernel=(3, 3), num_filter=3, no_bias=True, name="b")
    net = mx.sym.Convolution(net, kernel=(1, 1), num_filter=3, no_bias=True, name="c")
    assert chosen(net, {"data": (3, 3, 3, 3)})[0] == {"b"}


@pytest.fixture
def is_real(gpus, device, monkeypatch):
    """Whether cuDNN is there, on a GPU; on the stand-in for one, plain operators take its part."""
    if gpus.__spec__ is None:
        fake = FakeCudnn()
        monkeypatch.setattr(Cudnn, "of", lambda device: fake)
    elif Cudnn.of(device) is None:
        pytest.skip(f"cuDNN cannot be used: {available() or 'no handle'}")
    return gpus.__spec__ is not None


def passes(device, precision, values):
    """Outputs, gradients and states of a step of `residual`."""
    with device.active():
        replica = Replica.allocate(residual("tanh"), device, "write", SHAPES, (0, 20), precision=precision)
        for name, array in replica.binding.variables(None).items():
            array.set(np.float32(values[name]))
        replica.step.is_train = True
        replica.step.set_scale(256.0 if replica.loss_scale else 1.0)
        for _ in replica.forward_backward(replica.buckets(1 << 30)):
            pass
        if replica.loss_scale:
            for gradient in replica.binding.gradients.values():
                replica.loss_scale.unscale(gradient, shows_overflow=False)
        device.synchronize()
    arrays = {**replica.binding.gradients, "softmax": replica.outputs[0]}
    states = {name: array for name, array in replica.binding.variables(None).items() if "moving" in name}
    lies_last = any(isinstance(form, ChannelsLast) for form in replica.program._formats.values())
    return {name: array.get() for name, array in {**arrays, **states}.items()}, lies_last


@pytest.mark.long
@pytest.mark.parametrize(("precision", "tolerance"), [("tf32", 1e-5), ("float16", 0.03), ("bfloat16", 0.2)])
def test_a_step(is_real, device, precision, tolerance):
    rng, net = np.random.default_rng(0), residual()
    shapes = net.infer_all(**SHAPES)
    values = {node.name: rng.normal(0, 0.5, shapes[node, 0]) for node in net.nodes() if node.op is None}
    values.update({name: np.abs(value) + 0.5 for name, value in values.items() if "moving_var" in name})
    values["softmax_label"] = rng.integers(0, 3, 20)
    (expected, none), (found, some) = passes(device, "float32", values), passes(device, precision, values)
    assert some and not none
    tolerance = max(tolerance, 0.03 * is_real)  # the stand-in does not round to TF32
    for name in found.keys() - {"one_conv_bias", "two_conv_bias"}:  # which BatchNorm makes zero
        difference = np.linalg.norm(found[name] - expected[name])
        assert difference <= tolerance * np.linalg.norm(expected[name]), name


@pytest.mark.long
@pytest.mark.parametrize(("precision", "tolerance"), [("tf32", 1e-5), ("float16", 0.03), ("bfloat16", 0.2)])
def test_a_step_with_arrays_in_host_memory(is_real, precision, tolerance):
    """As in jobs: gradients come back at their own size, one after the other."""
    net, rng = residual("tanh"), np.random.default_rng(0)
    requests = {name: "null" if name in ("data", "softmax_label") else "write" for name in net.list_arguments()}
    executors = [
        HostedExecutor(net, Placement.of(mx.gpu(0)), requests, SHAPES, precision=how) for how in ("float32", precision)
    ]
    for name, array in executors[0].arg_dict.items():
        values = rng.integers(0, 3, 20) if name == "softmax_label" else rng.normal(0, 0.5, array.shape)
        for executor in executors:
            executor.arg_dict[name][...] = values
    told = []
    for _ in range(12 if precision == "float16" else 4):  # which finds its scale first; the third is a replay
        told.clear()
        for executor in executors:
            executor.forward_backward(lambda name, gradient: told.append(name))
    learned = [name for name, request in requests.items() if request == "write"]
    assert sorted(told) == sorted(2 * learned)
    expected, found = executors
    for name in set(learned) - {"one_conv_bias", "two_conv_bias"}:
        difference = np.linalg.norm(found.grad_dict[name] - expected.grad_dict[name])
        assert difference <= max(tolerance, 0.03 * is_real) * np.linalg.norm(expected.grad_dict[name]), name
    for executor in executors:
        executor.close()


@pytest.fixture(scope="module")
def pictures():
    data = np.random.default_rng(0).standard_normal((50, 3, 12, 12)).astype(np.float32)
    return data, (data.sum((1, 2, 3)) > 0) + (data[:, 0].mean((1, 2)) > 0).astype(np.float32)


def fit(pictures, ctx, **options):
    mx.random.seed(3)
    given = {"batch_size": 20, "num_epoch": 3, "learning_rate": 0.02, "momentum": 0.9, "slices": 1, "verbose": False}
    return mx.FeedForward.create(residual(), *pictures, ctx=ctx, initializer=mx.init.Xavier(), **{**given, **options})


def assert_near(model, other):
    """Alike but for what halves, or TF32, leave of the digits."""
    for name, array in model.arg_params.items():
        np.testing.assert_allclose(array, other.arg_params[name], rtol=0.1, atol=0.02, err_msg=name)


def test_trainings_that_are_recorded(is_real, pictures):
    pictures = [array[:20] for array in pictures]
    found = fit(pictures, mx.gpu(0), batch_size=8, precision="tf32")
    expected = fit(pictures, mx.cpu(), batch_size=8)
    if is_real:
        assert_near(found, expected)
    else:
        assert_alike(found, expected, rtol=1e-3)
        np.testing.assert_allclose(found.predict(pictures[0]), expected.predict(pictures[0]), rtol=1e-3)


@pytest.mark.long
@TWO
@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_trainings_in_halves(is_real, pictures, precision):
    found = fit(pictures, [mx.gpu(0), mx.gpu(1)], precision=precision)
    expected = fit(pictures, [mx.gpu(0), mx.gpu(1)])
    assert_near(found, expected)
    np.testing.assert_allclose(found.predict(pictures[0]), expected.predict(pictures[0]), atol=0.05)
