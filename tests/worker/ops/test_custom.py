"""Operators that users write: mx.operator and mx.sym.Custom."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import GraphError, ParameterError, ShapeError
from pushgrad.worker.ops.custom import Custom
from pushgrad.worker.ops.custom_prop import PROPS

PAGE = Path(__file__).parents[3] / "docs" / "add-an-operator.md"


@pytest.fixture(autouse=True)
def nothing_stays_registered():
    before = dict(PROPS)
    yield
    PROPS.clear()
    PROPS.update(before)


@pytest.fixture
def shown():
    """The operator of the page, and its layer."""
    code = re.findall(r"```python\n(class .*?)```", PAGE.read_text(), re.DOTALL)[1]
    names = {"mx": mx}
    exec(code, names)
    return names["layer"]


def simple(name, prop=mx.operator.CustomOpProp, **methods):
    """Register an operator of one input whose CustomOp has those methods."""
    op = type("Op", (mx.operator.CustomOp,), methods)

    @mx.operator.register(name)
    class Prop(prop):
        def create_operator(self, ctx, in_shapes, in_dtypes):
            return op()

    return Prop


def square_forward(self, is_train, req, in_data, out_data, aux):
    self.assign(out_data[0], req[0], in_data[0] ** 2)


def square_backward(self, req, out_grad, in_data, out_data, in_grad, aux):
    self.assign(in_grad[0], req[0], 2 * in_data[0] * out_grad[0])


@pytest.fixture
def square():
    simple("square", forward=square_forward, backward=square_backward)
    return mx.sym.Custom(mx.sym.Variable("x"), op_type="square", name="sq")


def test_the_page_shows_a_working_operator(shown, gradcheck):
    assert shown.list_arguments() == ["data", "s_weight", "s_bias"]
    assert shown.infer_shape(data=(4, 5)) == ([(4, 5), (3, 5), (3,)], [(4, 3)], [])
    random = np.random.default_rng(0)
    gradcheck(
        Custom(op_type="scaled", num_hidden=3, factor=0.5), [random.normal(size=s) for s in ((4, 5), (3, 5), (3,))]
    )


def test_it_trains_in_a_network(shown):
    net = mx.sym.SoftmaxOutput(shown, name="softmax")
    random = np.random.default_rng(1)
    y = random.integers(0, 3, 60)
    X = (np.eye(5)[y] + 0.1 * random.normal(size=(60, 5))).astype(np.float32)
    model = mx.FeedForward.create(
        net, X, y.astype(np.float32), num_epoch=20, batch_size=20, learning_rate=2.0, kvstore="local", verbose=False
    )
    assert model.score(X, y.astype(np.float32)) > 0.95


def test_parameters_are_strings_and_go_through_json(shown):
    again = mx.sym.load_json(shown.tojson())
    (node,) = [node for node in json.loads(again.tojson())["nodes"] if node["op"] == "Custom"]
    assert node["attrs"] == {"op_type": "scaled", "num_hidden": "3", "factor": "0.5"}
    assert again.infer_shape(data=(4, 5)) == shown.infer_shape(data=(4, 5))


def test_forward_and_backward(square):
    executor = square.simple_bind(mx.cpu(), x=(2, 3))
    data = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert np.array_equal(executor.forward(is_train=True, x=data)[0], data**2)
    executor.backward(np.ones((2, 3), np.float32))
    assert np.array_equal(executor.grad_dict["x"], 2 * data)


def test_gets_the_whole_batch_beside_nodes_that_run_in_slices():
    rows = []

    def forward(self, is_train, req, in_data, out_data, aux):
        rows.append(len(in_data[0]))
        out_data[0][...] = in_data[0] - in_data[0].mean(axis=0)

    simple("centred", forward=forward)
    net = mx.sym.Custom(2 * mx.sym.Variable("x"), op_type="centred")
    out = net.simple_bind(mx.cpu(), slices=2, x=(4, 1)).forward(x=np.array([[1.0], [2], [3], [6]], np.float32))[0]
    assert rows == [4]
    assert out.ravel().tolist() == [-4, -2, 0, 6]


def test_each_bound_network_has_an_operator_of_its_own(square):
    made = []

    class Remembers(mx.operator.CustomOp):
        def __init__(self, shape):
            made.append(shape)

        def forward(self, is_train, req, in_data, out_data, aux):
            self.sign = np.sign(in_data[0])
            out_data[0][...] = abs(in_data[0])

        def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
            self.assign(in_grad[0], req[0], self.sign * out_grad[0])

    @mx.operator.register("remembers")
    class Prop(mx.operator.CustomOpProp):
        def create_operator(self, ctx, in_shapes, in_dtypes):
            assert ctx == mx.cpu()
            assert in_dtypes == [np.float32]
            return Remembers(in_shapes[0])

    net = mx.sym.Custom(mx.sym.Variable("x"), op_type="remembers")
    one, two = net.simple_bind(mx.cpu(), x=(2,)), net.simple_bind(mx.cpu(), x=(3,))
    one.forward(is_train=True, x=np.array([-1, 2], np.float32))
    two.forward(is_train=True, x=np.array([1, -1, 1], np.float32))
    one.forward(is_train=True)
    one.backward(np.ones(2, np.float32))
    assert one.grad_dict["x"].tolist() == [-1, 1]
    assert made == [(2,), (3,)]


def test_a_loss_and_an_input_without_gradient():
    class Loss(mx.operator.CustomOpProp):
        def __init__(self):
            super().__init__(need_top_grad=False)

        def list_arguments(self):
            return ["data", "label"]

        def infer_shape(self, in_shape):
            return [in_shape[0], in_shape[0]], [in_shape[0]]

    def forward(self, is_train, req, in_data, out_data, aux):
        self.assign(out_data[0], req[0], in_data[0])

    def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
        self.assign(in_grad[0], req[0], out_data[0] - in_data[1])

    simple("half_square", Loss, forward=forward, backward=backward)
    net = mx.sym.Custom(mx.sym.Variable("data"), op_type="half_square", name="loss")
    assert net.list_arguments() == ["data", "loss_label"]
    executor = net.simple_bind(mx.cpu(), data=(3,))
    executor.forward(is_train=True, data=np.array([1, 2, 3], np.float32), loss_label=np.ones(3, np.float32))
    executor.backward()
    assert executor.grad_dict["data"].tolist() == [0, 1, 2]
    assert executor.grad_dict["loss_label"].tolist() == [0, 0, 0]


def test_states_and_several_outputs():
    class Prop(mx.operator.CustomOpProp):
        def list_outputs(self):
            return ["twice", "count"]

        def list_auxiliary_states(self):
            return ["seen"]

        def infer_shape(self, in_shape):
            return [in_shape[0]], [in_shape[0], (1,)], [(1,)]

    def forward(self, is_train, req, in_data, out_data, aux):
        aux[0] += len(in_data[0])
        self.assign(out_data[0], req[0], 2 * in_data[0])
        self.assign(out_data[1], "add", aux[0])

    simple("counts", Prop, forward=forward)
    net = mx.sym.Custom(mx.sym.Variable("x"), op_type="counts", name="c")
    assert net.list_outputs() == ["c_twice", "c_count"]
    assert net.list_auxiliary_states() == ["c_seen"]
    assert net.infer_shape(x=(4, 2)) == ([(4, 2)], [(4, 2), (1,)], [(1,)])
    executor = net.simple_bind(mx.cpu(), x=(4, 2))
    executor.forward(is_train=True)
    executor.forward(is_train=True)
    assert executor.aux_dict["c_seen"].tolist() == [8]


def test_gradients_in_float64(square, gradcheck):
    gradcheck(Custom(op_type="square"), [np.random.default_rng(0).normal(size=(3, 4))])


def test_without_backward_no_gradient_passes():
    simple("rounded", forward=lambda self, is_train, req, in_data, out_data, aux: np.rint(in_data[0], out=out_data[0]))
    executor = mx.sym.Custom(mx.sym.Variable("x"), op_type="rounded").simple_bind(mx.cpu(), x=(2,))
    executor.forward(is_train=True, x=np.array([0.4, 0.6], np.float32))
    executor.backward(np.ones(2, np.float32))
    assert executor.grad_dict["x"].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("req", "expected"), [("null", [1, 1]), ("write", [5, 5]), ("inplace", [5, 5]), ("add", [6, 6])]
)
def test_assign(req, expected):
    target = np.ones(2)
    mx.operator.CustomOp().assign(target, req, 5)
    assert target.tolist() == expected


def test_assign_refuses_other_requests():
    with pytest.raises(ParameterError, match="assign: req: expected null or write or inplace or add, got 'overwrite'"):
        mx.operator.CustomOp().assign(np.ones(2), "overwrite", 5)


def test_an_op_type_that_nobody_registered(square):
    with pytest.raises(GraphError, match=r"op_type 'cube' is not registered.*Import the module.*register\('cube'\)"):
        mx.sym.Custom(mx.sym.Variable("x"), op_type="cube")
    text = square.tojson()
    PROPS.clear()
    with pytest.raises(GraphError, match=r"node 1 \(sq\): Custom: op_type 'square' is not registered"):
        mx.sym.load_json(text)


def test_missing_op_type():
    with pytest.raises(ParameterError, match="Custom: missing parameter op_type"):
        mx.sym.Custom(mx.sym.Variable("x"))


@pytest.mark.parametrize("method", ["forward", "backward"])
def test_errors_in_user_code_name_the_node(method):
    def fails(self, **arguments):
        raise ZeroDivisionError("no such luck")

    simple("fails", **{"forward": square_forward, "backward": square_backward, method: fails})
    executor = mx.sym.Custom(mx.sym.Variable("x"), op_type="fails", name="bad").simple_bind(mx.cpu(), x=(2,))
    text = rf"Custom bad: {method} of op_type 'fails' raised ZeroDivisionError: no such luck"
    with pytest.raises(GraphError, match=text) as caught:
        executor.forward(is_train=True)
        executor.backward(np.ones(2, np.float32))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_shared_arrays_cannot_be_written():
    def forward(self, is_train, req, in_data, out_data, aux):
        in_data[0] += 1

    simple("meddles", forward=forward)
    executor = mx.sym.Custom(mx.sym.Variable("x"), op_type="meddles", name="m").simple_bind(mx.cpu(), x=(2,))
    with pytest.raises(GraphError, match=r"Custom m: forward .* read-only"):
        executor.forward()


def broken(**methods):
    return type("Prop", (mx.operator.CustomOpProp,), methods)


@pytest.mark.parametrize(
    ("prop", "text"),
    [
        (broken(__init__=lambda self: None), r"__init__ must call super\(\).__init__"),
        (broken(__init__=lambda self, size: None), "__init__ of op_type 'broken' raised TypeError"),
        (broken(list_arguments=lambda self: "data"), "list_arguments of op_type 'broken': expected a list of names"),
        (broken(list_outputs=lambda self: 1 / 0), "Custom: list_outputs of op_type 'broken' raised ZeroDivisionError"),
    ],
)
def test_props_that_are_no_use(prop, text):
    mx.operator.register("broken")(prop)
    with pytest.raises(GraphError, match=text):
        mx.sym.Custom(mx.sym.Variable("x"), op_type="broken")


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (lambda self, in_shape: in_shape[9], "Custom b: infer_shape of op_type 'broken' raised IndexError"),
        (lambda self, in_shape: ([(2,)], []), "Custom b: infer_shape of op_type 'broken': expected shapes of"),
        (lambda self, in_shape: ([(2,)], ["2,"]), "expected shapes of whole numbers, got '2,'"),
        (lambda self, in_shape: ([(7,)], [(2,)]), r"Custom b: data: expected shape \(7,\), got \(2,\)"),
    ],
)
def test_shapes_that_are_no_use(said, text):
    mx.operator.register("broken")(broken(infer_shape=said))
    net = mx.sym.Custom(mx.sym.Variable("x"), op_type="broken", name="b")
    with pytest.raises(ShapeError, match=text):
        net.infer_shape(x=(2,))


def test_shapes_wait_for_the_first_input(square):
    assert square.infer_shape_partial()[0] in ([()], [None])


def test_an_operator_that_is_none():
    class Prop(mx.operator.CustomOpProp):
        pass

    mx.operator.register("empty")(Prop)
    executor = mx.sym.Custom(mx.sym.Variable("x"), op_type="empty", name="e").simple_bind(mx.cpu(), x=(2,))
    with pytest.raises(GraphError, match="Custom e: create_operator of op_type 'empty' raised NotImplementedError"):
        executor.forward()


@pytest.mark.parametrize("wrong", [mx.operator.CustomOp, 3])
def test_register_wants_a_prop(wrong):
    with pytest.raises(ParameterError, match=r"expected a subclass of mx\.operator\.CustomOpProp"):
        mx.operator.register("x")(wrong)


def test_create_operator_may_name_its_parameters_as_it_likes():
    """As in MXNet's own examples: `def create_operator(self, ctx, shapes, dtypes)`."""
    seen = []

    @mx.operator.register("named")
    class Prop(mx.operator.CustomOpProp):
        def infer_shape(self, shapes):
            return shapes, [shapes[0]], []

        def create_operator(self, context, shapes, dtypes):
            seen.append((context, shapes, dtypes))
            return type("Op", (mx.operator.CustomOp,), {"forward": square_forward})()

    executor = mx.sym.Custom(mx.sym.Variable("x"), op_type="named").simple_bind(mx.cpu(), x=(2, 3))
    np.testing.assert_array_equal(executor.forward(x=np.full((2, 3), 3.0))[0], np.full((2, 3), 9))
    assert seen == [(mx.cpu(), [(2, 3)], [np.float32])]
