import pytest

import pushgrad as mx
from pushgrad.common.errors import GraphError, ShapeError


def lenet():
    net = mx.sym.Variable("data")
    for name, filters in (("conv1", 20), ("conv2", 50)):
        net = mx.sym.Convolution(net, kernel=(5, 5), num_filter=filters, name=name)
        net = mx.sym.Pooling(mx.sym.Activation(net, act_type="tanh"), kernel=(2, 2), stride=(2, 2))
    net = mx.sym.FullyConnected(mx.sym.Flatten(net), num_hidden=500, name="fc1")
    net = mx.sym.FullyConnected(mx.sym.Activation(net, act_type="tanh"), num_hidden=10, name="fc2")
    return mx.sym.SoftmaxOutput(net, name="softmax")


LENET = {
    "data": (100, 1, 28, 28),
    "conv1_weight": (20, 1, 5, 5),
    "conv1_bias": (20,),
    "conv2_weight": (50, 20, 5, 5),
    "conv2_bias": (50,),
    "fc1_weight": (500, 800),
    "fc1_bias": (500,),
    "fc2_weight": (10, 500),
    "fc2_bias": (10,),
    "softmax_label": (100,),
}


def test_everything_follows_from_data():
    net = lenet()
    arguments, outputs, states = net.infer_shape(data=(100, 1, 28, 28))
    assert dict(zip(net.list_arguments(), arguments, strict=True)) == LENET
    assert outputs == [(100, 10)] and states == []
    assert net.infer_shape((100, 1, 28, 28))[0] == arguments


def test_the_label_tells_the_batch_size():
    net = lenet()
    arguments, outputs, _ = net.infer_shape(data=(0, 1, 28, 28), softmax_label=(100,))
    assert dict(zip(net.list_arguments(), arguments, strict=True)) == LENET
    assert outputs == [(100, 10)]


def test_knowledge_runs_backward_through_many_nodes():
    x, y = mx.sym.Variable("x"), mx.sym.Variable("y")
    net = x
    for _ in range(20):
        net = mx.sym.Activation(net * 2, act_type="relu")
    arguments, outputs, _ = (net + y).infer_shape(y=(3, 4))
    assert arguments == [(3, 4), (3, 4)] and outputs == [(3, 4)]


def test_shapes_attached_to_variables():
    x = mx.sym.Variable("x", shape=(0, 3))
    fc = mx.sym.FullyConnected(x, num_hidden=2, name="fc")
    assert fc.infer_shape_partial()[0] == [(0, 3), (2, 3), (2,)]
    assert fc.infer_shape(x=(5, 3))[1] == [(5, 2)]
    with pytest.raises(ShapeError, match=r"variable x: shape: expected shape \(0, 3\), got \(5, 4\)"):
        fc.infer_shape(x=(5, 4))


def test_incomplete_shapes_are_none_and_a_warning_that_lists_them():
    fc = mx.sym.FullyConnected(mx.sym.Variable("x"), num_hidden=2, name="fc")
    with pytest.warns(UserWarning, match="cannot tell the shape of x, fc_weight, fc_output"):
        assert fc.infer_shape() == (None, None, None)
    assert fc.infer_shape_partial() == ([None, (2, 0), (2,)], [None], [])


def test_infer_all_knows_every_entry():
    net = lenet()
    shapes = net.infer_all(data=(100, 1, 28, 28))
    assert len(shapes) == len(net.nodes())
    assert {node.name: shape for (node, _), shape in shapes.items() if node.op is None} == LENET
    with pytest.raises(GraphError, match=r"cannot infer the shape of data, conv1_weight, .*Give it by name"):
        net.infer_all()


def test_a_mismatch_names_node_operator_and_argument():
    net = lenet()
    with pytest.raises(ShapeError) as caught:
        net.infer_shape(data=(100, 1, 28, 28), fc1_weight=(500, 784))
    assert str(caught.value) == "FullyConnected fc1: weight: expected shape (500, 800), got (500, 784)"


def test_an_operator_is_asked_again_about_what_it_completed():
    """18 numbers make three rows of 6, but three rows are not split into 2 x 3."""
    net = mx.sym.Reshape(mx.sym.Variable("data"), shape=(-4, 2, 3, 3))
    with pytest.raises(ShapeError):
        net.infer_shape_partial(data=(0, 6))
    assert net.infer_shape(data=(6, 3))[1] == [(2, 3, 3)]


def test_a_contradiction_between_two_uses_of_one_variable():
    weight = mx.sym.Variable("w")
    first = mx.sym.FullyConnected(mx.sym.Variable("x"), weight, num_hidden=2, no_bias=True, name="first")
    second = mx.sym.FullyConnected(mx.sym.Variable("y"), weight, num_hidden=2, no_bias=True, name="second")
    with pytest.raises(ShapeError, match=r"FullyConnected (first|second): weight"):
        mx.sym.Group([first, second]).infer_shape(x=(5, 3), y=(5, 4))


@pytest.mark.parametrize("shape", ["big", (2, -1), (2.5, 1), {"a": 1}])
def test_shapes_must_be_tuples_of_numbers(shape):
    with pytest.raises(ShapeError, match="variable x: shape: expected a tuple of whole numbers"):
        mx.sym.Variable("x").infer_shape(x=shape)


def test_unknown_arguments_are_refused_with_a_hint():
    with pytest.raises(GraphError, match=r"no argument dta. Did you mean data\?"):
        lenet().infer_shape(dta=(1, 1, 28, 28))
    with pytest.raises(GraphError, match="shapes by position"):
        mx.sym.Variable("x").infer_shape((1,), (2,))


def test_duplicate_argument_names_are_refused():
    twice = mx.sym.Variable("x") + mx.sym.Variable("x")
    for use in (lambda: twice.infer_shape(x=(2,)), lambda: twice.infer_all(x=(2,)), lambda: twice.simple_bind(x=(2,))):
        with pytest.raises(GraphError, match="duplicate argument name x"):
            use()
