import math

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import ParameterError, ShapeError
from pushgrad.worker.training.initializers import initializer


@pytest.fixture(autouse=True)
def seed_zero():
    mx.random.seed(0)
    yield
    mx.random.seed(0)


@pytest.mark.parametrize(
    ("name", "value"),
    [("fc1_bias", 0), ("bn_beta", 0), ("bn_moving_mean", 0), ("bn_gamma", 1), ("bn_moving_var", 1)],
)
def test_fixed_beginnings_by_name(name, value):
    array = mx.init.Uniform()(name, (3,))
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, np.full(3, value))


def test_only_weights_draw_in_the_callers_order():
    init = mx.init.Uniform(0.01)
    first = [init(name, (2, 2)) for name in ("fc1_weight", "fc1_bias", "bn_gamma", "fc2_weight")]
    mx.random.seed(0)
    np.testing.assert_array_equal(first[0], mx.random.uniform(-0.01, 0.01, (2, 2)))
    np.testing.assert_array_equal(first[3], mx.random.uniform(-0.01, 0.01, (2, 2)))


def test_first_weight_of_the_article():
    value = mx.init.Uniform(0.01)("fullyconnected0_weight", (10, 60))[0, 0]
    assert value == np.float32(0.5488135) * (np.float32(0.01) - np.float32(-0.01)) + np.float32(-0.01)


def test_unknown_name_says_what_to_do():
    with pytest.raises(ParameterError, match=r"'fc1_scale'.*ending in weight.*Variable\(init="):
        mx.init.Uniform()("fc1_scale", (2,))


def test_defaults_are_those_of_mxnet():
    assert mx.init.Uniform().scale == 0.07
    assert mx.init.Normal().sigma == 0.01
    assert repr(mx.init.Xavier()) == "Xavier(rnd_type='uniform', factor_type='avg', magnitude=3.0)"


@pytest.mark.parametrize(("factor_type", "factor"), [("avg", (8 * 9 + 4 * 9) / 2), ("in", 4 * 9), ("out", 8 * 9)])
def test_xavier_spread(factor_type, factor):
    values = mx.init.Xavier(factor_type=factor_type, magnitude=2)("conv_weight", (8, 4, 3, 3))
    scale = math.sqrt(2 / factor)
    mx.random.seed(0)
    np.testing.assert_array_equal(values, mx.random.uniform(-scale, scale, (8, 4, 3, 3)))


def test_gaussian_rules():
    values = mx.init.MSRAPrelu(slope=0)("w_weight", (400, 200))
    assert values.std() == pytest.approx(math.sqrt(2 / 300), rel=0.02)
    assert mx.init.Normal(0.5)("w_weight", (400, 200)).std() == pytest.approx(0.5, rel=0.02)


@pytest.mark.parametrize("shape", [(3, 8), (8, 3), (4, 2, 3)])
@pytest.mark.parametrize("rand_type", ["uniform", "normal"])
def test_orthogonal(shape, rand_type):
    matrix = mx.init.Orthogonal(scale=2.0, rand_type=rand_type)("w_weight", shape).reshape(shape[0], -1)
    product = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(product, 4 * np.eye(len(product)), atol=1e-5)


def test_constants_and_dtype():
    np.testing.assert_array_equal(mx.init.Constant(2.5)("w_weight", (2,)), [2.5, 2.5])
    np.testing.assert_array_equal(mx.init.Zero()("w_weight", (2,)), [0, 0])
    np.testing.assert_array_equal(mx.init.One()("w_weight", (2,)), [1, 1])
    assert mx.init.Uniform()("w_weight", (2,), np.float64).dtype == np.float64


def test_load_copies_and_falls_back():
    stored = np.ones((2, 2), np.float32)
    init = mx.init.Load({"arg:fc1_weight": stored}, mx.init.Zero())
    value = init("fc1_weight", (2, 2))
    value[:] = 5
    assert stored[0, 0] == 1
    assert init("fc2_weight", (1, 2)).sum() == 0
    with pytest.raises(ShapeError, match=r"fc1_weight.*expected \(3, 2\), got \(2, 2\)"):
        init("fc1_weight", (3, 2))
    with pytest.raises(ParameterError, match="no value for parameter 'fc2_weight'"):
        mx.init.Load({})("fc2_weight", (2,))


def test_mixed_takes_the_first_match():
    init = mx.init.Mixed(["fc1", ".*"], [mx.init.One(), mx.init.Zero()])
    assert init("fc1_weight", (1,))[0] == 1
    assert init("fc2_weight", (1,))[0] == 0
    # As in MXNet, whose re.match looks at the beginning of the name: "bias" is no pattern for fc_bias.
    init = mx.init.Mixed(["bias", ".*_bias"], [mx.init.One(), mx.init.Zero()])
    assert init("fc_bias", (1,))[0] == 0
    with pytest.raises(ParameterError, match="no pattern matches"):
        mx.init.Mixed(["fc1"], [mx.init.One()])("fc2_weight", (1,))


def test_create_by_name_and_attribute():
    assert isinstance(initializer.create("Uniform"), mx.init.Uniform)
    made = initializer.create('["xavier", {"magnitude": 2}]')
    assert isinstance(made, mx.init.Xavier)
    assert made.magnitude == 2
    assert initializer.create(made) is made
    # An auxiliary state's own attribute, whatever its name ends in.
    assert initializer.create('["one", {}]').weight("state", (2,)).tolist() == [1, 1]


@pytest.mark.parametrize("value", ["unifrom", "[broken", '["uniform", {"x": 1}]', 3, None, '["uniform"]'])
def test_create_refuses(value):
    with pytest.raises(ParameterError, match="initializer"):
        initializer.create(value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: mx.init.Uniform(-1),
        lambda: mx.init.Normal(float("nan")),
        lambda: mx.init.Xavier(rnd_type="normal"),
        lambda: mx.init.Xavier(factor_type="sum"),
        lambda: mx.init.Orthogonal(rand_type="gaussian"),
        lambda: mx.init.Mixed([".*"], []),
        lambda: mx.init.Mixed(["*"], [mx.init.One()]),
    ],
)
def test_bad_parameters(make):
    with pytest.raises(ParameterError):
        make()


def test_xavier_refuses_vectors():
    with pytest.raises(ShapeError, match=r"'fc_weight'.*2 dimensions"):
        mx.init.Xavier()("fc_weight", (4,))
