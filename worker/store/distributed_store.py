"""The store of a job: keys live on the servers, in ranges; see docs/protocol.md for what is said to them.

A push or pull becomes requests (key_requests.py), which the transport's thread puts into the outbox of each server.
What concerns no single key goes through server_calls.py. All of a store's pushes and pulls share one flight, for which
`wait` waits.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any

import numpy as np

from ...common.checks import whole_number
from ...common.coding import Coding
from ...common.errors import ParameterError
from ...common.requests import Drop, Setup, Stats
from ...ps.assignment import Assignment
from ...ps.optimizer import Optimizer
from ...ps.row_sparse import RowGradient
from ..array import Array, aligned_empty, same_memory
from ..profiling.spans import recorder
from .big_arrays import big_array_bound
from .flight import Flight, Leg
from .job_session import JobSession
from .key_requests import KeyRequests, Placed
from .keys import First, KeyInfo
from .kvstore import KVStore
from .server_calls import ServerCalls
from .session import Session
from .shared_memory import share, worth_sharing

MUCH = 1 << 20  # bytes: a key of this size or more is not held back until others can travel with it


class KVStoreDist(KVStore):
    """Pushes and pulls return at once; the transport thread carries them out, `wait` waits for it.

    Arrays that a method gives are (*shape of the key). Every method that says something to the servers raises
    PeerLost or JobError if the job is over, and RemoteError after a server has refused something.
    """

    is_distributed = True

    def __init__(self, kind: str, session: Session, staleness: int) -> None:
        assert isinstance(session, JobSession)
        super().__init__(kind, session)
        self._session = session
        self._transport = session.transport
        self._flight = Flight()
        self._requests = KeyRequests(self._flight, self.fit)
        whole_number("kvstore: staleness", staleness, 0)
        self._calls = ServerCalls(session, self.fit)
        self._mode, self.staleness = kind.removeprefix("dist_"), staleness if kind == "dist_ssp" else 0
        self._assignment = Assignment(session.num_servers, big_array_bound())
        self._closed = False
        self._numbers = count(1)
        # Pushes are numbered over all keys: the last one, and the last one that is known to be part of a version. A key
        # whose last push has a higher number than the latter may still be read from its staging memory.
        self._launched = self._landed = 0
        self._held: list[Placed] | None = None  # what `together` collects, None outside of it
        self._holding = threading.Lock()
        self._calls.agree("kvstore", f"{kind} staleness={self.staleness}", lambda: self._setup(None))

    def wait(self) -> None:
        """Block until the servers have acknowledged every push and all pulls are filled; ends what `together` holds."""
        if self._held:
            self._let_go(go_on=True)
        launched = self._launched  # read before waiting: pushes that another thread adds meanwhile may not have landed
        with self._session.waiting(self._step, self.fit), recorder.span("wait"):
            self._flight.wait()
        self._landed = launched

    def close(self) -> None:
        """Wait for what is under way, then have the servers free the keys once all workers have said so.

        After an error, which has been raised already, nothing is waited for and nothing is said.
        """
        if self._closed:
            return
        self._closed = True
        try:
            if self._flight.failure is None and self._transport.failure is None:
                self.wait()
                self._calls.ask_all(Drop)
        finally:
            self._transport.retire(self._flight)
            self._keep_no_more()

    def stats(self) -> list[Any]:
        """Each server's `Statistics`: entries, bytes, and per worker pushes, pulls and seconds of stalls. Blocks."""
        return self._calls.ask_all(Stats)

    # ---- values

    def empty(self, key: Any) -> Array:
        """An array of the key's shape to make gradients in; the first one for a key in shared memory lies there."""
        info = self.keys[key]
        if info.gradient is None or info.lent:  # two callers would overwrite each other's gradients in it
            return aligned_empty(info.shape, info.dtype)
        info.lent = True
        return info.gradient

    def value(self, key: Any) -> Array | None:
        """The value (*shape of the key) in shared memory, which the servers update; None if the key is not there."""
        return self.keys[key].value

    def _init(self, items: Sequence[First]) -> None:
        whole = self.optimizer is not None and self.optimizer.whole
        for info, *_ in items:
            row = info.width if info.row_sparse else 1
            info.parts = self._assignment.place(info.size, info.dtype.itemsize, row, whole)
        said = "; ".join(f"{i.name} {i.shape} {i.dtype} {i.row_sparse} {rate} {decay}" for i, _, rate, decay in items)

        # Not in the other modes: there the servers may write a value at any time, also while a worker reads it.
        shares = self._mode == "sync" and self._transport.shares_memory
        moving = list(worth_sharing(items)) if shares else []
        away = {first.info.name for part in moving for first in part}

        def send() -> None:
            for first in items:
                self._submit(self._requests.init(first, first.info.name in away))
            self.wait()

        self._calls.agree("init", said, send)
        for part in moving:
            if not share(self._calls, part):
                self._give([(info, "weight", array) for info, array, *_ in part])

    def _give(self, parts: Sequence[tuple[KeyInfo, str, Array]]) -> None:
        def send() -> None:
            for info, part, value in parts:
                self._submit(self._requests.give(info, part, value))
            self.wait()

        self._calls.agree("init_states", "; ".join(f"{info.name} {part}" for info, part, _ in parts), send)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Hold pushes and pulls back and send them in as few messages as possible.

        What other threads push and pull meanwhile is held, too; a key of 1 MiB or more, or `wait`, lets all of it go.
        """
        with self._holding:
            outermost = self._held is None
            self._held = self._held or []
        try:
            yield
        finally:  # what was pushed before an error counts as pushed
            if outermost:
                self._let_go(go_on=False)

    def _push(self, info: KeyInfo, array: Array, n: int, lr: float, priority: int) -> None:
        self._check_push(info, array, n)
        if self._compressor is None:
            placed = self._requests.push(info, array, n, float(lr), priority)
        else:
            placed = self._requests.push_coded(self._compressor, info, array, n, float(lr), priority)
        info.n = n  # only now: what cannot be encoded has not been pushed
        self._submit(placed)
        info.launched = self._launched = next(self._numbers)

    def _pull(self, info: KeyInfo, out: Array, part: str, priority: int, leg: Leg | None = None) -> None:
        asked, launched = recorder.now() if recorder.on else None, info.launched
        self._submit(self._requests.counted_by(leg).pull(info, out, part, priority, asked), leg)
        if leg is not None:
            leg.behind.append((info, launched))

    def _push_rows(self, info: KeyInfo, gradient: RowGradient, n: int, lr: float, priority: int) -> None:
        self._check_push(info, gradient.rows, n)
        placed = self._requests.push_rows(info, *gradient, n, float(lr), priority)
        info.n = n
        self._submit(placed)

    def _pull_rows(self, info: KeyInfo, ids: Array, out: Array, priority: int, leg: Leg | None) -> None:
        if info.row_sparse:
            rows = out.reshape(ids.size, info.width)
            self._submit(self._requests.counted_by(leg).pull_rows(info, ids, rows, priority), leg)
            return
        # A dense key may be cut within a row, so its rows cannot be asked for: fetch all and pick.
        whole = np.empty(info.shape, info.dtype)
        self._pull(info, whole, "weight", priority, leg)
        self._wait_for(leg)
        out[...] = whole[ids]

    def _own(self, info: KeyInfo, total: Array) -> Array:
        if self._compressor is not None or (info.gradient is not None and same_memory(total, info.gradient)):
            return total  # encoded before push returns, or made where the server reads it
        # The staging memory is the caller's, or still being sent or read.
        if info.lent or info.launched > max(self._landed, info.landed):
            return total.copy()
        if info.staging is None:  # kept from then on: a step allocates nothing
            info.staging = aligned_empty(info.shape, info.dtype) if info.gradient is None else info.gradient
        np.copyto(info.staging, total)
        return info.staging

    def _leg(self) -> Leg:
        return Leg(self._flight)

    def _wait_for(self, leg: Leg | None) -> None:
        if self._held:
            self._let_go(go_on=True)
        assert leg is not None
        with self._session.waiting(self._step, self.fit), recorder.span("wait"):
            leg.wait()
        for info, launched in leg.behind:
            info.landed = max(info.landed, launched)

    def _submit(self, requests: list[Placed], leg: Leg | None = None) -> None:
        if self._closed:
            raise ParameterError("the key-value store is closed")
        if leg is not None:
            with self._session.saying():
                leg.launch(len(requests))
        with self._holding:
            if self._held is None:
                self._launch(requests)
                return
            self._held += requests
        if sum(request.array.nbytes for _, request in requests) >= MUCH:
            self._let_go(go_on=True)

    def _let_go(self, go_on: bool) -> None:
        """Launch what is held; then holding goes on or ends. Does nothing if another thread has ended it."""
        # Launched with the lock held: whoever finds that nothing is held any more cannot overtake what was, as a pull
        # would of a key whose push is in there.
        with self._holding:
            if self._held is not None:
                held, self._held = self._held, [] if go_on else None
                self._launch(held)

    def _step(self) -> str:
        return f"step {self.keys.step} of key-value store {self.fit}"

    def _launch(self, requests: list[Placed]) -> None:
        self._transport.standings.use()
        with self._session.saying():
            self._flight.launch(len(requests))
            self._transport.submit(requests)

    # ---- what concerns all servers

    def _set_optimizer(self, optimizer: Optimizer) -> None:
        said = repr(sorted(optimizer.description().items()))
        self._calls.agree("optimizer", said, lambda: self._setup(optimizer.description()))

    def _agree_on_compression(self, coding: Coding | None) -> None:
        self._calls.agree("compression", repr(coding), lambda: None)

    def _setup(self, description: dict[str, Any] | None) -> None:
        self._calls.ask_all(Setup, mode=self._mode, staleness=self.staleness, optimizer=description)
