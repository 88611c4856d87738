"""A checkpoint as MXNet wrote it in early 2016, put together here: JSON without auxiliary states and labels, all
parameters spelled out, pooling that has no convention yet, and arrays in the first layout."""

import json
import struct

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import FileFormatError, ParameterError, ShapeError

SHAPES = {
    "arg:conv_1_weight": (4, 3, 3, 3),
    "arg:conv_1_bias": (4,),
    "arg:bn_1_gamma": (4,),
    "arg:bn_1_beta": (4,),
    "arg:conv_2_weight": (3, 4, 1, 1),
    "arg:conv_2_bias": (3,),
    "arg:fc1_weight": (5, 7 * 16),
    "arg:fc1_bias": (5,),
    "aux:bn_1_moving_mean": (4,),
    "aux:bn_1_moving_var": (4,),
}


def variable(name):
    return {"op": "null", "param": {}, "name": name, "inputs": [], "backward_source_id": -1}


def node(op, name, inputs, **parameters):
    return {"op": op, "param": parameters, "name": name, "inputs": [[i, 0] for i in inputs], "backward_source_id": -1}


def graph():
    """Convolution, BatchNorm, two branches that fit together only if pooling rounds up, a classifier."""
    convolution = {"dilate": "(1,1)", "num_group": "1", "no_bias": "False", "pad": "(1,1)", "workspace": "512"}
    pooling = {"kernel": "(3,3)", "pad": "(0,0)", "stride": "(2,2)"}
    nodes = [
        variable("data"),
        variable("conv_1_weight"),
        variable("conv_1_bias"),
        node("Convolution", "conv_1", (0, 1, 2), kernel="(3,3)", num_filter="4", stride="(1,1)", **convolution),
        variable("bn_1_gamma"),
        variable("bn_1_beta"),
        node("BatchNorm", "bn_1", (3, 4, 5), eps="0.001", fix_gamma="False", momentum="0.9"),
        node("Activation", "relu_1", (6,), act_type="relu"),
        variable("conv_2_weight"),
        variable("conv_2_bias"),
        node(
            "Convolution", "conv_2", (7, 8, 9), kernel="(1,1)", num_filter="3", stride="(2,2)",
            **convolution | {"pad": "(0,0)"},
        ),
        node("Pooling", "pool_2", (7,), pool_type="max", **pooling),
        node("Concat", "both", (10, 11), num_args="2", dim="1"),
        node("Flatten", "flatten", (12,)),
        variable("fc1_weight"),
        variable("fc1_bias"),
        node("FullyConnected", "fc1", (13, 14, 15), num_hidden="5", no_bias="False"),
        node("Softmax", "softmax", (16,), grad_scale="1", multi_output="False"),
    ]  # fmt: skip
    variables = [i for i, item in enumerate(nodes) if item["op"] == "null"]
    return json.dumps({"nodes": nodes, "arg_nodes": variables, "heads": [[len(nodes) - 1, 0]]})


def first_layout(arrays):
    """32-bit extents and no magic word; saved on a GPU."""
    content = struct.pack("<3Q", 0x112, 0, len(arrays))
    for array in arrays.values():
        content += struct.pack(f"<I{array.ndim}I", array.ndim, *array.shape)
        content += struct.pack("<3i", 2, 0, 0) + array.astype("<f4").tobytes()
    names = b"".join(struct.pack("<Q", len(name)) + name.encode() for name in arrays)
    return content + struct.pack("<Q", len(arrays)) + names


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return {name: rng.uniform(0.1, 1, shape).astype(np.float32) for name, shape in SHAPES.items()}


@pytest.fixture
def prefix(tmp_path, arrays):
    (tmp_path / "Old_BN-symbol.json").write_text(graph())
    (tmp_path / "Old_BN-0039.params").write_bytes(first_layout(arrays))
    return str(tmp_path / "Old_BN")


def expected(arrays, data):
    """The same network written today and run with the same numbers."""
    net = mx.sym.Convolution(mx.sym.Variable("data"), kernel=(3, 3), pad=(1, 1), num_filter=4, name="conv_1")
    net = mx.sym.BatchNorm(net, eps=0.001, fix_gamma=False, name="bn_1")
    net = mx.sym.Activation(net, act_type="relu")
    left = mx.sym.Convolution(net, kernel=(1, 1), stride=(2, 2), num_filter=3, name="conv_2")
    right = mx.sym.Pooling(net, kernel=(3, 3), stride=(2, 2), pool_type="max", pooling_convention="full")
    net = mx.sym.FullyConnected(mx.sym.Flatten(mx.sym.Concat(left, right)), num_hidden=5, name="fc1")
    net = mx.sym.SoftmaxOutput(net, name="softmax")
    parts = {"arg": {}, "aux": {}}
    for name, array in arrays.items():
        kind, _, rest = name.partition(":")
        parts[kind][rest] = array
    return mx.FeedForward(net, arg_params=parts["arg"], aux_params=parts["aux"]).predict(data)


def test_load_checkpoint(prefix, arrays):
    symbol, arg_params, aux_params = mx.model.load_checkpoint(prefix, 39)
    assert {f"arg:{name}" for name in arg_params} | {f"aux:{name}" for name in aux_params} == {*SHAPES}
    assert symbol.list_auxiliary_states() == ["bn_1_moving_mean", "bn_1_moving_var"]
    assert set(symbol.list_arguments()) - set(arg_params) == {"data", "softmax_label"}
    np.testing.assert_array_equal(arg_params["fc1_weight"], arrays["arg:fc1_weight"])


def test_predict_as_then(prefix, arrays):
    data = np.random.default_rng(1).normal(size=(2, 3, 8, 8)).astype(np.float32)
    model = mx.FeedForward.load(prefix, 39)
    np.testing.assert_allclose(model.predict(data), expected(arrays, data), rtol=1e-5)


def test_arrays_that_nobody_uses(prefix, arrays, tmp_path, capsys):
    more = arrays | {"arg:fc_extra_weight": np.zeros((2, 2)), "aux:bn_extra_moving_mean": np.zeros(2)}
    (tmp_path / "Old_BN-0039.params").write_bytes(first_layout(more))
    assert "fc_extra_weight" in mx.model.load_checkpoint(prefix, 39)[1]
    with pytest.raises(FileFormatError, match="arg:fc_extra_weight is not one of its parameters"):
        mx.FeedForward.load(prefix, 39)
    model = mx.FeedForward.load(prefix, 39, allow_extra_params=True)
    assert {*model.arg_params, *model.aux_params} == {name[4:] for name in SHAPES}
    notes = capsys.readouterr().out.splitlines()
    assert [line.partition(": ")[2] for line in notes] == [
        f"left out {name}, which the network does not use" for name in ("fc_extra_weight", "bn_extra_moving_mean")
    ]


def test_saved_again_in_the_layouts_of_today(prefix, arrays, tmp_path):
    symbol, arg_params, aux_params = mx.model.load_checkpoint(prefix, 39)
    mx.model.save_checkpoint(tmp_path / "new", 1, symbol, arg_params, aux_params)
    data = np.random.default_rng(1).normal(size=(2, 3, 8, 8)).astype(np.float32)
    again = mx.FeedForward.load(str(tmp_path / "new"), 1).predict(data)
    np.testing.assert_array_equal(again, mx.FeedForward.load(prefix, 39).predict(data))
    written = json.loads((tmp_path / "new-symbol.json").read_text())
    (pooling,) = [item for item in written["nodes"] if item["op"] == "Pooling"]
    assert pooling["attrs"]["pooling_convention"] == "full"


def pooled(tmp_path, width, pool="(3,3)"):
    """The prefix of a file of 2016 with a pooling that does not say how it rounds, before a layer of that width."""
    pooling = node("Pooling", "pool", (0,), kernel=pool, stride="(2,2)", pool_type="max")
    nodes = [variable("data"), pooling]
    if width is None:  # an average of whatever is left, which any size fits
        nodes.append(node("Pooling", "all", (1,), kernel="(1,1)", global_pool="True", pool_type="avg"))
    else:
        nodes.append(node("Flatten", "flat", (1,)))
    nodes += [variable("fc_weight"), node("FullyConnected", "fc", (2, 3), num_hidden="2", no_bias="True")]
    text = {"nodes": nodes, "arg_nodes": [0, 3], "heads": [[4, 0]]}
    (tmp_path / "pooled-symbol.json").write_text(json.dumps(text))
    weight = np.ones((2, 1 if width is None else width), np.float32)
    mx.nd.save(tmp_path / "pooled-0001.params", {"arg:fc_weight": weight})
    return str(tmp_path / "pooled")


def convention(symbol):
    return next(item for item in json.loads(symbol.tojson())["nodes"] if item["name"] == "pool")["attrs"]


@pytest.mark.parametrize(("width", "rounds"), [(13 * 13, "valid"), (14 * 14, "full"), (112 * 112, "full")])
def test_the_parameters_tell_how_poolings_round(tmp_path, capsys, width, rounds):
    """28 pixels make floor(25 / 2) + 1 = 13 windows, or 14 when rounded up: arithmetic, as in MXNet before and after
    8 July 2016."""
    symbol, _, _ = mx.model.load_checkpoint(pooled(tmp_path, width), 1)
    assert convention(symbol)["pooling_convention"] == rounds
    assert capsys.readouterr().out == ""


def test_windows_that_fit_leave_nothing_open(tmp_path, capsys):
    mx.model.load_checkpoint(pooled(tmp_path, 14 * 14, "(2,2)"), 1)
    assert capsys.readouterr().out == ""


def test_where_the_parameters_do_not_tell_the_user_can(tmp_path, capsys):
    """The mean of the windows' maxima, of 5 x 5 and of 6 x 6 windows over 12 x 12 pixels: arithmetic."""
    prefix, data = pooled(tmp_path, None), np.arange(144, dtype=np.float32).reshape(1, 1, 12, 12)
    expected = {
        name: np.mean([data[0, 0, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3].max() for i in range(n) for j in range(n)])
        for name, n in (("valid", 5), ("full", 6))
    }
    model = mx.FeedForward.load(prefix, 1)
    note = capsys.readouterr().out
    assert "does not say how its 1 poolings round" in note
    assert 'pooling_convention="valid"' in note
    np.testing.assert_allclose(model.predict(data)[0], expected["full"], rtol=1e-6)
    for name, value in expected.items():
        told = mx.FeedForward.load(prefix, 1, pooling_convention=name)
        np.testing.assert_allclose(told.predict(data)[0], value, rtol=1e-6)
        symbol = mx.model.load_checkpoint(prefix, 1, pooling_convention=name)[0]
        assert convention(symbol)["pooling_convention"] == name
    assert capsys.readouterr().out == ""
    with pytest.raises(ParameterError, match="pooling_convention: expected valid or full, got 'up'"):
        mx.FeedForward.load(prefix, 1, pooling_convention="up")


def test_an_error_about_shapes_has_the_note(tmp_path):
    model = mx.FeedForward.load(pooled(tmp_path, None), 1)
    with pytest.raises(ShapeError, match=r"not trained on data such as .*load it with pooling_convention=.valid."):
        model.predict(np.zeros((1, 3, 12, 12), np.float32))
