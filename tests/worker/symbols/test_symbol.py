import copy
import pickle

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import GraphError, ParameterError
from pushgrad.worker.graphs import naming
from pushgrad.worker.graphs.node import Node, postorder


@pytest.fixture(autouse=True)
def fresh_names():
    naming.reset()


def mlp():
    data = mx.sym.Variable("data")
    hidden = mx.sym.FullyConnected(data, num_hidden=4, name="fc1")
    active = mx.sym.Activation(hidden, act_type="relu", name="relu1")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(active, num_hidden=3, name="fc2"), name="softmax")


def test_names_of_a_network():
    net = mlp()
    assert net.name == "softmax"
    assert net.list_arguments() == ["data", "fc1_weight", "fc1_bias", "fc2_weight", "fc2_bias", "softmax_label"]
    assert net.list_outputs() == ["softmax_output"]
    assert net.list_auxiliary_states() == []
    assert repr(net) == "<Symbol softmax>"


def test_nodes_come_inputs_first_and_once():
    net = mlp()
    nodes = net.nodes()
    assert [node.name for node in nodes][-2:] == ["softmax_label", "softmax"]
    assert all(nodes.index(entry[0]) < i for i, node in enumerate(nodes) for entry in node.inputs)
    shared = mx.sym.Variable("x")
    assert (shared * shared + shared).list_arguments() == ["x"]


def test_no_bias_has_no_bias():
    fc = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2, no_bias=True, name="fc")
    assert fc.list_arguments() == ["data", "fc_weight"]


def test_inputs_by_position_by_name_and_left_out():
    data, weight = mx.sym.Variable("data"), mx.sym.Variable("w")
    by_name = mx.sym.FullyConnected(weight=weight, data=data, num_hidden=2, name="fc")
    by_position = mx.sym.FullyConnected(data, weight, num_hidden=2, name="fc")
    assert by_name.list_arguments() == by_position.list_arguments() == ["data", "w", "fc_bias"]
    assert mx.sym.SoftmaxOutput(name="s").list_arguments() == ["s_data", "s_label"]
    assert mx.sym.FullyConnected(data=None, num_hidden=2, name="f").list_arguments()[0] == "f_data"


def test_concat_counts_its_inputs():
    parts = [mx.sym.Variable(name) for name in "abc"]
    joined = mx.sym.Concat(*parts, dim=0)
    assert joined.attr("num_args") == "3"
    assert joined.list_arguments() == ["a", "b", "c"]
    assert mx.sym.Concat(parts[0], num_args=2, name="j").list_arguments() == ["a", "j_arg1"]


def test_internals_cut_the_graph():
    internals = mlp().get_internals()
    assert internals.list_outputs()[:4] == ["data", "fc1_weight", "fc1_bias", "fc1_output"]
    hidden = internals["relu1_output"]
    assert hidden.list_arguments() == ["data", "fc1_weight", "fc1_bias"]
    assert internals[0].name == "data" and internals[-1].name == "softmax"
    with pytest.raises(GraphError, match=r"no output relu1_outptu. Did you mean relu1_output\?"):
        internals["relu1_outptu"]
    with pytest.raises(IndexError):
        internals[99]


def test_group():
    a, b = mx.sym.Variable("a"), mx.sym.Variable("b")
    both = mx.sym.Group([a + b, a])
    assert both.list_outputs() == ["_plus0_output", "a"]
    assert both.name is None and len(both) == 2 and [part.name for part in both] == ["_plus0", "a"]
    assert repr(both) == "<Symbol group [_plus0, a]>"
    with pytest.raises(GraphError, match="two outputs a"):
        mx.sym.Group([a, a])["a"]
    for wrong in ([], [1]):
        with pytest.raises(GraphError, match="Group"):
            mx.sym.Group(wrong)


def test_children():
    net = mlp()
    assert net.get_children().list_outputs() == ["fc2_output", "softmax_label"]
    assert mx.sym.Variable("a").get_children() is None


def test_composition_replaces_variables_and_leaves_the_old_graph():
    net = mlp()
    longer = net(data=mx.sym.Flatten(mx.sym.Variable("image"), name="flat"))
    assert longer.list_arguments()[0] == "image"
    assert net.list_arguments()[0] == "data"
    with pytest.raises(GraphError, match="no argument dta to replace"):
        net(dta=mx.sym.Variable("x"))
    with pytest.raises(GraphError, match="argument data: expected a symbol"):
        net(data=3)


def test_attributes():
    data = mx.sym.Variable("data", shape=(0, 3), lr_mult=2, wd_mult=0.5, dtype="float32", attr={"ctx_group": "a"})
    assert data.list_attr() == {
        "__ctx_group__": "a",
        "ctx_group": "a",
        "__shape__": "(0, 3)",
        "__lr_mult__": "2",
        "lr_mult": "2",
        "__wd_mult__": "0.5",
        "wd_mult": "0.5",
        "__dtype__": "0",  # MXNet's number of float32
    }
    fc = mx.sym.FullyConnected(data, num_hidden=2, name="fc", attr={"lr_mult": "0"}, __mood__="calm")
    assert fc.attr("num_hidden") == "2" and fc.attr("__mood__") == "calm" and fc.attr("nothing") is None
    assert fc.attr_dict()["fc_weight"]["__lr_mult__"] == "0"
    assert "num_hidden" not in fc.attr_dict()["fc_weight"]
    with pytest.raises(GraphError, match="attributes belong to one output"):
        mx.sym.Group([fc, data]).attr("x")


def test_symbols_can_be_copied_and_pickled():
    net = mlp()
    assert copy.copy(net) is net and copy.deepcopy(net) is net
    assert pickle.loads(pickle.dumps(net)).tojson() == net.tojson()


def test_a_graph_may_be_deeper_than_the_stack():
    net = mx.sym.Variable("data")
    for _ in range(5000):
        net = net + 1
    assert len(net.nodes()) == 5001
    assert net.infer_shape(data=(2, 3))[1] == [(2, 3)]
    again = mx.sym.load_json(net.tojson())
    assert again.tojson() == net.tojson()
    assert net(data=mx.sym.Variable("x")).list_arguments() == ["x"]


def test_nodes_do_not_change():
    node = mx.sym.Variable("data").nodes()[0]
    with pytest.raises(AttributeError):
        node.name = "other"


def test_postorder_of_shared_nodes_is_linear():
    node = Node(None, "x")
    for i in range(60):  # 2^60 paths
        node = Node(mx.sym.elemwise_add().heads[0][0].op, f"n{i}", {}, ((node, 0), (node, 0)))
    assert len(postorder([(node, 0)])) == 61


def test_every_operator_is_found_and_described():
    names = dir(mx.sym)
    assert {"Convolution", "_plus_scalar", "Variable", "load_json", "Softmax"} <= set(names)
    assert mx.sym.Convolution is mx.sym.Convolution
    assert "num_filter: a whole number of at least 1, required" in mx.sym.Convolution.__doc__
    with pytest.raises(AttributeError, match=r"no operator Convolutoin. Did you mean Convolution\?"):
        mx.sym.Convolutoin  # noqa: B018


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (
            lambda x: mx.sym.FullyConnected(x, num_hiden=3),
            ParameterError,
            "no parameter num_hiden. Did you mean num_hidden?",
        ),
        (lambda x: mx.sym.FullyConnected(x), ParameterError, "missing parameter num_hidden"),
        (lambda x: mx.sym.FullyConnected(x, num_hidden="many"), ParameterError, "got 'many'"),
        (
            lambda x: mx.sym.FullyConnected(x, num_hidden=x),
            ParameterError,
            "parameter num_hidden: expected a whole number",
        ),
        (
            lambda x: mx.sym.FullyConnected(x, 10),
            GraphError,
            "input 2 by position: expected a symbol, got 10. Parameters are given",
        ),
        (lambda x: mx.sym.FullyConnected(x, data=x, num_hidden=1), GraphError, "input data is given twice"),
        (
            lambda x: mx.sym.FullyConnected(x, wieght=x, num_hidden=1),
            GraphError,
            "no input wieght. Did you mean weight?",
        ),
        (
            lambda x: mx.sym.FullyConnected(np.ones(3), num_hidden=1),
            GraphError,
            "input 1 by position: expected a symbol",
        ),
        (
            lambda x: mx.sym.FullyConnected(x, weight=[1], num_hidden=1),
            GraphError,
            "input weight: expected a symbol, got [1]",
        ),
        (lambda x: mx.sym.Flatten(x, x), GraphError, "inputs by position: expected at most 1, got 2"),
        (
            lambda x: mx.sym.Flatten(mx.sym.Group([x, x])),
            GraphError,
            "expected a symbol with one output, got ['x', 'x']",
        ),
        (lambda x: mx.sym.Flatten(x, name=3), GraphError, "name: expected a string"),
        (lambda x: mx.sym.Flatten(x, attr={"lr_mult": 3}), GraphError, "attribute 'lr_mult': expected strings"),
        (lambda x: mx.sym.Flatten(x, attr={"mood": "calm"}), GraphError, "attribute mood: expected __mood__"),
        (lambda x: mx.sym.Variable(""), GraphError, "Variable: name"),
        (lambda x: mx.sym.Variable("x", shpae=(1, 2)), ParameterError, "no parameter shpae"),
        (lambda x: mx.sym.Variable("x", shape="big"), ParameterError, "Variable: shape"),
        (lambda x: mx.sym.Variable("x", shape="(3,"), ParameterError, "Variable: shape: expected a tuple"),
    ],
)
def test_misuse_says_what_is_wrong(make, error, text):
    with pytest.raises(error) as caught:
        make(mx.sym.Variable("x"))
    assert text in str(caught.value)
