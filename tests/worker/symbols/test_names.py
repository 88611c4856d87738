"""Automatic names are MXNet's, checked on 1.9.1."""

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.worker.graphs import naming


@pytest.fixture(autouse=True)
def fresh_names():
    naming.reset()


A, B = mx.sym.Variable("a"), mx.sym.Variable("b")

EXPRESSIONS = [
    (lambda: A + B, "_plus0", "elemwise_add", {}),
    (lambda: A + 1, "_plusscalar0", "_plus_scalar", {"scalar": "1.0"}),
    (lambda: 1 + A, "_plusscalar0", "_plus_scalar", {"scalar": "1.0"}),
    (lambda: A - B, "_minus0", "elemwise_sub", {}),
    (lambda: A - 1, "_minusscalar0", "_minus_scalar", {"scalar": "1.0"}),
    (lambda: 1 - A, "_rminusscalar0", "_rminus_scalar", {"scalar": "1.0"}),
    (lambda: A * B, "_mul0", "elemwise_mul", {}),
    (lambda: A * 2, "_mulscalar0", "_mul_scalar", {"scalar": "2.0"}),
    (lambda: np.float32(2) * A, "_mulscalar0", "_mul_scalar", {"scalar": "2.0"}),
    (lambda: A / B, "_div0", "elemwise_div", {}),
    (lambda: A / 2, "_divscalar0", "_div_scalar", {"scalar": "2.0"}),
    (lambda: 2 / A, "_rdivscalar0", "_rdiv_scalar", {"scalar": "2.0"}),
    (lambda: A**B, "_power0", "_power", {}),
    (lambda: A**2, "_powerscalar0", "_power_scalar", {"scalar": "2.0"}),
    (lambda: 2**A, "_rpower_scalar0", "_rpower_scalar", {"scalar": "2.0"}),
    (lambda: -A, "_mulscalar0", "_mul_scalar", {"scalar": "-1.0"}),
    (lambda: mx.sym.BlockGrad(A), "blockgrad0", "BlockGrad", {}),
    (lambda: mx.sym.identity(A), "identity0", "_copy", {}),
    (lambda: mx.sym.stop_gradient(A), "stop_gradient0", "BlockGrad", {}),
    (lambda: mx.sym.Softmax(A), "softmax0", "SoftmaxOutput", {}),
    (lambda: mx.sym.concat(A, B), "concat0", "Concat", {"num_args": "2"}),
    (lambda: mx.sym.elemwise_add(A, B), "elemwise_add0", "elemwise_add", {}),
    (lambda: mx.sym.Reshape(A, shape=(0, -1)), "reshape0", "Reshape", {"shape": "(0, -1)"}),
    (lambda: mx.sym.MAERegressionOutput(A), "maeregressionoutput0", "MAERegressionOutput", {}),
]


@pytest.mark.parametrize(("make", "name", "operator", "attrs"), EXPRESSIONS)
def test_automatic_names(make, name, operator, attrs):
    symbol = make()
    node = symbol.heads[0][0]
    assert symbol.name == name
    assert node.op.op_name() == operator
    assert symbol.list_attr() == attrs


def test_order_of_operands_of_symbols():
    assert (A - B).list_arguments() == ["a", "b"]
    assert (B - A).list_arguments() == ["b", "a"]


def test_strange_operands_are_refused():
    for wrong in ("text", None, [1]):
        with pytest.raises(TypeError):
            A + wrong


def test_each_operator_counts_for_itself():
    first = mx.sym.FullyConnected(A, num_hidden=2)
    named = mx.sym.FullyConnected(first, num_hidden=2, name="mine")
    second = mx.sym.FullyConnected(named, num_hidden=2)
    relu = mx.sym.Activation(second, act_type="relu")
    assert [node.name for node in relu.nodes() if node.op] == [
        "fullyconnected0",
        "mine",
        "fullyconnected1",
        "activation0",
    ]
    assert first.list_arguments() == ["a", "fullyconnected0_weight", "fullyconnected0_bias"]


def test_prefix_is_put_before_given_names_too_and_counts_anew():
    mx.sym.FullyConnected(A, num_hidden=2)
    with mx.name.Prefix("p_"):
        automatic = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2)
        given = mx.sym.FullyConnected(automatic, num_hidden=2, name="fc")
        with mx.name.Prefix("q_"):
            assert mx.sym.Flatten(A).name == "q_flatten0"
        assert mx.sym.Flatten(A).name == "p_flatten0"
    assert given.list_arguments()[:3] == ["data", "p_fullyconnected0_weight", "p_fullyconnected0_bias"]
    assert given.name == "p_fc"
    assert mx.sym.FullyConnected(A, num_hidden=2).name == "fullyconnected1"


def test_attribute_scopes():
    with mx.sym.AttrScope(ctx_group="dev1", __mood__="calm"):
        outer = mx.sym.Variable("w")
        with mx.sym.AttrScope(__mood__="wild"):
            inner = mx.sym.FullyConnected(outer, num_hidden=2, name="g")
    after = mx.sym.Variable("z")
    assert outer.list_attr() == {"__ctx_group__": "dev1", "ctx_group": "dev1", "__mood__": "calm"}
    assert inner.attr_dict()["g_weight"]["__mood__"] == "wild"
    assert after.list_attr() == {}
