"""A job whose processes are the product's own classes, in one process, under a virtual clock.

The scheduler, servers, links and transports take turns as events of a `World` have them do. A worker's script runs on a
stack of its own (a greenlet) until it waits, and goes on when that is over.
"""

import contextlib
import functools
import heapq
import os
import random
import threading
from types import SimpleNamespace
from unittest import mock

from greenlet import greenlet
from simulated_network import Listener, Network

from pushgrad.common import codec
from pushgrad.common.errors import PeerLost
from pushgrad.common.job import JobEnv
from pushgrad.common.link import Link
from pushgrad.ps.scheduler import Scheduler
from pushgrad.ps.server import Server
from pushgrad.worker.store import flight, job_session, shared_memory, standing, transport
from pushgrad.worker.store.distributed_store import KVStoreDist
from pushgrad.worker.store.job_session import JobSession
from pushgrad.worker.store.transport import Transport

LEASE = 3.0
START_TIMEOUT = 10.0


class World:
    """Virtual time in seconds, what happens when, and whatever chance decides."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.now, self._events, self._count = 100.0, [], 0
        self.listeners, self.lines, self.processes, self.alive = {}, [], [], 0
        self.generation, self.ended = 1, lambda process: None  # whoever wants to know of ends
        self.pace = self.random.choice((0.0005, 0.002, 0.02))  # seconds that a message takes
        self.room = self.random.choice((1, 2, 8))  # messages under way in one direction between a worker and a server
        self.copies = self.random.random() < 0.5  # else frames are read when they arrive, as ZeroMQ's without copies

    def latency(self):
        draw = self.random.random()
        return self.pace * (0.5 + draw) if draw < 0.98 else 10 * self.pace + 10 * (draw - 0.98)

    def at(self, when, action):
        self._count += 1
        heapq.heappush(self._events, (when, self._count, action))

    def clock(self):
        return self.now

    def run(self, until):
        """Let things happen until all processes have ended, at most until that time. Whether they have."""
        while self._events and self._events[0][0] <= until:
            self.now, _, action = heapq.heappop(self._events)
            action()
            if not self.alive:
                return True
        return False


class Process:
    """One process: takes turns until it has `ended`, which says how; `code` is its exit code."""

    def __init__(self, world, name):
        self.world, self.name, self.lines, self.generation = world, name, [], world.generation
        self.ended, self.code, self.when = "", None, None
        self.stopped_until = self._turn_at = 0.0
        world.processes.append(self)
        world.alive += 1
        self.wake()

    def wake(self, seconds=None):
        delay = 0.001 * self.world.random.random() if seconds is None else seconds
        when = max(self.world.now + delay, self.stopped_until)
        if not self.ended and not self.world.now <= self._turn_at <= when:
            self._turn_at = when
            self.world.at(when, lambda: self._turn(when))

    def _turn(self, when):
        if self.ended or when != self._turn_at:
            return
        if self.world.now < self.stopped_until:
            self._turn_at = 0.0
            self.wake()
            return
        self._turn_at = 0.0
        try:
            rest = self.turn()
        except PeerLost as lost:
            self.end(str(lost), 1)
        except Exception as error:
            self.end(f"{type(error).__name__}: {error}", 1)
        else:
            if not self.ended:
                self.wake(rest)

    def end(self, text, code):
        """It ends by itself: what it has said still arrives."""
        self._note_end(text or "well", code)
        self.give_back(1.0)

    def _note_end(self, text, code):
        self.ended, self.code, self.when = text, code, self.world.now
        self.world.alive -= 1
        self.world.ended(self)

    def give_back(self, linger):
        for line in self.lines:
            line.close(linger)

    def stop(self, seconds):
        """As SIGSTOP, and SIGCONT after that."""
        self.stopped_until = self.world.now + seconds

    def kill(self, silently):
        """As SIGKILL; `silently`, as when its host loses power: nobody's connection breaks."""
        if self.ended:
            return
        self._note_end("killed", 137)
        never = 1e9 if silently else None
        for line in self.lines:
            line.cut(there=never)
            line.closed = True
        for line in self.world.lines:
            if line.pipe is not None and line.pipe.listener.owner is self:
                line.cut(here=line.lost_after or never if silently else None)
        for listener in [item for item in self.world.listeners.values() if item.owner is self]:
            listener.leave_place()


class Status:
    """In place of the pipe to `launch`."""

    def tell(self, event, **fields):
        pass

    def flush(self):
        pass


class SchedulerProcess(Process):
    def __init__(self, world, env, endpoint):
        self.listener = Listener(world, self, endpoint)
        self.scheduler = Scheduler(env("scheduler"), self.listener, Status(), world.clock)
        super().__init__(world, "scheduler")

    def turn(self):
        end = self.scheduler.turn()
        if end is None:
            return self.scheduler.rest
        return self.end(end.text, end.code)

    def give_back(self, linger):
        self.listener.close(linger)


class Member(Process):
    """A server or worker: joins, then takes turns of its own kind."""

    def __init__(self, world, env, role, rank, endpoint=None):
        super().__init__(world, f"{role} {rank}")
        self.network = Network(world, self)
        incarnation = f"{world.random.getrandbits(64):x}"
        self.link = Link(env(role, rank), self.network, endpoint, world.clock, incarnation)

    def turn(self):
        welcome = self.link.try_to_join()
        if welcome is None:
            return 0.1
        self.begin(welcome)
        return 0.0


class ServerProcess(Member):
    def __init__(self, world, env, rank):
        self.listener = Listener(world, self, f"tcp://server-{rank}")
        super().__init__(world, env, "server", rank, self.listener.endpoint)

    def begin(self, welcome):
        self.server = Server(self.listener, self.link, welcome, self.world.clock)
        self.turn = self._serve

    def _serve(self):
        if not self.server.turn():
            self.turn, self.deadline = self._leave, self.world.now + self.link.lease / 2
            return 0.0
        return 0.01 if self.server.blocked else 0.1  # real ones try again after 0.001

    def _leave(self):
        if self.link.try_to_leave() or self.world.now >= self.deadline:
            return self.end("", 0)
        return 0.02

    def give_back(self, linger):
        self.listener.close(linger)
        super().give_back(linger)


class WorkerProcess(Member):
    """`script(process, store)` is what the user's script does; `store` makes a key-value store."""

    def __init__(self, world, env, rank, script):
        super().__init__(world, env, "worker", rank)
        self.script = script
        self.thread = None

    def begin(self, welcome):
        self.transport = Transport(self.link, self.network, welcome, Bell(self))
        self.session = JobSession(self.transport, welcome)
        self.session._previous_hook = lambda *error: None
        self.turn, self.over = self._transport_turn, False
        self.thread = Script(self, self._run)
        self.world.at(self.world.now, self.thread.resume)

    def _transport_turn(self):
        if not self.over:
            try:
                self.over = not self.transport.turn()
                error = None
            except BaseException as failure:
                self.over, error = True, failure
            if self.over:
                self.transport.end(error)
        if self.over and self.thread.over:
            return self.end(self.thread.text, 1 if self.thread.text else 0)
        return 1e9 if self.over else self.transport.rest

    def _run(self):
        try:
            self.script(self, lambda kind, staleness=0: KVStoreDist(kind, self.session, staleness))
            self.session.close()
        except PeerLost:
            raise
        except Exception as error:  # as Python's exception hook has it
            self.session._uncaught(type(error), error, error.__traceback__)
            raise

    def kill(self, silently):
        super().kill(silently)
        if self.thread:
            self.thread.kill()

    def sleep(self, seconds):
        """For scripts: computing, for so long."""
        thread = self.thread
        self.world.at(self.world.now + seconds, thread.resume)
        thread.pause()


class Bell:
    fd = -1

    def __init__(self, owner):
        self.owner = owner

    def ring(self):
        self.owner.wake()

    def hush(self):
        pass


class Killed(BaseException):
    """Unwinds the script of a process that was killed."""


class Script:
    """A greenlet that runs from `resume` until it pauses or is over; `text` is then what it failed of."""

    running = None

    def __init__(self, owner, body):
        self.owner, self.body = owner, body
        self._greenlet = greenlet(self._run)
        self.over = self.killed = False
        self.text, self.error = "", None

    def resume(self):
        if self.over:
            return
        if self.owner.world.now < self.owner.stopped_until and not self.killed:
            self.owner.world.at(self.owner.stopped_until, self.resume)
            return
        before, Script.running = Script.running, self
        self._greenlet.switch()
        Script.running = before
        if self.over:
            self.owner.wake()

    def pause(self):
        if not self.killed:
            self._greenlet.parent.switch()
        if self.killed:
            raise Killed

    def kill(self):
        self.killed = True
        self.resume()

    def _run(self):
        try:
            if not self.killed:
                self.body()
        except Killed:
            pass
        except PeerLost as lost:
            self.text = str(lost)
        except BaseException as error:
            self.text, self.error = f"{type(error).__name__}: {error}", error
        self.over = True


class Condition:
    """In place of threading's: whoever waits makes room for what else happens."""

    def __init__(self):
        self.waiting = []

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    def wait(self):
        self.waiting.append(Script.running)
        Script.running.pause()

    def notify_all(self):
        waiting, self.waiting = self.waiting, []
        for script in waiting:
            world = script.owner.world
            world.at(world.now + 0.0001 * world.random.random(), script.resume)


class Event:
    """In place of threading's."""

    def __init__(self):
        self._set, self._condition = False, Condition()

    def set(self):
        self._set = True
        self._condition.notify_all()

    def wait(self, timeout):
        if not self._set:
            self._condition.wait()


# The same bytes have the same meaning, and most of them come again and again.
_read_once = functools.lru_cache(1 << 14)(codec._read_header)


@contextlib.contextmanager
def simulated():
    """Within, scripts wait as greenlets do, and what processes say on standard error is not shown."""
    names = {"Lock": threading.Lock, "get_ident": threading.get_ident, "enumerate": threading.enumerate}
    threads = SimpleNamespace(
        **names, Condition=Condition, Event=Event, main_thread=lambda: SimpleNamespace(ident=None)
    )
    with contextlib.ExitStack() as patches:
        for module in (flight, transport, standing):
            patches.enter_context(mock.patch.object(module, "threading", threads))
        patches.enter_context(mock.patch.object(codec, "_read_header", lambda data: _read_once(bytes(data))))
        patches.enter_context(mock.patch.object(job_session, "_say", lambda rank, text: None))
        patches.enter_context(mock.patch.object(shared_memory, "LEAST", 0))
        patches.enter_context(mock.patch.dict(os.environ, PUSHGRAD_LAUNCHED="1", MXNET_KVSTORE_BIGARRAY_BOUND="6"))
        yield


class Job:
    """The processes of one job with `workers` workers that run `script`, and `servers` servers."""

    def __init__(self, world, workers, servers, script):
        self.world, self.script = world, script
        self.fields = {"num_workers": workers, "num_servers": servers, "lease": LEASE, "start_timeout": START_TIMEOUT}
        self.root = self.env("scheduler").root
        self.start()

    def env(self, role, rank=None):
        generation = self.world.generation
        return JobEnv(role, "127.0.0.1", 9091, rank=rank, insecure=True, generation=generation, **self.fields)

    def start(self):
        SchedulerProcess(self.world, self.env, self.root)
        for rank in range(self.fields["num_servers"]):
            ServerProcess(self.world, self.env, rank)
        for rank in range(self.fields["num_workers"]):
            WorkerProcess(self.world, self.env, rank, self.script)

    def start_anew(self, spared):
        """A new generation of all processes. Those of the old one are killed, but for `spared`: it is out of reach."""
        self.world.generation += 1
        for process in self.world.processes:
            if process is not spared:
                process.kill(silently=False)
        self.start()

    def replace(self, process):
        """Start another process in the place of one that has been killed, as nobody should."""
        if isinstance(process, SchedulerProcess):
            SchedulerProcess(self.world, self.env, self.root)
        elif isinstance(process, ServerProcess):
            ServerProcess(self.world, self.env, process.link.env.rank)
        else:
            WorkerProcess(self.world, self.env, process.link.env.rank, self.script)
