"""The messages between workers and servers. docs/protocol.md describes each and what repeating it does.

Tensors are described in the header (tensor.py) and their data follow as raw frames, whose sizes `frame_sizes` gives, so
that `decode` refuses a message whose data do not fit its header before anybody reads them.
"""

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
    """Check a Coding from a header. Raises WireError if it is not a kind with a number that makes sense for it."""
    kind, bound = _CODING(value)
    if (kind in ("2bit", "topk")) != (bound > 0) or (kind == "topk" and bound > 1):
        raise malformed("coding", expected="the threshold of 2bit, the ratio of topk, 0 for others", got=value)
    return Coding(kind, bound)


@dataclass(frozen=True, kw_only=True)
class FromWorker(Message):
    """Base of requests to a server: which worker of which job asks, and for which fit.

    `incarnation` is the process's own, so that a server can refuse one whose rank has been taken over by another.
    """

    job: str = checked(SHORT)
    rank: int = checked(RANK)
    incarnation: str = checked(NAME)
    fit: int = checked(COUNT)


# ---- to a server


@message
@dataclass(frozen=True, kw_only=True)
class Setup(FromWorker):
    """Open a fit, or give it an optimizer (None leaves what there is). Repeating it is harmless; answered by `ok`."""

    op: ClassVar[str] = "setup"
    seq: int = checked(COUNT)
    mode: str = checked(choice("sync", "async", "ssp"))
    staleness: int = checked(integer(0, 1 << 31))
    optimizer: dict[str, Any] | None = field(metadata={"check": DESCRIPTION})


@message
@dataclass(frozen=True, kw_only=True)
class Drop(FromWorker):
    """This worker is done with the fit; the server frees it when all workers have said so. Answered by `ok`."""

    op: ClassVar[str] = "drop"
    seq: int = checked(COUNT)


@message
@dataclass(frozen=True, kw_only=True)
class Stats(FromWorker):
    """Ask for the server's counters; answered by `statistics`."""

    op: ClassVar[str] = "stats"
    seq: int = checked(COUNT)


@dataclass(frozen=True, kw_only=True)
class OfTensors(Message):
    """Base of messages with `tensors` and their data frames (row ids before the data where `rows` is set)."""

    tensors: tuple[Tensor, ...] = checked(sequence(read_tensor, TENSORS, 1))

    def frame_sizes(self) -> tuple[tuple[int, int], ...]:
        """One frame of data for each tensor, after one of row ids where it is row-sparse."""
        return data_frames(self.tensors)


@message
@dataclass(frozen=True, kw_only=True)
class Init(FromWorker, OfTensors):
    """The first value of ranges (`part` "weight") or of one of their optimizer states. From rank 0 only.

    Initialising a range again is acknowledged and changes nothing once a push has come. With `restores`, weights take
    the place of the first ones, once and before any push. With `blank` no frames follow: weights are zeros until they
    are given, or written where `attach` moves them. Answered by `ack` with n 0.
    """

    op: ClassVar[str] = "init"
    part: str = checked(PART)
    lr_mult: float = checked(number(0.0))
    wd_mult: float = checked(number(0.0))
    restores: bool | None = checked(optional(flag), default=None)
    blank: bool | None = checked(optional(flag), default=None)

    def frame_sizes(self) -> tuple[tuple[int, int], ...]:
        """One frame for each tensor; none if they are blank."""
        return () if self.blank else super().frame_sizes()


@message
@dataclass(frozen=True, kw_only=True)
class Attach(FromWorker, OfTensors):
    """Keep these ranges in a segment of shared memory from now on. From rank 0, which has made it, before any push.

    `pid`, `fd`, `bytes` and `nonce` are the segment's Ticket. `places` are the bytes at which the blocks of the ranges'
    keys begin, one per tensor; docs/protocol.md says what a block holds. Answered by `ok`.
    """

    op: ClassVar[str] = "attach"
    seq: int = checked(COUNT)
    pid: int = checked(integer(1))
    fd: int = checked(COUNT)
    bytes: int = checked(COUNT)
    nonce: str = checked(NAME)
    places: tuple[int, ...] = checked(sequence(COUNT, TENSORS, 1))

    def frame_sizes(self) -> tuple[tuple[int, int], ...]:
        """No frames: the server moves what it has."""
        return ()


@message
@dataclass(frozen=True, kw_only=True)
class Push(FromWorker, OfTensors):
    """Gradients of step n, with the learning rate of that step. Answered by `ack` once they are part of the store.

    With `shared` they lie in the segment and no frames follow; with `coding` the data frames hold their codes. A
    repetition is acknowledged again and never applied again.
    """

    op: ClassVar[str] = "push"
    n: int = checked(integer(1))
    lr: float = checked(number())
    shared: bool | None = checked(optional(flag), default=None)
    coding: Coding | None = field(default=None, metadata={"check": optional(read_coding)})

    def frame_sizes(self) -> tuple[tuple[int, int], ...]:
        """One frame for each tensor (two if row-sparse), of the code's length with a coding; none if shared."""
        if self.coding is not None and not self.shared:
            sizes = [self.coding.nbytes(item.hi - item.lo) for item in self.tensors]
            return tuple((size, size) for size in sizes)
        return () if self.shared else data_frames(self.tensors)


@message
@dataclass(frozen=True, kw_only=True)
class Pull(FromWorker, OfTensors):
    """Ask for version n of ranges: weights or a state, or some rows of them. Answered by `values` when it exists."""

    op: ClassVar[str] = "pull"
    n: int = checked(COUNT)
    part: str = checked(PART)

    def frame_sizes(self) -> tuple[tuple[int, int], ...]:
        """One frame of row ids for each row-sparse tensor."""
        return row_frames(self.tensors)


# ---- from a server


@message
@dataclass(frozen=True, kw_only=True)
class Ok(Message):
    """The request with that `seq` has been carried out."""

    op: ClassVar[str] = "ok"
    seq: int = checked(COUNT)


@message
@dataclass(frozen=True, kw_only=True)
class Statistics(Message):
    """A server's counters: its ranges and their bytes, and per worker in rank order the ranges pushed and pulled.

    `stalls` are the seconds that the others had to wait for each worker's pushes, when it was the last one.
    """

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
    """Pushes n (for n = 0 the first values) of these ranges are part of the store. In sync mode version n exists."""

    op: ClassVar[str] = "ack"
    fit: int = checked(COUNT)
    n: int = checked(COUNT)
    part: str = checked(PART)
    ranges: tuple[Range, ...] = checked(sequence(record(KEY, COUNT), TENSORS, 1))


@message
@dataclass(frozen=True, kw_only=True)
class Values(OfTensors):
    """The answer to `pull` n: the data of each tensor at `version`, which is n in sync mode.

    One message may answer a part of one pull or several pulls, so it is matched by fit, key, lo, n and part.
    """

    op: ClassVar[str] = "values"
    fit: int = checked(COUNT)
    n: int = checked(COUNT)
    part: str = checked(PART)
    version: int = checked(COUNT)
