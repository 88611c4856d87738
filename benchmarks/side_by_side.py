"""Programs that do the same work, each in a process of its own, timed in turns.

Machines drift: a program that ran alone for a minute would be compared with others in another minute. So all of a row's
programs stay up, and do their work one after another, round by round. What is compared are medians of rounds' ratios.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import monotonic

PEERS = Path(__file__).parent / "peers"
CORES = len(os.sched_getaffinity(0))
PATIENCE = 600  # seconds for a start or a turn


@dataclass(frozen=True)
class Program:
    """How to start one: the interpreter's name in Pythons, its arguments before the script, the script, its options.

    All threads of its `processes` together are as many as there are cores; `lines` of the processes take turns.
    `environ` is added to the environment.
    """

    label: str
    python: str
    script: str
    before: tuple[str, ...] = ()
    options: dict = field(default_factory=dict)
    processes: int = 1
    lines: int = 1
    environ: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Target:
    """What is wanted: ours at most (or, `at_least`, ours the other way round) `limit` times the best of `programs`."""

    against: str
    programs: tuple[str, ...]
    limit: float
    at_least: bool = False

    def verdict(self, ratio):
        if ratio is None:
            return "not measured"
        return "met" if (ratio >= self.limit if self.at_least else ratio <= self.limit) else "missed"

    def text(self):
        return f"at {'least' if self.at_least else 'most'} {self.limit:.2f}"


@dataclass(frozen=True)
class Row:
    """Programs that do the same `task`; the first one is ours. A turn holds `units` of the `unit` shown."""

    name: str
    title: str
    programs: tuple[Program, ...]
    targets: tuple[Target, ...]
    task: dict
    unit: str
    units: int = 1


@dataclass
class Outcome:
    """Seconds per unit of each program, round by round; why others have none; the versions that were compared."""

    row: Row
    seconds: dict[str, list[float]] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    def ratio(self, label, ours=None):
        """Ours over theirs: the median of the rounds' ratios; None if one of them was not measured."""
        mine, theirs = self.seconds.get(ours or self.row.programs[0].label), self.seconds.get(label)
        if not mine or not theirs:
            return None
        return median(m / t for m, t in zip(mine, theirs, strict=True))

    def judged(self):
        """(target, program compared with, ratio, verdict) of each target."""
        for target in self.row.targets:
            measured = [label for label in target.programs if self.seconds.get(label)]
            best = min(measured, key=lambda label: median(self.seconds[label]), default=None)
            ratio = None if best is None else self.ratio(best)
            if target.at_least and ratio is not None:
                ratio = 1 / ratio
            yield target, best, ratio, target.verdict(ratio)


class ProgramError(Exception):
    """A program that is not there, ended, or was silent for too long."""


class Child:
    """A program that runs and waits for its turns. Close it whatever happens."""

    def __init__(self, program, row, pythons, data):
        self.program = program
        if not Path(pythons[program.python]).exists():
            raise ProgramError(f"{pythons[program.python]} is not there (make peers installs it)")
        self.folder = tempfile.TemporaryDirectory(prefix="bench-")
        self.log = Path(self.folder.name) / "log"
        self.lines, self.version = [], ""
        self.process = self._start(row, pythons[program.python], data)

    def ready(self):
        """Wait until the program has warmed up."""
        answers = [self._answer(self._accept()) for _ in range(self.program.lines)]
        self.version = answers[0].removeprefix("ready ")

    def turn(self):
        """Seconds that the work took; of several processes, those of the slowest."""
        for line in self.lines:
            line.write("go\n")
            line.flush()
        return max(float(self._answer(line)) for line in self.lines)

    def close(self):
        """End the program: in peace when its line closes, by force if it does not."""
        for line in self.lines:
            line.close()
        self.listener.close()
        try:
            self.process.wait(20 if self.lines else 0)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)  # it leads a group of its own
            self.process.wait()
        self.folder.cleanup()

    def _start(self, row, python, data):
        address = str(Path(self.folder.name) / "turns")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(address)
        self.listener.listen()
        self.listener.settimeout(0.5)
        task = json.dumps({"data": str(data), "mode": "eager", "slices": None, **row.task, **self.program.options})
        command = [python, *self.program.before, str(PEERS / self.program.script), address, task]
        threads = str(max(1, CORES // self.program.processes))
        environ = {**os.environ, "OMP_NUM_THREADS": threads, "PYTHONUNBUFFERED": "1", **self.program.environ}
        with self.log.open("w") as log:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environ, start_new_session=True
            )

    def _accept(self):
        until = monotonic() + PATIENCE
        while True:
            try:
                connection, _ = self.listener.accept()
            except TimeoutError:
                if self.process.poll() is not None or monotonic() > until:
                    raise self._error() from None
                continue
            connection.settimeout(PATIENCE)
            self.lines.append(connection.makefile("rw"))
            return self.lines[-1]

    def _answer(self, line):
        try:
            answer = line.readline().strip()
        except OSError:
            answer = ""
        if not answer:
            raise self._error()
        return answer

    def _error(self):
        said = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()][-1:]
        code = self.process.poll()
        state = f"was silent for {PATIENCE} s" if code is None else f"ended with code {code}"
        return ProgramError(": ".join([state, *said]))


def measure(row, rounds, pythons, data, say):
    """Start the row's programs, let them take turns for `rounds` rounds, and return the Outcome."""
    outcome, children = Outcome(row), {}
    try:
        for program in row.programs:
            say(f"{row.name}: starting {program.label}")
            try:
                children[program.label] = child = Child(program, row, pythons, data)
                child.ready()
                outcome.versions[program.label] = child.version
            except ProgramError as error:
                _leave_out(outcome, children, program.label, error)
        for number in range(1, rounds + 1):
            for label, child in list(children.items()):
                try:
                    outcome.seconds.setdefault(label, []).append(child.turn() / row.units)
                except ProgramError as error:
                    _leave_out(outcome, children, label, error)
            times = ", ".join(f"{label} {times[-1]:.3g} s" for label, times in outcome.seconds.items())
            say(f"{row.name}: round {number} of {rounds}: {times}")
    finally:
        for child in children.values():
            child.close()
    return outcome


def _leave_out(outcome, children, label, error):
    outcome.absent[label] = str(error)
    outcome.seconds.pop(label, None)
    if label in children:
        children.pop(label).close()


def interpreters(torch, mxnet):
    """The interpreters by the names that programs use."""
    return {"pushgrad": sys.executable, "torch": str(torch), "mxnet": str(mxnet)}
