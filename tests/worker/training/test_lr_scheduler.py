"""The expected sequences are those of MXNet 1.9.1's classes with the same arguments."""

import pytest

import pushgrad as mx
from pushgrad.common.errors import ParameterError

schedule = mx.lr_scheduler


def rates(scheduler, count):
    return [scheduler(n) for n in range(1, count + 1)]


def test_factor():
    expected = [1.0] * 5 + [0.5] * 5 + [0.25] * 3
    assert rates(schedule.FactorScheduler(5, 0.5, base_lr=1.0), 13) == expected


def test_factor_stops():
    assert rates(schedule.FactorScheduler(1, 0.1, stop_factor_lr=0.05, base_lr=1.0), 4) == [1.0, 0.1, 0.05, 0.05]


def test_multi_factor():
    expected = [1.0, 1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.25]
    assert rates(schedule.MultiFactorScheduler([3, 5], 0.5, base_lr=1.0), 8) == expected


def test_steps_need_not_be_whole_numbers():
    """As when an epoch of 421.5 batches is halved."""
    expected = [1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125, 0.125, 0.0625, 0.0625, 0.03125]
    assert rates(schedule.FactorScheduler(2.5, 0.5, base_lr=1.0), 13) == expected
    expected = [1.0, 1.0] + [0.5] * 4 + [0.25] * 7
    assert rates(schedule.MultiFactorScheduler([2.5, 6.0], 0.5, base_lr=1.0), 13) == expected
    assert rates(schedule.FactorScheduler(5.0, 0.3), 13) == rates(schedule.FactorScheduler(5, 0.3), 13)


@pytest.mark.parametrize("step", [0.5, 0, -1, True, float("nan"), float("inf"), "2", None])
def test_steps_that_are_none(step):
    for make in (lambda: schedule.FactorScheduler(step), lambda: schedule.MultiFactorScheduler([step, 9])):
        with pytest.raises(ParameterError, match="step: expected a number of 1 or more, got"):
            make()


def test_poly_with_warmup():
    expected = [1 / 3, 2 / 3, 1.0, 36 / 49, 25 / 49, 16 / 49, 9 / 49, 4 / 49, 1 / 49, 0.0, 0.0]
    scheduler = schedule.PolyScheduler(10, base_lr=1.0, pwr=2, warmup_steps=3)
    assert rates(scheduler, 11) == pytest.approx(expected, abs=1e-15)


def test_cosine():
    expected = [0.9779754323328191, 0.9140576474687263, 0.8145033635316129, 0.6890576474687263, 0.55]
    scheduler = schedule.CosineScheduler(10, base_lr=1.0, final_lr=0.1)
    assert rates(scheduler, 5) == pytest.approx(expected, abs=1e-15)
    assert scheduler(10) == scheduler(99) == 0.1


def test_constant_warmup():
    scheduler = schedule.LRScheduler(base_lr=1.0, warmup_steps=3, warmup_begin_lr=0.2, warmup_mode="constant")
    assert rates(scheduler, 4) == [0.2, 0.2, 1.0, 1.0]


def test_any_order_gives_the_same_rates():
    scheduler = schedule.FactorScheduler(5, 0.5, base_lr=1.0)
    assert scheduler(12) == 0.25
    assert scheduler(1) == 1.0


def test_optimizer_gives_its_learning_rate_and_counts_steps_from_0():
    optimizer = mx.optimizer.create("sgd", learning_rate=0.4, lr_scheduler=schedule.FactorScheduler(2, 0.5))
    assert [optimizer.rate(t) for t in range(6)] == [0.4, 0.4, 0.2, 0.2, 0.1, 0.1]


def test_a_base_given_here_stands():
    optimizer = mx.optimizer.create("sgd", lr_scheduler=schedule.FactorScheduler(2, 0.5, base_lr=0.8))
    assert optimizer.rate(0) == 0.8


@pytest.mark.parametrize(
    "make",
    [
        lambda: schedule.FactorScheduler(0),
        lambda: schedule.FactorScheduler(1, 1.5),
        lambda: schedule.MultiFactorScheduler([]),
        lambda: schedule.MultiFactorScheduler([5, 3]),
        lambda: schedule.PolyScheduler(3, warmup_steps=3),
        lambda: schedule.LRScheduler(warmup_mode="cubic"),
        lambda: schedule.LRScheduler(warmup_steps=-1),
    ],
)
def test_bad_parameters(make):
    with pytest.raises(ParameterError):
        make()
