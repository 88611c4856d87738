"""Tables of calls: what a compiled loop does with their rows, and where Python goes on."""

import numpy as np
import pytest

from pushgrad.common.call_table import Room, Row, Table, WorkingMemory, in_python
from pushgrad.common.compiled_calls import integer, line, matrix, real
from pushgrad.common.jit import kernel


@kernel
def scaled(at: int) -> int:
    """values (n,) *= factor; stops where n is 0."""
    values = line(integer(at, 0), integer(at, 1))
    for i in range(values.size):
        values[i] *= np.float32(real(at, 2))
    return 0 if values.size else 1


@kernel
def said(at: int) -> int:
    return integer(integer(at, 0), 0)


@kernel
def place(at: int) -> int:
    """Write the address of the room, or 0 for None, to a number; the sum of the room's first row to itself."""
    target = integer(at, 0)
    line(target, 2)[0] = integer(at, 1) % 64
    if integer(at, 1):
        room = matrix(integer(at, 1), 2, 3)
        room[:] = 1
        line(target, 2)[1] = room[0].sum()
    return 0


def test_rows_run_in_order_with_their_arguments():
    one, two = np.ones(3, np.float32), np.ones(5, np.float32)
    seen = []
    table = Table(
        [
            Row(scaled, (one, 3, 2.5)),
            in_python(lambda: seen.append(one.copy())),
            Row(scaled, (one, 3, 2.0)),
            Row(scaled, (two, 4, 3.0)),
        ]
    )
    for _ in range(2):
        table.run()
    np.testing.assert_array_equal(seen, [[2.5] * 3, [12.5] * 3])
    np.testing.assert_array_equal(one, [25] * 3)
    np.testing.assert_array_equal(two, [9, 9, 9, 9, 1])


@pytest.mark.parametrize(
    ("said_so", "expected"), [(0, "abcd"), (1, "!abcd"), (-1, "bcd"), (-3, "d"), (-4, ""), (-9, "")]
)
def test_a_function_says_how_to_go_on(said_so, expected):
    heard = []
    number = np.array([said_so], np.int64)
    rows = [Row(said, (number,), lambda: heard.append("!"))]
    Table([*rows, *(in_python(lambda letter=letter: heard.append(letter)) for letter in "abcd")]).run()
    assert "".join(heard) == expected


def test_where_a_function_stops_an_error_is_raised():
    values = np.ones(2, np.float32)

    def fail():
        raise ValueError("nothing to scale")

    table = Table([Row(scaled, (values, 2, 2.0)), Row(scaled, (values, 0, 2.0), fail), Row(scaled, (values, 2, 2.0))])
    for times in (1, 2):
        with pytest.raises(ValueError, match="nothing to scale"):
            table.run()
        np.testing.assert_array_equal(values, [2**times] * 2)


def test_rows_share_room_that_begins_on_a_cache_line():
    found = np.full((3, 2), -1, np.float32)
    Table([Row(place, (found[0], Room(6))), Row(place, (found[1], Room(100))), Row(place, (found[2], None))]).run()
    np.testing.assert_array_equal(found, [[0, 3], [0, 3], [0, -1]])


def test_tables_share_memory_and_keep_what_they_have():
    memory, found = WorkingMemory(), np.full((2, 2), -1, np.float32)
    small = Table([Row(place, (found[0], Room(6)))], memory)
    large = Table([Row(place, (found[1], Room(100_000)))], memory)  # more than there was
    assert memory.at_least(1000) is memory.at_least(50_000)
    large.run()
    small.run()
    np.testing.assert_array_equal(found, [[0, 3], [0, 3]])


def test_an_empty_table():
    Table([]).run()
