"""Launch's side of one agent: what reaches its host, and the link."""

from __future__ import annotations

import selectors
import socket

from ..keeper import Keeper
from ..process_plan import Site
from .command import Command
from .link import Broken, Link, Message

ENDING = 1.0  # seconds that a command has to end after its output has


class Station:
    """One site. Its commands are run one after the other, and the last one's input and output are the link; without
    commands it is `line`, at whose other end the switchboard is.

    `hello` is what the agent said of itself, `ready` that it can start processes; `failure` says why there is no agent,
    or no more, and `over` that it has said goodbye, `left` being what it had to leave behind.
    """

    def __init__(
        self, site: Site, keeper: Keeper, selector: selectors.BaseSelector, line: socket.socket | None = None
    ) -> None:
        self.name = site.name
        self.hello: Message | None = None
        self.failure = ""
        self.ready = self.over = False
        self.left: list[str] = []
        self._commands = list(site.commands)
        self._keeper, self._selector = keeper, selector
        self._command: Command | None = None
        self._line = line
        self._link: Link | None = None
        if line is None:
            self._next()
        else:
            self._link = Link(line.fileno(), line.fileno(), greeted=False)

    @property
    def there(self) -> bool:
        """Whether an agent can be spoken to."""
        return self.hello is not None and not self.failure and not self.over

    @property
    def host(self) -> str:
        """What the agent's host calls itself."""
        return str(self.hello["host"]) if self.hello else ""

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
        if self._link is not None and self.there:
            self._link.send(do, **fields)

    def pump(self) -> list[Message]:
        """Move what can be moved; returns what the agent has said."""
        if self._command is not None:
            self._command.listen()
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
        if not (self.failure or self.over):
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
                self.over = True  # it clears up by itself
            case "bye":
                self.over, self.left = True, message["left"]

    def _look(self) -> None:
        """Go on when a command has ended."""
        if self._link is not None:
            if self._link.ended:
                code = None if self._command is None else self._command.ended(ENDING)
                status = "" if code is None else f" with exit code {code}"
                self.fail(f"the connection has ended{status}")
        elif self._command is not None and (code := self._command.ended()) is not None:
            if code:
                self.fail(f"{self._command.program} ended with exit code {code}")
            else:
                self._command.close()
                self._next()

    def _next(self) -> None:
        """Start the next command."""
        argv = self._commands.pop(0)
        last = not self._commands
        try:
            self._command = Command(argv, self._keeper, self._selector, piped=last)
        except OSError as error:
            self.failure = f"{argv[0]}: {error.strerror}"
            return
        if last:
            pipes = self._command.process
            assert pipes.stdin is not None and pipes.stdout is not None
            self._link = Link(pipes.stdout.fileno(), pipes.stdin.fileno(), greeted=False)

    def fail(self, why: str) -> None:
        """Give the site up; what its command has said last comes before `why`, which may know less."""
        noise = b"" if self._link is None or self.hello else self._link.noise
        words = [] if self._command is None else self._command.last_words(noise)
        self.failure = "; ".join([*words, why])
        self.close(kill=True)

    def close(self, kill: bool = False) -> None:
        """Take the link away, which ends the agent and its command; with `kill` the command is not waited for."""
        if self._link is not None:
            self._link.ended = True
            self._link.watch(self._selector)
        if self._line is not None:
            self._line.close()
        command, self._command = self._command, None
        if command is not None:
            command.close(kill)
