"""Compute threads: how many there are, and running one task on each with BLAS held to a single thread."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from functools import partial
from itertools import count
from queue import Empty, SimpleQueue

from ..common.call_table import Table
from ..common.checks import whole_number_in
from ..common.cores import available_cores
from ..common.desk import Desk
from ..common.errors import ParameterError
from .single_threaded_blas import SingleThreadedBlas

Task = Callable[[], None]
Result = SimpleQueue[BaseException | None]  # gets what the task raised, or None
Job = tuple[Task, Result]
Outcome = Callable[[], BaseException | None]  # waits for the end of what a thread does; the error, if there is one
Guard = Callable[[Task], None]  # calls what Python does

PATIENCE = 60.0  # seconds that a thread waits for the next run; training asks again after milliseconds

# Seconds that an interrupted run waits for each thread, as it still writes where the next run would. Not for ever:
# it may be in an operator in Python that never ends.
LINGER = 2.0

# Seconds that a thread waits at least while a run has it: looking more often would only take time from others.
LENT = 0.05


def thread_count() -> int:
    """Compute threads of this process: OMP_NUM_THREADS if set (`launch` sets it to this worker's share), else cores.

    Raises ParameterError if OMP_NUM_THREADS is not a whole number of at least 1.
    """
    text = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if not text:
        return available_cores()
    number = whole_number_in(text, 1)
    if number is None:
        raise ParameterError("OMP_NUM_THREADS", expected="a whole number of at least 1", got=repr(text))
    return number


class Inbox:
    """What a thread is to do. It calls `get`; only one other thread at a time calls `do` or `walk`, and the outcome."""

    def __init__(self) -> None:
        self.thread: threading.Thread | None = None
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()  # None ends the thread
        self._desk: Desk | None = None  # made for the first table
        self._walks: tuple[Table, Guard] | None = None  # what has been handed over at the desk
        self._error: BaseException | None = None  # of that

    def do(self, task: Task) -> Outcome:
        """Have a task done."""
        result = Result()
        self.put((task, result))
        return result.get

    def walk(self, table: Table, guard: Guard) -> Outcome:
        """Have a table walked. The thread stays awake for a moment afterwards."""
        self._desk = self._desk or Desk()
        self._walks, self._error = (table, guard), None
        if not self._desk.hand(table):
            self._jobs.put((self._attend, Result()))
        return self._settled

    def put(self, job: Job | None) -> None:
        """Give the thread something to do when it is done with what it has."""
        self._jobs.put(job)
        if self._desk is not None:
            self._desk.call_away()

    def get(self, patience: float) -> Job | None:
        """What to do next; Empty if there is nothing for so many seconds."""
        return self._jobs.get(timeout=patience)

    def join(self) -> None:
        """Wait for a moment until the thread has ended, if it has begun."""
        if self.thread is not None and self.thread.is_alive():
            self.thread.join(LINGER)

    def _attend(self) -> None:
        assert self._desk is not None
        while (place := self._desk.attend()) is not None:
            assert self._walks is not None
            table, guard = self._walks
            self._error = _attempt(partial(guard, partial(table.go_on, place)))
            self._desk.went_on()

    def _settled(self) -> BaseException | None:
        assert self._desk is not None
        self._desk.wait()
        error, self._error, self._walks = self._error, None, None  # nothing is kept alive
        return error


class ComputeThreads:
    """Threads that wait for tasks. A run takes those it needs, starts those that are missing, and gives all back.

    No run waits for another. A task may run tasks itself, as an operator written in Python does whose forward runs an
    executor, here or in a thread that it waits for: behind a lock it would wait for its own end. Nor may such a run do
    its tasks one after the other on the thread it has, since tasks meet at barriers. So a run within a run, and runs of
    several user threads at the same time, have threads of their own, and the system shares out the cores.

    A thread that no run has wanted for `patience` seconds ends: how many are wanted at once depends on what users nest.
    Thread safe, and usable again after a task has raised.
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._blas = SingleThreadedBlas()
        self._lock = threading.Lock()  # of what follows; never held during a computation
        self._idle: list[Inbox] = []
        self._numbers = count(1)

    def run(self, tasks: Sequence[Task], release: Task = lambda: None) -> None:
        """Run all tasks side by side, the first on this thread, until all have ended; raises the first error.

        They may call BLAS, which is held to one thread for each. `release` is called if the first fails, or this thread
        is interrupted, so that others need not wait for what it would have done.
        """
        with self._blas.held():
            self._together(tasks[0], [partial(_do, task) for task in tasks[1:]], release)

    def walk(self, tables: Sequence[Table], guard: Guard, blas: bool, release: Task = lambda: None) -> None:
        """The same with tables of calls. Those who walk them stay awake for a moment, as the next run may follow soon.

        `guard` calls what Python does, `blas` is whether that may call BLAS.
        """
        with self._blas.held() if blas else nullcontext():
            self._together(
                partial(guard, tables[0].run), [partial(_walk, table, guard) for table in tables[1:]], release
            )

    def _together(self, task: Task, others: Sequence[Callable[[Inbox], Outcome]], release: Task) -> None:
        """Do a task, while threads do what others tell them; raises the first error when all have ended."""
        inboxes: list[Inbox] = []
        try:
            self._take(len(others), inboxes)
            outcomes = [tell(inbox) for inbox, tell in zip(inboxes, others, strict=True)]
            errors = [_attempt(task)]
            if errors[0] is not None:  # Ctrl-C, say, before the task could see to that itself
                release()
            errors += [outcome() for outcome in outcomes]
            with self._lock:
                # In front, so that the next run finds each task's memory in the same core's cache.
                self._idle[:0], inboxes = inboxes, []
        except BaseException:  # Ctrl-C, say: these threads are still busy, so nobody else may wait behind them
            release()
            for inbox in inboxes:
                inbox.put(None)
            for inbox in inboxes:
                inbox.join()
            raise
        for error in errors:
            if error is not None:
                raise error

    def _take(self, wanted: int, inboxes: list[Inbox]) -> None:
        """Fill up `inboxes`, in which none is lost, nor its thread left behind, if this is interrupted."""
        with self._lock:
            inboxes[:], self._idle[:wanted] = self._idle[:wanted], []
        while len(inboxes) < wanted:
            inboxes.append(Inbox())
            self._start(inboxes[-1])

    def _start(self, inbox: Inbox) -> None:
        name = f"pushgrad-compute-{next(self._numbers)}"
        inbox.thread = threading.Thread(target=self._serve, args=(inbox,), name=name, daemon=True)
        inbox.thread.start()

    def _serve(self, inbox: Inbox) -> None:
        while (job := self._next(inbox)) is not None:
            task, result = job
            result.put(_attempt(task))
            del task, result, job  # nothing is kept alive while waiting

    def _next(self, inbox: Inbox) -> Job | None:
        """What to do next; None if that is to end."""
        patience = self._patience
        while True:
            with suppress(Empty):
                return inbox.get(patience)
            with self._lock:
                if inbox in self._idle:
                    self._idle.remove(inbox)
                    return None
            # Else a run has it: one that took it just now and will say, or its last one, which has not given it back.
            patience = max(self._patience, LENT)


_shared = ComputeThreads()


def shared_threads() -> ComputeThreads:
    """The process's compute threads; executors share them."""
    return _shared


def _forget() -> None:
    global _shared
    _shared = ComputeThreads()


if hasattr(os, "register_at_fork"):  # a forked child has the queues but not the threads behind them
    os.register_at_fork(after_in_child=_forget)


def _do(task: Task, inbox: Inbox) -> Outcome:
    return inbox.do(task)


def _walk(table: Table, guard: Guard, inbox: Inbox) -> Outcome:
    return inbox.walk(table, guard)


def _attempt(task: Task) -> BaseException | None:
    try:
        task()
    except BaseException as error:  # handed to the caller of run(), who raises it
        return error
    return None
