"""A command that reaches a host or several, watched without waiting for it."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
from collections.abc import Mapping, Sequence

from ..keeper import Keeper

LAST_LINES = 4  # of what it said, for errors
KEPT = 8192  # bytes of it
CLOSING = 2.0  # seconds in which it may end by itself


class Command:
    """A running command, whose standard error is kept for errors; with `piped` its input and output are for others.

    Raises OSError if it cannot be started.
    """

    def __init__(
        self,
        argv: Sequence[str],
        keeper: Keeper,
        selector: selectors.BaseSelector,
        piped: bool = False,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.program = argv[0]
        self._keeper, self._selector = keeper, selector
        self._said = b""
        errors, writing = os.pipe()
        try:
            self.process = subprocess.Popen(
                argv,
                env=environ,
                stdin=subprocess.PIPE if piped else subprocess.DEVNULL,
                stdout=subprocess.PIPE if piped else writing,
                stderr=writing,
                bufsize=0,
                start_new_session=True,  # it must not get the terminal's Ctrl-C
            )
        except OSError:
            os.close(errors)
            raise
        finally:
            os.close(writing)
        keeper.watch(self.process.pid)
        self._errors: int | None = errors
        os.set_blocking(errors, False)
        selector.register(errors, selectors.EVENT_READ)

    def listen(self) -> None:
        """Take in what it says."""
        with contextlib.suppress(BlockingIOError):
            while self._errors is not None:
                data = os.read(self._errors, KEPT)
                self._said = (self._said + data)[-KEPT:]
                if not data:
                    self._stop_listening()

    def last_words(self, before: bytes = b"") -> list[str]:
        """The last lines of what it has said, after what somebody else knows that it has said `before`."""
        self.listen()
        lines = (before + b"\n" + self._said).decode("utf-8", "replace").splitlines()
        # Without rules and boxes.
        return [line.strip() for line in lines if any(letter.isalnum() for letter in line)][-LAST_LINES:]

    def ended(self, patience: float = 0.0) -> int | None:
        """Its exit code; None if it runs on for so many seconds."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.process.wait(patience) if patience else self.process.poll()
        return None

    def close(self, kill: bool = False) -> None:
        """Take its input and output away and wait for its end, which is forced a moment later, with `kill` at once."""
        self._stop_listening()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        if kill or self.ended(CLOSING) is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._keeper.forget(self.process.pid)

    def _stop_listening(self) -> None:
        if self._errors is not None:
            self._selector.unregister(self._errors)
            os.close(self._errors)
            self._errors = None
