"""Fixtures for runs: those of `launch`, and runs that nobody has started."""

import json
import os

import pytest

from pushgrad.launch.job import Job
from pushgrad.launch.process_plan import Plan, ProcessSpec
from pushgrad.launch.runs.identity import Identity
from pushgrad.launch.runs.record import Recorder
from pushgrad.launch.runs.stored import Run

SPECS = tuple(
    ProcessSpec(role, rank, ("python", "train.py"), {"TOKEN": "s3cret", "A": "1"}, "node7")
    for role, rank in (("scheduler", 0), ("server", 0), ("worker", 0), ("worker", 1))
)


class Made:
    """A run that tests write as `launch` does."""

    def __init__(self, folder, job_id, launcher, stoppable=True):
        job = Job(
            ("/usr/bin/python3", "train.py", "--lr", "0.1"),
            2,
            1,
            job_id,
            folder / "job",
            folder / job_id,
            config="n = 2\n",
        )
        self.folder = job.run_dir
        self.record = Recorder(job, Plan(SPECS), launcher, stoppable)

    def start(self):
        """Note that all processes have been started."""
        for name in ("sched", "ps0", "w0", "w1"):
            self.record.note("started", process=name, pid=7, host="node8")

    @property
    def run(self):
        return Run.load(self.folder)

    def lines(self, name):
        return [json.loads(line) for line in (self.folder / name).read_text().splitlines()]


@pytest.fixture
def make_run(tmp_path):
    """Makes a run; by default this process is its launcher."""

    made = []

    def make(job_id="20260101-120000-1a2b3c", launcher=None, **options):
        made.append(Made(tmp_path / "runs", job_id, launcher or Identity.of(os.getpid()), **options))
        return made[-1]

    yield make
    for one in made:
        one.record.close()


@pytest.fixture
def gone():
    """The identity of a launcher that has ended; its pid is that of another process now, of this one."""
    here = Identity.of(os.getpid())
    return Identity(here.host, here.boot, here.pid, here.start - 1)
