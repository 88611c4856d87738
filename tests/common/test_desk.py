"""Desks: what is handed over is walked at once by who attends, and later by who is away."""

import threading

import numpy as np
import pytest

from pushgrad.common import desk as module
from pushgrad.common.call_table import Row, Table, in_python
from pushgrad.common.desk import Desk
from pushgrad.worker.cpu.compiled_claims import finish

pytestmark = pytest.mark.timeout(30)


def counting():
    number = np.zeros(1, np.int64)
    return number, Table([Row(finish, (number,))] * 2)


def test_what_is_handed_to_one_who_is_away_waits_for_him():
    desk, (number, table) = Desk(), counting()
    assert not desk.hand(table)
    assert number[0] == 0
    assert desk.attend() is None
    desk.wait()
    assert number[0] == 2


def test_one_who_attends_walks_tables_until_none_has_come_for_a_moment(monkeypatch):
    monkeypatch.setattr(module, "AWAKE", 10)
    desk, (number, table) = Desk(), counting()
    clerk = threading.Thread(target=desk.attend, daemon=True)
    desk.hand(table)
    clerk.start()
    desk.wait()
    for _ in range(500):
        assert desk.hand(table)
        desk.wait()
    assert number[0] == 2 * 501
    desk.call_away()
    clerk.join(20)
    assert not clerk.is_alive()
    assert not desk.hand(table)


def test_nobody_is_called_away_from_a_table():
    desk, (number, table) = Desk(), counting()
    desk.hand(table)
    desk.call_away()
    assert desk.attend() is None
    assert number[0] == 2


def test_a_table_that_stops_is_not_done_before_the_clerk_has_gone_on():
    desk, seen = Desk(), []
    number, table = counting()
    stopping = Table([*table._rows, in_python(lambda: seen.append(1)), *table._rows])
    desk.hand(stopping)
    place = desk.attend()
    assert place == 2 and number[0] == 2 and not seen
    waiting = threading.Thread(target=desk.wait, daemon=True)
    waiting.start()
    stopping.go_on(place)
    waiting.join(0.05)
    assert waiting.is_alive() and seen and number[0] == 4
    desk.went_on()
    waiting.join(20)
    assert not waiting.is_alive()
    assert desk.attend() is None
