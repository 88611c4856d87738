"""Extrema, hypot, mod, comparisons and logic, each for equal shapes, stretched, and with a number."""

import numpy as np
import pytest

from pushgrad.worker.ops.operator import REGISTRY, lookup

SMOOTH = {"maximum": np.maximum, "minimum": np.minimum, "hypot": np.hypot, "mod": np.mod}
STEPS = {
    "equal": np.equal,
    "not_equal": np.not_equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "lesser": np.less,
    "lesser_equal": np.less_equal,
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "logical_xor": np.logical_xor,
}


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape) * 3


@pytest.mark.parametrize("name", SMOOTH)
def test_smooth_pairs(name, forward, gradcheck):
    for prefix, right in (("_", (2, 3)), ("broadcast_", (2, 3)), ("broadcast_", (1, 3)), ("broadcast_", (2, 1))):
        op, arrays = lookup(prefix + name)(), [draw(2, 3), draw(*right, seed=1)]
        np.testing.assert_allclose(forward(op, arrays)[0], SMOOTH[name](*arrays))
        gradcheck(op, arrays)
    op, array = lookup(f"_{name}_scalar")(scalar=1.25), draw(2, 3)
    np.testing.assert_allclose(forward(op, [array])[0], SMOOTH[name](array, 1.25))
    gradcheck(op, [array])


def test_number_modulo_data(forward, gradcheck):
    op, array = lookup("_rmod_scalar")(scalar=7), np.array([3.0, -2.2, 0.4])
    np.testing.assert_allclose(forward(op, [array])[0], np.mod(7, array))
    gradcheck(op, [array])


@pytest.mark.parametrize("name", STEPS)
def test_steps(name, forward, backward):
    left, right = np.array([[0.0, 1], [2, 2]], np.float32), np.array([[1.0, 0], [2, 0]], np.float32)
    for kind in (f"_{name}", f"broadcast_{name}"):
        op = lookup(kind)()
        out = forward(op, [left, right])
        assert (out[0] == STEPS[name](left, right)).all()
        assert op.blocks_gradient
        assert not any(grad.any() for grad in backward(op, [left, right], out, [np.ones_like(left)]))
    op = lookup(f"_{name}_scalar")(scalar=1)
    assert (forward(op, [left])[0] == STEPS[name](left, 1)).all()


def test_where_both_are_equal_the_first_gets_the_gradient(forward, backward):
    equal = [np.ones(1), np.ones(1)]
    for name in ("maximum", "minimum"):
        for kind, arrays in ((f"_{name}", equal), (f"broadcast_{name}", equal), (f"_{name}_scalar", equal[:1])):
            op = lookup(kind)()
            grads = backward(op, arrays, forward(op, arrays), [np.ones(1)])
            assert [grad[0] for grad in grads] == [1, 0][: len(arrays)]


@pytest.mark.parametrize(
    ("old", "name"),
    [
        ("_Maximum", "_maximum"),
        ("_MinimumScalar", "_minimum_scalar"),
        ("_Greater_Equal", "_greater_equal"),
        ("_GreaterEqualScalar", "_greater_equal_scalar"),
        ("_Logical_Xor", "_logical_xor"),
        ("_RModScalar", "_rmod_scalar"),
    ],
)
def test_old_names(old, name):
    assert REGISTRY[old].op_name() == name
    assert REGISTRY[name].__doc__


def test_documentation_says_which_form_it_is():
    assert REGISTRY["_greater"].__doc__ == "1 where lhs is greater than rhs, else 0, for equal shapes."
    assert REGISTRY["_greater_scalar"].__doc__ == "1 where data is greater than scalar, else 0."
