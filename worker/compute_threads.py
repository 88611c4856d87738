"""Compute threads: how many there are, and running one task on each with BLAS held to a single thread."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from itertools import count
from queue import Empty, SimpleQueue

from ..common.checks import whole_number_in
from ..common.cores import available_cores
from ..common.counter import Counter
from ..common.errors import ParameterError
from .single_threaded_blas import SingleThreadedBlas

Task = Callable[[], None]
Result = SimpleQueue[BaseException | None]  # gets what the task raised, or None
Job = tuple[Task, Result, bool]  # whether the next one comes at once

PATIENCE = 60.0  # seconds that a thread waits for the next run; training asks again after milliseconds

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
    """What a thread is to do, and how many of its tasks it has done."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()  # None ends the thread
        self._given, self.done = Counter(), Counter()
        self._taken = 0

    def put(self, job: Job | None) -> None:
        """Give the thread something to do."""
        self._jobs.put(job)
        self._given.up()

    def get(self, patience: float, awake: bool) -> Job | None:
        """What to do next; Empty if there is nothing for so many seconds. `awake`: watch for it first."""
        if awake:
            self._given.watch(self._taken)
        job = self._jobs.get(timeout=patience)
        self._taken += 1
        return job


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

    def run(self, tasks: Sequence[Task], blas: bool = True, awake: bool = False) -> None:
        """Run all tasks side by side, the first on this thread, until all have ended; raises the first error.

        `blas`: whether they may call BLAS, which is then held to one thread for each. `awake`: whether tasks are short
        and the next run follows at once, so that threads had better not fall asleep when they have to wait.
        """
        with self._blas.held() if blas else nullcontext():
            errors = self._run(tasks, awake)
        for error in errors:
            if error is not None:
                raise error

    def _run(self, tasks: Sequence[Task], awake: bool) -> list[BaseException | None]:
        inboxes, results = self._take(len(tasks) - 1), [Result() for _ in tasks[1:]]
        try:
            while len(inboxes) < len(results):
                inboxes.append(self._start())
            before = [inbox.done.read() for inbox in inboxes]
            for inbox, task, result in zip(inboxes, tasks[1:], results, strict=True):
                inbox.put((task, result, awake))
            errors = [_attempt(tasks[0])]
            for inbox, number, result in zip(inboxes, before, results, strict=True):
                if awake:
                    inbox.done.watch(number)
                errors.append(result.get())
        except BaseException:  # Ctrl-C, say: these threads are still busy, so nobody else may wait behind them
            for inbox in inboxes:
                inbox.put(None)
            raise
        with self._lock:
            self._idle[:0] = inboxes  # in front, so that the next run finds each task's memory in the same core's cache
        return errors

    def _take(self, wanted: int) -> list[Inbox]:
        with self._lock:
            inboxes, self._idle = self._idle[:wanted], self._idle[wanted:]
        return inboxes

    def _start(self) -> Inbox:
        inbox = Inbox()
        name = f"pushgrad-compute-{next(self._numbers)}"
        threading.Thread(target=self._serve, args=(inbox,), name=name, daemon=True).start()
        return inbox

    def _serve(self, inbox: Inbox) -> None:
        awake = False
        while (job := self._next(inbox, awake)) is not None:
            task, result, awake = job
            result.put(_attempt(task))
            inbox.done.up()
            del task, result, job  # nothing is kept alive while waiting

    def _next(self, inbox: Inbox, awake: bool) -> Job | None:
        """What to do next; None if that is to end."""
        patience = self._patience
        while True:
            try:
                return inbox.get(patience, awake)
            except Empty:
                awake = False
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


def _attempt(task: Task) -> BaseException | None:
    try:
        task()
    except BaseException as error:  # handed to the caller of run(), who raises it
        return error
    return None
