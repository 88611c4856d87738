"""Who waits for whom, as the scheduler sees it."""

from pushgrad.common.messages import PENDING, Stalled, Standing
from pushgrad.ps.waits import SURE, Waits


def in_collective(where="barrier"):
    return Standing(where=where, waits=True, collective=True)


def in_step(*fits, pending=()):
    return Standing(where="a step", waits=True, fits=fits or (1,), pending=pending)


def stall(key="w", waiting=(0,), absent=(1,), fit=1):
    return (fit, key, 3, waiting, absent)


def circle(standings, steps=(), present=None, seconds=SURE + 1):
    """Who is found if all of that has been said and remains true for so many seconds."""
    waits = Waits()
    for rank, standing in standings.items():
        waits.stands(rank, standing, 0.0)
    for second in range(int(seconds) + 1):
        waits.stalls(0, Stalled(steps=tuple(steps)), float(second))
        found = waits.crossed(present, float(second))
    return sorted(found)


def test_a_step_against_a_collective():
    standings = {0: in_step(), 1: in_collective()}
    assert circle(standings, [stall()], present={1}) == [0, 1]
    assert circle(standings, [stall()], present={1}, seconds=SURE - 1) == []
    assert circle(standings, [], present={1}) == []  # the server has not complained: it may only be slow
    assert circle(standings, [stall(fit=2)], present={1}) == []
    assert circle({**standings, 1: Standing(where="train.py:3")}, [stall()], present=set()) == []


def test_a_push_that_is_on_its_way_will_come():
    collective = Standing(where="barrier", waits=True, collective=True, pending=((1, "w"),))
    assert circle({0: in_step(), 1: collective}, [stall()], present={1}) == []
    many = Standing(where="barrier", waits=True, collective=True, pending=((2, "x"),) * PENDING)
    assert circle({0: in_step(), 1: many}, [stall()], present={1}) == []


def test_somebody_outside_the_circle_may_still_come():
    three = {0: in_step(), 1: in_collective()}
    assert circle(three, [stall(absent=(2,))], present={1}) == []
    assert circle(three, [stall(absent=(1, 2))], present={1}) == [0, 1]  # without worker 1 it does not go on anyway
    three[2] = in_collective()
    assert circle(three, [stall(absent=(1, 2))], present={1, 2}) == [0, 1, 2]


def test_steps_of_two_keys():
    two = {0: in_step(pending=((1, "a"),)), 1: in_step(pending=((1, "b"),))}
    steps = [stall("a", (0,), (1,)), stall("b", (1,), (0,))]
    assert circle(two, steps) == [0, 1]
    assert circle(two, steps[:1]) == []
    assert circle({**two, 0: in_step(pending=((1, "a"), (1, "b")))}, steps) == []


def test_a_collective_that_is_complete_is_no_reason():
    assert circle({0: in_collective(), 1: in_collective()}, present=None) == []
    assert circle({0: in_collective(), 1: in_collective()}, present={0, 1}) == []


def test_old_words_of_a_server_do_not_count():
    waits = Waits()
    waits.stands(0, in_step(), 0.0)
    waits.stands(1, in_collective(), 0.0)
    waits.stalls(0, Stalled(steps=(stall(),)), 0.0)
    assert waits.crossed({1}, 1.0) == {}
    assert waits.crossed({1}, 20.0) == {}


def test_who_has_left_waits_for_nobody():
    waits = Waits()
    waits.stands(0, in_step(), 0.0)
    waits.stands(1, in_collective(), 0.0)
    waits.forget(1)
    for now in (0.0, 1.0, 2.0, 3.0):
        waits.stalls(0, Stalled(steps=(stall(),)), now)
        assert waits.crossed({1}, now) == {}
