"""Programs of slices on compute threads: apart where they can, together where a node couples the rows of the batch."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial

from ...common.slices import share
from ..array import Gradients
from ..compute_threads import shared_threads
from .program import Program
from .whole_batch_nodes import Meeting

Finished = Callable[[str], None]
HeadGrads = Sequence[Gradients]  # per program, one per output


class SliceThreads:
    """`count` threads, each with consecutive programs; the caller's thread is the first."""

    def __init__(self, programs: Sequence[Program], meeting: Meeting | None, count: int) -> None:
        self.count = count
        self._programs = [list(programs[slice(*share(len(programs), thread, count))]) for thread in range(count)]
        self._first = [share(len(programs), thread, count)[0] for thread in range(count)]
        self._meeting = meeting
        # Calls between two meetings, and the meeting behind them.
        numbers = meeting.numbers if meeting else []
        self._stretches = list(zip([0, *(n + 1 for n in numbers)], [*numbers, None], strict=True))
        self._barrier = threading.Barrier(count)

    def forward(self) -> None:
        """Compute every output."""
        self._run(self._forward)

    def backward(self, head_grads: HeadGrads, finished: Finished) -> None:
        """Compute every gradient, given those of the outputs for each program."""
        self._run(partial(self._backward, head_grads, finished))

    def forward_backward(self, head_grads: HeadGrads, finished: Finished) -> None:
        """Both, each thread going on to backward as soon as it can."""
        self._run(partial(self._both, head_grads, finished))

    def _both(self, head_grads: HeadGrads, finished: Finished, thread: int) -> None:
        if self._meeting is not None:
            self._forward(thread)
            self._backward(head_grads, finished, thread)
            return
        for program, heads in zip(self._programs[thread], head_grads[self._first[thread] :], strict=False):
            program.forward()  # one slice after the other: what forward wrote is still in the cache in backward
            program.begin_backward(heads, finished)
            program.backward(finished)

    def _forward(self, thread: int) -> None:
        for first, meets in self._stretches:
            for program in self._programs[thread]:
                program.forward(first, meets)
            if self._meeting is not None and meets is not None:
                self._barrier.wait()
                self._meeting.forward(meets, thread)
                self._barrier.wait()

    def _backward(self, head_grads: HeadGrads, finished: Finished, thread: int) -> None:
        for program, heads in zip(self._programs[thread], head_grads[self._first[thread] :], strict=False):
            program.begin_backward(heads, finished)
        for first, meets in reversed(self._stretches):
            if self._meeting is not None and meets is not None:
                self._meet_backward(self._meeting, meets, thread, finished)
            for program in self._programs[thread]:
                program.backward(finished, first, meets)

    def _meet_backward(self, meeting: Meeting, number: int, thread: int, finished: Finished) -> None:
        self._barrier.wait()
        meeting.backward(number, thread)
        self._barrier.wait()
        if thread == 0:
            meeting.add_up(number, finished)
        if meeting.adds(number):
            self._barrier.wait()

    def _run(self, work: Callable[[int], None]) -> None:
        self._barrier.reset()
        shared_threads().run([partial(self._guarded, work, thread) for thread in range(self.count)])

    def _guarded(self, work: Callable[[int], None], thread: int) -> None:
        """A thread that fails must not leave the others waiting; they end quietly, and its error is the one raised."""
        try:
            work(thread)
        except threading.BrokenBarrierError:
            return
        except BaseException:
            self._barrier.abort()
            raise
