"""ONNX files that other programs wrote: put together here node by node, and those that come with the package onnx."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import FileFormatError, GraphError, PushgradError

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

FLOAT, INT64 = 1, 7
SAMPLES = Path(onnx.__file__).parent / "backend" / "test" / "data"


def value(name, shape, kind=FLOAT):
    return onnx.helper.make_tensor_value_info(name, kind, shape)


def node(kind, inputs, outputs, **attributes):
    return onnx.helper.make_node(kind, inputs, outputs, **attributes)


def model(nodes, inputs, outputs, constants=(), opset=17, **more):
    arrays = [onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in dict(constants).items()]
    graph = onnx.helper.make_graph(nodes, "net", inputs, outputs, arrays)
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=8, **more)


@pytest.fixture
def load(tmp_path):
    def load_model(built):
        path = tmp_path / "net.onnx"
        path.write_bytes(built if isinstance(built, bytes) else built.SerializeToString())
        return mx.formats.import_onnx(path)

    return load_model


def run_here(imported, **feed):
    symbol, arguments, states = imported
    executor = symbol.bind(mx.cpu(), {**feed, **arguments}, None, aux_states=states or None)
    return executor.forward(is_train=False)


def run_there(built, **feed):
    options = runtime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    return runtime.InferenceSession(built.SerializeToString(), options, ["CPUExecutionProvider"]).run(None, feed)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_a_network_as_exporters_write_it(load):
    """Shapes computed from shapes, weights that are not transposed, a matrix product and a sum for a layer."""
    nodes = [
        node("Conv", ["x", "w1", "b1"], ["c"], kernel_shape=[3, 3], auto_pad="SAME_UPPER", strides=[2, 2]),
        node("BatchNormalization", ["c", "scale", "shift", "mean", "var"], ["n"], epsilon=1e-3),
        node("Relu", ["n"], ["r"]),
        node("Shape", ["r"], ["shape"]),
        node("Constant", [], ["zero"], value=onnx.numpy_helper.from_array(np.array(0))),
        node("Gather", ["shape", "zero"], ["rows"], axis=0),
        node("Unsqueeze", ["rows", "axis"], ["rows1"]),
        node("Concat", ["rows1", "rest"], ["target"], axis=0),
        node("Reshape", ["r", "target"], ["flat"]),
        node("Gemm", ["flat", "w2", "b2"], ["g"], alpha=0.5, beta=2.0),
        node("MatMul", ["g", "w3"], ["m"]),
        node("Add", ["m", "b3"], ["y"]),
    ]
    constants = {
        "w1": normal(4, 2, 3, 3), "b1": normal(4), "scale": normal(4), "shift": normal(4), "mean": normal(4),
        "var": np.abs(normal(4)) + 1, "axis": np.array([0]), "rest": np.array([-1]),
        "w2": normal(4 * 9, 5), "b2": normal(1, 5), "w3": normal(5, 3), "b3": normal(3),
    }  # fmt: skip
    built = model(nodes, [value("x", [2, 2, 6, 6])], [value("y", [2, 3])], constants)
    imported, x = load(built), normal(2, 2, 6, 6, seed=1)
    np.testing.assert_allclose(run_here(imported, x=x)[0], run_there(built, x=x)[0], rtol=1e-4, atol=1e-5)
    symbol, arguments, states = imported
    assert symbol.list_auxiliary_states() == list(states) == ["mean", "var"]
    assert set(arguments) == {"w1", "b1", "scale", "shift", "w2", "b2", "w3", "b3"}
    assert symbol.infer_shape()[1] == [(2, 3)]  # the file fixes the shape of x


def test_older_files_have_attributes_for_inputs(load):
    nodes = [
        node("Unsqueeze", ["x"], ["u"], axes=[1]),
        node("Squeeze", ["u"], ["s"], axes=[1]),
        node("Clip", ["s"], ["c"], min=-0.5, max=0.5),
        node("Slice", ["c"], ["p"], starts=[0, 1], ends=[9223372036854775807, -1], axes=[0, 1]),
        node("Pad", ["x4"], ["q"], pads=[0, 0, 1, 0, 0, 0, 2, 1], value=3.0),
        node("ReduceSum", ["q"], ["sums"], axes=[2, 3], keepdims=0),
        node("Softmax", ["sums"], ["share"], axis=1),
        node("Dropout", ["p"], ["d"], ratio=0.5),
        node("Upsample", ["x4"], ["up"], mode="nearest", scales=[1.0, 1.0, 2.0, 2.0]),
    ]
    inputs = [value("x", [2, 4]), value("x4", [2, 3, 2, 2])]
    outputs = [value("d", [2, 2]), value("share", [2, 3]), value("up", [2, 3, 4, 4])]
    built = model(nodes[:-1], inputs, outputs[:-1], opset=9)
    older = model([nodes[-1]], inputs[1:], outputs[-1:], opset=8)
    feed = {"x": normal(2, 4), "x4": normal(2, 3, 2, 2)}
    for found, expected in zip(run_here(load(built), **feed), run_there(built, **feed), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    upsampled = feed["x4"].repeat(2, axis=2).repeat(2, axis=3)
    np.testing.assert_array_equal(run_here(load(older), x4=feed["x4"])[0], upsampled)


def test_a_parameter_in_two_places_and_two_forms(load):
    """The same weight as it is and transposed: two parameters, the second under a name of its own."""
    nodes = [node("MatMul", ["x", "w"], ["m"]), node("Gemm", ["m", "w"], ["g"], transB=1)]
    nodes.append(node("Add", ["g", "w"], ["y"]))
    built = model(nodes, [value("x", [3, 3])], [value("y", [3, 3])], {"w": normal(3, 3)})
    imported, x = load(built), normal(3, 3, seed=1)
    np.testing.assert_allclose(run_here(imported, x=x)[0], run_there(built, x=x)[0], rtol=1e-5)
    assert set(imported[1]) == {"w", "w_1"}


def test_whole_numbers_divide_without_remainder(load):
    built = model(
        [node("Div", ["a", "b"], ["y"])], [value("a", [4], INT64), value("b", [4], INT64)], [value("y", [4], INT64)]
    )
    given = {"a": np.array([-3, 3, 7, -7]), "b": np.array([2, 2, -2, 4])}
    found = run_here(load(built), **{name: array.astype(np.float32) for name, array in given.items()})[0]
    np.testing.assert_array_equal(found, run_there(built, **given)[0])


def samples():
    """Models of PyTorch with inputs and outputs, as far as this package reads them, from the package onnx."""
    return sorted(SAMPLES.glob("pytorch-*/*/model.onnx"))


def read_tensor(path):
    array = onnx.numpy_helper.to_array(onnx.TensorProto.FromString(path.read_bytes()))
    return array.clip(-1e30, 1e30).astype(np.float32) if array.dtype == np.float64 else array.astype(np.float32)


@pytest.mark.skipif(not samples(), reason="this version of onnx has no models to test with")
def test_models_of_pytorch():
    """Right or refused; by far the most are read."""
    read = 0
    for path in samples():
        try:
            symbol, arguments, states = mx.formats.import_onnx(path)
        except GraphError:
            continue
        data = path.parent / "test_data_set_0"
        inputs = [read_tensor(data / f"input_{i}.pb") for i in range(len(list(data.glob("input_*"))))]
        names = [item.name for item in onnx.load(path).graph.input if item.name not in {**arguments, **states}]
        feed = {n: v for n, v in zip(names, inputs, strict=False) if n in symbol.list_arguments()}
        with np.errstate(invalid="ignore"):  # one takes roots of negative numbers
            outputs = run_here((symbol, arguments, states), **feed)
        for i, found in enumerate(outputs):
            expected = read_tensor(data / f"output_{i}.pb")
            np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=1e-3, atol=1e-4, err_msg=str(path))
        read += 1
    assert read > 0.9 * len(samples())


RELU = node("Relu", ["x"], ["y"], name="act")
X, Y = [value("x", [2, 3])], [value("y", [2, 3])]


@pytest.mark.parametrize(
    ("built", "message"),
    [
        (b"", "ONNX opset: expected .* got none, or no ONNX file"),
        (b"PK\x03\x04 nothing of that kind", "not a valid ONNX file"),
        (model([RELU], X, Y, opset=5), "ONNX opset: expected 6 to .*, got 5"),
        (model([RELU], X, Y).SerializeToString()[:-9], "not a valid ONNX file"),
        (model([node("TopK", ["x", "k"], ["y", "i"], name="best")], X, Y, {"k": np.array([3])}), "best: .* TopK"),
        (model([node("Mod", ["x", "x"], ["y"], fmod=1, name="rest")], X, Y), r"rest: ONNX operator Mod .*\(fmod\)"),
        (model([node("Relu", ["z"], ["y"])], X, Y), "not a valid ONNX file"),
        (model([node("Relu", ["y"], ["z"]), node("Relu", ["z"], ["y"])], X, Y), "not a valid ONNX file"),
        (model([node("Relu", ["x"], ["y"]), node("Relu", ["x"], ["y"])], X, Y), "not a valid ONNX file"),
        (model([RELU], X, [value("other", [2, 3])]), "not a valid ONNX file|no node computes it"),
        (model([node("Shape", ["x"], ["s"]), node("Reshape", ["x", "s"], ["y"])], [value("x", ["N", 3])], Y),
         "the shape of x must be fixed in the file: got .*Export the network again"),
        (model([node("ConstantOfShape", ["s"], ["c"]), node("Add", ["x", "c"], ["y"])], X, Y,
               {"s": np.array([1 << 40, 1 << 40])}), "a constant beyond all bounds|not a valid ONNX file"),
        (model([node("ConstantOfShape", ["s"], ["c"]), node("Add", ["x", "c"], ["y"])], X, Y,
               {"s": np.array([1 << 30])}), "a constant beyond all bounds|not a valid ONNX file"),
    ],
)  # fmt: skip
def test_hostile_and_foreign_files(load, built, message):
    with pytest.raises(PushgradError, match=message) as caught:
        load(built)
    assert "net.onnx" in str(caught.value)


@pytest.mark.parametrize("name", ["first", "L"])
def test_errors_of_operators_name_the_node_even_if_they_begin_like_it(load, name):
    image = [1, 2, 4, 4]
    built = model([node("LRN", ["x"], ["y"], size=-1, name=name)], [value("x", image)], [value("y", image)])
    with pytest.raises(PushgradError, match=rf"net\.onnx: {name} \(LRN\): LRN: parameter nsize"):
        load(built)


def test_tensors_that_lie(load):
    short = model([node("Add", ["x", "w"], ["y"])], X, Y, {"w": normal(2, 3)})
    short.graph.initializer[0].dims[0] = 1 << 40
    with pytest.raises(FileFormatError, match=r"net\.onnx: "):
        load(short)
    outside = model([node("Add", ["x", "w"], ["y"])], X, Y, {"w": normal(2, 3)})
    outside.graph.initializer[0].data_location = 1
    entry = outside.graph.initializer[0].external_data.add()
    entry.key, entry.value = "location", "../../etc/passwd"
    with pytest.raises(FileFormatError, match="w is kept in another file, which is not read"):
        load(outside)


def test_missing_file(tmp_path):
    with pytest.raises(FileFormatError, match="cannot be read: No such file"):
        mx.formats.import_onnx(tmp_path / "absent.onnx")


def test_damaged_files_are_read_or_refused(load):
    """Never another exception."""
    whole = model(
        [RELU, node("Add", ["y", "w"], ["z"])], X, [value("z", [2, 3])], {"w": normal(2, 3)}
    ).SerializeToString()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 0x41
        for content in (bytes(damaged), whole[:place]):
            try:
                load(content)
            except PushgradError as error:
                assert "net.onnx" in str(error)


def wide(kind, count=4):
    """Four constants of 64 elements each that broadcast to 16 million, and one that the network needs."""
    shapes = [[64 if place == axis else 1 for axis in range(4)] for place in range(count)]
    constants = {f"c{i}": np.ones(shape, np.float32) for i, shape in enumerate(shapes)}
    if kind == "Where":
        constants["c0"] = constants["c0"] > 0
    names = list(constants)[: 3 if kind == "Where" else 2 if kind in ("Add", "Pow", "Less") else count]
    nodes = [node(kind, names, ["folded"]), node("Identity", ["folded"], ["f"]), node("Relu", ["x"], ["y"])]
    return model(nodes, X, Y, constants)


@pytest.mark.parametrize("kind", ["Max", "Min", "Where"])
def test_constants_that_broadcast_to_millions_are_not_computed(load, kind):
    tracemalloc.start()
    try:
        load(wide(kind))
    except PushgradError as error:
        assert "net.onnx" in str(error)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


def test_gathering_the_same_thing_over_and_over_is_not_computed(load):
    constants = {"c": np.ones((1, 2000), np.float32), "i": np.zeros(2000, np.int64)}
    tracemalloc.start()
    try:
        load(model([node("Gather", ["c", "i"], ["g"]), node("Relu", ["x"], ["y"])], X, Y, constants))
    except PushgradError as error:
        assert "net.onnx" in str(error)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


def test_a_small_file_cannot_name_large_constants_again_and_again(load):
    nodes = [node("ConstantOfShape", ["s"], ["v0"])]
    nodes += [node("Cast", [f"v{i}"], [f"v{i + 1}"], to=7 if i % 2 else 11) for i in range(200)]
    built = model([*nodes, node("Relu", ["x"], ["y"])], X, Y, {"s": np.array([1 << 20])})
    tracemalloc.start()
    with pytest.raises(GraphError, match="computes constants far larger than itself"):
        load(built)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 << 20


def test_weights_may_be_moved_a_few_times(load):
    weight = normal(2000, 3000)
    nodes = [node("Transpose", ["w"], ["t"]), node("Reshape", ["t", "s"], ["r"]), node("MatMul", ["x", "r"], ["y"])]
    built = model(nodes, [value("x", [2, 3000])], [value("y", [2, 2000])], {"w": weight, "s": np.array([3000, 2000])})
    assert [array.shape for array in load(built)[1].values()] == [(2000, 3000)]
