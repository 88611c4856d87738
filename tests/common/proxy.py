"""A TCP proxy that cuts and delays what passes."""

import contextlib
import random
import socket
import threading
import time


class Proxy:
    """Forwards connections to the port that `target` gives, and cuts them after a random number of bytes.

    A share `late` of what it reads waits for 0.1 to 0.3 s, as on a line that loses packets, which are sent again.
    """

    def __init__(self, target, seed, cuts=0, low=0, high=0, late=0.0):
        self.target, self.random, self.cuts, self.limits, self.cut = target, random.Random(seed), cuts, (low, high), 0
        self.late, self.delayed = late, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.threads = [threading.Thread(target=self.accept)]
        self.threads[0].start()

    def accept(self):
        with self.listener:
            while True:
                near, _ = self.listener.accept()
                if self.target is None:
                    near.close()
                    return
                self.cuts -= 1
                budget = [self.random.randint(*self.limits) if self.cuts >= 0 else 1 << 60]
                self.threads.append(threading.Thread(target=self.serve, args=(near, budget)))
                self.threads[-1].start()

    def serve(self, near, budget):
        with near, contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.target())) as far:
            back = threading.Thread(target=self.forward, args=(far, near, budget))
            back.start()
            self.forward(near, far, budget)
            back.join()

    def forward(self, source, target, budget):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                budget[0] -= len(data)
                if budget[0] < 0:
                    self.cut += 1
                    data = data[: len(data) + budget[0]]  # the rest is lost, in the middle of whatever it was
                if self.random.random() < self.late:
                    self.delayed += 1
                    time.sleep(self.random.uniform(0.1, 0.3))
                if data:
                    target.sendall(data)
                if budget[0] < 0:
                    break
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.target = None
        socket.create_connection(("127.0.0.1", self.port)).close()
        for thread in self.threads:
            thread.join()
