import math

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import ParameterError, ShapeError
from pushgrad.worker.ops.leaky_relu import LeakyReLU
from pushgrad.worker.ops.operator import Step

SHAPES = [(5,), (3, 4), (2, 3, 2, 2)]
FUNCTIONS = {
    "leaky": lambda x: np.where(x > 0, x, 0.25 * x),
    "elu": lambda x: np.where(x > 0, x, 0.25 * np.expm1(x)),
    "selu": lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)),
    "gelu": lambda x: x * np.vectorize(lambda v: (1 + math.erf(v / math.sqrt(2))) / 2)(x),
}


def data(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape) * 2


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("act_type", FUNCTIONS)
def test_functions(act_type, shape, forward, gradcheck):
    op = LeakyReLU(act_type=act_type)
    np.testing.assert_allclose(forward(op, [data(shape)])[0], FUNCTIONS[act_type](data(shape)), rtol=1e-12)
    gradcheck(op, [data(shape)])


@pytest.mark.parametrize("slope", [-0.5, 0, 1.5])
@pytest.mark.parametrize("act_type", ["leaky", "elu"])
def test_slopes(act_type, slope, gradcheck):
    gradcheck(LeakyReLU(act_type=act_type, slope=slope), [data((3, 4))])


@pytest.mark.parametrize("gamma", ["each", "one"])
@pytest.mark.parametrize("shape", SHAPES[1:])
def test_prelu(shape, gamma, forward, gradcheck):
    op, x = LeakyReLU(act_type="prelu"), data(shape)
    slopes = np.random.default_rng(1).uniform(-0.5, 0.5, shape[1] if gamma == "each" else 1)
    expected = np.moveaxis(np.moveaxis(x, 1, -1) * np.where(np.moveaxis(x, 1, -1) > 0, 1, slopes), -1, 1)
    np.testing.assert_allclose(forward(op, [x, slopes])[0], expected)
    gradcheck(op, [x, slopes])


def test_rrelu_while_training(forward, gradcheck):
    op, x = LeakyReLU(act_type="rrelu", lower_bound=0.2, upper_bound=0.6), -np.ones((500, 4))
    slopes = -forward(op, [x], Step(is_train=True, seed=3))[0]
    assert 0.2 <= slopes.min() < 0.21 and 0.59 < slopes.max() < 0.6
    assert abs(slopes.mean() - 0.4) < 0.01
    assert len(np.unique(slopes)) == slopes.size
    gradcheck(op, [data((3, 4))], step=Step(is_train=True, seed=3))


def test_rrelu_is_the_same_in_slices_and_new_in_each_step(forward):
    op, x = LeakyReLU(act_type="rrelu"), -np.ones((6, 5))
    (whole,) = forward(op, [x], Step(is_train=True))
    (rest,) = forward(op, [x[2:]], Step(is_train=True, first_row=2))
    (other,) = forward(op, [x], Step(is_train=True, number=1))
    assert (whole[2:] == rest).all()
    assert (whole != other).any()


def test_rrelu_without_training_takes_the_middle(forward, gradcheck):
    op = LeakyReLU(act_type="rrelu", lower_bound=0.2, upper_bound=0.6)
    assert forward(op, [np.array([-1.0, 2])], Step())[0].tolist() == [-0.4, 2]
    gradcheck(op, [data((3, 4))], step=Step())


@pytest.mark.parametrize("act_type", [*FUNCTIONS, "rrelu"])
def test_nan_and_far_out(act_type, forward):
    (out,) = forward(LeakyReLU(act_type=act_type), [np.array([np.nan, 1e4, -1e4])], Step())
    assert np.isnan(out[0]) and out[1] >= 1e4 and np.isfinite(out[2])


@pytest.mark.parametrize(
    ("known", "out", "expected"),
    [
        ([(4, 3, 2), None], None, [(4, 3, 2), (3,)]),
        ([None, None], (4, 3), [(4, 3), (3,)]),
        ([(4, 3), (1,)], None, [(4, 3), (1,)]),
        ([None, (3,)], None, [None, (3,)]),
    ],
)
def test_shapes_with_gamma(known, out, expected):
    assert LeakyReLU(act_type="prelu").infer_shape(known, [out]) == (expected, [expected[0]])


def test_shapes_that_do_not_fit():
    with pytest.raises(ShapeError, match="LeakyReLU: gamma"):
        LeakyReLU(act_type="prelu").infer_shape([(4, 3), (4,)], [None])
    with pytest.raises(ShapeError, match="LeakyReLU: data: expected rows and channels"):
        LeakyReLU(act_type="prelu").infer_shape([(4,), None], [None])
    with pytest.raises(ShapeError, match="LeakyReLU: data"):
        LeakyReLU().infer_shape([(4,)], [(3,)])


def test_wrong_parameters():
    with pytest.raises(ParameterError, match="LeakyReLU: parameter act_type"):
        LeakyReLU(act_type="relu")
    with pytest.raises(ParameterError, match=r"parameter lower_bound: expected at most upper_bound, 0\.1"):
        LeakyReLU(lower_bound=0.2, upper_bound=0.1)


def test_the_gamma_of_prelu_begins_at_a_quarter():
    net = mx.sym.LeakyReLU(mx.sym.Variable("data"), act_type="prelu", name="act")
    assert net.list_arguments() == ["data", "act_gamma"]
    assert net.attr_dict()["act_gamma"]["__init__"] == '["Constant", {"value": 0.25}]'
    assert mx.sym.load_json(net.tojson()).attr_dict() == net.attr_dict()
