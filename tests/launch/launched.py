"""Running `launch` as a user would, and looking at what it leaves behind."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

# The stand-ins beside this file, then whatever these tests themselves are run with.
PATH = os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])
LIMIT = 110.0  # seconds; a test that needs more has hung, as pytest itself would soon say without the job's output


class Launched:
    """A running `launch`. Its output is collected by threads; `wait_for` blocks until a text has appeared."""

    def __init__(self, argv, cwd, env=None, ignored=(), **popen):
        """`ignored` are names of signals that are ignored from the start, as nohup does; the others are not, even if
        the tests run in the background of a shell.
        """
        self.begin = time.monotonic()
        signals = ["env", "--default-signal=INT,TERM,HUP,QUIT,CHLD", *(f"--ignore-signal={name}" for name in ignored)]
        # The tests may run from a source tree that is not the installed one.
        self.process = subprocess.Popen(
            [*signals, *argv],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": PATH, **(env or {})},
            **{
                "stdin": subprocess.DEVNULL,
                "stdout": subprocess.PIPE,
                "stderr": subprocess.PIPE,
                "start_new_session": True,
                **popen,
            },
        )
        self.out, self.err = bytearray(), bytearray()
        self._news = threading.Condition()
        self._threads = [
            threading.Thread(target=self._collect, args=(pipe, sink), daemon=True)
            for pipe, sink in ((self.process.stdout, self.out), (self.process.stderr, self.err))
            if pipe is not None
        ]
        for thread in self._threads:
            thread.start()

    def _collect(self, pipe, sink):
        while data := os.read(pipe.fileno(), 65536):
            with self._news:
                sink += data
                self._news.notify_all()
        with self._news:
            pipe.close()
            self._news.notify_all()

    def wait_for(self, text, times=1):
        """Wait until `text` has appeared that many times in output and errors together."""
        wanted = text.encode()
        with self._news:
            done = self._news.wait_for(lambda: (self.out + self.err).count(wanted) >= times, LIMIT)
        assert done, f"{text!r} did not come:\n{self.text}"

    def pid(self, name, start=1):
        """Of a process's so many-th start, in a --verbose job; its own output may be here before launch's."""
        self.wait_for(f"{name} is pid ", start)
        return int(re.findall(rf"\b{name} is pid (\d+)", self.text)[start - 1])

    @property
    def text(self):
        return (self.out + b"\n" + self.err).decode("utf-8", "replace")

    @property
    def lines(self):
        """Lines of standard output."""
        return self.out.decode("utf-8", "replace").splitlines()

    @property
    def errors(self):
        """Lines of standard error."""
        return self.err.decode("utf-8", "replace").splitlines()

    @property
    def job_id(self):
        return re.search(r"launch \| job (\S+):", self.text)[1]

    def send(self, signum):
        self.process.send_signal(signum)

    def finish(self):
        """Wait for the end; returns the exit code."""
        try:
            code = self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it has not ended:\n{self.text}") from None
        for thread in self._threads:
            thread.join(LIMIT)
        self.seconds = time.monotonic() - self.begin
        return code

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for thread in self._threads:
            thread.join(LIMIT)


def members(job_id):
    """Pids of the living processes that carry the job's id in their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if f"PUSHGRAD_JOB_ID={job_id}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
            except OSError:
                pass
    return found


def gone_within(job_id, seconds):
    """Whether the last process of a job ends within so many seconds; waits on the processes, not on the clock."""
    end = time.monotonic() + seconds
    for pid in members(job_id):
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            import select

            if not select.select([handle], [], [], max(0.0, end - time.monotonic()))[0]:
                return False
        finally:
            os.close(handle)
    return not members(job_id)


def real(*arguments):
    """The argv of the real command."""
    return [sys.executable, "-m", "pushgrad.launch", *map(str, arguments)]


def faked(*arguments):
    """The argv of the command with stand-ins for scheduler and servers."""
    return [sys.executable, str(Path(__file__).with_name("with_fakes.py")), *map(str, arguments)]
