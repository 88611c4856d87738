"""Runs small real jobs over and over while processes are killed and stopped and connections cut, at seeded moments.

    python tests/soak.py --seconds 3600
    python tests/soak.py --seed 17 --jobs 1       the faults of one of them again

After each job: the bits of an undisturbed one, and no process, file or socket left behind. `launch` must not grow.
"""

import argparse
import contextlib
import ctypes
import os
import random
import re
import shutil
import signal
import socket
import stat
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).with_name("launch")))
import launched

launched.LIMIT = 300.0
LEASE = 6.0
GROWTH = 8 << 20  # bytes by which `launch` may grow from a job's second generation on: by then it has imported all
TRAINS = """
import time, zlib
import numpy as np
import pushgrad as mx

def network():
    s = mx.symbol
    layer = s.Activation(s.FullyConnected(s.Variable("data"), num_hidden=64), act_type="tanh")
    return s.SoftmaxOutput(s.FullyConnected(s.Dropout(layer, p=0.3), num_hidden=3), name="softmax")

mx.random.seed(3)
draw = np.random.default_rng(5)
X, y = draw.random((120, 400), np.float32), draw.integers(0, 3, 120).astype(np.float32)
model = mx.FeedForward.create(
    network(), mx.io.NDArrayIter(X, y, 12, shuffle=True), num_epoch=8, slices=4, learning_rate=0.05, momentum=0.9,
    initializer=mx.init.Uniform(0.2), batch_end_callback=lambda param: time.sleep(0.03),
)
arrays = [model.arg_params[name] for name in sorted(model.arg_params)]
if mx.rank() == 0:
    print("end of the training", model.num_update, zlib.crc32(b"".join(array.tobytes() for array in arrays)))
"""


class Job:
    """One job in a folder of its own, which is removed. `faults` says what befell it."""

    def __init__(self, seed):
        self.random, self.faults, self.restarts = random.Random(seed), [], 0
        self.folder = Path(tempfile.mkdtemp(prefix="pg-soak-"))
        (self.folder / "train.py").write_text(TRAINS)
        self.scratch = self.folder / "tmp"
        self.scratch.mkdir()
        options = ["--verbose", "--workers", self.random.choice((1, 2, 2)), "--servers", self.random.choice((1, 2))]
        options += ["--max-restarts", 100, "--snapshot", "5steps"]
        self.command = launched.real(*options, "train.py")
        self.resumed = launched.real(*options, "--resume", "auto", "train.py")
        self.job_ids = set()
        self.start(self.command)

    def start(self, command):
        self.memory = []
        folders = {"TMPDIR": str(self.scratch), "PUSHGRAD_RUNS": str(self.folder / "runs")}
        self.launched = launched.Launched(
            command, self.folder, {**folders, "OMP_NUM_THREADS": "1", "PUSHGRAD_LEASE": str(LEASE)}
        )

    # ---- faults

    def disturb(self, most):
        """Up to so many faults, each some time after the one before."""
        kinds = (self.kill, self.kill, self.kill, self.cut, self.cut, self.pause, self.stand_still, self.kill_launch)
        for _ in range(self.random.randint(1, most)):
            time.sleep(self.random.uniform(0.2, 4.0))
            if self.launched.process.poll() is not None:
                return
            fault = self.random.choice(kinds)
            with contextlib.suppress(ProcessLookupError):  # it has ended since, or is not yet ready for it
                self.faults.append(fault())
                if self._generation() > 1:
                    self.memory.append(_resident(self.launched.process.pid))

    def _generation(self):
        return self.launched.text.count("sched is pid")

    def _someone(self):
        found = dict(re.findall(r"\b(\w+) is pid (\d+)", self.launched.text))
        if not found:
            raise ProcessLookupError
        name = self.random.choice(sorted(found))
        return name, int(found[name])

    def kill(self):
        name, pid = self._someone()
        os.kill(pid, signal.SIGKILL)
        return f"kill {name}"

    def pause(self):
        return self._stop(self.random.uniform(0.1, LEASE / 3))

    def stand_still(self):
        return self._stop(1.5 * LEASE)

    def _stop(self, seconds):
        name, pid = self._someone()
        handle = os.pidfd_open(pid)
        try:
            signal.pidfd_send_signal(handle, signal.SIGSTOP)
            time.sleep(seconds)
            with contextlib.suppress(ProcessLookupError):  # the job has restarted, or ended, because of it
                signal.pidfd_send_signal(handle, signal.SIGCONT)
        finally:
            os.close(handle)
        return f"stop {name} {seconds:.1f} s"

    def cut(self):
        name, pid = self._someone()
        count = cut_connections(pid, self.random)
        if not count:
            raise ProcessLookupError(f"{name} has no connection yet")
        return f"cut {count} of {name}"

    def kill_launch(self):
        """The end of this job; another goes on from its last snapshot."""
        job_id = self._job_id()
        self.restarts += self._generation()
        self.launched.process.kill()
        self.launched.finish()
        limit = time.monotonic() + 30
        while (left := launched.members(job_id)) and time.monotonic() < limit:
            time.sleep(0.1)
        assert not left, f"processes outlive launch: {_commands(left)}"
        self._clear_job_folders(time.monotonic() + 10)
        self.start(self.resumed)
        return "kill launch"

    def _job_id(self):
        self.launched.wait_for("launch | job ")
        self.job_ids.add(self.launched.job_id)
        return self.launched.job_id

    def _clear_job_folders(self, limit):
        """The keeper of a launch that was killed removes the job's folder, a while after the last process has ended.

        If it was killed before it had a keeper, the folder stays until the system clears its temporary files.
        """
        while any(self.scratch.iterdir()) and time.monotonic() < limit:
            time.sleep(0.05)
        shutil.rmtree(self.scratch)
        self.scratch.mkdir()

    # ---- the end

    def end(self):
        """The line with the bits. AssertionError if anything is not as it must be."""
        self._job_id()
        code = self.launched.finish()
        assert code == 0, f"exit code {code}\n{self.launched.text[-4000:]}"
        for job_id in self.job_ids:
            assert not launched.members(job_id), f"processes are left: {_commands(launched.members(job_id))}"
        assert not list(self.scratch.iterdir()), f"files are left: {list(self.scratch.iterdir())}"
        self.restarts += self._generation() - 1
        growth = max(self.memory, default=0) - (self.memory[0] if self.memory else 0)
        assert growth < GROWTH, f"launch has grown by {growth >> 20} MiB"
        return next(line for line in self.launched.lines if "end of the training" in line)

    def clear(self):
        self.launched.stop()
        shutil.rmtree(self.folder)


def cut_connections(pid, chance):
    """Shut down one of the process's named stream connections, or two or three, as if their network had; how many."""
    libc = ctypes.CDLL(None, use_errno=True)
    handle, found = os.pidfd_open(pid), []
    try:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if not stat.S_ISSOCK(entry.stat().st_mode):
                    continue
                fd = libc.syscall(438, handle, int(entry.name), 0)  # pidfd_getfd
                if fd >= 0:
                    found.append(socket.socket(fileno=fd))
        named = [one for one in found if _is_named_connection(one)]
        chosen = chance.sample(named, min(len(named), chance.randint(1, 3)))
        for one in chosen:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        return len(chosen)
    finally:
        os.close(handle)
        for one in found:
            one.close()


def _is_named_connection(one):
    try:
        return one.type == socket.SOCK_STREAM and bool(one.getpeername() or one.getsockname())
    except OSError:  # it listens, or is not connected any more
        return False


def _commands(pids):
    return [Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ") for pid in pids]


def _resident(pid):
    try:
        return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) << 10
    except (OSError, TypeError):
        raise ProcessLookupError from None


def left_outside():
    """What of ours is in the places where all processes leave things, but for where jobs without `launch` meet: that
    folder stays, and is none of these jobs'.
    """
    found = {path for folder in ("/tmp", "/dev/shm") for path in Path(folder).glob("*pushgrad*")}
    return found - {Path(f"/tmp/pushgrad-jobs-{os.getuid()}")}


def run(seed, faults):
    """One job with the faults of `seed`; its line with the bits."""
    begun, job = time.monotonic(), Job(seed)
    try:
        if faults:
            job.disturb(faults)
        line = job.end()
    except AssertionError:
        print(
            f"seed {seed}: {'; '.join(job.faults)}\nagain by: python tests/soak.py --seed {seed} --jobs 1", flush=True
        )
        raise
    finally:
        job.clear()
    print(f"seed {seed}: {time.monotonic() - begun:.0f} s, {'; '.join(job.faults) or 'undisturbed'}", flush=True)
    return line, len(job.faults), job.restarts


def seconds_of(text):
    """60, 60s, 5m or 1h in seconds."""
    number, unit = re.fullmatch(r"(\d+)([smh]?)", text).groups()
    return int(number) * {"": 1, "s": 1, "m": 60, "h": 3600}[unit]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=seconds_of, default=3600, help="how long, such as 60s, 5m or 1h")
    parser.add_argument("--seed", type=int, default=0, help="the first job's; the others' follow")
    parser.add_argument("--jobs", type=int, help="how many jobs, however long they take")
    options = parser.parse_args()
    before, begun, jobs, faults, restarts = left_outside(), time.monotonic(), 0, 0, 0
    expected, _, _ = run(options.seed, 0)
    while jobs < options.jobs if options.jobs else time.monotonic() - begun < options.seconds:
        line, more, again = run(options.seed + jobs, 5)
        assert line == expected, f"seed {options.seed + jobs}: {line} is not {expected}"
        jobs, faults, restarts = jobs + 1, faults + more, restarts + again
    assert left_outside() <= before, f"files are left: {left_outside() - before}"
    seconds = time.monotonic() - begun
    print(f"{jobs} jobs, {faults} faults, {restarts} restarts, {seconds:.0f} s: the same bits, nothing left behind")


if __name__ == "__main__":
    main()
