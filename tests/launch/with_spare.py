"""`launch` that prepares each next generation at once, and says on standard error when that is done."""

import select
import sys

from pushgrad.launch import run, runner
from pushgrad.launch.cli import main
from pushgrad.launch.spare import Spare


class Prompt(Spare):
    def prepare(self, generation, environ):
        super().prepare(generation, environ)
        select.select([self._line], [], [])
        sys.stderr.write(f"prepared: generation {generation}, pid {self.pid}\n")  # in one piece


runner.SETTLED = 0.0
run.Spare = Prompt
main()
