"""Starts, watches and ends processes of a job on this host, as `launch` says over a connection.

That connection is the leash: when it closes, or nothing has come over it for a lease, the processes are ended. `launch`
says something every few seconds for that reason. A keeper (keeper.py) does the same should the agent itself be killed.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from ...common.function_file import leave
from ...common.left_files import NETWORK, result_file
from ..keeper import PATIENCE, Keeper
from ..local_children import LocalChildren
from ..orphans import Orphans
from ..process_plan import ProcessSpec, inherited
from ..status_reader import StatusReader
from ..surroundings import short_temp_folder, thread_defaults
from .link import PIECE, Link, Message
from .own_host import facts, held_port

TICK = 0.25  # seconds after which it looks around, whatever happens
BEATS = 6  # how often in a lease each side says that it is there
WINDOW = 1 << 20  # bytes of output that are under way: a display that blocks holds up the output and nothing else
DRAIN = 2.0  # seconds after the end in which output is still read: a process that escaped may go on writing
LAST_WORDS = 5.0  # seconds in which `launch` may take them


class Agent:
    """One job's processes on this host. `run` returns when they have ended and `launch` knows it, or is gone."""

    def __init__(self, link: Link, leash: int | None = None, **known: Any) -> None:
        """`leash` is a descriptor whose end is that of the agent, too. Whoever has started the agent may know its
        `address` better than we do, or how many it has started (`size`).
        """
        self._link, self._leash, self._facts = link, leash, {"size": None, **facts(), **known}
        self._selector = selectors.DefaultSelector()
        self._children: LocalChildren | None = None
        self._status = StatusReader()
        self._selector.register(self._status.fd, selectors.EVENT_READ)
        if leash is not None:
            self._selector.register(leash, selectors.EVENT_READ)
        self._pipes: dict[IO[bytes], tuple[str, bool]] = {}
        self._room = WINDOW
        self._lease, self._held = 30.0, False
        self._next_beat = 0.0
        self._whole = self._leave = self._hurry = False
        self._patience = PATIENCE
        self._marks: list[str] = []
        self._folder, self._owns_folder = Path(), False
        self._function = b""
        self._port = held_port()

    def run(self) -> None:
        """Do what `launch` says until it says that it is over, or is not heard of any more."""
        self._link.greet()
        self._link.send("hello", **self._facts, port=self._port.getsockname()[1])
        try:
            while not (self._leave or self._gone()):
                self._once(TICK)
        except OSError as error:
            self._link.send("refused", why=str(error))
        finally:
            self._end()

    def _gone(self) -> bool:
        silent = time.monotonic() - self._link.heard > self._lease
        return self._link.ended or (silent and not self._held)

    def _once(self, patience: float) -> None:
        for key, _ in self._selector.select(patience):
            if key.data is not None:
                self._read(key.data)
            elif key.fd == self._leash:
                self._selector.unregister(self._leash)
                self._link.send("refused", why="the process that held its agent has ended")
                self._leave = True
        self._converse()
        self._report()

    def _converse(self) -> None:
        for message in self._link.receive():
            self._held = False
            getattr(self, f"_do_{message['do']}")(message)
        if time.monotonic() >= self._next_beat:
            self._next_beat = time.monotonic() + self._lease / BEATS
            self._link.send("beat")
        self._link.flush()
        self._link.watch(self._selector)

    def _report(self) -> None:
        if self._children is None:
            return
        self._children.tend()
        self._send_left(NETWORK)
        self._tell_status()
        while (ended := self._children.next_news(self._whole)) is not None:
            self._tell_status()  # what it told the scheduler before its end comes before its end
            self._send_left(NETWORK)
            self._send_left(result_file(ended.name))
            self._link.send("ended", name=ended.name, code=ended.code, left=ended.left)

    def _send_left(self, name: str) -> None:
        """A file that a worker has left, piece by piece."""
        path = self._folder / name
        with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            path.unlink()
            while data := file.read(PIECE):
                self._link.send("left", name=name, data=data, first=file.tell() == len(data))

    def _tell_status(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._status.fd, PIECE):
                self._link.send("status", data=data)
            with contextlib.suppress(KeyError):  # ended: it would always be readable
                self._selector.unregister(self._status.fd)

    def _read(self, pipe: IO[bytes]) -> None:
        if pipe not in self._pipes or self._room <= 0:  # since it was found readable
            return
        name, is_error = self._pipes[pipe]
        if data := os.read(pipe.fileno(), min(PIECE, self._room)):
            self._link.send("output", name=name, error=is_error, data=data)
            self._make_room(-len(data))
        else:
            self._close(pipe)

    def _close(self, pipe: IO[bytes]) -> None:
        name, is_error = self._pipes.pop(pipe)
        with contextlib.suppress(KeyError):
            self._selector.unregister(pipe)
        pipe.close()
        self._link.send("closed", name=name, error=is_error)

    def _make_room(self, change: int) -> None:
        """Read on, or no more, when the bytes that may be under way change."""
        before, self._room = self._room, self._room + change
        for pipe in self._pipes if (before > 0) != (self._room > 0) else ():
            if self._room > 0:
                self._selector.register(pipe, selectors.EVENT_READ, pipe)
            else:
                self._selector.unregister(pipe)

    # What `launch` may say, by `do`.

    def _do_job(self, message: Message) -> None:
        self._marks, self._lease = message["marks"], message["lease"]
        os.chdir(message["workdir"])
        # Agents on one host share the folder, as the processes there share memory; one makes and removes it.
        self._folder = folder = short_temp_folder() / f"pushgrad-{message['folder']}"
        if message["first"]:
            folder.mkdir(mode=0o700)
            self._owns_folder = True
            _write_keys(folder / "keys", message["keys"])
            if self._function:
                leave(folder, self._function)
        environ = inherited(os.environ) | {"PUSHGRAD_JOB_DIR": str(folder), "PUSHGRAD_KEYS": str(folder / "keys")}
        environ |= thread_defaults(message["workers"], environ)
        keeper = Keeper(self._marks, folder, environ)
        self._children = LocalChildren(environ, folder, keeper, Orphans(True), self._selector)
        self._link.send("ready")

    def _do_function(self, message: Message) -> None:
        """A piece of it; the job comes after the last one."""
        self._function += message["data"]

    def _do_start(self, message: Message) -> None:
        assert self._children is not None
        spec = ProcessSpec(message["role"], message["rank"], tuple(message["argv"]), message["env"], "")
        try:
            pid, *pipes = self._children.start(spec, self._status)
        except OSError as error:
            self._link.send("failed", name=spec.name, why=f"{spec.argv[0]}: {error.strerror}")
            for is_error in (False, True):
                self._link.send("closed", name=spec.name, error=is_error)
            return
        finally:
            self._status.close_write_end()
        self._link.send("started", name=spec.name, pid=pid)
        for pipe, is_error in zip(pipes, (False, True), strict=True):
            self._pipes[pipe] = (spec.name, is_error)
            if self._room > 0:
                self._selector.register(pipe, selectors.EVENT_READ, pipe)

    def _do_signal(self, message: Message) -> None:
        assert self._children is not None
        self._held = message["signum"] == signal.SIGSTOP  # `launch` is about to stop as well, and says nothing then
        self._children.signal(message["signum"], message["names"])

    def _do_death(self, message: Message) -> None:
        if self._children is not None:
            self._children.tell_of_death()

    def _do_question(self, message: Message) -> None:
        assert self._children is not None
        asked: dict[str, Callable[..., Any]] = {
            "handle": self._children.handle,
            "pass_on": self._children.pass_on,
            "ask": self._children.ask,
        }
        answer = asked[message["what"]](*message["of"])
        answer = sorted(answer) if isinstance(answer, set) else answer
        self._link.send("answer", number=message["number"], answer=answer)

    def _do_flush(self, message: Message) -> None:
        self._tell_status()
        self._link.send("flushed", number=message["number"])

    def _do_shown(self, message: Message) -> None:
        self._make_room(message["bytes"])

    def _do_whole(self, message: Message) -> None:
        self._whole = message["whole"]

    def _do_end(self, message: Message) -> None:
        self._leave, self._patience = True, message["patience"]

    def _do_hurry(self, message: Message) -> None:
        self._hurry = True

    def _do_beat(self, message: Message) -> None:
        """Nothing to do: that it has come is all."""

    def _end(self) -> None:
        """End what is left, tell the rest, and leave nothing."""
        patience = self._patience if self._leave else PATIENCE
        left = [] if self._children is None else self._children.clear_up(self._marks, patience, self._hurried)
        end = time.monotonic() + DRAIN
        while self._pipes and not self._link.ended and time.monotonic() < end:
            self._once(0.05)
        for pipe in list(self._pipes):
            self._close(pipe)
        if self._owns_folder:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._link.send("bye", left=left)
        end = time.monotonic() + LAST_WORDS
        while self._link.waits and time.monotonic() < end:
            self._once(0.05)

    def _hurried(self) -> bool:
        self._converse()
        return self._hurry


def _write_keys(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(mode=0o700)
    for name, data in files.items():
        path = folder / Path(name).name
        path.touch(mode=0o600)
        path.write_bytes(data)
