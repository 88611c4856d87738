"""Symbol files that mean harm or are merely enormous: errors of ours, soon, and little memory."""

import json
import tracemalloc

import pytest

import pushgrad as mx
from pushgrad.common.errors import FileFormatError, GraphError, ParameterError, PushgradError

X = {"op": "null", "name": "x", "inputs": []}


def document(*nodes, heads=None):
    return json.dumps({"nodes": nodes, "heads": heads or [[len(nodes) - 1, 0]]})


def node(op, source, name="n", **attrs):
    return {"op": op, "name": name, "attrs": attrs, "inputs": [[source, 0]]}


HUGE = [
    ("[" * 10**6, FileFormatError, "no valid JSON"),
    ('{"nodes":' * 10**5, FileFormatError, "no valid JSON"),
    ('{"nodes": [], "heads": [[0, 0]], "attrs": ' + "[" * 10**6, FileFormatError, "no valid JSON"),
    (document(X, node("Concat", 0, num_args="65536")), GraphError, "inputs of Concat: expected 65536 (arg0, arg1"),
    (document(X, node("Concat", 0, num_args="9" * 30)), ParameterError, "node 1 (n): Concat: parameter num_args"),
    (document(X, node("Concat", 0, num_args="-1")), ParameterError, "node 1 (n): Concat: parameter num_args"),
    (document(X, node("SliceChannel", 0, num_outputs="9" * 9)), ParameterError, "parameter num_outputs"),
    (
        document(X, *[node("SliceChannel", i, f"n{i}", num_outputs="65536") for i in range(1000)]),
        GraphError,
        "outputs of all nodes: expected at most 1048576",
    ),
    (document(X, node("Reshape", 0, shape="(" * 900)), ParameterError, "node 1 (n): Reshape: parameter shape"),
    (document(X, node("Reshape", 0, shape="(9**9**9**9,)")), ParameterError, "Reshape: parameter shape"),
    (document(X, node("Reshape", 0, shape="__import__('os')")), ParameterError, "Reshape: parameter shape"),
    (document(X, node("Reshape", 0, shape="(" + "1," * 10**6 + ")")), ParameterError, "Reshape: parameter shape"),
    (document(node("Flatten", 1), node("Flatten", 0)), GraphError, "node 0 (n): input: expected a node before it"),
    (document(node("Flatten", 0)), GraphError, "expected a node before it (there is none), got 0"),
    (document(X, node("Flatten", 0), heads=[[10**30, 0]]), GraphError, "heads: input"),
]


@pytest.mark.timeout(30)
@pytest.mark.parametrize(("text", "error", "expected"), HUGE)
def test_refused_soon_and_cheaply(text, error, expected):
    tracemalloc.start()
    with pytest.raises(error) as caught:
        mx.sym.load_json(text)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert expected in str(caught.value)
    assert len(str(caught.value)) < 1000
    assert peak < 60e6 + 20 * len(text)


def test_nodes_that_nobody_uses_cost_nothing():
    nodes = [X, *[node("SliceChannel", 0, f"n{i}", num_outputs="65536") for i in range(1000)]]
    assert mx.sym.load_json(document(*nodes, heads=[[0, 0]])).list_outputs() == ["x"]


@pytest.mark.long
def test_a_very_deep_graph():
    """Loaded, written, read again, inferred, bound and computed without recursion."""
    kinds = [("_plus_scalar", {"scalar": "1"}), ("Flatten", {})]
    nodes = [node(kinds[i % 2][0], i, f"n{i}", **kinds[i % 2][1]) for i in range(10_000)]
    net = mx.sym.load_json(document(X, *nodes))
    assert mx.sym.load_json(net.tojson()).tojson() == net.tojson()
    assert net.infer_shape(x=(2, 3))[1] == [(2, 3)]
    executor = net.simple_bind(mx.cpu(), x=(2, 3))
    assert (executor.forward(is_train=True)[0] == 5000).all()
    executor.backward()
    assert (executor.grad_dict["x"] == 1).all()


def test_one_variable_used_by_many():
    nodes = [X, {"op": "ElementWiseSum", "name": "sum", "attrs": {"num_args": "5000"}, "inputs": [[0, 0]] * 5000}]
    net = mx.sym.load_json(document(*nodes))
    executor = net.simple_bind(mx.cpu(), x=(2,))
    executor.arg_dict["x"][:] = 1
    assert (executor.forward()[0] == 5000).all()


WRONG_TYPES = [None, True, 3, -1, 0.5, "x", [], [[]], {}, {"a": None}, [None], 10**400, "\ud800", "\x00"]


@pytest.mark.parametrize("field", ["nodes", "heads", "attrs", "op", "name", "inputs", "param", "attr", "node_attrs"])
def test_every_field_with_every_type(field):
    """A value of a foreign type is an error of ours, or it is ignored."""
    for value in WRONG_TYPES:
        inner = {"op": "Flatten", "name": "n", "inputs": [[0, 0]]}
        outer = {"nodes": [X, inner], "heads": [[1, 0]]}
        key = field.removeprefix("node_")
        (outer if field in ("nodes", "heads", "attrs") else inner)[key] = value
        try:
            mx.sym.load_json(json.dumps(outer))
        except PushgradError as error:
            assert len(str(error)) < 1000
