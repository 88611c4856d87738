"""Forms in which MXNet's users write symbols: composition with a name, types, `dtype` of variables.

Names, types and numbers are what MXNet 1.9.1 gives, except where a graph of one element type has to differ.
"""

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import GraphError, ParameterError
from pushgrad.common.suggestion import MOST, suggestion


def net():
    hidden = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3, name="fc")
    return mx.sym.SoftmaxOutput(mx.sym.BatchNorm(hidden, name="bn"), name="softmax")


def test_composition_takes_a_name():
    again = net()(data=mx.sym.Variable("other"), name="again")
    assert again.list_arguments() == ["other", "fc_weight", "fc_bias", "bn_gamma", "bn_beta", "softmax_label"]
    assert again.list_outputs() == ["again_output"]
    assert net().list_outputs() == ["softmax_output"]  # symbols do not change


def test_composition_by_position_follows_the_arguments():
    """As MXNet 0.7 did; 1.9.1 refuses it."""
    assert net()(mx.sym.Variable("x"), mx.sym.Variable("w")).list_arguments()[:3] == ["x", "w", "fc_bias"]


def test_the_outputs_of_one_node_share_its_new_name():
    halves = mx.sym.SliceChannel(mx.sym.Variable("x"), num_outputs=2, name="halves")
    assert halves(name="parts").list_outputs() == ["parts_output0", "parts_output1"]


@pytest.mark.parametrize(
    ("compose", "text"),
    [
        (lambda: mx.sym.Group([net(), mx.sym.Variable("x")])(name="both"), "several nodes"),
        (lambda: net()(mx.sym.Variable("x"), data=mx.sym.Variable("y")), "given twice"),
        (lambda: net()(*[mx.sym.Variable("x")] * 7), "expected at most 6, got 7"),
        (lambda: net()(dat=mx.sym.Variable("x")), "Did you mean data"),
        (lambda: net()(name=3), "not empty, got 3"),
    ],
)
def test_refused_compositions(compose, text):
    with pytest.raises(GraphError, match=text):
        compose()


def test_types_are_inferred():
    single, double = np.float32, np.float64
    assert net().infer_type(data="float32") == ([single] * 6, [single], [single] * 2)
    assert net().infer_type(double) == ([double] * 6, [double], [double] * 2)
    assert net().infer_type() == (None, None, None)


def test_whole_numbers_say_nothing_of_the_type():
    table = mx.sym.Embedding(mx.sym.Variable("ids"), input_dim=3, output_dim=2)
    assert table.infer_type(ids="int32")[1] == [np.float32]  # in MXNet, too; its `ids` would be int32, however


@pytest.mark.parametrize(
    ("types", "error", "text"),
    [
        ({"dat": "float32"}, GraphError, "Did you mean data"),
        ({"data": "float32", "fc_weight": np.float16}, GraphError, "data float32, fc_weight float16"),
        ({"data": "nope"}, ParameterError, "infer_type: data: expected one of float16"),
    ],
)
def test_refused_types(types, error, text):
    with pytest.raises(error, match=text):
        net().infer_type(**types)


@pytest.mark.parametrize(
    ("dtype", "flag"),
    [(np.float32, "0"), ("float64", "1"), (np.dtype("float16"), "2"), (np.uint8, "3"), ("int32", "4"), ("int64", "6")],
)
def test_the_type_of_a_variable_is_written_as_mxnet_does(dtype, flag):
    assert mx.sym.Variable("x", dtype=dtype).attr_dict() == {"x": {"__dtype__": flag}}
    assert mx.sym.load_json(mx.sym.Variable("x", dtype=dtype).tojson()).attr("__dtype__") == flag


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"dtype": "nope"}, "Variable x: dtype: expected one of float16"),
        ({"lr_mult": "abc"}, "Variable x: lr_mult: expected a number, got 'abc'"),
        ({"wd_mult": True}, "Variable x: wd_mult: expected a number, got True"),
        ({"init": mx.init.Mixed([".*"], [mx.init.Zero()])}, "Mixed as the initializer of one variable"),
        ({"init": mx.init.Load({"x": np.zeros(2)})}, "Load as the initializer of one variable"),
    ],
)
def test_refused_options_of_a_variable(options, text):
    with pytest.raises(ParameterError, match=text):
        mx.sym.Variable("x", **options)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("LSTM", "has no operator LSTM. It is RNN(..., mode='lstm')"),
        ("Convolutoin", "has no operator Convolutoin. Did you mean Convolution?"),
        ("Qwxyz", "has no operator Qwxyz; dir(mx.sym) lists them"),
    ],
)
def test_an_unknown_operator_in_one_line(name, text):
    with pytest.raises(AttributeError) as caught:
        getattr(mx.sym, name)
    assert str(caught.value) == f"mx.sym {text}"


def test_long_lists_are_not_suggested():
    names = [f"name{i}" for i in range(MOST)]
    assert suggestion("zzz", names) == f"; it has {', '.join(names)}"
    assert suggestion("zzz", [*names, "one_more"]) == ""
