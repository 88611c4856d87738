"""Single ONNX operators over products of their options, in both directions; every value expected is onnxruntime's."""

import itertools

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import GraphError, ShapeError

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def product(**options):
    """Every combination of the options; None stands for one that is left out."""
    for values in itertools.product(*options.values()):
        yield {key: value for key, value in zip(options, values, strict=True) if value is not None}


def session(content):
    options = runtime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    return runtime.InferenceSession(content, options, ["CPUExecutionProvider"])


def one_node(kind, inputs, constants, opset, attributes):
    """A file of one node, whose inputs are `inputs` and then `constants` ("": left out); its output has no shape."""
    helper = onnx.helper
    arrays = [onnx.numpy_helper.from_array(array, name) for name, array in constants.items() if array is not None]
    described = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in inputs.items()
    ]
    names = [*inputs, *(name if array is not None else "" for name, array in constants.items())]
    node = helper.make_node(kind, names, ["y"], **attributes)
    graph = helper.make_graph([node], "net", described, [helper.make_tensor_value_info("y", 1, None)], arrays)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8).SerializeToString()


@pytest.fixture
def agree(tmp_path):
    """A function that reads a file of one node and compares its output with onnxruntime's."""

    def check(kind, inputs, constants=(), opset=17, **attributes):
        content = one_node(kind, inputs, dict(constants), opset, attributes)
        (tmp_path / "net.onnx").write_bytes(content)
        symbol, arguments, states = mx.formats.import_onnx(tmp_path / "net.onnx")
        feed = {name: array.astype(np.float32) for name, array in inputs.items() if name in symbol.list_arguments()}
        found = symbol.bind(mx.cpu(), {**feed, **arguments}, None, aux_states=states or None).forward()[0]
        (expected,) = session(content).run(None, inputs)
        what = f"{kind} of opset {opset}, {attributes}"
        assert found.shape == (expected.shape or (1,)), what
        np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=1e-4, atol=1e-5, err_msg=what)

    return check


@pytest.mark.parametrize("kind", ["Softmax", "LogSoftmax"])
@pytest.mark.parametrize("opset", [9, 12, 13])
def test_softmax(agree, kind, opset):
    """Up to opset 12 everything from the axis on is one row."""
    for shape in ((3, 4), (2, 3, 4), (2, 3, 4, 5)):
        agree(kind, {"x": normal(*shape)}, opset=opset)
        for axis in range(-len(shape) if opset > 10 else 0, len(shape)):
            agree(kind, {"x": normal(*shape)}, opset=opset, axis=axis)


@pytest.mark.parametrize("mode", ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"])
@pytest.mark.parametrize("rounding", [None, "round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
def test_resize_to_nearest_pixels(agree, mode, rounding):
    given = {"coordinate_transformation_mode": mode} | ({"nearest_mode": rounding} if rounding else {})
    for factors in ((2, 2), (3, 3), (2, 3), (1, 2), (1.5, 2.5), (0.5, 0.7)):
        by_scale = np.array([1, 1, *factors], np.float32)
        agree("Resize", {"x": normal(2, 3, 4, 6)}, {"roi": None, "s": by_scale}, 13, **given)
        size = np.array([2, 3, int(4 * factors[0]), int(6 * factors[1])])
        agree("Resize", {"x": normal(2, 3, 4, 6)}, {"roi": None, "s": None, "size": size}, 18, **given)
    agree("Resize", {"x": normal(2, 3, 5)}, {"roi": None, "s": np.array([1, 1, 2], np.float32)}, 13, **given)


def test_resize_of_older_files(agree):
    for factors in ((2, 2), (2, 3), (1.5, 1.5), (0.5, 0.5)):
        scales = np.array([1, 1, *factors], np.float32)
        agree("Resize", {"x": normal(2, 3, 4, 6)}, {"s": scales}, 10, mode="nearest")
        if min(factors) > 1:
            agree("Upsample", {"x": normal(2, 3, 4, 6)}, {"s": scales}, 9, mode="nearest")


def test_whole_factors_stay_repeated_pixels(tmp_path):
    scales = {"roi": None, "s": np.array([1, 1, 2, 2], np.float32)}
    (tmp_path / "net.onnx").write_bytes(one_node("Resize", {"x": normal(1, 1, 2, 2)}, scales, 13, {}))
    symbol, arguments, _ = mx.formats.import_onnx(tmp_path / "net.onnx")
    assert "UpSampling" in symbol.tojson()
    assert not arguments


@pytest.mark.parametrize("shift", [None, (), (1,), (5,), (1, 5), (3, 1), (1, 1), (3, 5)])
def test_gemm(agree, shift):
    for given in product(transA=(None, 1), transB=(None, 1), alpha=(None, 0.5), beta=(None, 2.0)):
        left = normal(4, 3) if "transA" in given else normal(3, 4)
        right = normal(5, 4, seed=1) if "transB" in given else normal(4, 5, seed=1)
        bias = {} if shift is None else {"c": np.asarray(normal(*shift, seed=2))}
        agree("Gemm", {"a": left}, {"b": right, **bias}, **given)
        agree("Gemm", {"a": left, "b": right}, bias, **given)
        if shift is not None:
            agree("Gemm", {"a": left, "b": right, **bias}, **given)


@pytest.mark.parametrize("kind", ["MaxPool", "AveragePool", "LpPool"])
def test_pooling(agree, kind):
    """Unequal padding, rounding up, and what counts in a mean."""
    rounding = (None, 1) if kind != "LpPool" else (None,)
    counted = (None, 1) if kind == "AveragePool" else (None,)
    for given in product(
        kernel_shape=((2, 2), (3, 2)),
        strides=(None, (2, 2), (3, 2)),
        pads=(None, (1, 1, 1, 1), (0, 0, 1, 1), (1, 0, 0, 1)),
        ceil_mode=rounding,
        count_include_pad=counted,
    ):
        try:
            agree(kind, {"x": normal(2, 3, 7, 8)}, opset=19 if kind == "AveragePool" else 12, **given)
        except GraphError as error:
            assert "rounds up on one axis and down on another" in str(error)
    for pads in ((0, 1), (1, 0), (1, 1)):
        agree(kind, {"x": normal(2, 3, 9)}, opset=12, kernel_shape=(2,), pads=pads)
        agree("Conv", {"x": normal(2, 3, 9)}, {"w": normal(4, 3, 2)}, 12, pads=pads)


@pytest.mark.parametrize(
    "kind",
    ["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare"],
)
def test_reductions(agree, kind):
    """Without axes and with noop_with_empty_axes nothing is added up, but squares and absolute values are taken."""
    for given in product(keepdims=(None, 0), noop_with_empty_axes=(None, 1)):
        for axes in (None, (), (0,), (-1,), (0, 2)):
            constants = {} if axes is None else {"axes": np.array(axes, np.int64)}
            agree(kind, {"x": normal(2, 3, 4)}, constants, 18, **given)


def test_sums_of_several_shapes(agree):
    for kind in ("Sum", "Mean"):
        for shapes in (((2, 3),), ((2, 3), (2, 3)), ((3,), (2, 3)), ((2, 1), (1, 3), (3,))):
            agree(kind, {f"x{i}": normal(*shape, seed=i) for i, shape in enumerate(shapes)})


def test_negative_places(agree):
    for places in ([[0], [3], [-1]], [[-4], [-2], [1]]):
        agree("GatherElements", {"x": normal(3, 4), "i": np.array(places)}, axis=1)
    for axis in (0, 1, -1):
        agree("Gather", {"x": normal(3, 4, 5), "i": np.array([-1, 0, -3])}, axis=axis)


def test_where_keeps_the_batch_open(tmp_path):
    """One of its arrays has the shape of the output, in which the number of rows is open."""
    nan_is_zero = mx.sym.nansum(mx.sym.Variable("data"), axis=1)
    mx.formats.export_onnx(nan_is_zero, {}, {"data": (2, 3)}, tmp_path / "net.onnx", dynamic_batch=True)
    symbol, arguments, _ = mx.formats.import_onnx(tmp_path / "net.onnx")
    data = np.array([[1, np.nan, 2]] * 5, np.float32)
    found = symbol.bind(mx.cpu(), {"data": data, **arguments}, None).forward()[0]
    np.testing.assert_array_equal(found, [3] * 5)


X2, X3, X4 = normal(2, 4), normal(2, 4, 5), normal(2, 4, 5, 6)
D = mx.sym.Variable("data")
WRITTEN = [
    *(mx.sym.SoftmaxActivation(D, mode=mode) for mode in ("instance", "channel")),
    *(mx.sym.SoftmaxOutput(D, **given) for given in product(multi_output=(None, True), preserve_shape=(None, True))),
    *(mx.sym.sum(D, **given) for given in product(axis=(0, (0, 1, 2)), keepdims=(None, True), exclude=(None, True))),
    *(mx.sym.norm(D, ord=order, axis=(0, 1), keepdims=True) for order in (1, 2)),
    *(
        getattr(mx.sym, kind)(D, **given)
        for kind in ("argmax", "argmin")
        for given in product(axis=(None, 0, -1), keepdims=(None, True))
    ),
    *(mx.sym.repeat(D, repeats=3, axis=axis) for axis in (None, 0, 1, -1)),
    *(mx.sym.Reshape(D, shape=shape) for shape in ((0, -1), (-1, 4), (-1,), (0, -2), (-3, -2), (0, -4, 2, 2, -2))),
    *(mx.sym.slice_axis(D, axis=0, begin=begin, end=end) for begin, end in ((0, -1), (1, None), (-2, None), (0, 1))),
    mx.sym.slice(D, begin=(None,), end=(None,), step=(-1,)),
    mx.sym.reverse(D, axis=0),
    mx.sym.SwapAxis(D, dim1=0, dim2=1),
    mx.sym.Concat(D, D, dim=0),
    mx.sym.one_hot(mx.sym.abs(mx.sym.round(D)), depth=4),
]


@pytest.mark.parametrize("data", [X2, X3, X4], ids=lambda data: f"{data.ndim}-axes")
def test_any_number_of_rows_is_exported(tmp_path, data):
    """Outputs for as many rows as the file was made with, and for more, in the extents that it states."""
    compared = 0
    for net in WRITTEN:
        try:
            expected = bound(net, data).forward(is_train=False)[0]
        except ShapeError:
            continue  # an option that wants more axes
        mx.formats.export_onnx(net, {}, {"data": data.shape}, tmp_path / "net.onnx", dynamic_batch=True)
        run = session((tmp_path / "net.onnx").read_bytes())
        for rows in (data, np.concatenate([data, data[:1]])):
            expected = bound(net, rows).forward(is_train=False)[0]
            (found,) = run.run(None, {"data": rows})
            assert found.shape == expected.shape, net.tojson()
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6, err_msg=net.tojson())
            stated = run.get_outputs()[0].shape
            assert all(isinstance(n, str | None) or n == m for n, m in zip(stated, found.shape, strict=True)), stated
        compared += 1
    assert compared > 0.7 * len(WRITTEN)


def bound(net, data):
    labels = {
        name: np.zeros(shape, np.float32)
        for name, shape in zip(net.list_arguments(), net.infer_shape(data=data.shape)[0], strict=True)
        if name.endswith("label")
    }
    return net.bind(mx.cpu(), {"data": data, **labels}, None)


def test_an_extent_that_equals_the_batch_by_chance_stays(tmp_path):
    """4 rows, and a parameter of 4 rows: the second output has always 4."""
    weight = mx.sym.Variable("weight")
    both = mx.sym.Group([D + 1, mx.sym.exp(weight), mx.sym.transpose(D), mx.sym.Reshape(D, shape=(-1, 3))])
    params = {"weight": normal(4, 2)}
    mx.formats.export_onnx(both, params, {"data": (4, 6)}, tmp_path / "net.onnx", dynamic_batch=True)
    run = session((tmp_path / "net.onnx").read_bytes())
    shapes = [item.shape for item in run.get_outputs()]
    assert shapes[:3] == [["N", 6], [4, 2], [6, "N"]]
    assert shapes[3][1] == 3
    assert not isinstance(shapes[3][0], int)
    assert [value.shape for value in run.run(None, {"data": normal(7, 6)})] == [(7, 6), (4, 2), (6, 7), (14, 3)]


def test_a_network_of_fixed_rows_refuses_dynamic_batch(tmp_path):
    net = mx.sym.broadcast_add(D, mx.sym.Variable("table"))
    with pytest.raises(ShapeError, match="dynamic_batch, but the network only takes 2 rows"):
        mx.formats.export_onnx(net, {"table": normal(2, 3)}, {"data": (2, 3)}, tmp_path / "n.onnx", dynamic_batch=True)
    with pytest.raises(GraphError, match="take with axis 0, whose extent is to stay open"):
        net = mx.sym.take(D, mx.sym.Variable("i"), axis=0)
        mx.formats.export_onnx(net, {"i": normal(2)}, {"data": (2, 3)}, tmp_path / "n.onnx", dynamic_batch=True)
    assert list(tmp_path.iterdir()) == []


def test_labels_among_the_parameters_do_not_fix_the_rows(tmp_path):
    net = mx.sym.SoftmaxOutput(D, name="softmax")
    arrays = {"softmax_label": np.zeros(2, np.float32)}
    mx.formats.export_onnx(net, arrays, {"data": (2, 3)}, tmp_path / "net.onnx", dynamic_batch=True)
    assert session((tmp_path / "net.onnx").read_bytes()).get_outputs()[0].shape == ["N", 3]


def test_constants_that_overflow_or_divide_by_zero_do_not_warn(tmp_path):
    """Warnings are errors in these tests. 1 / 0 is infinite in the file's network as well, by IEEE 754."""
    helper, to_proto = onnx.helper, onnx.numpy_helper.from_array
    nodes = [
        helper.make_node("Div", ["one", "zero"], ["quotient"]),
        helper.make_node("Cast", ["large"], ["single"], to=1),
        helper.make_node("Add", ["x", "quotient"], ["y"]),
        helper.make_node("Gemm", ["x", "large_weight"], ["z"], alpha=3e38),
        helper.make_node("Add", ["x", "single"], ["w"]),
    ]
    constants = {
        "one": np.ones(2, np.float32), "zero": np.zeros(2, np.float32), "large": np.full(2, 1e300),
        "large_weight": np.full((2, 2), 3e38, np.float32),
    }  # fmt: skip
    arrays = [to_proto(array, name) for name, array in constants.items()]
    outputs = [helper.make_tensor_value_info(name, 1, [1, 2]) for name in "yzw"]
    graph = helper.make_graph(nodes, "net", [helper.make_tensor_value_info("x", 1, [1, 2])], outputs, arrays)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    arguments = mx.formats.import_onnx(tmp_path / "net.onnx")[1]
    assert len(arguments) == 3
    assert all(np.isinf(array).all() for array in arguments.values())
    net = mx.sym.broadcast_add(D, mx.sym.Variable("w"))
    mx.formats.export_onnx(net, {"w": np.full(2, 1e300)}, {"data": (1, 2)}, tmp_path / "out.onnx")
