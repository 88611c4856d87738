"""Whole networks as ONNX files; single operators are in test_onnx_conformance.py."""

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import GraphError, ParameterError, ShapeError
from pushgrad.worker.files.formats.onnx.writer import EXPORTERS
from pushgrad.worker.ops.operator import REGISTRY

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")


def with_values(symbol, **shapes):
    """The network with small random parameters: a FeedForward."""
    arguments, _, states = symbol.infer_shape(**shapes)
    rng = np.random.default_rng(0)
    args = dict(zip(symbol.list_arguments(), arguments, strict=True))
    aux = dict(zip(symbol.list_auxiliary_states(), states, strict=True))
    learned = {
        name: rng.normal(0, 0.1, shape).astype(np.float32)
        for name, shape in args.items()
        if not name.endswith(("data", "label"))
    }
    averages = {name: rng.uniform(0.5, 1, shape).astype(np.float32) for name, shape in aux.items()}
    return mx.FeedForward(symbol, arg_params=learned, aux_params=averages)


def session(path):
    options = runtime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    return runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


NETWORKS = {
    "lenet": ({}, (2, 1, 28, 28)),
    "mlp": ({}, (2, 20)),
    "resnet20": ({"num_classes": 10}, (2, 3, 28, 28)),
    "mobilenet": ({"num_classes": 10}, (1, 3, 64, 64)),
    "inception_bn_28_small": ({}, (1, 3, 28, 28)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks(tmp_path, name):
    """The same probabilities by this package, by onnxruntime, and by this package from the file."""
    options, shape = NETWORKS[name]
    model = with_values(mx.models.get(name, **options), data=shape)
    data = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    params = {**model.arg_params, **model.aux_params}
    mx.formats.export_onnx(model.symbol, params, {"data": shape}, tmp_path / "net.onnx")
    onnx.checker.check_model(str(tmp_path / "net.onnx"), full_check=True)
    (found,) = session(tmp_path / "net.onnx").run(["softmax_output"], {"data": data})
    expected = model.predict(data)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    symbol, arguments, states = mx.formats.import_onnx(tmp_path / "net.onnx")
    again = mx.FeedForward(symbol, arg_params=arguments, aux_params=states)
    np.testing.assert_allclose(again.predict(data), expected, atol=1e-4)
    assert sum(value.size for value in arguments.values()) <= sum(value.size for value in model.arg_params.values())


def small():
    net = mx.sym.Convolution(mx.sym.Variable("data"), kernel=(3, 3), num_filter=4, name="conv")
    net = mx.sym.Reshape(mx.sym.Activation(net, act_type="relu", name="relu"), shape=(0, -1), name="flat")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, num_hidden=3, name="fc"), name="softmax")


def test_any_number_of_rows(tmp_path):
    model = with_values(small(), data=(1, 2, 6, 6))
    shapes = {"data": (1, 2, 6, 6)}
    mx.formats.export_onnx(model.symbol, model.arg_params, shapes, tmp_path / "net.onnx", dynamic_batch=True)
    run = session(tmp_path / "net.onnx")
    assert [item.shape for item in (*run.get_inputs(), *run.get_outputs())] == [["N", 2, 6, 6], ["N", 3]]
    data = np.random.default_rng(1).normal(size=(5, 2, 6, 6)).astype(np.float32)
    np.testing.assert_allclose(run.run(None, {"data": data})[0], model.predict(data), atol=1e-5)
    symbol, arguments, _ = mx.formats.import_onnx(tmp_path / "net.onnx")
    again = mx.FeedForward(symbol, arg_params=arguments)
    np.testing.assert_allclose(again.predict(data), model.predict(data), atol=1e-5)


def test_names_stay(tmp_path):
    """Inputs, parameters and outputs keep their names, the label goes, and arg: may stand before a name."""
    model = with_values(small(), data=(1, 2, 6, 6))
    params = {f"arg:{name}": value for name, value in model.arg_params.items()}
    mx.formats.export_onnx(model.symbol, params, {"data": (1, 2, 6, 6)}, tmp_path / "net.onnx")
    graph = onnx.load(tmp_path / "net.onnx").graph
    assert [item.name for item in graph.input] == ["data"]
    assert [item.name for item in graph.output] == ["softmax_output"]
    assert {*model.arg_params} <= {item.name for item in graph.initializer}
    symbol, arguments, _ = mx.formats.import_onnx(tmp_path / "net.onnx")
    assert symbol.list_arguments() == ["data", "conv_weight", "conv_bias", "fc_weight", "fc_bias"]
    assert mx.sym.load_json(symbol.tojson()).list_arguments() == symbol.list_arguments()
    np.testing.assert_array_equal(arguments["fc_weight"], model.arg_params["fc_weight"])


def test_several_outputs_and_shared_nodes(tmp_path):
    data = mx.sym.Variable("data")
    both = mx.sym.Group([data + 1, data, (data + 1) * 2, mx.sym.SliceChannel(data, num_outputs=2, name="halves")[1]])
    mx.formats.export_onnx(both, {}, {"data": (2, 4)}, tmp_path / "net.onnx")
    value = np.arange(8, dtype=np.float32).reshape(2, 4)
    found = session(tmp_path / "net.onnx").run(None, {"data": value})
    for output, expected in zip(found, (value + 1, value, (value + 1) * 2, value[:, 2:]), strict=True):
        np.testing.assert_array_equal(output, expected)


@pytest.mark.parametrize("options", [{"pool_type": "max"}, {"pool_type": "avg", "pooling_convention": "full"}])
def test_channels_last(tmp_path, options):
    data = mx.sym.Variable("data")
    net = mx.sym.Pooling(data, kernel=(3, 2), stride=(2, 2), pad=(1, 0), layout="NHWC", name="pool", **options)
    mx.formats.export_onnx(net, {}, {"data": (2, 6, 7, 3)}, tmp_path / "net.onnx")
    value = np.random.default_rng(0).normal(size=(2, 6, 7, 3)).astype(np.float32)
    expected = net.bind(mx.cpu(), {"data": value}, None).forward(is_train=False)[0]
    np.testing.assert_allclose(session(tmp_path / "net.onnx").run(None, {"data": value})[0], expected, rtol=1e-5)


def test_what_cannot_be_exported_names_node_and_operator(tmp_path):
    data = mx.sym.Variable("data")
    for net, message in (
        (mx.sym.smooth_l1(data, name="smooth"), "smooth: ONNX has nothing for operator smooth_l1"),
        (mx.sym.Cast(data, dtype="bfloat16", name="short"), "short: .* operator Cast with dtype bfloat16"),
    ):
        with pytest.raises(GraphError, match=message):
            mx.formats.export_onnx(net, {}, {"data": (2, 3)}, tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []


def test_wrong_shapes_and_names(tmp_path):
    model = with_values(small(), data=(1, 2, 6, 6))
    with pytest.raises(ParameterError, match="export_onnx: no input image: expected one of data, conv_weight"):
        mx.formats.export_onnx(model.symbol, model.arg_params, {"image": (1, 2, 6, 6)}, tmp_path / "net.onnx")
    with pytest.raises(ShapeError, match=r"export_onnx: .*conv"):
        mx.formats.export_onnx(model.symbol, model.arg_params, {"data": (1, 3, 6, 6)}, tmp_path / "net.onnx")
    with pytest.raises(GraphError, match="cannot infer the shape of data"):
        mx.formats.export_onnx(model.symbol, model.arg_params, {}, tmp_path / "net.onnx")


def test_exporters_are_entered_under_canonical_names():
    """An exporter under an alias, or a name with a slip, would never be found."""
    assert {*EXPORTERS} <= {kind.op_name() for kind in REGISTRY.values()}
