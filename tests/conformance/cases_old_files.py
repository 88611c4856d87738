"""Files of older versions, as text: other names of operators, parameters under `param` and `attr`, missing inputs."""

import json

from draws import classes, normal, positive

ALIASES_OF_TWO = (
    "_plus _Plus _add _minus _Minus _sub _mul _Mul _div _Div _power _Power _maximum _Maximum _minimum _Minimum _Mod "
    "_Hypot _Equal _Not_Equal _Greater _Greater_Equal _Lesser _Lesser_Equal broadcast_plus broadcast_minus"
)
ALIASES_WITH_NUMBER = (
    "_PlusScalar _MinusScalar _RMinusScalar _MulScalar _DivScalar _RDivScalar _PowerScalar _RPowerScalar "
    "_MaximumScalar _MinimumScalar _ModScalar _RModScalar _EqualScalar _GreaterScalar"
)
ALIASES_OF_ONE = "flatten stop_gradient _copy identity sum_axis max_axis min_axis make_loss"
WITH_PARAMETERS = {
    "reshape": {"shape": "(3,-1)"},
    "swapaxes": {"dim1": "0", "dim2": "1"},
    "SwapAxis": {"dim1": "0", "dim2": "1"},
    "Cast": {"dtype": "float32"},
    "cast": {"dtype": "float32"},
    "split": {"num_outputs": "2", "axis": "0"},
    "SoftmaxActivation": {"mode": "instance"},
    "flip": {"axis": "1"},
    "crop": {"begin": "(0,1)", "end": "(2,3)"},
    "broadcast_axes": {"axis": "()", "size": "()"},
    "add_n": {"num_args": "1"},
    "concat": {"num_args": "1", "dim": "1"},
}


def _variable(name):
    return {"op": "null", "param": {}, "name": name, "inputs": [], "backward_source_id": -1}


def _node(op, name, inputs, **parameters):
    pairs = [[number, 0] for number in inputs]
    return {"op": op, "param": parameters, "name": name, "inputs": pairs, "backward_source_id": -1}


def _file(*nodes):
    """As 0.8 and before wrote: no version, pairs as inputs."""
    variables = [i for i, node in enumerate(nodes) if node["op"] == "null"]
    return json.dumps({"nodes": nodes, "arg_nodes": variables, "heads": [[len(nodes) - 1, 0]]})


def _file_of_2017(*nodes):
    """As 0.9 to 0.12 wrote: triples as inputs, `attr` for parameters and attributes alike."""
    changed = [
        {
            "op": node["op"],
            "name": node["name"],
            "attr": {**node["param"], **node.get("attr", {})},
            "inputs": [[*pair, 0] for pair in node["inputs"]],
        }
        for node in nodes
    ]
    text = json.loads(_file(*changed))
    rows = list(range(len(nodes) + 1))
    return json.dumps(text | {"node_row_ptr": rows, "attrs": {"mxnet_version": ["int", 905]}})


def aliases():
    data, other = _variable("data"), _variable("other")
    for op in ALIASES_OF_TWO.split():
        inputs = {"data": positive(2, 3), "other": positive(2, 3)}
        yield f"alias_{op}", _file(data, other, _node(op, "n", (0, 1))), inputs
    for op in ALIASES_WITH_NUMBER.split():
        yield f"alias_{op}", _file(data, _node(op, "n", (0,), scalar="1.25")), {"data": positive(2, 3)}
    for op in ALIASES_OF_ONE.split():
        yield f"alias_{op}", _file(data, _node(op, "n", (0,))), {"data": normal(2, 3)}
    for op, parameters in WITH_PARAMETERS.items():
        yield f"alias_{op}", _file(data, _node(op, "n", (0,), **parameters)), {"data": normal(2, 3)}


def first_versions():
    """The operators of before 2017 that kept their code under a name with _v1."""
    data, weight, bias = _variable("data"), _variable("c_weight"), _variable("c_bias")
    image = normal(2, 2, 5, 6)
    convolution = _node("Convolution_v1", "c", (0, 1, 2), kernel="(3,3)", num_filter="3", pad="(1,1)", stride="(2,2)")
    yield "alias_Convolution_v1", _file(data, weight, bias, convolution), {"data": image}
    for pool_type, convention in (("max", "full"), ("avg", "valid")):
        parameters = {"kernel": "(2,2)", "stride": "(2,2)", "pool_type": pool_type, "pooling_convention": convention}
        pooling = _node("Pooling_v1", "p", (0,), **parameters)
        yield f"alias_Pooling_v1_{pool_type}", _file(data, pooling), {"data": image}
    gamma, beta = _variable("b_gamma"), _variable("b_beta")
    norm = _node("BatchNorm_v1", "b", (0, 1, 2), eps="0.001", fix_gamma="False")
    yield "alias_BatchNorm_v1", _file(data, gamma, beta, norm), {"data": image}
    inputs = {"data": normal(4, 3), "s_label": classes(3, 4)}
    yield "alias_Softmax", _file(data, _node("Softmax", "s", (0,), grad_scale="2")), inputs


def _network():
    """Nodes as 2016 wrote them, all parameters present; states and label are not among the nodes."""
    dense = {"num_hidden": "4", "no_bias": "False"}
    batch = {"eps": "0.001", "momentum": "0.9", "fix_gamma": "True", "use_global_stats": "False"}
    loss = {"grad_scale": "1", "ignore_label": "-1", "multi_output": "False", "use_ignore": "False"}
    loss |= {"preserve_shape": "False", "normalization": "null", "out_grad": "False"}
    return [
        _variable("data"),
        _variable("fc_weight"),
        _variable("fc_bias"),
        _node("FullyConnected", "fc", (0, 1, 2), **dense) | {"attr": {"weight_lr_mult": "3", "ctx_group": "dev1"}},
        _variable("bn_gamma"),
        _variable("bn_beta"),
        _node("BatchNorm", "bn", (3, 4, 5), **batch),
        _node("_Plus", "sum", (6, 3)),
        _node("SoftmaxOutput", "softmax", (7,), **loss),
    ]


def whole_files():
    inputs = {"data": normal(5, 3), "softmax_label": classes(4, 5)}
    yield "file_of_2016", _file(*_network()), inputs
    states = [_variable("bn_moving_mean"), _variable("bn_moving_var"), _variable("softmax_label")]
    nodes = _network()
    nodes = [*nodes[:6], states[0], states[1], *nodes[6:8], states[2], nodes[8]]
    for node, pairs in ((nodes[8], [3, 4, 5, 6, 7]), (nodes[9], [8, 3]), (nodes[11], [9, 10])):
        node["inputs"] = [[number, 0] for number in pairs]
    yield "file_of_2017", _file_of_2017(*nodes), inputs


def spellings():
    data, weight = _variable("data"), _variable("c_weight")
    parameters = {"kernel": "[3, 2]", "stride": "(2,1)", "pad": "(1L, 0L)", "num_filter": "2", "no_bias": "1"}
    spelled = _node("Convolution", "c", (0, 1), **parameters)
    yield "spelling_of_tuples", _file(data, weight, spelled), {"data": normal(2, 2, 5, 5)}
    lower = _node("FullyConnected", "f", (0, 1), num_hidden="2", no_bias="true", flatten="0")
    yield "spelling_of_booleans", _file(data, _variable("f_weight"), lower), {"data": normal(2, 3, 4)}
    nothing = _node("sum", "n", (0,), axis="None", keepdims="1")
    yield "spelling_of_none", _file(data, nothing), {"data": normal(2, 3)}
    last = _node("argmax", "n", (0,), axis="-1")
    yield "argmax_of_2016", _file(data, last), {"data": normal(2, 3)}


FAMILIES = (aliases, first_versions, whole_files, spellings)
