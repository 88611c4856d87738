"""A real scheduler, and as many workers and servers as one likes: each is two sockets in this process, and no more."""

import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import zmq
from processes import Process

from pushgrad.common.channel import dealer, receive, send
from pushgrad.common.codec import decode, encode
from pushgrad.common.messages import Gather, Hello, Leave, Ping, Welcome
from pushgrad.common.pulse import PREFIX

ROOT, PORT = "127.0.0.1", "9091"  # parts of a path: no port is opened
IDLE = 10.0  # seconds
BARRIERS = 5


class Crowd:
    """Everybody but the scheduler of a job with `workers` workers and `servers` servers; it is in `folder`."""

    def __init__(self, workers, servers, folder):
        self.context = zmq.Context()
        self.context.set(zmq.MAX_SOCKETS, 2 * (workers + servers) + 100)
        self.endpoint = f"ipc://{folder}/scheduler-{ROOT}-{PORT}.sock"
        self.poller, self.heard = zmq.Poller(), Counter()
        numbers = {"server": servers, "worker": workers}
        self.hellos = [self._hello(role, rank, numbers) for role in numbers for rank in range(numbers[role])]
        self.lines = [self._line(f"{hello.role}-{hello.incarnation}".encode()) for hello in self.hellos]
        self.workers = self.lines[servers:]
        self.servers = self.lines[:servers]

    def _hello(self, role, rank, numbers):
        endpoint = f"tcp://10.0.0.1:{10000 + rank}" if role == "server" else None
        return Hello(
            job="crowd", role=role, rank=rank, incarnation=secrets.token_hex(16), host=f"node{rank:04}", pid=1,
            endpoint=endpoint, workers=numbers["worker"], servers=numbers["server"],
        )  # fmt: skip

    def _line(self, identity):
        line = dealer(self.context, self.endpoint, identity, None)
        line.immediate = False
        line.connect(self.endpoint)
        self.poller.register(line, zmq.POLLIN)
        return line

    def join(self):
        """All say hello, are welcomed, and open their pulses."""
        self.say(zip(self.lines, self.hellos, strict=True))
        self.wait_for("welcome", len(self.lines))
        for hello in self.hellos:
            self._line(PREFIX + f"{hello.role}-{hello.incarnation}".encode())

    def barrier(self, n):
        """All workers meet."""
        self.say((line, Gather(n=n, what="barrier", frames=(b"",))) for line in self.workers)
        self.wait_for("gathered", n * len(self.workers))

    def leave(self):
        """The workers, and then the servers."""
        self.say((line, Leave()) for line in self.workers)
        self.wait_for("stop", len(self.servers))
        self.say((line, Leave()) for line in self.servers)
        self.wait_for("left", len(self.lines))

    def say(self, messages):
        for line, message in messages:
            if not send(line, encode(message)):
                raise RuntimeError("a message could not be sent")

    def wait_for(self, op, wanted):
        """Answer pings until that many messages of a kind have come in all."""
        limit = time.monotonic() + 300
        while self.heard[op] < wanted:
            if time.monotonic() > limit:
                raise RuntimeError(f"{self.heard[op]} of {wanted} {op} have come")
            self.listen(0.2)

    def idle(self, seconds):
        """Answer pings."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.listen(left)

    def listen(self, seconds):
        for line, _ in self.poller.poll(1000 * seconds):
            while (frames := receive(line)) is not None:
                message = decode(frames)
                self.heard[message.op] += 1
                if isinstance(message, Ping):
                    send(line, encode(message))
                elif isinstance(message, Welcome):
                    self.welcome = sum(memoryview(frame).nbytes for frame in frames)

    def close(self):
        self.context.destroy(0)


def measure(workers, servers):
    """What the scheduler of such a job takes: CPU seconds of each phase, memory, and open files."""
    with tempfile.TemporaryDirectory() as folder:
        environ = {
            **os.environ, "DMLC_ROLE": "scheduler", "DMLC_PS_ROOT_URI": ROOT, "DMLC_PS_ROOT_PORT": PORT,
            "DMLC_NUM_WORKER": str(workers), "DMLC_NUM_SERVER": str(servers), "PUSHGRAD_JOB_ID": "crowd",
            "PUSHGRAD_JOB_DIR": folder,
        }  # fmt: skip
        child = subprocess.Popen([sys.executable, "-P", "-m", "pushgrad.ps"], env=environ)
        scheduler = Process(child.pid)
        crowd = Crowd(workers, servers, folder)
        try:
            return _life(crowd, scheduler, child)
        finally:
            child.kill()
            child.wait()
            crowd.close()


def _life(crowd, scheduler, child):
    while not list(Path(crowd.endpoint.removeprefix("ipc://")).parent.glob("*.sock")):
        time.sleep(0.05)
    figures = {"workers": len(crowd.workers), "servers": len(crowd.servers), "import": scheduler.cpu()}
    figures |= _timed("join", scheduler, crowd.join)
    figures |= _timed("idle", scheduler, lambda: crowd.idle(IDLE))
    figures["idle CPU per second"] = figures.pop("idle")["cpu"] / IDLE
    figures |= _timed("barriers", scheduler, lambda: [crowd.barrier(n) for n in range(1, BARRIERS + 1)])
    figures["barrier"] = {key: value / BARRIERS for key, value in figures.pop("barriers").items()}
    figures |= {"memory": scheduler.memory(), "files": scheduler.files(), "welcome": crowd.welcome}
    figures |= _timed("leave", scheduler, crowd.leave)
    if child.wait(60):
        raise RuntimeError(f"the scheduler ended with {child.returncode}")
    return figures


def _timed(name, scheduler, work):
    began, before = time.monotonic(), scheduler.cpu()
    work()
    return {name: {"seconds": time.monotonic() - began, "cpu": scheduler.cpu() - before}}
