"""Programs of slices on compute threads, call by call: in a profile, and where passes have no tables (stretches.py).

A coupling node divides each pass into stretches. At the end of a stretch all threads wait for each other at a barrier,
compute the node together, wait again until it is done, and run apart for the next stretch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate, chain

from ..array import Gradients
from ..compute_threads import shared_threads, thread_count
from .awake_barrier import AwakeBarrier
from .guarded_work import guarded, quiet
from .program import Program
from .stretches import stretches_between
from .whole_batch_nodes import Meeting

Finished = Callable[[str], None]  # told the name of an argument whose gradient one slice, or the meeting, has written
HeadGrads = Sequence[Gradients]  # for each program, one per output, of that output's rows; None for ones


class SliceThreads:
    """Threads, each with consecutive programs; the caller's thread is the first.

    Methods return when all threads have finished, and raise the first error of any of them.
    """

    def __init__(self, programs: Sequence[Sequence[Program]], meeting: Meeting | None) -> None:
        """`programs`: those of each thread."""
        self.count = len(programs)
        self._programs = programs
        self._first = [0, *accumulate(map(len, programs))]  # the number of each thread's first program
        self._meeting = meeting
        self._stretches = stretches_between(meeting.numbers if meeting else [])
        # All parties have to run at once, or the barrier would wait for ever: ComputeThreads gives each task a thread.
        self._barrier = AwakeBarrier(self.count)
        self._has_calls = False

    def forward(self) -> None:
        """Compute every output of every program."""
        self._run(self._forward)

    def backward(self, head_grads: HeadGrads, finished: Finished) -> None:
        """Compute every gradient; `finished` is called on the threads, once per slice and argument."""
        self._run(partial(self._backward, head_grads, finished))

    def forward_backward(self, head_grads: HeadGrads, finished: Finished) -> None:
        """Forward, then backward; each thread goes on to backward as soon as it can."""
        self._run(partial(self._both, head_grads, finished))

    def lay_out_calls(self) -> None:
        """Before a pass; for the first one, several cores compile what calls need, which else compile it one by one."""
        if not self._has_calls:
            self._has_calls = True
            for program in chain.from_iterable(self._programs):
                program.lay_out_calls(thread_count)
            if self._meeting is not None:
                self._meeting.lay_out_calls(self.count, thread_count)

    def _both(self, head_grads: HeadGrads, finished: Finished, barrier: AwakeBarrier, thread: int) -> None:
        if self._meeting is not None:
            self._forward(barrier, thread)
            self._backward(head_grads, finished, barrier, thread)
            return
        # `head_grads` goes on with the slices of later threads, so the lengths differ.
        for program, heads in zip(self._programs[thread], head_grads[self._first[thread] :], strict=False):
            program.forward()  # one slice after the other: backward finds what forward wrote still in the cache
            program.begin_backward(heads, finished)
            program.backward(finished)

    def _forward(self, barrier: AwakeBarrier, thread: int) -> None:
        for first, meets in self._stretches:
            for program in self._programs[thread]:
                program.forward(first, meets)
            if self._meeting is not None and meets is not None:
                barrier.wait()  # until all slices have written their rows of what the node reads
                self._meeting.forward(meets, thread)
                barrier.wait()  # until all parts of its output are there: slices read rows that others computed

    def _backward(self, head_grads: HeadGrads, finished: Finished, barrier: AwakeBarrier, thread: int) -> None:
        if self._meeting is not None and thread == 0:
            self._meeting.begin_backward(finished)
        for program, heads in zip(self._programs[thread], head_grads[self._first[thread] :], strict=False):
            program.begin_backward(heads, finished)
        for first, meets in reversed(self._stretches):
            if self._meeting is not None and meets is not None:
                self._meet_backward(self._meeting, meets, thread, finished, barrier)
            for program in self._programs[thread]:
                program.backward(finished, first, meets)

    def _meet_backward(
        self, meeting: Meeting, number: int, thread: int, finished: Finished, barrier: AwakeBarrier
    ) -> None:
        barrier.wait()  # until all slices have written their rows of the gradients of the node's outputs
        meeting.backward(number, thread)
        barrier.wait()  # until all parts of the gradients of its inputs are there
        if thread == 0:
            meeting.add_up(number, finished)
        # While the first thread adds to gradients that slices read next, the others have to wait. If it only announces
        # arguments' gradients, which no slice touches, they go on.
        if meeting.adds(number):
            barrier.wait()

    def _run(self, work: Callable[[AwakeBarrier, int], None]) -> None:
        barrier = self._barrier
        tasks = [partial(quiet, partial(work, barrier, thread)) for thread in range(self.count)]
        try:
            shared_threads().run([partial(guarded, task, barrier.abort) for task in tasks], barrier.abort)
        except BaseException:
            self._barrier = AwakeBarrier(self.count)  # they may come to theirs only later, so the next run has another
            raise
