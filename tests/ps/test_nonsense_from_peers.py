"""Scheduler and server that also talk nonsense: a worker and a server of ours go on and end as they should."""

import random
import time

import pytest
import zmq
from wire_messages import SAMPLES, mutate, nested

from pushgrad.common.codec import decode, encode
from pushgrad.common.messages import Gather, Gathered, Hello, Leave, Left, Registered, Stop, Welcome, mark_of
from pushgrad.common.wire import WireError
from pushgrad.ps.replies import Replies
from pushgrad.ps.service import Service

TRAIN = """
    import numpy as np
    import pushgrad as mx

    kv = mx.kv.create("dist_sync")
    kv.init("w", np.zeros(5, np.float32))
    kv.init("r", np.zeros((4, 2), np.float32), row_sparse=True)
    for n in range(1, 4):
        kv.push("w", np.full(5, n, np.float32))
        kv.pull("w", out := np.empty(5, np.float32))
        assert (out == n).all()
        kv.row_sparse_push("r", np.full((2, 2), n, np.float32), [0, 3])
        kv.row_sparse_pull("r", rows := np.empty((3, 2), np.float32), [0, 1, 3])
        assert rows[:, 0].tolist() == [n, 0, n]
    kv.barrier()
    kv.close()
    print("trained")
"""


def nonsense(generator, count, version=True):
    """Frames of `count` messages that are none; without `version` none of them speaks of another version."""
    found = []
    while len(found) < count:
        frames = mutate(generator, generator.choice(SAMPLES))
        if generator.random() < 0.3:
            frames[0] = nested(generator.randint(1, 1023), "array")
        try:
            decode(frames)
        except WireError as error:
            if version or error.code != "version":
                found.append(frames)
    return found


class Peers:
    """A scheduler for one process of ours and a server for one worker, in one thread; before each answer, nonsense."""

    def __init__(self, job, seed):
        self.job, self.generator = job, random.Random(seed)
        self.context = zmq.Context()
        self.scheduler, self.server = self._router(), self._router()
        self.endpoint = self.server.last_endpoint.decode()
        job.env["DMLC_PS_ROOT_PORT"] = self.scheduler.last_endpoint.decode().rpartition(":")[2]
        self.said = []

    def _router(self):
        socket = self.context.socket(zmq.ROUTER)
        socket.linger = 1000
        socket.bind("tcp://127.0.0.1:*")
        return socket

    def run(self, process):
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if self.scheduler.poll(20):
                identity, *frames = self.scheduler.recv_multipart()
                self.answer(identity, decode(frames))
            if self.server.poll(20):
                identity, *frames = self.server.recv_multipart()
                self.serve(identity, decode(frames))

    def hears(self, reason):
        """Whether the scheduler hears of a failure with that reason, which may come after the process has ended."""
        while True:
            if any(reason in getattr(item, "reason", "") for item in self.said):
                return True
            if not self.scheduler.poll(10_000):
                return False
            identity, *frames = self.scheduler.recv_multipart()
            self.answer(identity, decode(frames))

    def say(self, socket, identity, *messages, version=True):
        for frames in nonsense(self.generator, 5, version):
            socket.send_multipart([identity, *frames])
        for message in messages:
            socket.send_multipart([identity, *encode(message)])

    def answer(self, identity, message):
        self.said.append(message)
        if isinstance(message, Hello):
            self.service = Service("test", [mark_of(message.incarnation)])
            self.replies = Replies(self.service)
            known = {
                "lease": 20.0,
                "workers": 1,
                "marks": (mark_of(message.incarnation),),
                "servers": ((self.endpoint, "h"),),
            }
            self.say(self.scheduler, identity, Registered(lease=20.0), version=False)
            self.say(self.scheduler, identity, Welcome(rank=7, **known), Welcome(rank=0, **known))
            if message.role == "server":
                self.say(self.scheduler, identity, Stop())
        elif isinstance(message, Gather):
            n, part = message.n, message.frames[0]
            self.say(self.scheduler, identity, Gathered.of(n, [part, b"x"]))
            self.say(self.scheduler, identity, Gathered.of(n, [part]))
        elif isinstance(message, Leave):
            self.say(self.scheduler, identity, Left())

    def serve(self, identity, message):
        for reply in self.service.handle(message, 0.0):
            self.replies.add(reply)
        self.replies.flush(lambda found: self.say(self.server, identity, found) or True)

    def close(self):
        self.scheduler.close()
        self.server.close()
        self.context.term()


@pytest.fixture
def peers(new_job):
    """Makes Peers for a new job of one worker and one server."""
    made = []

    def make(seed):
        made.append(Peers(new_job(1, 1, lease=20, ipc=False, PUSHGRAD_INSECURE="1"), seed))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize("seed", range(2))
def test_a_worker_ignores_it(peers, seed):
    found = peers(seed)
    found.run(found.job.start_worker(0, TRAIN))
    assert found.job.wait(1) == {"worker0": 0}, found.job.err("worker0")
    assert found.job.out("worker0") == "trained\n"
    lines = found.job.err("worker0").splitlines()
    assert len(lines) == 2, lines  # once for each peer
    assert all("sent what is no message of this protocol, which is ignored" in line for line in lines)
    assert "the scheduler at tcp://127.0.0.1:" in lines[0]


def test_a_server_ignores_it(peers):
    found = peers(2)
    found.run(found.job.start_server(0))
    assert found.job.wait(1) == {"server0": 0}, found.job.err("server0")
    assert isinstance(found.said[-1], Leave)


def test_another_version_is_said_at_once(peers):
    found = peers(3)
    process = found.job.start_worker(0, TRAIN)
    identity, *_ = found.scheduler.recv_multipart()
    found.scheduler.send_multipart([identity, b"\x82\xa1v\x63\xa2op\xa5hello"])
    assert process.wait(30) == 1
    told = found.job.err("worker0")
    assert "speaks another version of the protocol: expected 4, got 99. Install the same version" in told


def test_an_endpoint_that_is_none(peers):
    found = peers(4)
    found.endpoint = "tcp://127.0.0.1:none"
    found.run(found.job.start_worker(0, TRAIN))
    assert found.job.wait(1) == {"worker0": 1}
    assert "JobError: a server cannot be reached at 'tcp://127.0.0.1:none'" in found.job.err("worker0")
    assert found.hears("cannot be reached at 'tcp://127.0.0.1:none'")
