"""What a server does about each request: the state machine around the stores. No sockets here.

Each handler checks the whole request before it writes anything, so a refused one has no effect; and each may be called
again with the same request, so that a worker can repeat whatever has not been answered. Replies are events for a
worker; `server.py` turns `Acked` and `Ready` into messages when the worker can take them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

import numpy as np

from ..common.codec import Message
from ..common.errors import ParameterError
from ..common.messages import mark_of
from ..common.requests import Attach, Drop, FromWorker, Init, OfTensors, Ok, Pull, Push, Setup, Statistics, Stats
from ..common.tensor import Tensor
from ..common.wire import WireError
from .answers import Acked, Ready, Reply, Say
from .attaching import attach
from .fit import Fit, Range, Stall, update_together
from .ledger import left
from .optimizer import from_description
from .reading import (
    gradients_of,
    refuse_blank,
    refuse_repetition,
    refuse_rows,
    require_floats,
    require_part,
    rows_of,
    values,
)
from .refusal import refusal
from .update import Array


class Service:
    """All fits of one server. `marks` are those of the workers' incarnations, in rank order. Times are in seconds."""

    def __init__(self, job: str, marks: Iterable[str]) -> None:
        self.job, self.marks = job, list(marks)
        self.workers = len(self.marks)
        self.fits: dict[int, Fit] = {}
        self.gone: set[int] = set()
        self.pushes, self.pulls = [0] * self.workers, [0] * self.workers
        self.stalls = [0.0] * self.workers

    def handle(self, message: Message, now: float) -> list[Reply]:
        """Carry out a request that came at time `now`, and return the replies that it leads to, for any worker.

        Raises WireError if the request is refused; nothing has been written then.
        """
        handler = _HANDLERS.get(type(message))
        if handler is None or not isinstance(message, FromWorker):
            raise WireError("unknown_op", f"{message.op} is not for a server")
        self._check_sender(message)
        return handler(self, message, now)

    def _check_sender(self, message: FromWorker) -> None:
        if message.job != self.job:
            raise WireError("job", "job id (PUSHGRAD_JOB_ID)", expected=repr(self.job), got=repr(message.job))
        if message.rank >= self.workers:
            raise WireError("rank", "worker rank", expected=f"0 to {self.workers - 1}", got=message.rank)
        if mark_of(message.incarnation) != self.marks[message.rank]:
            raise WireError("superseded", f"another process is worker {message.rank} of this job")
        if message.rank in self.gone:
            raise WireError("left", f"worker {message.rank} has left the job")

    def _fit(self, message: FromWorker) -> Fit:
        if message.fit not in self.fits:
            raise WireError("unknown_fit", f"fit {message.fit} has not been set up or is closed")
        return self.fits[message.fit]

    # ---- fits

    def _setup(self, message: Setup, now: float) -> list[Reply]:
        fit = self.fits.get(message.fit) or Fit(message.mode, message.staleness)
        # Every worker sets each fit up; the first one decides, and the others must agree.
        if (fit.mode, fit.staleness) != (message.mode, message.staleness):
            raise WireError(
                "setup",
                f"fit {message.fit}: workers disagree on the mode",
                expected=f"{fit.mode} (staleness {fit.staleness})",
                got=f"{message.mode} (staleness {message.staleness})",
            )
        if message.optimizer is not None:
            try:
                fit.store.set_optimizer(from_description(message.optimizer))
            except ParameterError as error:
                raise WireError("optimizer", str(error)) from None
        self.fits[message.fit] = fit  # only now: a refused setup must not open a fit
        return [Say(message.rank, Ok(seq=message.seq))]

    def _drop(self, message: Drop, now: float) -> list[Reply]:
        if message.fit in self.fits:  # not so for a repetition after the last worker's drop
            self.fits[message.fit].dropped.add(message.rank)
            self._free()
        return [Say(message.rank, Ok(seq=message.seq))]

    def _free(self) -> None:
        for number, fit in list(self.fits.items()):
            if len(fit.dropped | self.gone) == self.workers:
                del self.fits[number]

    def _stats(self, message: Stats, now: float) -> list[Reply]:
        answer = Statistics(
            seq=message.seq,
            entries=sum(len(fit.store.entries) for fit in self.fits.values()),
            bytes=self.nbytes,
            pushes=tuple(self.pushes),
            pulls=tuple(self.pulls),
            stalls=tuple(self.stalls),
        )
        return [Say(message.rank, answer)]

    # ---- values

    def _init(self, message: Init, now: float) -> list[Reply]:
        if message.rank != 0:
            raise WireError("rank", "init", expected="worker 0", got=f"worker {message.rank}")
        fit = self._fit(message)
        refuse_repetition(message)
        refuse_rows(message)
        refuse_blank(message)
        entries = [self._initial(fit, message, index) for index in range(len(message.tensors))]
        first = [values(frame, tensor.dtype) for tensor, frame in zip(message.tensors, message.frames, strict=False)]
        for index, (tensor, entry) in enumerate(zip(message.tensors, entries, strict=True)):
            name = (tensor.key, tensor.lo)
            if message.part != "weight" or message.restores:
                entry.give(message.part, first[index])
            elif name not in fit.store.entries:  # a repetition changes nothing, whatever it says
                entry.begin(None if message.blank else first[index])
                fit.store.entries[name] = entry
        return self._acks(message, 0, message.part)

    def _initial(self, fit: Fit, message: Init, index: int) -> Range:
        """The range to be initialised; new ones are not in the store yet."""
        tensor = message.tensors[index]
        if message.part != "weight" or message.restores:
            entry = fit.find(tensor)
            require_part(entry, message.part)
            return entry
        if (tensor.key, tensor.lo) in fit.store.entries:
            return fit.find(tensor)
        weight: Array = np.zeros(tensor.hi - tensor.lo, tensor.dtype)
        entry = Range(tensor, weight, fit, self.workers, message.lr_mult, message.wd_mult)
        entry.check(tensor)
        entry.prepare(fit.store.optimizer)
        return entry

    def _attach(self, message: Attach, now: float) -> list[Reply]:
        if message.rank != 0:
            raise WireError("rank", "attach", expected="worker 0", got=f"worker {message.rank}")
        refuse_rows(message)
        attach(self._fit(message), message, self.workers)
        return [Say(message.rank, Ok(seq=message.seq))]

    def _push(self, message: Push, now: float) -> list[Reply]:
        fit, rank, n = self._fit(message), message.rank, message.n
        # Without one, the store keeps the last sum: of single gradients that would be whichever came last.
        if fit.mode != "sync" and fit.store.optimizer is None:
            raise WireError("setup", f"dist_{fit.mode} needs an optimizer", remedy="Call set_optimizer before push")
        refuse_repetition(message)
        entries = [fit.find(tensor) for tensor in message.tensors]
        if fit.store.optimizer is not None:
            require_floats(message)
        for entry in entries:
            fit.require_whole(entry)
        # Everything that can refuse the request comes before the first gradient is received.
        gradients = gradients_of(message, entries)
        fresh = [self._accept(entry, message) for entry in entries]
        replies: list[Reply] = []
        for index, (entry, new) in enumerate(zip(entries, fresh, strict=True)):
            if new:
                if gradients:
                    entry.receive(rank, *gradients[index])
                self.pushes[rank] += 1
                replies += self._enter(fit, message, entry, now)
            elif entry.ledger.acknowledged(rank, n):  # else it is acknowledged when the step is complete
                replies.append(Acked(rank, message.fit, n, "weight", (entry.tensor.key, entry.tensor.lo)))
        return replies

    def _accept(self, entry: Range, message: Push) -> bool:
        if message.shared and entry.segment is None:
            raise WireError("segment", f"key {entry.tensor.key!r} is in no segment", key=entry.tensor.key)
        return entry.ledger.accept(message.rank, message.n, message.lr, self.gone, entry.tensor.key)

    def _enter(self, fit: Fit, message: Push, entry: Range, now: float) -> list[Reply]:
        """Note a new gradient that is in its slot; if it was the last one of its step, update and tell all who wait."""
        ledger, rank, optimizer = entry.ledger, message.rank, fit.store.optimizer
        group = fit.updated_with(entry)
        if not ledger.enter(rank, message.n, message.lr, now, [item.ledger for item in group if item is not entry]):
            return []
        if len(group) > 1:
            update_together(group, optimizer, message.lr)
        else:
            entry.update(optimizer, message.lr)
        # The worker whose push came last has kept all others waiting since the last but one.
        self.stalls[rank] += max(0.0, now - ledger.almost) if self.workers > 1 and fit.mode == "sync" else 0.0
        # In sync mode the acknowledgement of a push says that all pushes of its step are part of the new version.
        ranks = range(self.workers) if fit.mode == "sync" else (rank,)
        replies: list[Reply] = []
        for item in group:
            name = (item.tensor.key, item.tensor.lo)
            replies += [Acked(other, message.fit, message.n, "weight", name) for other in ranks]
            replies += self._released(message.fit, item)
        return replies

    def _pull(self, message: Pull, now: float) -> list[Reply]:
        fit = self._fit(message)
        entries = [fit.find(tensor) for tensor in message.tensors]
        for entry in entries:
            require_part(entry, message.part)
        pulls = [(message.n, message.part, rows) for rows in rows_of(message, entries)]
        for entry, pull in zip(entries, pulls, strict=True):
            entry.ledger.require_room(message.rank, pull, entry.tensor.key)  # last: nothing has changed
        replies: list[Reply] = []
        for entry, pull in zip(entries, pulls, strict=True):
            # Parked even if it can be answered at once: `_released` decides that in one place.
            entry.ledger.parked.setdefault(message.rank, {})[pull] = None
            replies += self._released(message.fit, entry, message.rank)
        self.pulls[message.rank] += len(entries)
        return replies

    def _released(self, number: int, entry: Range, only: int | None = None) -> list[Reply]:
        """Replies to the parked pulls of a range (of worker `only`, or all) that can be answered now, or never."""
        replies: list[Reply] = []
        for rank in list(entry.ledger.parked) if only is None else [only]:
            for n, part, rows in list(entry.ledger.parked[rank]):
                name = (entry.tensor.key, entry.tensor.lo)
                try:
                    if not entry.ledger.ready(rank, n, self.gone):
                        continue
                    replies.append(Ready(rank, number, n, part, name, rows))
                except WireError as error:
                    replies.append(Say(rank, refusal(error, fit=number, key=name[0], lo=name[1], n=n)))
                entry.ledger.parked[rank].pop((n, part, rows))
        return replies

    def value(self, reply: Ready) -> tuple[int, Tensor, list[Array]] | None:
        """Version, tensor and flat data that answer `reply`; None if the fit or, in sync mode, that version has gone.

        The arrays are views of the store: they must be sent or copied before the next request is handled.
        """
        fit = self.fits.get(reply.fit)
        entry = fit.store.entries.get(reply.name) if fit else None
        if fit is None or not isinstance(entry, Range) or (fit.mode == "sync" and entry.ledger.version != reply.n):
            return None
        part = entry.part(reply.part)
        return None if part is None else (entry.version, *entry.values(part, reply.rows))

    # ---- peers and time

    def worker_left(self, rank: int) -> list[Reply]:
        """Note that worker `rank` has left. Repeating it is harmless.

        Returns errors for whatever needs it, and answers to pulls that no longer wait for it (ssp).
        """
        self.gone.add(rank)
        self._free()  # fits that only this worker had not dropped
        replies: list[Reply] = []
        for number, fit in self.fits.items():
            for entry in fit.ranges():
                replies += self._fail_waiting(number, fit, entry) + self._released(number, entry)
        return [reply for reply in replies if reply.rank not in self.gone]

    def _fail_waiting(self, number: int, fit: Fit, entry: Range) -> list[Reply]:
        absent = sorted(self.gone.intersection(entry.ledger.absent())) if fit.mode == "sync" else []
        if not absent:
            return []
        n = entry.ledger.version + 1
        error = refusal(left(absent, n), fit=number, key=entry.tensor.key, lo=entry.tensor.lo, n=n)
        return [Say(rank, error) for rank in entry.ledger.waiting()]

    @property
    def nbytes(self) -> int:
        """The bytes of all weights, optimizer states and gradient slots."""
        return sum(fit.store.nbytes for fit in self.fits.values())

    def stalled(self, now: float, patience: float) -> list[Stall]:
        """Steps of all fits that have been waiting for somebody for `patience` seconds, a few of them."""
        found = (step for number, fit in self.fits.items() for step in fit.stalled(number, now, patience))
        return list(islice(found, 16))

    def waits(self, now: float, patience: float) -> list[str]:
        """A line for each sync fit with a step that has been waiting for somebody for `patience` seconds or more."""
        lines = (fit.waits(number, now, patience) for number, fit in self.fits.items() if fit.mode == "sync")
        return [line for line in lines if line]

    def _acks(self, message: OfTensors, n: int, part: str) -> list[Reply]:
        assert isinstance(message, FromWorker)
        return [Acked(message.rank, message.fit, n, part, (item.key, item.lo)) for item in message.tensors]


_HANDLERS: dict[type[Message], Callable[[Service, Any, float], list[Reply]]] = {
    Setup: Service._setup,
    Drop: Service._drop,
    Stats: Service._stats,
    Init: Service._init,
    Attach: Service._attach,
    Push: Service._push,
    Pull: Service._pull,
}
