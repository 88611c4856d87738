"""How a timed program talks with compute.py: it is told what to do on its command line and takes turns over a socket.

    python PROGRAM SOCKET '{"network": "lenet", "batch": 100, "count": 42000, ...}'

It warms up, sends "ready VERSION", and answers each line with the seconds that its turn took. Of a job with several
processes each may connect; they begin together, and the slowest one's time counts. Works with any Python since 3.8.
"""

import json
import socket
import sys
import time
from types import SimpleNamespace


def task():
    """What is to be done: network, batch, count of examples, folder of the digits, and perhaps a mode."""
    return SimpleNamespace(**json.loads(sys.argv[2]))


class Turns:
    """The line to compute.py."""

    def __init__(self):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(sys.argv[1])
        self._lines = self._socket.makefile("r")

    def send(self, line):
        self._socket.sendall(f"{line}\n".encode())

    def wait(self):
        """True when it is this program's turn, False when the benchmark is over."""
        return bool(self._lines.readline())


def take_turns(version, work):
    """Warm up by doing `work()` once, then time it whenever it is this program's turn."""
    work()
    turns = Turns()
    turns.send(f"ready {version}")
    while turns.wait():
        started = time.perf_counter()
        work()
        turns.send(time.perf_counter() - started)
