"""First values recorded from MXNet 1.9.1's initializers on the CPU, each after mx.random.seed(7)."""

import numpy as np
import pytest

import pushgrad as mx

init = mx.init
OWN = "own"  # the initializer of one variable, whatever its name ends in

CASES = [
    (
        init.Uniform(),
        "w_weight",
        (3, 4),
        [-0.010001678, 0.0584522709, 0.0431168824, 0.0696789995, 0.0349434614, -0.0289257616],
    ),
    (
        init.Xavier(),
        "w_weight",
        (3, 4),
        [-0.132282197, 0.773089886, 0.570263982, 0.921574593, 0.462162375, -0.382572174],
    ),
    (init.Bilinear(), OWN, (1, 1, 3, 3), [0.0625, 0.1875, 0.1875, 0.1875, 0.5625, 0.5625, 0.1875, 0.5625, 0.5625]),
    (
        init.Bilinear(),
        OWN,
        (2, 1, 4, 4),
        [0.0625, 0.1875, 0.1875, 0.0625, 0.1875, 0.5625, 0.5625, 0.1875, 0.1875, 0.5625, 0.5625, 0.1875],
    ),
    (init.LSTMBias(2.0), OWN, (8,), [0.0, 0.0, 2.0, 2.0, 0.0, 0.0, 0.0, 0.0]),
    (init.Constant(2.5), "w_weight", (2,), [2.5, 2.5]),
    (init.One(), "w_weight", (2,), [1.0, 1.0]),
    (init.Zero(), "w_weight", (2,), [0.0, 0.0]),
]
NORMAL = [
    (init.Normal(), (3, 4), [0.00802840013, -0.00839981716, -0.0100169498, 0.00722779986, 0.00663243653, 0.0154861622]),
    (
        init.Xavier("gaussian", "in", 2),
        (3, 4),
        [0.567693591, -0.593956769, -0.708305359, 0.511082649, 0.468984067, 1.0950371],
    ),
    (
        init.Xavier("gaussian", "out", 2),
        (2, 3, 2, 2),
        [0.401419997, -0.419990867, -0.500847518, 0.361389995, 0.331621826, 0.774308145],
    ),
    (init.MSRAPrelu(), (3, 4), [0.588769794, -0.616007984, -0.734601855, 0.530057073, 0.486395568, 1.1356914]),
    (
        init.MSRAPrelu("in", 0),
        (2, 3, 2, 2),
        [0.327758074, -0.342921108, -0.408940315, 0.295073718, 0.270768106, 0.63221997],
    ),
]
ORTHOGONAL = [1.17124736, 0.656036317, -0.444062978, -0.278182477, 1.08273399, 0.865850925]


@pytest.fixture(autouse=True)
def seed():
    mx.random.seed(7)
    yield
    mx.random.seed(0)


@pytest.mark.parametrize(("initializer", "name", "shape", "expected"), CASES, ids=lambda it: str(it)[:30])
def test_the_values_of_mxnet(initializer, name, shape, expected):
    found = initializer.weight(name, shape) if name == OWN else initializer(name, shape)
    np.testing.assert_array_equal(found.ravel()[: len(expected)], np.float32(expected))


@pytest.mark.parametrize(("initializer", "shape", "expected"), NORMAL, ids=lambda it: str(it)[:30])
def test_normal_values_are_those_of_2016_of_which_mxnet_now_has_every_other(initializer, shape, expected):
    """They come in pairs, and MXNet 1.9.1 throws the second of each away."""
    np.testing.assert_array_equal(initializer("w_weight", shape).ravel()[:12:2], np.float32(expected))


def test_orthogonal_rows():
    """Up to what two builds of LAPACK differ by."""
    np.testing.assert_allclose(init.Orthogonal()("w_weight", (2, 3)).ravel(), ORTHOGONAL, rtol=1e-6)
