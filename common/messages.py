"""The messages between the scheduler and every other process. docs/protocol.md describes each and when it is sent.

A field's `checked` names what its value from the wire must pass; nothing else of a message needs checking afterwards.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import ClassVar

from .codec import Message, checked, message
from .wire import (
    KEY_BYTES,
    MEMBERS,
    PAYLOAD_BYTES,
    TEXT_BYTES,
    Frame,
    choice,
    flag,
    integer,
    number,
    optional,
    record,
    sequence,
    text,
)

KEY, NAME, SHORT, COUNT = text(KEY_BYTES, low=1), text(64, low=1), text(256), integer()
RANK = integer(0, MEMBERS - 1)
LEASE = number(0.0, 1e9)
SAYING = text(TEXT_BYTES)
MAYBE_SAYING = optional(SAYING)
PENDING = 64


def mark_of(incarnation: str) -> str:
    """What others know an incarnation by: 32 hexadecimal digits, from which it cannot be found out."""
    return hashlib.sha256(incarnation.encode()).hexdigest()[:32]


# ---- to the scheduler


@message
@dataclass(frozen=True, kw_only=True)
class Hello(Message):
    """A process asks to join. `rank` is the one that it must have, None for any; `endpoint` is where a server listens.

    `job`, `generation`, `workers` and `servers` must be the scheduler's own. Repeating it is harmless and answered like
    the first. `scheduler` is the one that has welcomed this process, None before: another one must not deal it a rank
    again.
    """

    op: ClassVar[str] = "hello"
    job: str = checked(SHORT)
    role: str = checked(choice("server", "worker"))
    rank: int | None = checked(optional(RANK))
    incarnation: str = checked(NAME)
    host: str = checked(SHORT)
    pid: int = checked(COUNT)
    endpoint: str | None = checked(optional(SHORT), default=None)
    workers: int = checked(integer(1, MEMBERS))
    servers: int = checked(integer(1, MEMBERS))
    scheduler: str | None = checked(optional(NAME), default=None)
    generation: int = checked(integer(1), default=1)


@message
@dataclass(frozen=True, kw_only=True)
class Gather(Message):
    """The worker's contribution (one frame) to its n-th collective; answered by `gathered` when all have come.

    `what` says what it is for: up to the first colon it must be the same on all workers, the rest is for people.
    """

    op: ClassVar[str] = "gather"
    n: int = checked(integer(1))
    what: str = checked(SHORT, default="")

    def frame_sizes(self) -> tuple[tuple[int, int], ...]:
        """One frame of up to PAYLOAD_BYTES bytes; a barrier's is empty."""
        return ((0, PAYLOAD_BYTES),)


@message
@dataclass(frozen=True, kw_only=True)
class Leave(Message):
    """The process has done its work and asks to go; answered by `left`."""

    op: ClassVar[str] = "leave"


@message
@dataclass(frozen=True, kw_only=True)
class Fail(Message):
    """The process ends because of an error; the scheduler aborts the job and passes `reason` on."""

    op: ClassVar[str] = "fail"
    reason: str = checked(SAYING)


@message
@dataclass(frozen=True, kw_only=True)
class Progress(Message):
    """How far a worker has come, for the display. Not answered and not repeated: the next one replaces it.

    `epochs`, `steps` of this epoch and `seconds_left` until the last epoch's end are 0 if they are not known.
    """

    op: ClassVar[str] = "progress"
    fit: int = checked(COUNT)
    epoch: int = checked(COUNT)
    step: int = checked(COUNT)
    samples_per_second: float = checked(number())
    metric: str = checked(SHORT)
    epochs: int = checked(COUNT, default=0)
    steps: int = checked(COUNT, default=0)
    seconds_left: float = checked(number(), default=0.0)


@message
@dataclass(frozen=True, kw_only=True)
class Resumable(Message):
    """Worker 0 says from where the job would go on if a process died now; not answered, and true until the next one.

    That is after `step` steps of fit `fit` of the script: `batch` batches of epoch `epoch` (from 1) are done. With an
    `obstacle` it could not go on, and that says why.
    """

    op: ClassVar[str] = "resumable"
    fit: int = checked(COUNT, default=0)
    epoch: int = checked(COUNT, default=0)
    batch: int = checked(COUNT, default=0)
    step: int = checked(COUNT, default=0)
    obstacle: str = checked(SHORT, default="")


@message
@dataclass(frozen=True, kw_only=True)
class Standing(Message):
    """Where a worker stands; not answered, and true until the next one.

    `waits`: all of its threads that use the job wait for others, in a collective (`collective`), for answers about
    the stores `fits`, or both. Otherwise its main thread has not moved for long, or (`where` is empty) it goes on.
    `pending` are (fit, key) of pushes that are not acknowledged; with PENDING of them there may be more.
    """

    op: ClassVar[str] = "standing"
    where: str = checked(SAYING)
    waits: bool = checked(flag, default=False)
    collective: bool = checked(flag, default=False)
    fits: tuple[int, ...] = checked(sequence(COUNT, 64), default=())
    pending: tuple[tuple[int, str], ...] = checked(sequence(record(COUNT, KEY), PENDING), default=())


@message
@dataclass(frozen=True, kw_only=True)
class Stalled(Message):
    """A server says which steps it cannot complete yet; not answered, repeated, and true for a few seconds.

    `steps` are (fit, key, step, ranks that wait for it, ranks for whose pushes it waits).
    """

    op: ClassVar[str] = "stalled"
    steps: tuple[tuple[int, str, int, tuple[int, ...], tuple[int, ...]], ...] = checked(
        sequence(record(COUNT, KEY, COUNT, sequence(RANK, MEMBERS), sequence(RANK, MEMBERS)), 16)
    )


@message
@dataclass(frozen=True, kw_only=True)
class Unreachable(Message):
    """A worker says that it has no connection to server `server`, and has had none for too long. Not answered."""

    op: ClassVar[str] = "unreachable"
    server: int = checked(RANK)


@message
@dataclass(frozen=True, kw_only=True)
class Report(Message):
    """A server says for whom a step has been waiting, for the display. Not answered."""

    op: ClassVar[str] = "report"
    text: str = checked(SAYING)


@message
@dataclass(frozen=True, kw_only=True)
class Traffic(Message):
    """How many bytes a server has got from each worker, and given to it, since the job began; by rank. Not answered."""

    op: ClassVar[str] = "traffic"
    received: tuple[int, ...] = checked(sequence(integer(), MEMBERS))
    sent: tuple[int, ...] = checked(sequence(integer(), MEMBERS))


# ---- from the scheduler


@message
@dataclass(frozen=True, kw_only=True)
class Registered(Message):
    """The scheduler knows the process; `welcome` follows when all are there.

    From now on the process must give a sign of life at least every `lease` seconds. `scheduler` names this very process
    of a scheduler, as an incarnation does.
    """

    op: ClassVar[str] = "registered"
    lease: float = checked(LEASE)
    scheduler: str | None = checked(optional(NAME), default=None)


@message
@dataclass(frozen=True, kw_only=True)
class Welcome(Message):
    """The job is complete: it has `workers` workers; `servers` are (endpoint, host) of the servers in rank order.

    `marks`, for servers alone, are what a server knows the workers' incarnations by (`mark_of`): the incarnation itself
    proves who a process is, so only the process and those to whom it proves that ever have it.
    """

    op: ClassVar[str] = "welcome"
    rank: int = checked(RANK)
    lease: float = checked(LEASE)
    workers: int = checked(integer(1, MEMBERS))
    servers: tuple[tuple[str, str], ...] = checked(sequence(record(SHORT, SHORT), MEMBERS, 1))
    marks: tuple[str, ...] = checked(sequence(NAME, MEMBERS), default=())


@message
@dataclass(frozen=True, kw_only=True)
class Ping(Message):
    """A request for a sign of life: the receiver sends it back as it is. `n` only counts."""

    op: ClassVar[str] = "ping"
    n: int = checked(COUNT)


@message
@dataclass(frozen=True, kw_only=True)
class Gathered(Message):
    """All contributions to the n-th collective, joined in rank order; `sizes` are the bytes of each.

    Joined, because every worker gets those of all: a frame for each would be a million frames for 1 000 workers.
    """

    op: ClassVar[str] = "gathered"
    n: int = checked(integer(1))
    sizes: tuple[int, ...] = checked(sequence(integer(0, PAYLOAD_BYTES), MEMBERS, 1))

    @classmethod
    def of(cls, n: int, parts: Sequence[Frame]) -> Gathered:
        """The message for parts in rank order."""
        joined = b"".join(parts)
        starts = range(0, len(joined), PAYLOAD_BYTES)
        frames = tuple(memoryview(joined)[start : start + PAYLOAD_BYTES] for start in starts)
        return cls(n=n, sizes=tuple(memoryview(part).nbytes for part in parts), frames=frames)

    def parts(self) -> tuple[Frame, ...]:
        """The contributions in rank order."""
        joined = memoryview(self.frames[0] if len(self.frames) == 1 else b"".join(self.frames))
        ends = accumulate(self.sizes)
        return tuple(joined[end - size : end] for size, end in zip(self.sizes, ends, strict=True))

    def frame_sizes(self) -> tuple[tuple[int, int], ...]:
        """Frames of PAYLOAD_BYTES bytes, and one with the rest; none if all parts are empty."""
        whole, rest = divmod(sum(self.sizes), PAYLOAD_BYTES)
        sizes = [PAYLOAD_BYTES] * whole + [rest] * (rest > 0)
        return tuple((size, size) for size in sizes)


@message
@dataclass(frozen=True, kw_only=True)
class Left(Message):
    """The answer to `leave`: the process may end."""

    op: ClassVar[str] = "left"


@message
@dataclass(frozen=True, kw_only=True)
class Gone(Message):
    """To servers: worker `rank` has left in order; steps that still need it fail."""

    op: ClassVar[str] = "gone"
    rank: int = checked(RANK)


@message
@dataclass(frozen=True, kw_only=True)
class Abort(Message):
    """The job ends now because of the process that `role`, `rank` and `host` name. The receiver answers by `leave`.

    `host` is empty if that process has never come; then `reason` names it.
    """

    op: ClassVar[str] = "abort"
    role: str = checked(choice("scheduler", "server", "worker"))
    rank: int | None = checked(optional(RANK))
    host: str = checked(SHORT)
    reason: str = checked(SAYING)

    @property
    def sentence(self) -> str:
        """Why the job was aborted: which process was the cause, on which host, and what was wrong."""
        who = self.role if self.rank is None else f"{self.role} {self.rank}"
        because = f"because of {who} on {self.host}" if self.host else "before it has begun"
        return f"the job ends {because}: {self.reason}"


@message
@dataclass(frozen=True, kw_only=True)
class Stop(Message):
    """To servers: all workers have left. The receiver answers with `leave` and ends with exit code 0."""

    op: ClassVar[str] = "stop"


@message
@dataclass(frozen=True, kw_only=True)
class Error(Message):
    """A refused request, of which nothing has been carried out. docs/protocol.md lists the values of `code`.

    `seq`, or (fit, key, lo, n), name the request as far as it could be read.
    """

    op: ClassVar[str] = "error"
    code: str = checked(NAME)
    text: str = checked(SAYING)
    expected: str | None = checked(optional(SHORT), default=None)
    got: str | None = checked(optional(SHORT), default=None)
    remedy: str | None = checked(MAYBE_SAYING, default=None)
    seq: int | None = checked(optional(COUNT), default=None)
    fit: int | None = checked(optional(COUNT), default=None)
    key: str | None = checked(optional(KEY), default=None)
    lo: int | None = checked(optional(COUNT), default=None)
    n: int | None = checked(optional(COUNT), default=None)
