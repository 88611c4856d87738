"""A job's scheduler as its workers make it work, in one process without sockets: its real state machine and messages.

Every message is encoded and decoded as on the wire, so that what is left out is ZeroMQ alone.
"""

import secrets
import time

from pushgrad.common.codec import decode, encode
from pushgrad.common.messages import Gather, Hello, Leave, Ping, Standing
from pushgrad.ps.actions import End, Send
from pushgrad.ps.membership import Membership
from pushgrad.ps.roster import Roster

LEASE, LOOK = 30.0, 0.1  # seconds: between two looks of the scheduler at its clock at the most


class SimulatedJob:
    """`workers` workers and `servers` servers that do what real ones say to the scheduler, and nothing else.

    `phases` has for each phase the messages to and from the scheduler, the bytes that it sends, and its CPU seconds.
    """

    def __init__(self, workers, servers):
        self.now = 0.0
        self.scheduler = Membership(Roster("job", workers, servers, "host"), LEASE, 60.0, self.now)
        self.workers = [self._hello("worker", rank, workers, servers) for rank in range(workers)]
        self.servers = [self._hello("server", rank, workers, servers) for rank in range(servers)]
        self.phases = {}
        self.ended = None
        self.rounds = 0

    def _hello(self, role, rank, workers, servers):
        endpoint = f"tcp://10.0.0.{rank % 250 + 1}:{40000 + rank}" if role == "server" else None
        return Hello(
            job="job", role=role, rank=rank, incarnation=secrets.token_hex(16), host=f"node{rank:04}.cluster.local",
            pid=1000 + rank, endpoint=endpoint, workers=workers, servers=servers,
        )  # fmt: skip

    def run(self):
        """The life of a job; returns `phases`."""
        self._phase("join", [(item, item) for item in (*self.servers, *self.workers)])
        self._phase("beat", [], self._beat)
        self._barrier("barrier", b"")
        self._barrier("gather of 1 KB", bytes(1024))
        self._wait_for_one()
        self._phase("leave", [(item, Leave()) for item in self.workers])
        self._phase("stop", [(item, Leave()) for item in self.servers])
        if self.ended is None or self.ended.code:
            raise RuntimeError(f"the simulated job ended with {self.ended}")
        return self.phases

    def _barrier(self, name, part):
        self.rounds += 1
        gather = Gather(n=self.rounds, what=name, frames=(part,))
        self._phase(name, [(item, gather) for item in self.workers])

    def _beat(self):
        """One ping to both connections of everyone; half of the answers come from the pulse, which is not decoded."""
        for action in self.scheduler.ping(1):
            self._send(action)
            self.scheduler.heard(action.identity, self.now)
            self._say(_identity_of(action), Ping(n=1))

    def _wait_for_one(self):
        """All but one wait in a barrier for 10 s, and say so."""
        self.rounds += 1
        standing = Standing(where='"barrier" (train.py:12 in <module>)', waits=True, collective=True)
        waiting = self.workers[:-1]
        said = [(item, Gather(n=self.rounds, what="barrier", frames=(b"",))) for item in waiting]
        self._phase("10 s of waiting", [*said, *((item, standing) for item in waiting)], self._ten_seconds)
        self._phase("the last one", [(self.workers[-1], Gather(n=self.rounds, what="barrier", frames=(b"",)))])

    def _ten_seconds(self):
        for _ in range(100):
            self.now += LOOK
            self._carry_out(self.scheduler.tick(self.now))
        for item in self.workers:
            self.scheduler.heard(_identity(item), self.now)

    def _phase(self, name, messages, work=lambda: None):
        self.counts = {"to": 0, "from": 0, "bytes": 0}
        said = [(_identity(item), encode(message)) for item, message in messages]
        began = time.process_time()
        for identity, frames in said:
            self._take(identity, frames)
        work()
        self.phases[name] = {**self.counts, "cpu": time.process_time() - began}

    def _say(self, identity, message):
        self._take(identity, encode(message))

    def _take(self, identity, frames):
        self.counts["to"] += 1
        self.now += 1e-5
        self._carry_out(self.scheduler.handle(identity, decode(frames), self.now))
        self._carry_out(self.scheduler.tick(self.now))

    def _carry_out(self, actions):
        for action in actions:
            if isinstance(action, End):
                self.ended = action
            elif isinstance(action, Send):
                self._send(action)

    def _send(self, action):
        self.counts["from"] += 1
        self.counts["bytes"] += sum(map(len, encode(action.message)))


def _identity(hello):
    return f"{hello.role}-{hello.incarnation}".encode()


def _identity_of(action):
    return action.identity
