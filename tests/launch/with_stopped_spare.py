"""`launch` whose spare processes stand still before they have imported anything."""

import os
import signal

from pushgrad.launch import run
from pushgrad.launch.cli import main
from pushgrad.launch.spare import Spare


class Stopped(Spare):
    def prepare(self, generation, environ):
        super().prepare(generation, environ)
        os.kill(self.pid, signal.SIGSTOP)


run.Spare = Stopped
main()
