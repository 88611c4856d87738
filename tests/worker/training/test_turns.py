"""At which steps workers ask rank 0 whether a snapshot is due."""

import numpy as np
import pytest

from pushgrad.common.snapshot_interval import Interval
from pushgrad.worker.training.turns import Turns


class Clock:
    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("pushgrad.worker.training.turns.time", clock)
    return clock


def test_workers_seldom_ask_whether_a_snapshot_is_due(clock):
    """Steps of 1 ms and a snapshot every second: 20 of them come in time, and questions are few."""
    turns, asked, taken = Turns(Interval(seconds=1.0)), 0, []
    for step in range(1, 20_001):
        clock.now += 0.001
        if turns.comes(step - 1, step, together=True):
            due, calls = turns.due(), turns.next()
            turns.settle(due, put_off=False, calls=calls)
            asked += 1
            taken += [clock.now] if due else []
    assert len(taken) >= 18
    assert max(np.diff(taken)) < 1.1
    assert asked < 400


@pytest.mark.parametrize("together", [False, True])
def test_steps_come_by_themselves_and_one_that_was_put_off_soon_after(clock, together):
    turns, asked = Turns(Interval(steps=3)), []
    for step in range(1, 10):
        clock.now += 0.1
        if turns.comes(step - 1, step, together):
            due, calls = turns.due(), turns.next()
            asked += [step] if due else []
            turns.settle(taken=due and step != 6, put_off=step == 6, calls=calls)
    assert asked == [3, 6, 7, 9]


@pytest.mark.parametrize("interval", [Interval(steps=100_000), Interval(seconds=1000.0)], ids=["steps", "seconds"])
def test_a_snapshot_that_a_signal_asks_for_comes_within_half_a_second(clock, interval):
    """Steps of 1 ms. Only rank 0 knows of the signal, and both come to the same questions."""
    first, other = Turns(interval), Turns(interval)
    asked = 0
    for step in range(1, 5000):
        clock.now += 0.001
        if step == 3000:
            first.hurry()
        comes = first.comes(step - 1, step, together=True)
        assert other.comes(step - 1, step, together=True) == comes
        if comes:
            asked, due, calls = asked + 1, first.due(), first.next()
            for turns in (first, other):
                turns.settle(taken=due, calls=calls)
            if due:
                break
    assert 3000 <= step <= 3500 and asked < 30


def test_alone_a_signal_is_heeded_at_once(clock):
    turns = Turns(Interval(seconds=1000.0))
    assert not turns.comes(0, 1, together=False)
    turns.hurry()
    assert turns.comes(1, 2, together=False)
