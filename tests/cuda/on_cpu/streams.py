"""Streams and events of cupy. What is queued on a stream runs when somebody waits for it, and not before.

So whatever is read without having been waited for is seen to be missing, every time.
"""

import time
from collections import deque

from .capture import Capture, CapturedMark, Graph
from .machine import CaptureError, CUDARuntimeError, here


class Mark:
    """A point in a stream's queue."""

    def __init__(self, stream):
        self.stream, self.time = stream, None

    def __call__(self):
        self.time = time.perf_counter()

    @property
    def done(self):
        return self.time is not None

    def reach(self):
        """Run what comes before this point, and what that waits for."""
        while not self.done:
            self.stream.step()


class Event:
    def __init__(self, block=False, disable_timing=False, interprocess=False):
        self.device_id, self.mark, self.timed, self._looked = here().local.device, None, not disable_timing, False
        self.ptr = next(here().numbers)

    def record(self, stream=None):
        (stream or get_current_stream()).record(self)

    def synchronize(self):
        if self.mark is not None:
            with here().lock:
                self._ordinary("synchronize").reach()

    @property
    def done(self):
        """False at the first look at a point that has not been reached; later looks find it reached, as time passes."""
        if self.mark is None or self._ordinary("look").done:
            return True
        if self._looked:
            self.synchronize()
        self._looked = True
        return self.mark.done

    def _ordinary(self, what):
        if isinstance(self.mark, CapturedMark):
            raise self.mark.capture.refuse(f"event.{what} of an event that was recorded in a capture")
        return self.mark


def get_elapsed_time(start, end):
    if not (start.timed and end.timed and start.mark and end.mark):
        raise CUDARuntimeError("cudaErrorInvalidResourceHandle: both events need to be recorded, and with timing")
    if not (start.mark.done and end.mark.done):
        raise CUDARuntimeError("cudaErrorNotReady: synchronize first")
    return (end.mark.time - start.mark.time) * 1e3


class _Null:
    def __get__(self, instance, owner):
        device = here().local.device
        if device not in here().null_streams:
            here().null_streams[device] = Stream(null=True)
        return here().null_streams[device]


class Stream:
    """A queue of functions without arguments. One with an attribute `issue` is asked, on being queued, for what to run:
    that is how collectives learn where they meet.
    """

    null = _Null()

    def __init__(self, null=False, non_blocking=False, ptds=False, priority=None, device_id=None):
        self._machine = here()
        self.device_id = self._machine.local.device if device_id is None else device_id
        self.ptr = 0 if null else next(self._machine.numbers)
        self.is_null, self.is_non_blocking, self.priority = null, non_blocking, priority or 0
        self.queue, self.capture, self._looked = deque(), None, False
        if not null and device_id is None:  # those of a launched graph live as long as what waits for them
            self._machine.streams[self.ptr] = self

    def __repr__(self):
        return f"<Stream {self.ptr} (device {self.device_id})>"

    def enqueue(self, work):
        with self._machine.lock:
            if self.capture:
                self.capture.add(self, "work", work)
            else:
                self.queue.append(work.issue(self) if hasattr(work, "issue") else work)

    def step(self):
        """Run the oldest thing that is queued."""
        if not self.queue:
            raise AssertionError(f"{self} has run out of work before the point that it was to reach")
        self.queue.popleft()()

    def mark(self):
        mark = Mark(self)
        self.queue.append(mark)
        return mark

    def record(self, event=None):
        event = event or Event()
        if event.device_id != self.device_id:
            raise CUDARuntimeError(f"cudaErrorInvalidResourceHandle: event of GPU {event.device_id} on {self}")
        with self._machine.lock:
            event._looked = False
            if self.capture:
                event.mark = CapturedMark(self.capture, self.capture.clocks[self])
                self.capture.add(self, "record", event.mark)
                event.mark.before[self] += 1
            else:
                event.mark = self.mark()
        return event

    def wait_event(self, event):
        with self._machine.lock:
            mark = event.mark
            if isinstance(mark, CapturedMark):
                if self.capture not in (None, mark.capture) or mark.capture.origin.capture is not mark.capture:
                    raise mark.capture.refuse("waiting for an event of another capture")
                mark.capture.join(self, mark)
            elif self.capture:
                raise self.capture.refuse("waiting for an event from outside of the capture")
            elif mark is not None:
                self.queue.append(mark.reach)

    def synchronize(self):
        self.may_wait("stream.synchronize")
        with self._machine.lock:
            while self.queue:
                self.step()

    def may_wait(self, what):
        if self.capture:
            raise self.capture.refuse(what)

    @property
    def done(self):
        self.may_wait("stream.done")
        if self._looked or not self.queue:  # as for events
            self.synchronize()
        self._looked = bool(self.queue)
        return not self.queue

    def launch_host_func(self, callback, arg):
        self.enqueue(lambda: callback(arg))

    def begin_capture(self, mode=None):
        if self.is_null or self.capture:
            raise CaptureError("the default stream cannot be captured, nor one that is being captured")
        self.capture = Capture(self)

    def end_capture(self):
        if not self.capture or self.capture.origin is not self:
            raise CaptureError(f"{self} has not begun a capture")
        return Graph(self.capture.finish())

    def is_capturing(self):
        return self.capture is not None

    def use(self):
        self._must_be_here()
        self._stack()[-1] = self
        return self

    def __enter__(self):
        self._must_be_here()
        self._stack().append(self)
        return self

    def __exit__(self, *_):
        self._stack().pop()

    @staticmethod
    def current():
        return get_current_stream()

    def _must_be_here(self):
        if self.device_id != here().local.device:
            raise RuntimeError(
                f"The device that the stream is created on ({self.device_id}) does not match with the current device "
                f"({here().local.device})"
            )

    def _stack(self):
        return here().local.streams.setdefault(self.device_id, [Stream.null])


def get_current_stream(device_id=-1):
    device = here().local.device if device_id == -1 else device_id
    stack = here().local.streams.get(device)
    return stack[-1] if stack else Stream.null


def by_ptr(ptr):
    """The stream of that handle, as the C interfaces take it."""
    if isinstance(ptr, Stream):
        raise TypeError("an integer is required: the stream's ptr")
    return here().streams[ptr] if ptr else Stream.null
