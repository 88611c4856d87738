"""The scheduler's process: one ROUTER, one thread, around the `Membership` state machine.

Everything that is decided is decided there; here are messages, the clock and the pipe to the launcher.
"""

from __future__ import annotations

import math
import os
import secrets
import socket as network
import sys
import time
from collections.abc import Callable

import zmq

from ..common.channel import Context
from ..common.codec import Message, decode, encode
from ..common.curve import keys_for
from ..common.errors import JobError
from ..common.job import JobEnv
from ..common.messages import Hello
from ..common.pulse import PREFIX
from ..common.status_writer import StatusWriter
from ..common.wire import Frame, WireError, malformed
from .actions import Action, End, Send, Tell
from .claim import Claim
from .listener import LOOK, Listener
from .membership import Membership
from .refusal import refusal
from .roster import Roster

# Seconds for a launcher that has been stopped to go on and read how the job has ended. If it dies, the wait ends.
LAUNCHER_WAIT = 3600.0
LINGER = 1.0  # seconds that ZeroMQ has, when the scheduler ends, to send what is still queued


class Scheduler:
    """The scheduler of the job that `env` describes, at a listener that is bound. `turn` does what is due.

    `launch` learns what happens from `status`.
    """

    def __init__(
        self, env: JobEnv, listener: Listener, status: StatusWriter, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.listener, self.status, self.clock = listener, status, clock
        name = secrets.token_hex(8)
        roster = Roster(env.job_id, env.num_workers, env.num_servers, network.gethostname(), name, env.generation)
        self.membership = Membership(roster, env.lease, env.start_timeout, clock())
        # Under a launcher the start-up time limit runs from the first worker's arrival: the launcher itself notices
        # processes that end before, and a script may prepare its data for minutes before it joins.
        if env.status_fd is not None:
            self.membership.started = math.inf
        self.beat = min(env.lease / 5, 2.0)  # seconds between pings: several may be lost within a lease
        self.pings = 0
        self._encoded: tuple[Message | None, list[Frame]] = (None, [])
        self.next_ping = clock()

    @property
    def rest(self) -> float:
        """Seconds after which `turn` is due even if no message comes."""
        return max(0.0, min(LOOK, self.next_ping - self.clock()))

    def turn(self) -> End | None:
        """Take in what has come and do what is due by time, without waiting. The end, if the job is over."""
        for _ in range(1000):  # then look at the clock, however many messages there are
            found = self.listener.receive()
            if found is None:
                break
            end = self._carry_out(self._take(*found))
            if end is not None:
                return end
        self.status.flush()  # what the launcher had no room for when it was told
        now = self.clock()
        if now >= self.next_ping:
            self.next_ping = now + self.beat
            self._ping()
        wrong = self.listener.tend(lambda: self.membership.collectives.nbytes, now)
        if wrong:
            print(f"pushgrad scheduler: {wrong}", file=sys.stderr, flush=True)
        return self._carry_out(self.membership.tick(now))  # last: see Membership.tick

    def _take(self, identity: bytes, frames: list[Frame]) -> list[Action]:
        now = self.clock()
        if identity.startswith(PREFIX):
            self.membership.heard(identity[len(PREFIX) :], now)
            return []
        try:
            message = decode(frames)
            if isinstance(message, Hello):
                _check_name(identity, message)
        except WireError as error:
            return [Send(identity, refusal(error))]
        return self.membership.handle(identity, message, now)

    def _ping(self) -> None:
        self.pings += 1
        # To both connections of a process: the first shows it that the scheduler lives, and a client without a pulse
        # answers there; the second is answered even while the process computes.
        for action in self.membership.ping(self.pings):
            frames = self._frames(action.message)
            self.listener.send(action.identity, frames)
            self.listener.send(PREFIX + action.identity, frames)  # nobody there yet: no harm

    def _carry_out(self, actions: list[Action]) -> End | None:
        for action in actions:
            if isinstance(action, End):
                return action
            if isinstance(action, Tell):
                # `launch` shows it; without it this is where people look.
                if action.event == "waiting" and "PUSHGRAD_LAUNCHED" not in os.environ:
                    print(f"pushgrad scheduler: {action.fields['text']}", file=sys.stderr, flush=True)
                self.status.tell(action.event, **action.fields)
            else:
                # If it cannot be sent, the peer is not connected: it will say hello and is then told anew.
                self.listener.send(action.identity, self._frames(action.message))
        return None

    def _frames(self, message: Message) -> list[Frame]:
        """A message as it travels. What many get one after the other is encoded once."""
        if message is not self._encoded[0]:
            self._encoded = (message, encode(message))
        return self._encoded[1]


def _check_name(identity: bytes, hello: Hello) -> None:
    # ZeroMQ gives a place in the job to whoever connects under its name: it must be one that nobody else can know.
    wanted = f"{hello.role}-{hello.incarnation}"
    if identity != wanted.encode():
        raise malformed("hello: routing id", expected="the role, a hyphen and the incarnation")


def run(env: JobEnv) -> int:
    """Run the scheduler of the job and return its exit code.

    Raises JobError if it cannot listen, if keys are needed and missing, or if port 0 is asked for and no launcher is
    there to learn the port.
    """
    if env.root_port == 0 and env.status_fd is None:
        raise JobError(
            "DMLC_PS_ROOT_PORT", expected="a port", got=0, remedy="0 only works where PUSHGRAD_STATUS_FD tells the port"
        )
    context: Context = zmq.Context()
    claim = Claim(env)
    listener = Listener(context, claim.endpoint, claim.variable, keys_for(env, claim.endpoint), env.num_workers)
    claim.bound(listener.endpoint)
    status = StatusWriter(env.status_fd)
    scheduler = Scheduler(env, listener, status)
    # `launch` starts the other processes when it reads this line, so the socket must be bound by now.
    status.tell("listening", port=claim.port, host=claim.host)
    try:
        while (end := scheduler.turn()) is None:
            listener.socket.poll(int(1000 * scheduler.rest))
        if end.text:
            print(f"pushgrad scheduler: {end.text}", file=sys.stderr, flush=True)
        return end.code
    finally:
        listener.close(LINGER)
        context.term()  # waits for what lingers, and ends the gatekeeper's thread
        claim.give_up()
        status.finish(LAUNCHER_WAIT)
