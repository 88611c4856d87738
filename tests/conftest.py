"""Real jobs for tests: scheduler and servers as processes, workers as snippets of Python, outputs in files."""

import contextlib
import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import pytest

ROLE = [sys.executable, "-P", "-m", "pushgrad.ps"]


class Job:
    """Processes of one job. `codes`, `out` and `err` speak of them by names such as scheduler, server0, worker1.

    They meet in the folder `scratch`, or with `ipc` False where processes that are started by hand do.
    """

    def __init__(self, folder, scratch, workers, servers, lease, start_timeout, ipc, env):
        self.folder, self.workers, self.servers, self.processes = folder, workers, servers, {}
        self.env = {key: text for key, text in os.environ.items() if not key.startswith(("DMLC_", "PUSHGRAD_"))}
        self.env |= {
            "DMLC_PS_ROOT_URI": "127.0.0.1",
            "DMLC_PS_ROOT_PORT": "0",
            "DMLC_NUM_WORKER": str(workers),
            "DMLC_NUM_SERVER": str(servers),
            "PUSHGRAD_JOB_ID": "test",
            "PUSHGRAD_LEASE": str(lease),
            "PUSHGRAD_START_TIMEOUT": str(start_timeout),
            "OMP_NUM_THREADS": "1",
            "PYTHONFAULTHANDLER": "1",
            **({"PUSHGRAD_JOB_DIR": str(scratch)} if ipc else {}),
            **env,
        }
        self.status = None

    def spawn(self, name, argv, role=None, rank=None, pass_fds=(), **env):
        own = dict(self.env, **env)
        if role:
            own["DMLC_ROLE"] = role
        if rank is not None:
            own[f"DMLC_{role.upper()}_ID"] = str(rank)
        with open(self.folder / f"{name}.out", "wb") as out, open(self.folder / f"{name}.err", "wb") as err:
            process = subprocess.Popen(argv, env=own, stdout=out, stderr=err, cwd=self.folder, pass_fds=pass_fds)
        self.processes[name] = process
        return process

    def start_scheduler(self, argv=ROLE, **env):
        reading, writing = os.pipe()
        self.status = os.fdopen(reading, "rb")
        self.spawn("scheduler", argv, "scheduler", pass_fds=[writing], PUSHGRAD_STATUS_FD=str(writing), **env)
        os.close(writing)
        self.env["DMLC_PS_ROOT_PORT"] = str(self.event("listening")["port"])
        return self

    def start_server(self, rank, **env):
        return self.spawn(f"server{rank}", ROLE, "server", rank, **env)

    def start_worker(self, rank, code, *arguments, **env):
        path = self.folder / f"worker{rank}.py"
        path.write_text(textwrap.dedent(code))
        return self.spawn(f"worker{rank}", [sys.executable, str(path), *map(str, arguments)], "worker", rank, **env)

    def start(self, code, *arguments):
        """Everything, all workers with the same code."""
        self.start_scheduler()
        for rank in range(self.servers):
            self.start_server(rank)
        for rank in range(self.workers):
            self.start_worker(rank, code, *arguments)
        return self

    def event(self, kind, **fields):
        """The next event of that kind with those fields on the status pipe."""
        for line in self.status:
            event = json.loads(line)
            if event["event"] == kind and all(event.get(key) == value for key, value in fields.items()):
                return event
        raise AssertionError(f"the scheduler ended without {kind} {fields}: {self.err('scheduler')}")

    def wait(self, timeout=60.0, names=None):
        """Exit codes by name, once all (or those of `names`) have ended."""
        deadline = time.monotonic() + timeout
        for name in names or self.processes:
            process = self.processes[name]
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGABRT)  # makes it say where it stands
                process.wait()
                raise AssertionError(f"{name} still ran; it said {self.out(name)} and {self.err(name)}") from None
        return {name: self.processes[name].returncode for name in names or self.processes}

    def succeed(self, timeout=60.0):
        codes = self.wait(timeout)
        assert not any(codes.values()), (codes, {name: self.err(name) for name in codes})

    def out(self, name):
        return (self.folder / f"{name}.out").read_text()

    def err(self, name):
        return (self.folder / f"{name}.err").read_text()

    def stop(self):
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
            process.wait()
        if self.status:
            self.status.close()


@contextlib.contextmanager
def jobs(folder):
    """A function that makes jobs below a folder. Their processes do not outlive the block."""
    made = []
    with tempfile.TemporaryDirectory(prefix="pg-") as scratch:

        def make(workers=1, servers=1, lease=10, start_timeout=30, ipc=True, **env):
            own = folder / f"job{len(made)}"
            own.mkdir()
            meeting = Path(scratch) / str(len(made))
            meeting.mkdir(mode=0o700)
            made.append(Job(own, meeting, workers, servers, lease, start_timeout, ipc, env))
            return made[-1]

        try:
            yield make
        finally:
            for job in made:
                job.stop()


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Ten thousand collected tests are no garbage: a `gc.collect` in one of them need not look through all of them."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def runs_of_the_tests(tmp_path_factory):
    """Where `launch` leaves the runs of these tests: not among those of whoever runs them."""
    os.environ["PUSHGRAD_RUNS"] = str(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def new_job(tmp_path):
    """Makes a Job whose processes do not outlive the test."""
    with jobs(tmp_path) as make:
        yield make


@pytest.fixture(scope="module")
def new_shared_job(tmp_path_factory):
    """Makes a Job in which the cases of a whole file run: starting processes is most of what a small case costs."""
    with jobs(tmp_path_factory.mktemp("shared")) as make:
        yield make
