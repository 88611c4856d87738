"""Which nodes the host computes as one, where a normalisation or a sum is concerned."""

import pytest

import pushgrad as mx
from pushgrad.worker.execution.fusion import extends_on_host, fuse

DATA = mx.sym.Variable("data")


def groups(symbol):
    return [[node.name for node in group] for group in fuse(symbol.nodes(), symbol.heads, extends_on_host)]


def relu(data, act_type="relu"):
    return mx.sym.Activation(data, act_type=act_type, name="act")


@pytest.mark.parametrize("parameters", [{}, {"use_global_stats": True}, {"axis": -1}, {"fix_gamma": False}])
def test_a_normalisation_takes_relu(parameters):
    assert groups(relu(mx.sym.BatchNorm(DATA, name="bn", **parameters))) == [["bn", "act"]]
    assert groups(relu(mx.sym.CuDNNBatchNorm(DATA, name="bn"))) == [["bn", "act"]]


def test_no_other_activation_and_only_one():
    normalised = mx.sym.BatchNorm(DATA, name="bn")
    assert groups(relu(normalised, "tanh")) == [["bn"], ["act"]]
    assert groups(mx.sym.Activation(relu(normalised), act_type="relu", name="more")) == [["bn", "act"], ["more"]]


def test_not_where_others_read_the_normalisation():
    normalised = mx.sym.BatchNorm(DATA, name="bn")
    assert groups(mx.sym.Group([relu(normalised), normalised])) == [["bn"], ["act"]]
    assert ["bn"] in groups(relu(normalised) + normalised)


def test_not_where_mean_and_variance_are_outputs():
    normalised = mx.sym.BatchNorm(DATA, output_mean_var=True, name="bn")
    for output in range(3):
        assert groups(relu(normalised[output])) == [["bn"], ["act"]]


def test_a_normalisation_joins_no_convolution():
    convolved = mx.sym.Convolution(DATA, kernel=(3, 3), num_filter=4, name="conv")
    assert groups(relu(mx.sym.BatchNorm(convolved, name="bn"))) == [["conv"], ["bn", "act"]]


def test_a_sum_takes_relu_and_nothing_else():
    total = mx.sym.elemwise_add(DATA, mx.sym.Variable("other"), name="sum")
    assert groups(relu(total)) == [["sum", "act"]]
    assert groups(mx.sym.Activation(relu(total), act_type="relu", name="more")) == [["sum", "act"], ["more"]]
    assert groups(relu(total, "tanh")) == [["sum"], ["act"]]
    assert groups(mx.sym.clip(total, a_min=0, a_max=6, name="clip")) == [["sum"], ["clip"]]
    assert groups(mx.sym.Group([relu(total), total])) == [["sum"], ["act"]]
    assert groups(relu(mx.sym.broadcast_add(DATA, mx.sym.Variable("other"), name="sum"))) == [["sum"], ["act"]]
