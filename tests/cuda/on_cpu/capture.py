"""What streams do while they are captured, and its replay as a graph."""

import threading

from .machine import CaptureError, CUDARuntimeError, here


class CapturedMark:
    """A point in a stream that is being captured, and what of all streams comes before it."""

    def __init__(self, capture, before):
        self.capture, self.before = capture, dict(before)


class Capture:
    """What a stream, and those that wait for it, do between begin_capture and end_capture."""

    def __init__(self, origin):
        self.origin, self.steps, self.broken = origin, [], None
        self.thread = threading.get_ident()
        self.clocks = {origin: {origin: 0}}  # per stream: how much of which streams comes before what it does next

    def refuse(self, what):
        """The error; the capture cannot be ended well after it."""
        self.broken = self.broken or what
        return CaptureError(f"{what} is not permitted while the stream is being captured")

    def add(self, stream, kind, payload):
        if threading.get_ident() != self.thread:  # CUDA would take it into the graph, whoever it is
            raise self.refuse(f"{kind} of another thread")
        self.clocks[stream][stream] += 1
        self.steps.append((stream, kind, payload))

    def join(self, stream, mark):
        clock = self.clocks.setdefault(stream, {stream: 0})
        for other, count in mark.before.items():
            clock[other] = max(count, clock.get(other, 0))
        stream.capture = self
        self.add(stream, "wait", mark)

    def finish(self):
        for stream in self.clocks:
            stream.capture = None
        if self.broken:
            raise CaptureError(f"cudaErrorStreamCaptureInvalidated: {self.broken}")
        joined = self.clocks[self.origin]
        for stream, clock in self.clocks.items():
            if joined.get(stream, 0) < clock[stream]:
                raise CaptureError(f"cudaErrorStreamCaptureUnjoined: the origin does not wait for {stream}")
        return self


class Graph:
    """What was captured. Every launch queues it anew, with streams and events of its own for what was forked."""

    def __init__(self, capture):
        self._origin, self._steps, self._device = capture.origin, capture.steps, capture.origin.device_id

    def upload(self, stream=None):
        pass

    def launch(self, stream=None):
        stream = stream or type(self._origin).current()
        if stream.device_id != self._device:
            raise CUDARuntimeError(f"a graph of GPU {self._device} on a stream of GPU {stream.device_id}")
        with here().lock:
            streams, marks = {self._origin: stream}, {}
            for captured, kind, payload in self._steps:
                if captured not in streams:
                    streams[captured] = type(captured)(device_id=captured.device_id)
                on = streams[captured]
                if kind == "record":
                    marks[payload] = on.mark()
                elif kind == "wait":
                    on.enqueue(marks[payload].reach)
                else:
                    on.enqueue(payload)
