"""The link to a scheduler that a test plays: what is said again when a connection has been lost."""

import threading
import time

import pytest
import zmq

from pushgrad.common.codec import decode, encode
from pushgrad.common.job import JobEnv
from pushgrad.common.link import Link
from pushgrad.common.messages import Error, Hello, Leave, Left, Ping, Registered, Welcome
from pushgrad.common.network import Network

LEASE = 20.0


class Clock:
    """A clock that the test moves."""

    now = 100.0

    def __call__(self):
        return self.now


class Root:
    """A scheduler without a state machine: the test says what it answers."""

    def __init__(self):
        self.context = zmq.Context()
        self.port = 0
        self.open()

    def open(self):
        self.socket = self.context.socket(zmq.ROUTER)
        self.socket.linger = 0
        deadline = time.monotonic() + 10
        while True:
            try:
                self.socket.bind(f"tcp://127.0.0.1:{self.port or '*'}")
                break
            except zmq.ZMQError:  # libzmq closes the socket before it in a thread of its own
                if time.monotonic() > deadline:
                    raise
        self.port = int(self.socket.getsockopt_string(zmq.LAST_ENDPOINT).rpartition(":")[2])

    def hear(self, kind):
        """Who has sent the next message of that kind; others are skipped."""
        while self.socket.poll(10_000):
            identity, *frames = self.socket.recv_multipart()
            if isinstance(decode(frames), kind):
                return identity
        raise AssertionError(f"no {kind.__name__}")

    def say(self, identity, message):
        self.socket.send_multipart([identity, *encode(message)])

    def close(self):
        self.socket.close(0)
        self.context.term()


@pytest.fixture
def root():
    root = Root()
    yield root
    root.close()


@pytest.fixture
def joined(root):
    """A link that has joined, its clock, and its identity."""
    env = JobEnv("worker", "127.0.0.1", root.port, num_workers=1, num_servers=1, insecure=True)
    network, clock = Network(zmq.Context()), Clock()
    link = Link(env, network, clock=clock)
    joining = threading.Thread(target=link.join)
    joining.start()
    identity = root.hear(Hello)
    root.say(identity, Registered(lease=LEASE, scheduler="first"))
    root.say(identity, Welcome(rank=0, lease=LEASE, workers=1, servers=(("ipc://s", "h"),)))
    joining.join(10)
    yield link, clock, identity
    link.close()
    network.close()


def test_leave_is_said_again_on_a_new_connection(root, joined):
    link, _, _ = joined
    leaving = threading.Thread(target=link.leave)
    leaving.start()
    root.hear(Leave)
    root.socket.close(0)  # the answer is lost with the connection
    root.open()
    root.say(root.hear(Leave), Left())
    leaving.join(10)
    assert not leaving.is_alive()


def test_a_standstill_of_this_process_is_not_counted_twice(root, joined):
    link, clock, identity = joined
    link.check()
    clock.now += 10 * LEASE
    root.say(identity, Ping(n=1))
    assert link.connection.socket.poll(10_000)
    assert link.receive() == []
    link.check()
    clock.now += LEASE / 3
    link.check()
    clock.now += LEASE / 3
    link.check()
    clock.now += LEASE / 2 - 1
    with pytest.raises(SystemExit, match="no sign of life"):
        link.check()


def test_another_scheduler_at_the_same_place_deals_no_rank_again(root, joined):
    link, _, _ = joined
    root.socket.close(0)
    root.open()
    while not link.receive() and not root.socket.poll(10):
        pass
    identity, *frames = root.socket.recv_multipart()
    assert decode(frames).scheduler == "first"
    root.say(identity, Error(code="restarted", text="knows nothing"))
    assert link.connection.socket.poll(10_000)
    with pytest.raises(SystemExit, match="is another one than at the start"):
        link.receive()


class Line:
    """A connection that a test plays: `made` of it so far, what has come, and what was sent."""

    def __init__(self):
        self.watch, self.connections, self.made = self, 0, 1
        self.come, self.sent = [], []

    def drain(self):
        fresh, self.connections = self.made - self.connections, self.made
        return fresh

    def send(self, message):
        self.sent.append(message)
        return True

    def receive(self):
        return encode(self.come.pop(0)) if self.come else None

    # what a link asks of its network
    def connect(self, endpoint, identity, keys, immediate):
        return self

    def pulse(self, endpoint, identity, keys):
        return None


REGISTERED = Registered(lease=LEASE, scheduler="first")
WELCOME = Welcome(rank=0, lease=LEASE, workers=1, servers=(("ipc://s", "h"),))


@pytest.fixture
def line():
    return Line()


@pytest.fixture
def joining(line):
    env = JobEnv("worker", "127.0.0.1", 1, num_workers=1, num_servers=1, insecure=True)
    link = Link(env, line, clock=Clock())
    assert link.try_to_join() is None and [type(item) for item in line.sent] == [Hello]
    return link


def test_who_hears_by_the_old_connection_that_it_is_registered_asks_by_the_new_one_for_the_welcome(line, joining):
    line.made, line.come = 2, [REGISTERED]
    assert joining.try_to_join() is None and len(line.sent) == 2, "the welcome may have gone with the old connection"
    line.come = [REGISTERED, WELCOME]
    assert joining.try_to_join() == WELCOME
    assert joining.try_to_join() == WELCOME and len(line.sent) == 2


def test_a_welcome_alone_is_not_enough(line, joining):
    line.come = [WELCOME]
    assert joining.try_to_join() is None, "it does not know the lease, and would never miss its scheduler"
    joining.clock.now += 1.5
    assert joining.try_to_join() is None and len(line.sent) == 2
    line.come = [REGISTERED, WELCOME]
    assert joining.try_to_join() == WELCOME


def test_a_scheduler_of_another_generation_ends_a_member(line, joining):
    line.come = [REGISTERED, WELCOME]
    joining.try_to_join()
    line.come = [Error(code="generation", text="has ended")]
    with pytest.raises(SystemExit, match="has ended"):
        joining.receive()
