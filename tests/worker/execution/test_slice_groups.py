"""Slices that one program computes together have the bits that they have apart."""

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.slices import share, tree_reduce
from pushgrad.worker.cpu.convolution_direct import DirectKernel
from pushgrad.worker.cpu.winograd import WinogradKernel
from pushgrad.worker.execution import slice_layout as module
from pushgrad.worker.execution.slice_groups import group_slices, sums_of_groups
from pushgrad.worker.ops.batch_position import BatchPosition

sym = mx.sym


def lenet(data, **options):
    net = sym.Convolution(data, kernel=(5, 5), num_filter=8, name="conv0")
    net = sym.Pooling(sym.Activation(net, act_type="tanh"), pool_type="max", kernel=(2, 2), stride=(2, 2))
    net = sym.Convolution(net, kernel=(3, 3), num_filter=9, name="conv1")
    net = sym.FullyConnected(sym.Flatten(net), num_hidden=20, name="fc0")
    net = sym.FullyConnected(sym.Activation(net, act_type="tanh"), num_hidden=5, name="fc1")
    return sym.SoftmaxOutput(net, name="softmax", **options)


def normalised(data):
    """Nodes that need the whole batch, between others; a value that is read twice; operators without kernels."""
    net = sym.Convolution(data, kernel=(3, 3), num_filter=8, name="conv0", no_bias=True)
    net = sym.LeakyReLU(sym.BatchNorm(net, name="norm0"), act_type="elu")
    side = sym.Convolution(net, kernel=(1, 1), num_filter=8, name="conv1")
    net = sym.Concat(net + sym.BatchNorm(side, name="norm1"), sym.LRN(net, nsize=3))
    net = sym.Dropout(sym.Pooling(net, pool_type="max", kernel=(3, 3), stride=(2, 2)), p=0.3, name="drop")
    net = sym.Pooling(net, pool_type="avg", global_pool=True, kernel=(1, 1))
    return sym.SoftmaxOutput(sym.FullyConnected(net, num_hidden=5, name="fc"), name="softmax", normalization="batch")


NETS = {"lenet": lenet, "lenet of one": lambda data: lenet(data, normalization="valid"), "normalised": normalised}


def bound(net, slices, rows=26, **options):
    executor = net(sym.Variable("data")).simple_bind(data=(rows, 2, 12, 12), slices=slices, **options)
    rng = np.random.default_rng(5)
    for name, array in executor.arg_dict.items():
        array[...] = rng.integers(0, 5, array.shape) if name.endswith("label") else rng.uniform(-1, 1, array.shape)
    return executor


def steps(executor, forward_first=False):
    """The outputs and the gradients after two steps."""
    for number in range(2):
        at, told = BatchPosition(seed=3, number=number, global_rows=executor.rows), {}
        if forward_first:
            executor.forward(is_train=True)
            executor.backward(announce=lambda name, gradient, told=told: told.setdefault(name, gradient.copy()))
        else:
            executor.forward_backward(lambda name, gradient, told=told: told.setdefault(name, gradient.copy()), at)
        for name, gradient in told.items():
            np.testing.assert_array_equal(executor.grad_dict[name], gradient, err_msg=name)
    return executor.outputs[0].copy(), {name: array.copy() for name, array in executor.grad_dict.items()}


def agree(one, other):
    np.testing.assert_array_equal(one[0], other[0])
    assert one[1].keys() == other[1].keys()
    for name, gradient in one[1].items():
        np.testing.assert_array_equal(gradient, other[1][name], err_msg=name)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("slices", [2, 3, 5, 6, 8])
@pytest.mark.parametrize("name", NETS)
def test_the_same_bits(name, slices, threads, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
    monkeypatch.setattr(module, "WORK_OF_ONE", 0)
    monkeypatch.setattr(module, "WORK_OF_ONE_COMPILED", 0)
    together = bound(NETS[name], slices)
    monkeypatch.setattr(module, "can_join", lambda *_: False)
    apart = bound(NETS[name], slices)
    count = min(slices, threads)
    assert together.threads == apart.threads == count
    assert len(apart._programs) == slices and count <= len(together._programs) <= slices
    if threads <= 2:
        assert len(together._programs) == count
    agree(steps(together), steps(apart))


def test_forward_and_backward_one_after_the_other():
    agree(steps(bound(lenet, 4), forward_first=True), steps(bound(lenet, 4)))


def test_gradients_that_are_added():
    executor, once = (bound(lenet, 5, grad_req=request) for request in ("add", "write"))
    gradients = steps(executor)[1], steps(once)[1]
    for name, gradient in gradients[0].items():
        np.testing.assert_array_equal(gradient, 2 * gradients[1][name], err_msg=name)


def apart(executor):
    return len(executor._programs) == sum(first < last for first, last in executor.slices)


def test_slices_without_rows_stay_apart():
    assert apart(bound(lenet, 6, rows=4)) and not apart(bound(lenet, 6, rows=6))


def test_slices_with_different_kernels_stay_apart():
    """Two images have enough tiles for Winograd's way, one has not."""

    def net(data):
        made = sym.Convolution(data, kernel=(3, 3), num_filter=8, name="conv")
        return sym.SoftmaxOutput(sym.FullyConnected(made, num_hidden=5, name="fc"), name="softmax")

    executors = [net(sym.Variable("data")).simple_bind(data=(rows, 8, 10, 10), slices=4) for rows in (4, 7, 8)]
    assert list(map(apart, executors)) == [False, True, False]
    kinds = [type(one._programs[0].calls[0].kernel) for one in executors]
    assert kinds == [DirectKernel, DirectKernel, WinogradKernel]


@pytest.mark.parametrize(
    "net",
    [
        lambda data, w: sym.FullyConnected(sym.FullyConnected(data, weight=w, num_hidden=6), weight=w, num_hidden=6),
        lambda data, w: sym.FullyConnected(data, weight=w * 2, num_hidden=6),
        lambda data, w: sym.Activation(sym.dot(data, w), act_type="tanh"),
        lambda data, w: sym.LeakyReLU(sym.FullyConnected(data, weight=w, num_hidden=6), act_type="prelu"),
    ],
    ids=["weight read twice", "computed weight", "operator without a kernel", "parameter of a kernel that cannot"],
)
def test_nets_that_stay_apart(net):
    symbol = net(sym.Variable("data"), sym.Variable("w", shape=(6, 6)))
    assert apart(symbol.simple_bind(data=(8, 6), slices=4))


@pytest.mark.parametrize("parts", [1, 2, 3, 4, 7, 16])
@pytest.mark.parametrize("count", [1, 2, 3, 5, 6, 8, 11, 16])
def test_groups_are_parts_of_the_tree(count, parts):
    slices = [(2 * i, 2 * i + 2) for i in range(count)]
    groups = group_slices(slices, parts)

    def add(left, right):
        return f"({left}+{right})"

    sums = [tree_reduce([*map(str, range(group.first, group.last))], add) for group in groups]
    for left, right in sums_of_groups(groups):
        sums[left] = add(sums[left], sums[right])
    assert sums[0] == tree_reduce([*map(str, range(count))], add)
    assert [rows for group in groups for rows in group.slices] == slices
    for part in range(parts):
        begin = share(count, part, parts)[0]
        assert not any(group.first < begin < group.last for group in groups)
