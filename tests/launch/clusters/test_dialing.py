"""Lines between `launch` and agents that dial it: what was said last is heard, whoever hangs up first."""

import select

import pytest

from pushgrad.launch.clusters.dialing import Line, Switchboard


@pytest.fixture
def ends():
    """The switchboard, the agent's line, and the socket of `launch` over which both have spoken."""
    board = Switchboard(1)
    line, ours = Line(0, board.invitation.text()), board.lines[0]
    line.socket.sendall(b"hello")
    assert ours.recv(100) == b"hello"
    return board, line, ours


def has_come(end):
    return bool(select.select([end], [], [], 30)[0])


def test_an_agent_that_has_not_read_everything(ends):
    board, line, ours = ends
    ours.sendall(b"beat")
    assert has_come(line.socket)
    line.socket.sendall(b"bye")
    line.close()
    assert ours.recv(100) == b"bye"
    board.close()


def test_a_launch_that_has_not_read_everything(ends):
    board, line, ours = ends
    line.socket.sendall(b"bye")
    assert has_come(ours)
    board.close()
    assert line.socket.recv(100) == b""
    line.close()
