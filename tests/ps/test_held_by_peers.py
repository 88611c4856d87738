"""What a peer with the job's keys may hold of a process is bounded, and it gets nobody else's place."""

import contextlib
import json
import os
import socket
import tempfile
import threading
import time
from pathlib import Path

import pytest
import zmq

from pushgrad.common.channel import QUEUED_OUT, dealer, receive
from pushgrad.common.codec import decode, encode
from pushgrad.common.curve import load_keys, make_keys
from pushgrad.common.messages import Error, Fail, Gather, Hello, Leave, mark_of
from pushgrad.common.requests import Push, Stats
from pushgrad.common.tensor import Tensor
from pushgrad.ps.listener import COUNT, DEAD, PER_PEER, SPARE, Listener

pytestmark = pytest.mark.long

TRAIN = """
    import json, os, sys
    import numpy as np
    import pushgrad as mx
    from pushgrad.worker.store.joining import current_session

    session = current_session()
    kv = mx.kv.create("dist_sync")
    kv.init("w", np.zeros(1000, np.float32))
    link = session.transport.link
    welcome = link.welcome
    print(json.dumps({"scheduler": link.root, "server": welcome.servers[0][0], "me": link.incarnation,
                      "marks": welcome.marks}), flush=True)
    n, out = 0, np.empty(1000, np.float32)
    while True:
        n += 1
        kv.push("w", np.full(1000, n, np.float32))
        kv.pull("w", out=out)
        assert (out == n * kv.num_workers).all()
        if n == 5:
            session.progress(fit=1, epoch=1, step=n, samples_per_second=1.0)
        if b"1" in session.gather(b"1" if os.path.exists("stop") else b"0"):
            break
    print("steps", n)
"""
WORKERS = 2


class Training:
    """A running job, over tcp with keys or in a folder, and what a member of it knows."""

    def __init__(self, job, keys):
        self.job, self.keys = job.start(TRAIN), keys
        job.event("progress", rank=0)
        self.known = json.loads(job.out("worker0").splitlines()[0])
        self.pids = {"scheduler": job.processes["scheduler"].pid, "server": job.processes["server0"].pid}
        self.context, self.lines = zmq.Context(), []

    def member(self, process, identity):
        line = dealer(self.context, self.known[process], identity.encode(), self.keys)
        line.rcvtimeo = 10_000
        line.connect(self.known[process])
        self.lines.append(line)
        return line

    def finish(self):
        assert all(process.poll() is None for process in self.job.processes.values())
        (self.job.folder / "stop").touch()
        self.job.succeed()
        assert self.job.out("worker0").splitlines()[-1].startswith("steps ")

    def close(self):
        for line in self.lines:
            line.close(0)
        self.context.term()


@pytest.fixture(params=["tcp", "ipc"])
def training(request, new_job, tmp_path):
    keys = None
    if request.param == "tcp":
        make_keys(tmp_path / "keys")
        keys = load_keys(str(tmp_path / "keys"))
    job = new_job(WORKERS, 1, lease=20, ipc=keys is None, **({"PUSHGRAD_KEYS": str(tmp_path / "keys")} if keys else {}))
    made = Training(job, keys)
    yield made
    made.close()


def private(pid):
    _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGESIZE")


class Watched:
    """The private memory of a process over time. `peak` and `last` are in bytes."""

    def __init__(self, pid):
        self.pid, self.before, self.done = pid, private(pid), threading.Event()
        self.peak = self.last = self.before
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self):
        while not self.done.wait(0.005) and Path(f"/proc/{self.pid}").exists():
            self.last = private(self.pid)
            self.peak = max(self.peak, self.last)

    def wait_until(self, happened):
        deadline = time.monotonic() + 60
        while not happened():
            assert time.monotonic() < deadline, (self.before >> 20, self.peak >> 20, self.last >> 20)
            self.done.wait(0.02)

    def stop(self):
        self.done.set()
        self.thread.join()
        print(f"{self.before >> 20} MiB before, {self.peak >> 20} at most, {self.last >> 20} after")


BOUND = SPARE + WORKERS * PER_PEER
TOLD = "MiB in messages that do not end or that nobody reads; all connections were made anew"


@pytest.mark.parametrize("process", ["server", "scheduler"])
def test_a_message_that_never_ends_holds_a_bounded_amount_of_memory(training, process):
    name = {"server": "server0", "scheduler": "scheduler"}[process]
    memory, block = Watched(training.pids[process]), memoryview(bytes(1 << 20))
    for times in (1, 2):  # what was freed must not count as taken
        line = training.member(process, f"worker-endless{times}")
        assert line.poll(10_000, zmq.POLLOUT)
        for _ in range(3000):  # the frames share one block here, but not there
            line.send(block, zmq.SNDMORE, copy=False)
        line.send(b"")
        memory.wait_until(lambda times=times: training.job.err(name).count(TOLD) == times)
        training.lines.pop().close(0)
        memory.wait_until(lambda: memory.last < memory.before + BOUND // 2)
    memory.stop()
    assert memory.peak < memory.before + 3 * BOUND  # what comes between two looks at the memory is on top
    training.finish()


@pytest.mark.parametrize("training", ["tcp"], indirect=True)
def test_a_stranger_without_a_key_holds_a_bounded_amount_of_memory(training):
    """ZeroMQ reads a whole frame before it finds that it is no handshake, and gives a handshake 5 s."""
    memory, block = Watched(training.pids["scheduler"]), bytes(1 << 20)
    host, port = training.known["scheduler"].removeprefix("tcp://").split(":")
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"CURVE".ljust(20, b"\0") + bytes(32)
    with contextlib.ExitStack() as strangers:
        for _ in range(20):
            with contextlib.suppress(ConnectionError):  # cut, as it should be, or refused while the socket is made anew
                stranger = strangers.enter_context(socket.create_connection((host, int(port)), timeout=10))
                stranger.sendall(greeting + b"\x06" + (63 << 20).to_bytes(8, "big"))
                for _ in range(62):
                    stranger.sendall(block)
        memory.wait_until(lambda: memory.last < memory.before + BOUND // 2)
    memory.stop()
    assert memory.peak < memory.before + 2 * BOUND
    training.finish()


def test_a_member_gets_no_other_s_place(training):
    """It knows the keys, and even what only servers are told; worker 0 keeps its incarnation to itself."""
    assert training.known["marks"] == []
    mark = mark_of(training.known["me"])
    victim = {"job": "test", "rank": 0, "incarnation": mark, "fit": 1}
    hello = Hello(job="test", role="worker", rank=0, incarnation=mark, host="h", pid=1, workers=2, servers=1)
    tensor = Tensor("w", "float32", (1000,), 0, 1000)
    tries = [
        ("scheduler", f"worker-{mark}", hello, "rank"),  # the error names both processes
        ("scheduler", "worker-0", hello, "malformed"),
        ("scheduler", f"worker-{mark}", Gather(n=1, frames=(b"forged",)), "unknown_process"),
        ("scheduler", f"worker-{mark}", Fail(reason="forged"), "unknown_process"),
        ("scheduler", f"worker-{mark}", Leave(), "unknown_process"),
        ("server", f"worker-0-{mark}", Stats(**victim, seq=1), "superseded"),
        ("server", "x", Push(**victim, n=1, lr=0.1, tensors=(tensor,), frames=(bytes(4000),)), "superseded"),
    ]
    for process, identity, message, code in tries:
        line = training.member(process, identity)
        line.send_multipart(encode(message))
        answer = decode(line.recv_multipart())
        assert isinstance(answer, Error)
        assert answer.code == code, (message, answer)
    training.finish()
    assert "forged" not in training.job.err("scheduler")


@pytest.fixture(params=["tcp", "ipc"])
def listener(request):
    context = zmq.Context()
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:
        endpoint = "tcp://127.0.0.1:0" if request.param == "tcp" else f"ipc://{folder}/s.sock"
        made = Listener(context, endpoint, "X", None, 1, queued=QUEUED_OUT)
        yield made
        made.socket.close(0)
        context.term()


def open_files():
    return len(os.listdir("/proc/self/fd"))


def everything(listener):
    found = []
    while (frames := receive(listener.socket)) is not None:
        found.append([bytes(frame) for frame in frames])
    return found


def leave_messages_behind(endpoint):
    """Connect under an identity that others have, send more than a queue holds, and go."""
    with zmq.Context() as context, dealer(context, endpoint, b"same", None) as line:
        line.immediate, line.linger = False, 5000
        line.connect(endpoint)
        for _ in range(3 * QUEUED_OUT):
            line.send(bytes(500))


def test_connections_that_zeromq_would_keep_for_ever_are_closed(listener):
    friends = zmq.Context()
    friend = dealer(friends, listener.endpoint, b"friend", None)
    friend.connect(listener.endpoint)
    assert friend.poll(5000, zmq.POLLOUT)
    before = open_files()
    for _ in range(3 * DEAD):  # nobody reads meanwhile, as in a long update
        leave_messages_behind(listener.endpoint)
    assert everything(listener)
    assert open_files() > before + 2 * DEAD
    told, looks = None, 0
    while told is None:
        everything(listener)
        told = listener.tend(int, looks * COUNT)
        looks += 1
        assert looks < 5
    assert "connections of peers that have gone were not closed; all connections were made anew" in told
    deadline = time.monotonic() + 10
    while open_files() > before + 2:  # ZeroMQ's own thread closes them
        assert time.monotonic() < deadline, (before, open_files())
        listener.socket.poll(10)
    assert friend.poll(10_000, zmq.POLLOUT)  # it has found its way back by itself
    friend.send(b"still here")
    assert listener.socket.poll(10_000)
    assert [b"friend", b"still here"] in everything(listener)
    assert listener.tend(int, 100 * COUNT) is None
    friend.close(0)
    friends.term()
