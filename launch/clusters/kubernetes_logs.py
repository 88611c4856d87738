"""The output of pods, shown line by line as it comes, each line once even if a connection breaks off."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import quote

from .kubernetes_api import Api, Refused, Unreachable
from .kubernetes_pods import Pod

if TYPE_CHECKING:
    from ..display import Display

PAUSE = 1.0  # seconds before an output that has broken off is asked for again
LAST_LINES = 10.0  # seconds for the last output of pods that have ended


class Logs:
    """The outputs of a job's pods, each followed by a thread."""

    def __init__(self, api: Api, pods: str, display: Display) -> None:
        self._api, self._pods, self._display = api, pods, display
        self._threads: dict[str, threading.Thread] = {}
        self._ended: dict[str, threading.Event] = {}

    def show(self, pod: Pod) -> None:
        """Show what the pod writes, from its first line on, to its end."""
        if pod.name not in self._threads:
            self._ended[pod.name] = threading.Event()
            self._threads[pod.name] = threading.Thread(target=self._follow, args=(pod,), daemon=True)
            self._threads[pod.name].start()
        if pod.code is not None:
            self._ended[pod.name].set()

    def finish(self) -> None:
        """Wait for the last lines of pods that have ended; those that are gone have no more."""
        deadline = time.monotonic() + LAST_LINES
        for name, thread in self._threads.items():
            self._ended[name].set()
            thread.join(max(0.0, deadline - time.monotonic()))

    def _follow(self, pod: Pod) -> None:
        output = _Output(self._api, f"{self._pods}/{pod.name}/log?container={pod.role}")
        ended = self._ended[pod.name]
        while True:
            was_over = ended.is_set()
            try:
                for lines in filter(None, output.pieces()):
                    self._display.lines(pod.process, False, lines)
            except Unreachable:
                time.sleep(PAUSE)
                continue
            except Refused as error:
                if error.reason != "NotFound":  # the pod is gone
                    self._display.say(f"the output of {pod.process} cannot be shown: {error}")
                return
            if was_over:
                return
            ended.wait(PAUSE)


class _Output:
    """A pod's output. Lines come with their times, by which those are known that have been seen already."""

    def __init__(self, api: Api, path: str) -> None:
        self._api, self._path = api, path
        self._last = b""  # time of the last line

    def pieces(self) -> Iterator[list[bytes]]:
        """The lines after the last one, as they come. Raises Refused or Unreachable."""
        since = f"&sinceTime={quote(self._last)}" if self._last else ""
        rest = b""
        for piece in self._api.stream(f"{self._path}&follow=true&timestamps=true{since}"):
            *whole, rest = (rest + piece).split(b"\n")
            yield self._new(whole)
        yield self._new([rest])

    def _new(self, lines: list[bytes]) -> list[bytes]:
        """Those that are newer than the last, without their times: sinceTime counts in whole seconds."""
        found = []
        for line in filter(None, lines):
            when, _, text = line.partition(b" ")
            if when > self._last:
                self._last = when
                found.append(text + b"\n")
        return found
