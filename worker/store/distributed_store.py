"""The store of a job: keys live on the servers, in ranges; see docs/protocol.md for what is said to them."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import numpy as np

from ...common.checks import whole_number, whole_number_in
from ...common.codec import Message
from ...common.coding import Coding
from ...common.errors import DataError, JobError, ParameterError
from ...common.requests import Drop, Setup, Stats
from ...ps.assignment import BIG_ARRAY, Assignment
from ...ps.optimizer import Optimizer
from ...ps.row_sparse import RowGradient
from ..array import Array, aligned_empty, same_memory
from ..profiling.spans import recorder
from .flight import Flight
from .job_session import JobSession
from .keys import KeyInfo
from .kvstore import KVStore
from .requests import KeyRequests, Placed, Request
from .session import Session
from .shared_memory import share

MUCH = 1 << 20  # bytes: a key of so many does not wait for others to travel with
_SEQUENCE = count(1)


class KVStoreDist(KVStore):
    """Pushes and pulls return at once; the transport thread carries them out, `wait` waits for it."""

    is_distributed = True

    def __init__(self, kind: str, session: Session, staleness: int) -> None:
        assert isinstance(session, JobSession)
        super().__init__(kind, session)
        self._session = session
        self._transport = session.transport
        self._flight = Flight()
        self._requests = KeyRequests(self._flight, self.fit)
        whole_number("kvstore: staleness", staleness, 0)
        self._mode, self._staleness = kind.removeprefix("dist_"), staleness if kind == "dist_ssp" else 0
        self._assignment = Assignment(session.num_servers, _bound())
        self._closed = False
        self._numbers = count(1)
        self._launched = self._landed = 0  # the last push, and the last one that is known to be part of a version
        self._held: list[Placed] | None = None  # what `together` collects
        self._holding = threading.Lock()
        self._agree("kvstore", f"{kind} staleness={self._staleness}", lambda: self._setup(None))

    def wait(self) -> None:
        """See KVStore."""
        if self._held:
            self._let_go(go_on=True)
        launched = self._launched
        with self._session.saying(), recorder.span("wait"):
            self._flight.wait()
        self._landed = launched

    def close(self) -> None:
        """See KVStore. After an error it only forgets."""
        if self._closed:
            return
        self._closed = True
        try:
            if self._flight.failure is None and self._transport.failure is None:
                self.wait()
                self._call(lambda seq: Drop(**self.me, seq=seq))
        finally:
            self._transport.retire(self._flight)

    def stats(self) -> list[Any]:
        """Each server's counters: entries, bytes, pushes, pulls and seconds of stalls per worker."""
        return self._call(lambda seq: Stats(**self.me, seq=seq))

    # ---- values

    def empty(self, key: Any) -> Array:
        """See KVStore."""
        info = self.keys[key]
        if info.gradient is None or info.lent:
            return aligned_empty(info.shape, info.dtype)
        info.lent = True
        return info.gradient

    def value(self, key: Any) -> Array | None:
        """See KVStore."""
        return self.keys[key].value

    def _init(self, items: list[tuple[KeyInfo, Array]], lr_mult: float, wd_mult: float) -> None:
        for info, _ in items:
            info.parts = self._assignment.place(info.size, info.dtype.itemsize, info.width if info.row_sparse else 1)
        said = "; ".join(f"{info.name} {info.shape} {info.dtype} {info.row_sparse}" for info, _ in items)

        def send() -> None:
            for info, array in items:
                self._submit(self._requests.whole("init", info, array, lr_mult=lr_mult, wd_mult=wd_mult))
            self.wait()

        self._agree("init", f"{said} lr_mult={lr_mult} wd_mult={wd_mult}", send)
        if self._mode == "sync" and self._transport.shares_memory:
            share(self, [info for info, _ in items if not info.row_sparse])

    def _init_state(self, info: KeyInfo, name: str, value: Array) -> None:
        def send() -> None:
            self._submit(self._requests.whole("init", info, value, part=name))
            self.wait()

        self._agree("init_states", f"{info.name} {name}", send)

    @contextmanager
    def together(self) -> Iterator[None]:
        """See KVStore. What other threads say meanwhile leaves with it."""
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
        fields: dict[str, Any] = {"n": n, "lr": float(lr), "priority": priority}
        if self._compressor is None:
            requests = self._requests.whole("push", info, array, **fields)
        else:
            requests = self._requests.coded(self._compressor, info, array, **fields)
        info.n = n  # only now: what cannot be encoded has not been pushed
        self._submit(requests)
        info.launched = self._launched = next(self._numbers)

    def _pull(self, info: KeyInfo, out: Array, part: str, priority: int) -> None:
        asked = recorder.now() if recorder.on else None
        kind = "copy" if part == "weight" and info.value is not None else "pull"
        self._submit(self._requests.whole(kind, info, out, n=info.n, part=part, priority=priority, asked=asked))

    def _push_rows(self, info: KeyInfo, gradient: RowGradient, n: int, lr: float, priority: int) -> None:
        self._check_push(info, gradient.rows, n)
        requests = self._requests.of_rows("push", info, *gradient, n=n, lr=float(lr), priority=priority)
        info.n = n
        self._submit(requests)

    def _pull_rows(self, info: KeyInfo, ids: Array, out: Array, priority: int) -> None:
        if info.row_sparse:
            requests = self._requests.of_rows(
                "pull", info, ids, out.reshape(ids.size, info.width), n=info.n, priority=priority
            )
            self._submit([item for item in requests if item[1].rows.size])  # type: ignore[union-attr]
            return
        whole = np.empty(info.shape, info.dtype)
        self._pull(info, whole, "weight", priority)
        self.wait()
        out[...] = whole[ids]

    def _own(self, info: KeyInfo, total: Array) -> Array:
        if self._compressor is not None or (info.gradient is not None and same_memory(total, info.gradient)):
            return total  # encoded before push returns, or made where the server reads it
        if info.lent or info.launched > self._landed:
            return total.copy()
        if info.staging is None:
            info.staging = aligned_empty(info.shape, info.dtype) if info.gradient is None else info.gradient
        np.copyto(info.staging, total)
        return info.staging

    def _submit(self, requests: list[Placed]) -> None:
        if self._closed:
            raise ParameterError("the key-value store is closed")
        with self._holding:
            if self._held is None:
                self._launch(requests)
                return
            self._held += requests
        if sum(request.array.nbytes for _, request in requests if request.array is not None) >= MUCH:
            self._let_go(go_on=True)

    def _let_go(self, go_on: bool) -> None:
        """What is held leaves now, and holding goes on or ends. Nothing if another thread has ended it."""
        with self._holding:
            if self._held is not None:
                held, self._held = self._held, [] if go_on else None
                self._launch(held)

    def _launch(self, requests: list[Placed]) -> None:
        with self._session.saying():
            self._flight.launch(len(requests))
            self._transport.submit(requests)

    # ---- what concerns all servers

    @property
    def me(self) -> dict[str, Any]:
        """What every request to a server says of its sender."""
        link = self._transport.link
        return {"job": link.env.job_id, "rank": self.rank, "incarnation": link.incarnation, "fit": self.fit}

    def _set_optimizer(self, optimizer: Optimizer) -> None:
        said = repr(sorted(optimizer.description().items()))
        self._agree("optimizer", said, lambda: self._setup(optimizer.description()))

    def _agree_on_compression(self, coding: Coding | None) -> None:
        self._agree("compression", repr(coding), lambda: None)

    def _setup(self, description: dict[str, Any] | None) -> None:
        self._call(
            lambda seq: Setup(**self.me, seq=seq, mode=self._mode, staleness=self._staleness, optimizer=description)
        )

    def _call(self, make: Callable[[int], Message]) -> list[Any]:
        """Ask every server, wait, and give their answers in rank order."""
        return self.ask((server, make(self.next_seq())) for server in range(self._session.num_servers))

    def ask(self, messages: Iterable[tuple[int, Message]]) -> list[Any]:
        """Say each message to its server, wait, and give the answers. RemoteError if one is refused."""
        flight = Flight()
        calls = [
            (server, Request("call", flight, self.fit, message=message, priority=1 << 40))
            for server, message in messages
        ]
        try:
            with self._session.saying():
                flight.launch(len(calls))
                self._transport.submit(calls)
                flight.wait()
        finally:
            self._transport.retire(flight)
        return [call.answer for _, call in calls]

    def next_seq(self) -> int:
        """A number for a message that is answered by number."""
        return next(_SEQUENCE)

    def _agree(self, what: str, said: str, action: Callable[[], None]) -> None:
        """Rank 0 acts; then all workers wait for each other and compare what they were asked to do."""
        if self.rank == 0:
            action()
        digest = hashlib.sha256(said.encode()).hexdigest()[:16]
        everyone = self.session.gather(f"{what} {digest} {said[:200]}".encode())
        for rank, other in enumerate(everyone):
            if other.split(b" ")[:2] != everyone[0].split(b" ")[:2]:
                raise DataError(
                    f"workers 0 and {rank} do not do the same to their key-value store {self.fit}",
                    expected=_readable(everyone[0]),
                    got=_readable(other),
                    remedy="All workers must create stores, set optimizers and initialise keys alike and in one order",
                )


def _readable(said: bytes) -> str:
    what, _, rest = said.decode("utf-8", "replace").partition(" ")
    return f"{what} {rest.partition(' ')[2]}"


def _bound() -> int:
    """MXNET_KVSTORE_BIGARRAY_BOUND: keys of more elements than that are split over the servers."""
    text = os.environ.get("MXNET_KVSTORE_BIGARRAY_BOUND", "")
    if not text:
        return BIG_ARRAY
    number = whole_number_in(text, 1)
    if number is None:
        raise JobError("MXNET_KVSTORE_BIGARRAY_BOUND", expected="a whole number of at least 1", got=repr(text))
    return number
