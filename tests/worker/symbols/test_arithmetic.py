"""Expressions, comparisons, methods and functions of symbols, with MXNet 1.9.1's operators and automatic names."""

import json

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import GraphError, ParameterError
from pushgrad.worker.graphs import naming
from pushgrad.worker.ops.operator import lookup
from pushgrad.worker.symbols.methods import Methods

A, B = mx.sym.Variable("a"), mx.sym.Variable("b")


@pytest.fixture(autouse=True)
def counters():
    naming.reset()


def last(symbol):
    node = json.loads(symbol.tojson())["nodes"][-1]
    return node["op"], node["name"], node.get("attrs", {})


EXPRESSIONS = [
    (lambda: A % B, "_mod", "_mod0", {}),
    (lambda: A % 2, "_mod_scalar", "_modscalar0", {"scalar": "2.0"}),
    (lambda: 2 % A, "_rmod_scalar", "_rmodscalar0", {"scalar": "2.0"}),
    (lambda: abs(A), "abs", "abs0", {}),
    (lambda: A == B, "_equal", "_equal0", {}),
    (lambda: A != 2, "_not_equal_scalar", "_not_equal_scalar0", {"scalar": "2.0"}),
    (lambda: A > B, "_greater", "_greater0", {}),
    (lambda: A >= 2, "_greater_equal_scalar", "_greater_equal_scalar0", {"scalar": "2.0"}),
    (lambda: A < 2, "_lesser_scalar", "_lesser_scalar0", {"scalar": "2.0"}),
    (lambda: A <= B, "_lesser_equal", "_lesser_equal0", {}),
    (lambda: mx.sym.maximum(A, B), "_maximum", "_maximum0", {}),
    (lambda: mx.sym.maximum(2, A), "_maximum_scalar", "_maximumscalar0", {"scalar": "2.0"}),
    (lambda: mx.sym.minimum(A, 2), "_minimum_scalar", "_minimumscalar0", {"scalar": "2.0"}),
    (lambda: mx.sym.pow(2, A), "_rpower_scalar", "_rpowerscalar0", {"scalar": "2.0"}),
    (lambda: mx.sym.power(A, 2), "_power_scalar", "_powerscalar0", {"scalar": "2.0"}),
    (lambda: mx.sym.hypot(A, B), "_hypot", "_hypot0", {}),
    (lambda: mx.sym.zeros((0, 3)), "_zeros", "_zeros0", {"dtype": "float32", "shape": "(0, 3)"}),
    (lambda: mx.sym.ones(3, name="one"), "_ones", "one", {"dtype": "float32", "shape": "(3,)"}),
    (lambda: mx.sym.full((2,), 3), "_full", "_full0", {"dtype": "float32", "shape": "(2,)", "value": "3.0"}),
    (lambda: A.reshape((0, -1)), "Reshape", "reshape0", {"shape": "(0, -1)"}),
    (lambda: A.sum(axis=1, keepdims=True), "sum", "sum0", {"axis": "(1,)", "keepdims": "True"}),
    (lambda: A.slice_axis(1, 0, None), "slice_axis", "slice_axis0", {"axis": "1", "begin": "0", "end": "None"}),
    (lambda: A.astype("float16", name="half"), "Cast", "half", {"dtype": "float16"}),
    (lambda: A.take(B, 1), "take", "take0", {"axis": "1"}),
    (lambda: mx.sym.clip(A, 0, 6), "clip", "clip0", {"a_min": "0.0", "a_max": "6.0"}),
    (lambda: mx.sym.norm(A, 2, 1), "norm", "norm0", {"ord": "2", "axis": "(1,)"}),
    (lambda: mx.sym.one_hot(A, 10), "one_hot", "one_hot0", {"depth": "10"}),
]


@pytest.mark.parametrize(("make", "operator", "name", "attrs"), EXPRESSIONS)
def test_expression(make, operator, name, attrs):
    assert last(make()) == (operator, name, attrs)


def test_every_method_is_an_operator():
    names = [name for name in vars(Methods) if not name.startswith("_")]
    assert len(names) > 60
    for name in names:
        kind = lookup({"astype": "Cast"}.get(name, name))
        assert getattr(mx.sym.Symbol, name).__name__ in (name, "Cast")
        assert kind.op_name()


def test_arange():
    executor = (mx.sym.arange(1, 4) * mx.sym.Variable("data")).simple_bind(mx.cpu(), data=(3,))
    assert executor.forward(data=np.full(3, 2.0))[0].tolist() == [2, 4, 6]


def test_symbols_are_keys_of_dictionaries_and_sets():
    other = mx.sym.Variable("a")
    assert len({A, other, A}) == 2
    assert {A: 1, other: 2}[A] == 1
    assert (A == "a") is False
    assert (A != None) is True  # noqa: E711
    assert A in [A, B]


def test_a_symbol_is_no_condition():
    with pytest.raises(GraphError, match="a symbol is neither true nor false"):
        bool(A == B)
    with pytest.raises(GraphError, match="neither true nor false"):
        assert B in [A]


def test_all_outputs_go_to_an_operator_of_any_number():
    cut = mx.sym.SliceChannel(A, num_outputs=3, name="cut")
    joined = mx.sym.Concat(cut, B, dim=1, name="joined")
    assert joined.attr("num_args") == "4"
    assert joined.infer_shape(a=(2, 6), b=(2, 5))[1] == [(2, 11)]
    assert mx.sym.add_n(*cut, name="sum").attr("num_args") == "3"
    with pytest.raises(GraphError, match="Flatten: input 1 by position: expected a symbol with one output"):
        mx.sym.Flatten(cut)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: mx.sym.clip(A, 0, 6, 7), GraphError, "clip: input 2 by position: expected a symbol, got 0"),
        (lambda: mx.sym.clip(A, 0, a_min=1, a_max=6), GraphError, "clip: input 2 by position"),
        (lambda: mx.sym.clip(0, 6), GraphError, "clip: input 1 by position: expected a symbol, got 0"),
        (lambda: mx.sym.clip(A, "low", 6), ParameterError, "clip: parameter a_min: expected a number, got 'low'"),
        (lambda: mx.sym.Concat(A, 1), GraphError, "Concat: input 2 by position: expected a symbol, got 1"),
        (lambda: mx.sym.maximum(1, 2), GraphError, "maximum: expected two symbols, .*got int and int"),
        (lambda: A.hurry(), AttributeError, "hurry"),
    ],
)
def test_what_cannot_be_composed(make, error, message):
    with pytest.raises(error, match=message):
        make()
