"""Workers and servers over a network that drops, repeats and reorders: the weights must be those of one process."""

import random

import numpy as np
import pytest

from pushgrad.common import requests
from pushgrad.common.codec import decode, encode
from pushgrad.common.messages import mark_of
from pushgrad.common.tensor import Tensor
from pushgrad.common.wire import WireError
from pushgrad.ps.answers import Say
from pushgrad.ps.assignment import Assignment
from pushgrad.ps.optimizer import SGD
from pushgrad.ps.refusal import refusal
from pushgrad.ps.replies import Replies
from pushgrad.ps.service import Service
from pushgrad.ps.store import Entry
from pushgrad.worker.store.flight import Flight
from pushgrad.worker.store.outbox import Outbox
from pushgrad.worker.store.pulls import PullRequest
from pushgrad.worker.store.pushes import DataPush, InitRequest

SIZES = {"a": 3, "b": 40, "c": 1, "d": 17}
STEPS = 6
KINDS = {"init": InitRequest, "push": DataPush, "pull": PullRequest}


def gradient(key, rank, n):
    return np.random.default_rng([ord(key), rank, n]).normal(size=SIZES[key]).astype(np.float32)


def rate(n):
    return 0.1 / n


def optimizer():
    return SGD(momentum=0.9, wd=0.01, rescale_grad=0.5, clip_gradient=0.8)


def reference(workers):
    entries = {key: Entry(np.ones(size, np.float32)) for key, size in SIZES.items()}
    for key, entry in entries.items():
        entry.prepare(optimizer())
        for n in range(1, STEPS + 1):
            rows = np.stack([gradient(key, rank, n) for rank in range(workers)])
            entry.apply(optimizer(), rows, rate(n))
    return {key: entry.weight for key, entry in entries.items()}


class Network:
    """Messages under way, each as its frames; a seeded generator decides what becomes of them."""

    def __init__(self, seed):
        self.random, self.under_way = random.Random(seed), []

    def send(self, where, message):
        for _ in range(self.random.choice([0, 1, 1, 1, 1, 1, 2])):
            self.under_way.append((where, [bytes(frame) for frame in encode(message)]))
        return True

    def next(self):
        index = min(int(self.random.expovariate(0.3)), len(self.under_way) - 1)
        where, frames = self.under_way.pop(index)
        return where, decode(frames)


class Server:
    def __init__(self, workers):
        self.service = Service("j", [mark_of(f"i{rank}") for rank in range(workers)])
        self.replies = [Replies(self.service) for _ in range(workers)]

    def take(self, message):
        try:
            found = self.service.handle(message, 0.0)
        except WireError as error:
            self.replies[message.rank].add(refusal_to(message, error))
        else:
            for reply in found:
                self.replies[reply.rank].add(reply)


def refusal_to(message, error):
    return Say(message.rank, refusal(error, fit=message.fit, n=getattr(message, "n", None)))


class Worker:
    """Steps as fit does: push and pull every key, wait for all, go on."""

    def __init__(self, rank, servers):
        self.rank, self.n = rank, 0
        self.outboxes = [Outbox("j", rank, f"i{rank}") for _ in range(servers)]
        assignment = Assignment(servers, bound=20)
        self.parts = {key: assignment.place(size, 4) for key, size in SIZES.items()}
        self.out = {key: np.full(size, np.nan, np.float32) for key, size in SIZES.items()}
        self.flight = Flight()

    def ask(self, kind, key, array, **fields):
        for part in self.parts[key]:
            self.flight.launch()
            tensor = Tensor(key, "float32", (SIZES[key],), part.lo, part.hi)
            request = KINDS[kind](self.flight, 1, tensor, array[part.lo : part.hi], **fields)
            self.outboxes[part.server].add(request)

    def step(self, generator):
        self.n += 1
        for key in generator.sample(list(SIZES), len(SIZES)):
            self.ask("push", key, gradient(key, self.rank, self.n), n=self.n, lr=rate(self.n))
            self.ask("pull", key, self.out[key], n=self.n)

    @property
    def idle(self):
        assert self.flight.failure is None, self.flight.failure
        return all(outbox.idle for outbox in self.outboxes)


class World:
    def __init__(self, seed, workers, servers):
        self.network = Network(seed)
        self.servers = [Server(workers) for _ in range(servers)]
        self.workers = [Worker(rank, servers) for rank in range(workers)]
        setup = {"seq": 1, "mode": "sync", "staleness": 0, "optimizer": optimizer().description()}
        for server in self.servers:
            server.take(requests.Setup(job="j", rank=0, incarnation="i0", fit=1, **setup))
        for key, size in SIZES.items():
            self.workers[0].ask("init", key, np.ones(size, np.float32))
        self.run_until(lambda: self.workers[0].idle)

    def run_until(self, done):
        for _ in range(100_000):
            if done():
                return
            self.turn()
        raise AssertionError("nothing moves any more")

    def turn(self):
        for worker in self.workers:
            for index, outbox in enumerate(worker.outboxes):
                while outbox:
                    self.network.send(("server", index), outbox.message(outbox.take()))
        for index, server in enumerate(self.servers):
            for rank, replies in enumerate(server.replies):
                replies.flush(lambda message, to=("worker", rank, index): self.network.send(to, message))
        if self.network.under_way:
            (kind, index, *server), message = self.network.next()
            if kind == "server":
                self.servers[index].take(message)
            else:
                self.workers[index].outboxes[server[0]].answer(message)
        if not self.network.under_way or self.network.random.random() < 0.01:
            for worker in self.workers:  # what was dropped shows as a lost connection
                for outbox in worker.outboxes:
                    outbox.again()

    def train(self):
        while any(worker.n < STEPS for worker in self.workers):
            for worker in self.workers:
                if worker.idle and worker.n < STEPS:
                    worker.step(self.network.random)
            self.turn()
        self.run_until(lambda: all(worker.idle for worker in self.workers))


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_weights_are_those_of_one_process_whatever_the_network_does(workers):
    expected = reference(workers)
    for seed in range(40):
        world = World(seed, workers, servers=2)
        world.train()
        for worker in world.workers:
            for key, weight in expected.items():
                np.testing.assert_array_equal(worker.out[key], weight, err_msg=f"seed {seed}")
        for server in world.servers:
            for entry in server.service.fits[1].ranges():
                assert entry.ledger.version == STEPS
                assert not any(entry.ledger.parked.values())
