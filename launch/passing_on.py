"""Signals to the launcher that are meant for the script, and the question where everybody stands."""

from __future__ import annotations

import signal
from collections.abc import Sequence

from .children import Children
from .narration import Narration
from .process_plan import ProcessSpec
from .stacks import name_of
from .state import Member


class PassingOn:
    """Passes SIGUSR1, SIGUSR2 and SIGHUP on to the workers that handle them; SIGUSR1 also lets all say where they are.

    The others would die of it. Workers that are still starting when a signal comes get it once they have a handler.
    """

    def __init__(
        self, specs: Sequence[ProcessSpec], members: dict[str, Member], children: Children, narration: Narration
    ) -> None:
        self._names = [spec.name for spec in specs]
        self._workers = [spec.name for spec in specs if spec.role == "worker"]
        self._members, self._children, self._narration = members, children, narration
        self._held: dict[int, set[str]] = {}  # signal -> workers that may still install a handler for it

    def take(self, signum: int) -> bool:
        """Pass a signal on. Returns whether that is all there is to do.

        A hangup that not all workers handle, or ignore, ends the job, as it would end the script by itself.
        """
        if signum == signal.SIGHUP and not self._children.handle(self._workers, signum):
            return False
        if signum == signal.SIGUSR1:
            self.ask()
        reached = self._children.pass_on(self._workers, signum)
        self._held[signum] = held = {name for name in self._workers if self._is_new(name)} - reached
        to = ", ".join(sorted(reached)) or ("nobody yet" if held else "nobody: no worker has a handler for it")
        later = f"; to {', '.join(sorted(held))} once there is a handler" if held else ""
        self._narration.say(f"{name_of(signum)} is passed on to {to}{later}")
        return True

    def again(self) -> None:
        """Pass on what came too early for some workers; once they have joined the job, they do not want it."""
        for signum, names in self._held.items():
            names -= self._children.pass_on(names, signum) if names else set()
            names &= {name for name in names if self._is_new(name)}

    def ask(self) -> None:
        """Let every process of the job print its Python frames on its standard error."""
        for line in self._children.ask(self._names):
            self._narration.say(line)

    def _is_new(self, name: str) -> bool:
        member = self._members[name]
        return member.code is None and not member.joined
