import json

import pytest

import pushgrad as mx
from pushgrad.common.errors import FileFormatError, GraphError, ParameterError, PushgradError
from pushgrad.worker.ops.operator import REGISTRY
from pushgrad.worker.ops.parameters import Choice, Float, Int, declared


def network():
    data = mx.sym.Variable("data", shape=(0, 1, 8, 8), lr_mult=2)
    conv = mx.sym.Convolution(data, kernel=(3, 3), num_filter=4, name="conv", attr={"ctx_group": "dev1"})
    pool = mx.sym.Pooling(conv, kernel=(2, 2), global_pool=False, name="pool")
    both = mx.sym.Concat(pool, pool * 0.5, dim=1, name="both")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(both, num_hidden=3, name="fc"), name="softmax")


def test_written_as_mxnet_1_9_writes():
    written = json.loads(network().tojson())
    assert written["attrs"] == {"mxnet_version": ["int", 10901]}
    assert list(written["nodes"][3]) == ["op", "name", "attrs", "inputs"]
    assert written["nodes"][3]["attrs"] == {"__ctx_group__": "dev1", "kernel": "(3, 3)", "num_filter": "4"}
    assert written["nodes"][0]["attrs"] == {"__lr_mult__": "2", "__shape__": "(0, 1, 8, 8)"}
    assert written["arg_nodes"] == [0, 1, 2, 7, 8, 10]
    assert written["node_row_ptr"] == list(range(13))
    assert written["heads"] == [[11, 0, 0]]


def test_round_trip_keeps_everything():
    net = network()
    again = mx.sym.load_json(net.tojson())
    assert again.tojson() == net.tojson()
    assert again.attr_dict() == net.attr_dict()
    assert again.infer_shape(data=(2, 1, 8, 8)) == net.infer_shape(data=(2, 1, 8, 8))


NEEDED = {"kernel": "(1, 1)", "pad_width": "(0, 0, 0, 0, 1, 1, 1, 1)", "dtype": "float32", "h_w": "(1, 1)"}
BY_KIND = {Int: "1", Float: "1"}


def needed(kind):
    """Parameters, as text, with which that operator can be made."""
    required = {key: item for key, item in declared(kind).items() if item.required or key in NEEDED}
    return {
        key: NEEDED.get(key) or (item.choices[0] if isinstance(item, Choice) else BY_KIND.get(type(item), "(1, 1)"))
        for key, item in required.items()
    }


@pytest.mark.parametrize("name", sorted(REGISTRY.keys() - {"Custom"}))
def test_every_name_in_the_registry_is_read(name):
    kind = REGISTRY[name]
    given = needed(kind)
    slots = kind(**given).arguments()
    nodes = [{"op": "null", "name": slot, "inputs": []} for slot in slots]
    nodes.append({"op": name, "name": "n", "attrs": given, "inputs": [[i, 0, 0] for i in range(len(slots))]})
    symbol = mx.sym.load_json(json.dumps({"nodes": nodes, "heads": [[len(slots), 0, 0]]}))
    assert symbol.heads[0][0].op.op_name() == kind.op_name()


def test_files(tmp_path):
    net, path = network(), tmp_path / "net-symbol.json"
    net.save(path)
    assert mx.sym.load(path).tojson() == mx.sym.load(str(path)).tojson() == net.tojson()
    assert [item.name for item in tmp_path.iterdir()] == ["net-symbol.json"]
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(FileFormatError, match=r"net-symbol.json: symbol file: expected text in UTF-8"):
        mx.sym.load(path)
    path.write_text("[]")
    with pytest.raises(FileFormatError, match=r"net-symbol.json: symbol: expected a JSON object"):
        mx.sym.load(path)


def node(op, name, inputs=(), **rest):
    return {"op": op, "name": name, "inputs": list(inputs), **rest}


def document(nodes, heads, **rest):
    return json.dumps({"nodes": nodes, "arg_nodes": [], "heads": heads, **rest})


def old_lenet():
    """As MXNet 0.7 of early 2016 wrote it: all parameters in `param`, no convention of pooling, no label."""
    pooling = {"kernel": "(2,2)", "pad": "(0,0)", "pool_type": "max", "stride": "(2,2)"}
    dense = {"no_bias": "False", "num_hidden": "10"}
    softmax = {"grad_scale": "1", "ignore_label": "-1", "multi_output": "False", "use_ignore": "False"}
    nodes = [
        node("null", "data", param={}, backward_source_id=-1),
        node(
            "Pooling", "pool", [[0, 0]], param=pooling, backward_source_id=-1, attr={"ctx_group": "dev1", "mine": "x"}
        ),
        node("Flatten", "flatten0", [[1, 0]], param={}, backward_source_id=-1),
        node("null", "fc_weight", param={}, backward_source_id=-1),
        node("null", "fc_bias", param={}, backward_source_id=-1),
        node("FullyConnected", "fc", [[2, 0], [3, 0], [4, 0]], param=dense, attr={"weight_lr_mult": "3"}),
        node("SoftmaxOutput", "softmax", [[5, 0]], param=softmax, backward_source_id=-1),
    ]
    return document(nodes, [[6, 0]])


def test_files_of_2016():
    net = mx.sym.load_json(old_lenet())
    assert net.list_arguments() == ["data", "fc_weight", "fc_bias", "softmax_label"]
    shapes = dict(zip(net.list_arguments(), net.infer_shape(data=(2, 1, 5, 5))[0], strict=True))
    assert shapes["fc_weight"] == (10, 9)  # pooling rounded up
    attributes = net.attr_dict()
    assert attributes["fc_weight"]["__lr_mult__"] == "3"
    assert attributes["pool"]["__ctx_group__"] == "dev1" and attributes["pool"]["__mine__"] == "x"
    assert mx.sym.load_json(net.tojson()).attr_dict() == attributes


def test_files_of_2017_keep_both_dictionaries_in_one():
    nodes = [
        node("null", "data", attr={"num_hidden": "4"}),
        node("null", "fc_weight", attr={"num_hidden": "4"}),
        node("null", "fc_bias"),
        node(
            "FullyConnected",
            "fc",
            [[0, 0, 0], [1, 0, 0], [2, 0, 0]],
            attr={"num_hidden": "4", "lr_mult": "2", "__x__": "y"},
        ),
    ]
    net = mx.sym.load_json(document(nodes, [[3, 0, 0]], attrs={"mxnet_version": ["int", 905]}))
    assert net.attr_dict()["fc"] == {"num_hidden": "4", "__lr_mult__": "2", "lr_mult": "2", "__x__": "y"}
    assert net.attr_dict()["fc_weight"] == {"num_hidden": "4"}


def test_unused_nodes_are_left_out():
    nodes = [node("null", "a"), node("null", "b")]
    assert mx.sym.load_json(document(nodes, [[0, 0]])).list_arguments() == ["a"]


V = node("null", "x")
WRONG = [
    ("", FileFormatError, "no valid JSON"),
    ("[" * 100000, FileFormatError, "no valid JSON"),
    ('{"nodes": [' + "9" * 5000 + "]}", FileFormatError, "no valid JSON"),
    ("3", FileFormatError, "expected a JSON object"),
    ("{}", FileFormatError, "field nodes"),
    ('{"nodes": []}', FileFormatError, "field heads"),
    (document([V], []), FileFormatError, "at least one output"),
    (document([V], [[1, 0]]), GraphError, "heads: input: expected a node before it (0 to 0), got 1"),
    (document([V], [[0, 1]]), GraphError, "heads: output of x"),
    (document([V], [[0]]), FileFormatError, "heads: input"),
    (document([V], [[0, -1]]), FileFormatError, "heads: input"),
    (document([V], [[0, True]]), FileFormatError, "heads: input"),
    (document([V], [[0, 0]], attrs={"mxnet_version": "new"}), FileFormatError, "mxnet_version"),
    (document([V], [[0, 0]], attrs=3), FileFormatError, "mxnet_version"),
    (document([3], [[0, 0]]), FileFormatError, "node 0: expected a JSON object"),
    (document([node("null", 3)], [[0, 0]]), FileFormatError, "node 0: field name"),
    (document([node(3, "x")], [[0, 0]]), FileFormatError, "node 0 (x): field op"),
    (document([{"op": "null", "name": "x"}], [[0, 0]]), FileFormatError, "node 0 (x): field inputs"),
    (document([node("null", "x", attrs={"a": 1})], [[0, 0]]), FileFormatError, "expected an object of strings"),
    (document([node("null", "x", subgraphs=[{}])], [[0, 0]]), GraphError, "subgraphs are not supported"),
    (document([node("null", "x", control_deps=[0])], [[0, 0]]), GraphError, "control_deps are not supported"),
    (document([node("null", "x", backward_source_id=0)], [[0, 0]]), GraphError, "backward node"),
    (document([V, node("null", "y", [[0, 0]])], [[1, 0]]), GraphError, "node 1 (y): a variable with inputs"),
    (document([V, node("LRM", "norm1", [[0, 0]])], [[1, 0]]), GraphError, "node 1 (norm1): no operator 'LRM'"),
    (document([V, node("Flatten", "f", [[1, 0]])], [[1, 0]]), GraphError, "expected a node before it (0 to 0), got 1"),
    (
        document([V, node("Flatten", "f", [[2, 0]]), node("Flatten", "g", [[1, 0]])], [[2, 0]]),
        GraphError,
        "a node before it",
    ),
    (
        document([V, node("Flatten", "f", [[0, 0], [0, 0]])], [[1, 0]]),
        GraphError,
        "inputs of Flatten: expected 1 (data), got 2",
    ),
    (
        document([V, node("Dropout", "d", [[0, 0]], attrs={"p": "2"})], [[1, 0]]),
        ParameterError,
        "node 1 (d): Dropout: parameter p",
    ),
    (
        document(
            [V, node("Flatten", "f", [[0, 0]], attrs={"axis": "2"})], [[1, 0]], attrs={"mxnet_version": ["int", 10901]}
        ),
        ParameterError,
        "node 1 (f): Flatten: no parameter axis",
    ),
    (
        document([V, node("elemwise_add", "f", [[0, 0]])], [[1, 0]], attrs={"mxnet_version": ["int", 10901]}),
        GraphError,
        "node 1 (f): inputs of elemwise_add: expected 2 (lhs, rhs), got 1",
    ),
]


@pytest.mark.parametrize(("text", "error", "expected"), WRONG)
def test_wrong_files(text, error, expected):
    with pytest.raises(error) as caught:
        mx.sym.load_json(text)
    assert expected in str(caught.value)


def test_a_damaged_file_never_raises_anything_else():
    """Every number of a good file replaced by others, and every text cut short: an error of ours, or a graph."""
    good = network().tojson()
    digits = [position for position, character in enumerate(good) if character.isdigit()]
    changed = [
        _is_read(good[:position] + other + good[position + 1 :])
        for position in digits
        for other in ("-1", "9999999999", "0.5", "null")
    ]
    assert any(changed) and not all(changed)
    assert not any(_is_read(good[:length]) for length in range(0, len(good.rstrip()), 7))


def _is_read(text):
    """Whether it is a graph; any error but ours comes through."""
    try:
        return bool(mx.sym.load_json(text).list_arguments())
    except PushgradError:
        return False
