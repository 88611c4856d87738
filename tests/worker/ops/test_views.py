import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import ParameterError, ShapeError
from pushgrad.worker.execution.bound_arrays import Binding
from pushgrad.worker.ops.operator import Step, lookup
from pushgrad.worker.ops.reshape import Reshape

# What MXNet 1.9.1 makes of each code.
RESHAPED = [
    ((2, 3, 4), (-1, 0), False, (8, 3)),
    ((2, 3, 4), (4, 0, 2), False, (4, 3, 2)),
    ((2, 3, 4), (-2,), False, (2, 3, 4)),
    ((2, 3, 4), (2, -2), False, (2, 3, 4)),
    ((2, 3, 4), (-2, 1, 1), False, (2, 3, 4, 1, 1)),
    ((2, 3, 4), (-3, 4), False, (6, 4)),
    ((2, 3, 4, 5), (-3, -3), False, (6, 20)),
    ((2, 3, 4), (0, -3), False, (2, 12)),
    ((2, 3, 4), (-3, -2), False, (6, 4)),
    ((2, 3, 4), (-4, 1, 2, -2), False, (1, 2, 3, 4)),
    ((2, 3, 4), (2, -4, -1, 3, -2), False, (2, 1, 3, 4)),
    ((10, 5, 4), (-1, 0), False, (40, 5)),
    ((10, 5, 4), (-1, 0), True, (50, 4)),
    ((10, 5, 4), (-3, 0), True, (50, 4)),
]
IMPOSSIBLE = [(0, -1, -1), (7,), (0, 0, 0), (-3, -3), (-4, 4, -1), (-4, -1, -1), (-4, 2), (-1, 4)]


@pytest.mark.parametrize(("data", "code", "reverse", "expected"), RESHAPED)
def test_reshape_codes(data, code, reverse, expected, forward, gradcheck):
    op = Reshape(shape=code, reverse=reverse)
    assert op.infer_shape([data], [None])[1] == [expected]
    array = np.random.default_rng(0).normal(size=data)
    assert (forward(op, [array])[0] == array.reshape(expected)).all()
    if array.size < 50:
        gradcheck(op, [array])


@pytest.mark.parametrize("code", IMPOSSIBLE)
def test_impossible_reshapes(code):
    with pytest.raises(ShapeError, match=r"Reshape: (data|output)"):
        Reshape(shape=code).infer_shape([(2, 3)], [None])


def test_unknown_code():
    with pytest.raises(ParameterError, match=r"Reshape: parameter shape.*-5"):
        Reshape(shape=(-5,))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"target_shape": (2, 0)}, (2, 12)),
        ({"target_shape": (0, 12), "keep_highest": True}, (2, 12)),
        ({"target_shape": (0, 0, 4), "keep_highest": True}, (2, 3, 4)),
        ({}, (2, 3, 4)),
    ],
)
def test_older_parameters(options, expected):
    assert Reshape(**options).infer_shape([(2, 3, 4)], [None])[1] == [expected]


def test_unknown_extents_are_carried_and_completed():
    op = Reshape(shape=(0, 1, 28, 28))
    assert op.infer_shape([(0, 784)], [None])[1] == [(0, 1, 28, 28)]
    assert op.infer_shape([(0, 784)], [(5, 1, 28, 28)])[0] == [(5, 784)]


@pytest.mark.parametrize(
    ("code", "shape", "couples"),
    [
        ((0, -1), (4, 2, 3), False),
        ((-1, 2, 3), (4, 6), False),
        ((-1, 3), (4, 6), True),
        ((4, -1), (4, 2, 3), True),
        ((-3, 0), (4, 2, 3), True),
        ((-4, 2, -1, 0), (4, 2, 3), True),
    ],
)
def test_reshape_tells_whether_rows_stay_apart(code, shape, couples):
    assert Reshape(shape=code).couples_rows([shape]) is couples


def test_reshape_without_shapes_is_careful():
    assert Reshape(shape=(0, -1)).couples_rows() is False
    assert Reshape(shape=(-1, 6)).couples_rows() is True
    assert Reshape(shape=(0, -1), reverse=True).couples_rows() is True


def test_flatten(forward, gradcheck):
    op = lookup("Flatten")()
    array = np.random.default_rng(0).normal(size=(2, 3, 2))
    assert (forward(op, [array])[0] == array.reshape(2, 6)).all()
    gradcheck(op, [array])
    assert op.infer_shape([(0, 3, 4)], [(7, 12)]) == ([(7, 3, 4)], [(7, 12)])
    assert op.infer_shape([(2,)], [None])[1] == [(2, 1)]


def test_identity_and_blockgrad(forward, backward, gradcheck):
    array = np.random.default_rng(0).normal(size=(2, 3))
    gradcheck(lookup("identity")(), [array])
    op = lookup("BlockGrad")()
    out = forward(op, [array])
    assert (out[0] == array).all()
    assert (backward(op, [array], out, [np.ones((2, 3))])[0] == 0).all()
    assert op.blocks_gradient


@pytest.mark.parametrize("name", ["Flatten", "identity", "BlockGrad", "Reshape"])
def test_views_leave_shared_memory_alone(name):
    op, array = lookup(name)(), np.arange(6.0).reshape(2, 3)
    shared = array.reshape(2, 3)
    op.forward(Step(), [array], [shared])
    assert op.is_view
    assert array.ravel().tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("dim", [0, 1, 2, -1, -2])
def test_concat(dim, forward, gradcheck):
    shapes = [[2, 3, 2] for _ in range(3)]
    for extent, shape in enumerate(shapes, 1):
        shape[dim] = extent
    arrays = [np.random.default_rng(i).normal(size=shape) for i, shape in enumerate(shapes)]
    op = lookup("Concat")(num_args=3, dim=dim)
    assert (forward(op, arrays)[0] == np.concatenate(arrays, axis=dim)).all()
    gradcheck(op, arrays)


def test_concat_shapes_in_both_directions():
    op = lookup("Concat")(num_args=2)
    assert op.infer_shape([(2, 3), None], [None]) == ([(2, 3), (2, 0)], [(2, 0)])
    assert op.infer_shape([(2, 3), None], [(2, 9)]) == ([(2, 3), (2, 6)], [(2, 9)])
    assert op.infer_shape([(2, 3), (0, 4)], [None]) == ([(2, 3), (2, 4)], [(2, 7)])
    for shapes, out in (
        ([(2, 3), (3, 4)], None),
        ([(2, 3), (2, 4)], (2, 8)),
        ([(2, 3), None], (2, 3)),
        ([(2,), None], None),
    ):
        with pytest.raises(ShapeError, match="Concat"):
            op.infer_shape(shapes, [out])


def test_concat_along_the_batch_couples_rows():
    concat = lookup("Concat")
    assert concat(num_args=2, dim=0).couples_rows()
    assert not concat(num_args=2, dim=1).couples_rows()
    assert not concat(num_args=2, dim=-1).couples_rows([(2, 3)])
    assert concat(num_args=2, dim=-2).couples_rows([(2, 3)])


@pytest.mark.parametrize(
    ("code", "separable"), [((-1, 1, 2, 3), True), ((0, -1), True), ((-1, 3), False), ((4, -1), False)]
)
def test_a_network_that_reshapes_is_cut_into_slices_where_rows_stay_apart(code, separable):
    net = mx.sym.Reshape(mx.sym.Variable("data"), shape=code) * 2
    data = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
    binding = Binding.allocate(net, "write", None, {"data": (4, 6)})
    assert binding.cuts.separable([(0, 2), (2, 4)]) is separable
    (out,) = net.simple_bind(mx.cpu(), slices=2, data=(4, 6)).forward(data=data)
    np.testing.assert_array_equal(out.ravel(), 2 * data.ravel())
