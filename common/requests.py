"""The messages between workers and servers. docs/protocol.md describes each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from .codec import Message, checked, message
from .coding import KINDS, Coding
from .messages import COUNT, KEY, NAME, RANK, SHORT
from .tensor import Tensor, data_frames, read_tensor, row_frames
from .wire import (
    MEMBERS,
    TENSORS,
    choice,
    flag,
    integer,
    malformed,
    number,
    optional,
    plain_map,
    record,
    sequence,
    text,
)

PART = text(32, low=1)  # "weight" or the name of an optimizer's state
DESCRIPTION = optional(plain_map())
Range = tuple[str, int]  # key, lo
_CODING = record(choice(*KINDS), number(0.0))


def read_coding(value: Any) -> Coding:
    """`value` from a header as a Coding; WireError if it is none."""
    kind, bound = _CODING(value)
    if (kind in ("2bit", "topk")) != (bound > 0) or (kind == "topk" and bound > 1):
        raise malformed("coding", expected="the threshold of 2bit, the ratio of topk, 0 for others", got=value)
    return Coding(kind, bound)


@dataclass(frozen=True, kw_only=True)
class FromWorker(Message):
    """Base of requests to a server: who asks."""

    job: str = checked(SHORT)
    rank: int = checked(RANK)
    incarnation: str = checked(NAME)
    fit: int = checked(COUNT)


# ---- to a server


@message
@dataclass(frozen=True, kw_only=True)
class Setup(FromWorker):
    """Open a fit, or give it an optimizer. Repeating it is harmless."""

    op: ClassVar[str] = "setup"
    seq: int = checked(COUNT)
    mode: str = checked(choice("sync", "async", "ssp"))
    staleness: int = checked(integer(0, 1 << 31))
    optimizer: dict[str, Any] | None = field(metadata={"check": DESCRIPTION})


@message
@dataclass(frozen=True, kw_only=True)
class Drop(FromWorker):
    """This worker is done with the fit; the server frees it when all workers have said so."""

    op: ClassVar[str] = "drop"
    seq: int = checked(COUNT)


@message
@dataclass(frozen=True, kw_only=True)
class Stats(FromWorker):
    """Ask for the server's counters."""

    op: ClassVar[str] = "stats"
    seq: int = checked(COUNT)


@dataclass(frozen=True, kw_only=True)
class OfTensors(Message):
    """Base of messages with `tensors` and their data frames (row ids before the data where `rows` is set)."""

    tensors: tuple[Tensor, ...] = checked(sequence(read_tensor, TENSORS, 1))

    def frame_sizes(self) -> tuple[tuple[int, int], ...]:
        """See Message."""
        return data_frames(self.tensors)


@message
@dataclass(frozen=True, kw_only=True)
class Init(FromWorker, OfTensors):
    """First value of ranges (`part` "weight") or of an optimizer's state of them. From rank 0 only."""

    op: ClassVar[str] = "init"
    part: str = checked(PART)
    lr_mult: float = checked(number(0.0))
    wd_mult: float = checked(number(0.0))


@message
@dataclass(frozen=True, kw_only=True)
class Attach(FromWorker, OfTensors):
    """Keep these ranges in a segment from now on. From rank 0, which has made it, before the first push.

    `places` are the bytes at which the blocks of their keys begin; docs/protocol.md tells what lies there.
    """

    op: ClassVar[str] = "attach"
    seq: int = checked(COUNT)
    pid: int = checked(integer(1))
    fd: int = checked(COUNT)
    bytes: int = checked(COUNT)
    nonce: str = checked(NAME)
    places: tuple[int, ...] = checked(sequence(COUNT, TENSORS, 1))

    def frame_sizes(self) -> tuple[tuple[int, int], ...]:
        """See Message."""
        return ()


@message
@dataclass(frozen=True, kw_only=True)
class Push(FromWorker, OfTensors):
    """Gradients of step n, with the learning rate of that step. `shared`: they lie in the segment, no frames follow.

    `coding` and its number: the data frames hold codes.
    """

    op: ClassVar[str] = "push"
    n: int = checked(integer(1))
    lr: float = checked(number())
    shared: bool | None = checked(optional(flag), default=None)
    coding: Coding | None = field(default=None, metadata={"check": optional(read_coding)})

    def frame_sizes(self) -> tuple[tuple[int, int], ...]:
        """See Message."""
        if self.coding is not None and not self.shared:
            sizes = [self.coding.nbytes(item.hi - item.lo) for item in self.tensors]
            return tuple((size, size) for size in sizes)
        return () if self.shared else data_frames(self.tensors)


@message
@dataclass(frozen=True, kw_only=True)
class Pull(FromWorker, OfTensors):
    """Ask for version n of ranges: the weights or a state."""

    op: ClassVar[str] = "pull"
    n: int = checked(COUNT)
    part: str = checked(PART)

    def frame_sizes(self) -> tuple[tuple[int, int], ...]:
        """See Message."""
        return row_frames(self.tensors)


# ---- from a server


@message
@dataclass(frozen=True, kw_only=True)
class Ok(Message):
    """The request `seq` is done."""

    op: ClassVar[str] = "ok"
    seq: int = checked(COUNT)


@message
@dataclass(frozen=True, kw_only=True)
class Statistics(Message):
    """A server's counters; lists are per worker in rank order."""

    op: ClassVar[str] = "statistics"
    seq: int = checked(COUNT)
    entries: int = checked(COUNT)
    bytes: int = checked(COUNT)
    pushes: tuple[int, ...] = checked(sequence(COUNT, MEMBERS))
    pulls: tuple[int, ...] = checked(sequence(COUNT, MEMBERS))
    stalls: tuple[float, ...] = checked(sequence(number(0.0), MEMBERS))


@message
@dataclass(frozen=True, kw_only=True)
class Ack(Message):
    """Pushes n (n = 0: first values) of these ranges are part of the store; never applied again."""

    op: ClassVar[str] = "ack"
    fit: int = checked(COUNT)
    n: int = checked(COUNT)
    part: str = checked(PART)
    ranges: tuple[Range, ...] = checked(sequence(record(KEY, COUNT), TENSORS, 1))


@message
@dataclass(frozen=True, kw_only=True)
class Values(OfTensors):
    """Answer to `pull` n: one data frame per tensor, each at `version`."""

    op: ClassVar[str] = "values"
    fit: int = checked(COUNT)
    n: int = checked(COUNT)
    part: str = checked(PART)
    version: int = checked(COUNT)
