"""Launch's side of one agent: the commands that reach its host, and the link."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess

from ..keeper import Keeper
from ..process_plan import Site
from .link import Broken, Link, Message

LAST_LINES = 3  # of what the commands said, for errors
KEPT = 8192  # bytes of it


class Station:
    """One site: its commands are run one after the other, and the last one's input and output are the link.

    `hello` is what the agent said of itself, `ready` that it can start processes; `failure` says why there is no agent,
    or no more, and `over` that it has said goodbye, `left` being what it had to leave behind.
    """

    def __init__(self, site: Site, keeper: Keeper, selector: selectors.BaseSelector) -> None:
        self.name = site.name
        self.hello: Message | None = None
        self.failure = ""
        self.ready = self.over = False
        self.left: list[str] = []
        self._commands = list(site.commands)
        self._keeper, self._selector = keeper, selector
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: int | None = None
        self._said = b""
        self._link: Link | None = None
        self._next()

    @property
    def there(self) -> bool:
        """Whether an agent can be spoken to."""
        return self.hello is not None and not self.failure and not self.over

    @property
    def address(self) -> str:
        """Where the other hosts reach this one."""
        return str(self.hello["address"]) if self.hello else ""

    @property
    def port(self) -> int:
        """A port that the agent keeps free for MASTER_PORT."""
        return int(self.hello["port"]) if self.hello else 0

    def silence(self, now: float) -> float:
        """How long nothing has been heard of it; 0 while a command that may take long runs."""
        return 0.0 if self._link is None or self.failure or self.over else now - self._link.heard

    def send(self, do: str, **fields: object) -> None:
        """Say something to the agent, if there is one."""
        if self._link is not None and not self.failure:
            self._link.send(do, **fields)

    def _next(self) -> None:
        """Start the next command."""
        argv = self._commands.pop(0)
        self._program = argv[0]
        last = not self._commands
        errors, writing = os.pipe()
        try:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE if last else subprocess.DEVNULL,
                stdout=subprocess.PIPE if last else writing,
                stderr=writing,
                bufsize=0,
                start_new_session=True,  # it must not get the terminal's Ctrl-C
            )
        except OSError as error:
            os.close(errors)
            self.failure = f"{argv[0]}: {error.strerror}"
            return
        finally:
            os.close(writing)
        self._keeper.watch(self._process.pid)
        self._errors = errors
        os.set_blocking(errors, False)
        self._selector.register(errors, selectors.EVENT_READ)
        if last:
            assert self._process.stdin is not None and self._process.stdout is not None
            self._link = Link(self._process.stdout.fileno(), self._process.stdin.fileno(), greeted=False)

    def pump(self) -> list[Message]:
        """Move what can be moved; returns what the agent has said."""
        self._listen()
        messages: list[Message] = []
        if self._link is not None and not self.failure:
            try:
                messages = self._link.receive()
            except Broken as error:
                self.fail(str(error))
            self._link.flush()
            self._link.watch(self._selector)
        for message in messages:
            self._note(message)
        self._look()
        return messages

    def _note(self, message: Message) -> None:
        match message["do"]:
            case "hello":
                self.hello = message
            case "ready":
                self.ready = True
            case "refused":
                self.fail(message["why"])
            case "bye":
                self.over, self.left = True, message["left"]

    def _listen(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._errors is not None:
                data = os.read(self._errors, KEPT)
                self._said = (self._said + data)[-KEPT:]
                if not data:
                    self._stop_listening()

    def _stop_listening(self) -> None:
        if self._errors is not None:
            self._selector.unregister(self._errors)
            os.close(self._errors)
            self._errors = None

    def _look(self) -> None:
        """Go on when a command has ended."""
        if self.failure or self._process is None or self.over:
            return
        if self._link is not None:
            if self._link.ended:
                code = self._ended()
                self.fail(f"the connection has ended (exit code {code})" if self.hello else f"exit code {code}")
        elif (code := self._process.poll()) is not None:
            self._keeper.forget(self._process.pid)
            self._listen()
            self._stop_listening()
            if code:
                self.fail(f"{self._program} ended with exit code {code}")
            else:
                self._next()

    def _ended(self) -> int | None:
        assert self._process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(1.0)
        return None

    def fail(self, why: str) -> None:
        """Give the site up, with what its command has said as the better reason, if it has said something."""
        self._listen()
        noise = b"" if self._link is None or self.hello else self._link.noise
        lines = [line.strip() for line in (noise + self._said).decode("utf-8", "replace").splitlines() if line.strip()]
        self.failure = "; ".join([*lines[-LAST_LINES:], why])
        self.close(kill=True)

    def close(self, kill: bool = False) -> None:
        """Take the link away, which ends the agent and its command; with `kill` the command is not waited for."""
        self._stop_listening()
        if self._link is not None:
            self._link.ended = True
            self._link.watch(self._selector)
        process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            if kill:
                raise subprocess.TimeoutExpired(process.args, 0)
            process.wait(2.0)
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._keeper.forget(process.pid)
