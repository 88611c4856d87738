"""Turns of a server at a listener without a socket."""

from types import SimpleNamespace

import pytest

from pushgrad.common.codec import decode, encode
from pushgrad.common.messages import Welcome, mark_of
from pushgrad.common.requests import Setup
from pushgrad.ps.server import Server


class Full:
    """A listener whose one worker takes no message, or all of them."""

    def __init__(self, *messages):
        self.waiting, self.sent, self.room = [(b"w0", encode(message)) for message in messages], [], False

    def receive(self):
        return self.waiting.pop(0) if self.waiting else None

    def send(self, identity, frames, copy_below=0):
        self.sent += [decode(frames).op] if self.room else []
        return self.room


@pytest.fixture
def server():
    setup = {"seq": 1, "mode": "sync", "staleness": 0, "optimizer": None}
    listener = Full(Setup(job="j", rank=0, incarnation="i0", fit=1, **setup))
    env = SimpleNamespace(job_id="j")
    link = SimpleNamespace(env=env, lease=3.0, receive=lambda: [], check=lambda: None, send=lambda message: True)
    servers = (("tcp://127.0.0.1:1", "h"),)
    return Server(listener, link, Welcome(rank=0, lease=3.0, workers=1, servers=servers, marks=(mark_of("i0"),)))


def test_a_server_is_blocked_as_long_as_a_worker_cannot_take_what_there_is_for_it(server):
    """Only then does it look again after a millisecond: a ROUTER does not tell when it has room."""
    assert server.turn() and server.blocked
    server.listener.room = True
    assert server.turn() and not server.blocked
    assert server.listener.sent == ["ok"]
    assert server.turn() and not server.blocked, "nothing is there for anybody"
