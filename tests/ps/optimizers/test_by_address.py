"""Updates as rows of a table of calls give the bits of the passes that stores run otherwise."""

import numpy as np
import pytest

from pushgrad.common.call_table import Row, Table
from pushgrad.ps import rules
from pushgrad.ps.optimizer import create
from pushgrad.ps.optimizers.base import Step
from pushgrad.ps.optimizers.momentum import SGD

SIZE = 5000  # more than a block of the passes


def made(name):
    options = {"momentum": 0.9} if name in ("sgd", "nag") else {}
    return create(name, learning_rate=0.1, wd=0.01, rescale_grad=0.5, clip_gradient=0.3, **options)


@pytest.mark.parametrize("name", ["sgd", "plain sgd", "nag", "adam", "adamw"])
def test_the_same_bits(name):
    optimizer = create("sgd", learning_rate=0.1, wd=0.01) if name == "plain sgd" else made(name)
    rng = np.random.default_rng(1)
    weights = [rng.standard_normal(SIZE).astype(np.float32)] * 2
    weights = [weight.copy() for weight in weights]
    states = [{state: np.zeros(SIZE, np.float32) for state in optimizer.state_names} for _ in weights]
    gradient = np.empty(SIZE, np.float32)
    numbers = np.array(optimizer.scalars(Step(lr=0), np.float32), np.float64)
    table = Table([optimizer.row(gradient, weights[0], states[0], numbers)])
    for t in range(1, 4):
        gradient[:] = rng.standard_normal(SIZE)
        step = Step(lr=0.1 / t, lr_mult=0.5, wd_mult=2.0, t=t)
        numbers[:] = optimizer.scalars(step, np.float32)
        table.run()
        optimizer.apply(gradient.reshape(1, -1).copy(), weights[1], states[1], step)
        np.testing.assert_array_equal(weights[0], weights[1])
        for state in optimizer.state_names:
            np.testing.assert_array_equal(states[0][state], states[1][state])


@pytest.mark.parametrize("name", ["rmsprop", "lamb", "lars", "sgld"])
def test_others_have_no_row(name):
    """Those that need norms of the whole key must not be taken for the rule whose name they share."""
    optimizer = create(name)
    arrays = {state: np.zeros(3, np.float32) for state in optimizer.state_names}
    assert optimizer.row(np.zeros(3, np.float32), np.zeros(3, np.float32), arrays, np.zeros(9)) is None


def test_an_optimizer_of_ones_own_has_no_row():
    class Halved(SGD):
        def apply(self, rows, weight, states, step, column=0):
            weight *= 0.5

    assert Halved().row(np.zeros(3, np.float32), np.zeros(3, np.float32), {}, np.zeros(4)) is None


def test_double_precision_has_no_row():
    assert made("sgd").row(np.zeros(3), np.zeros(3), {"mom": np.zeros(3)}, np.zeros(5)) is None


@pytest.mark.parametrize("bad", [None, np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("size", [1, 7, 5000])
def test_finite(bad, size):
    values, found = np.full(size, -3.4e38, np.float32), []
    if bad is not None:
        values[size // 2] = bad
    Table([Row(rules.finite, (values, size), lambda: found.append(bad))]).run()
    assert len(found) == (bad is not None)
