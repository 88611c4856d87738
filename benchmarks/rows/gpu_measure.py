"""Turns of the GPU's programs: as in side_by_side, with answers that hold more, a deadline, and longer last words."""

import json
import subprocess
from dataclasses import dataclass, field
from statistics import median
from time import monotonic

import side_by_side
from side_by_side import Child, Outcome, ProgramError

QUOTED_LINES, QUOTED_LENGTH = 4, 200  # of the log of a program that failed
ENDING = 5  # seconds that a program which has closed its line may need to end


@dataclass
class GpuOutcome(Outcome):
    """Also what each program learned, by label, the versions of each one's libraries, and where its time goes."""

    accuracy: dict[str, float | None] = field(default_factory=dict)
    libraries: dict[str, str] = field(default_factory=dict)
    kernels: dict[str, list] = field(default_factory=dict)

    def throughputs(self):
        """Examples per second of each program; none for rows without examples."""
        timed = self.seconds.items() if self.row.examples else ()
        return {label: self.row.examples / median(times) for label, times in timed if label not in self.row.quoted}

    def notes(self):
        """Lines to print below the row's table."""
        for label, share in self.accuracy.items():
            told = "could not be told" if share is None else f"{share:.4f}"
            enough = share is not None and share > self.row.accuracy
            wanted = "" if enough else f", WANTED: more than {self.row.accuracy}"
            yield f"{label}: accuracy on the training digits {told}{wanted}"
        yield from (f"{label}: {speed:.0f} examples/s" for label, speed in self.throughputs().items())
        for label, kernels in self.kernels.items():
            yield f"{label}: where a turn of {self.row.units} goes"
            yield from (f"  {seconds * 1e3:9.2f} ms {count:7d} x  {name[:100]}" for name, seconds, count in kernels)


class GpuChild(Child):
    """A program whose answers are JSON."""

    def ready(self):
        """Wait until it has warmed up; what it says of itself."""
        return json.loads(self._answer(self._accept()).removeprefix("ready "))

    def turn(self, kind="go"):
        """The answer to a turn, which a "profile" makes longer."""
        self.lines[0].write(f"{kind}\n")
        self.lines[0].flush()
        return json.loads(self._answer(self.lines[0]))

    def _error(self):
        try:
            state = f"ended with code {self.process.wait(ENDING)}"
        except subprocess.TimeoutExpired:
            state = f"gave no answer within {side_by_side.PATIENCE} s"
        said = (line.strip() for line in self.log.read_text(errors="replace").splitlines())
        lines = [line[:QUOTED_LENGTH] for line in said if line.strip("^~ ")]  # Python underlines what failed
        return ProgramError(" | ".join([state, *lines[-QUOTED_LINES:]]))


class Turns:
    """The programs of a row, started and taking turns until `deadline`. Close it whatever happens."""

    def __init__(self, row, pythons, data, say, deadline):
        self.row, self.pythons, self.data, self.say, self.deadline = row, pythons, data, say, deadline
        self.outcome, self.children = GpuOutcome(row), {}

    def start(self):
        for program in self.row.programs:
            if monotonic() > self.deadline:
                self.leave_out(program.label, "no time was left to start it")
                continue
            self.say(f"{self.row.name}: starting {program.label}")
            self.attempt(program.label, self._start, program)

    def round(self, number, rounds):
        for label in list(self.children):
            self.attempt(label, self._turn, label)
        said = ", ".join(f"{label} {seconds[-1]:.4g} s" for label, seconds in self.outcome.seconds.items())
        self.say(f"{self.row.name}: round {number} of {rounds}: {said}")

    def profile(self):
        """A turn under torch's profiler; a program that cannot be profiled has been timed all the same."""
        for label, child in self.children.items():
            try:
                answer = child.turn("profile")
                self.outcome.kernels[label] = [["the turn itself", answer["seconds"], 1], *answer["kernels"]]
            except (ProgramError, OSError, ValueError) as error:
                self.say(f"{self.row.name}: no profile of {label}: {error}")

    def attempt(self, label, step, *arguments):
        """Do a step of that program; if it fails, the row goes on without it."""
        try:
            step(*arguments)
        except (ProgramError, OSError, ValueError) as error:
            self.leave_out(label, str(error))

    def leave_out(self, label, why):
        self.outcome.absent[label] = why
        self.outcome.seconds.pop(label, None)
        self.say(f"{self.row.name}: {label} is left out: {why}")
        if label in self.children:
            self.children.pop(label).close()

    def close(self):
        for child in self.children.values():
            child.close()

    def _start(self, program):
        self.children[program.label] = child = GpuChild(program, self.row, self.pythons, self.data)
        told = child.ready()
        self.outcome.libraries |= told["versions"]
        if "accuracy" in told:
            self.outcome.accuracy[program.label] = told["accuracy"]

    def _turn(self, label):
        seconds = self.children[label].turn()["seconds"] / self.row.units
        self.outcome.seconds.setdefault(label, []).append(seconds)


def measure(row, rounds, profiled, pythons, data, say, deadline):
    """Let the row's programs take turns for `rounds` rounds, or fewer by the deadline, and return the GpuOutcome.

    `row.task["rounds"]` tells them how many turns there will be.
    """
    turns = Turns(row, pythons, data, say, deadline)
    try:
        turns.start()
        done = 0
        while turns.children and done < rounds and (done == 0 or monotonic() < deadline):
            done += 1
            turns.round(done, rounds)
        if profiled:
            turns.profile()
    finally:
        turns.close()
    turns.outcome.seconds |= {label: [seconds] * done for label, seconds in row.quoted.items() if done}
    return turns.outcome
