"""Loss scaling: factors that change no digit, and a scale that looks after itself."""

import numpy as np
import pytest

from pushgrad.ps.optimizer import SGD, create
from pushgrad.ps.optimizers.base import Step as PlainStep
from pushgrad.ps.optimizers.momentum import AddScaled
from pushgrad.worker.cuda import loss_scale as module
from pushgrad.worker.cuda.loss_scale import LossScale, ScaledLoss
from pushgrad.worker.cuda.step import Update
from pushgrad.worker.training.gpu.update import FlatUpdate, update_of
from pushgrad.worker.training.gpu.update_tables import Span


class Loss:
    """Gives the gradients that it is told."""

    def __init__(self, gradient):
        self.gradient = gradient

    def backward(self, step, out_grads, inputs, outputs, in_grads):
        in_grads[0][...] = self.gradient


@pytest.fixture
def scale(bench):
    return bench.make(LossScale, bench.step)


def value(bench):
    return float(bench.fetch(bench.step.scale()))


def unscaled(bench, scale, gradient, shows_overflow=False):
    array = bench.send(np.asarray(gradient, np.float32))
    with bench.device.active():
        scale.unscale(array, shows_overflow)
    return bench.fetch(array)


def adjusted(bench, scale):
    with bench.device.active():
        scale.adjust()
    return value(bench)


def test_there_and_back_changes_no_digit(bench, scale):
    gradient = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    loss, target = bench.make(ScaledLoss, Loss(bench.send(gradient))), bench.send(np.zeros(1000, np.float32))
    with bench.device.active():
        loss.backward(bench.step, [], [], [], [target, None])
    scaled = bench.fetch(target)
    np.testing.assert_array_equal(scaled, gradient * np.float32(module.FIRST))
    np.testing.assert_array_equal(unscaled(bench, scale, scaled), gradient)


def test_an_overflow_halves_it_and_leaves_zeros(bench, scale):
    found = unscaled(bench, scale, [65536.0, np.inf, np.nan, -np.inf])
    np.testing.assert_array_equal(found, [1, 0, 0, 0])
    shown = unscaled(bench, scale, [65536.0, np.inf, np.nan, -np.inf], shows_overflow=True)
    assert shown[0] == 1 and not np.isfinite(shown[1:]).any()
    assert adjusted(bench, scale) == module.FIRST / 2
    assert adjusted(bench, scale) == module.FIRST / 2  # the word is clean again


def test_it_grows_after_a_while_without(bench, scale, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 3)
    unscaled(bench, scale, [np.inf])
    assert [adjusted(bench, scale) for _ in range(5)] == [32768, 32768, 32768, 65536, 65536]
    assert [adjusted(bench, scale) for _ in range(3)] == [65536] * 3  # no larger than that


@pytest.mark.parametrize(
    "optimizer",
    [SGD(momentum=0.9), AddScaled(rescale_grad=-0.5), *map(create, ("sgd", "adam", "nadam", "lamb", "lars", "sgld"))],
    ids=lambda made: made.name,
)
def test_every_update_divides_by_it(bench, scale, optimizer):
    weight, gradient = bench.send(np.ones(8, np.float32)), bench.send(np.full(8, 65536, np.float32))
    states = {name: bench.send(np.zeros(8, np.float32)) for name in optimizer.state_names}
    update = bench.make(FlatUpdate, optimizer, [Span(0, 8)], weight, gradient, states, scale)
    bench.at(update=update_of(optimizer, PlainStep(0.5)))
    with bench.device.active():
        update.run(bench.step)
    expected, states = np.ones(8, np.float32), {name: np.zeros(8, np.float32) for name in optimizer.state_names}
    optimizer.apply(np.ones((1, 8), np.float32), expected, states, PlainStep(0.5))
    np.testing.assert_array_equal(bench.fetch(weight), expected)
    assert (expected != 1).all()


def test_an_update_leaves_the_step_out(bench, scale):
    weight, gradient = bench.send(np.ones(8, np.float32)), bench.send(np.full(8, 65536, np.float32))
    args = SGD(learning_rate=0.5), [Span(0, 8)], weight, gradient, {}, scale
    update = bench.make(FlatUpdate, *args)
    bench.at(update=Update(0.5))
    with bench.device.active():
        update.run(bench.step)
        gradient[3] = np.inf
        update.run(bench.step)
    np.testing.assert_array_equal(bench.fetch(weight), np.full(8, 0.5))
    assert value(bench) == module.FIRST / 2
    with bench.device.active():
        assert update.look() is None


def test_what_is_no_number_at_any_scale_is_told(bench, scale):
    while value(bench) > 1:
        unscaled(bench, scale, [np.nan])
        adjusted(bench, scale)
    unscaled(bench, scale, [np.nan])
    assert adjusted(bench, scale) == 1
    assert int(bench.fetch(scale.word)[0]) != module.NOTHING


def test_its_state_can_be_taken_and_given_back(bench, scale):
    with bench.device.active():
        assert scale.state() == {"scale": 65536.0, "good": 0}
        scale.restore({"scale": 1024.0, "good": 7})
        assert scale.state() == {"scale": 1024.0, "good": 7}
