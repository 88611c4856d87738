"""Signals with real servers: a worker that saves when it is told to end, and launchers that stand still."""

import os
import re
import select
import signal
import time
from pathlib import Path

import pytest
from long_after import long_after

SAVES = """
import os, signal, sys
import numpy as np
import pushgrad as mx
kv = mx.kv.create("dist_sync")
weight = np.zeros(1000, np.float32)
kv.init("w", weight)
last = []
def handler(signum, frame):
    last.append(signum)
signal.signal(signal.SIGTERM, handler)
def step():
    kv.push("w", np.ones(1000, np.float32))
    kv.pull("w", weight)
def agreed():
    flag = np.zeros(1, np.float32)
    kv.push("flag", np.array([len(last)], np.float32))
    kv.pull("flag", flag)
    return flag[0] > 0
kv.init("flag", np.zeros(1, np.float32))
step()
print("ready", flush=True)
try:
    while not agreed():
        step()
except KeyboardInterrupt:
    pass
step()
print("saved", flush=True)
"""


# Interrupts come between any two lines: nobody takes another step, and nobody leaves while the other is still in one.
MEET = """
open(f"met{kv.rank}", "w").close()
while not (os.path.exists("met0") and os.path.exists("met1")):
    pass
"""


@pytest.mark.parametrize("signum, code", long_after(1, [(signal.SIGTERM, 143), (signal.SIGINT, 130)]))
def test_workers_finish_their_step_and_save(launch, script, left_behind, signum, code):
    text = SAVES if signum == signal.SIGTERM else SAVES.replace('step()\nprint("saved', MEET + 'print("saved')
    job = launch("--workers", 2, "--grace-period", 60, script(text), real=True)
    job.wait_for("| ready", times=2)
    job.send(signum)
    assert job.finish() == code, job.text
    assert sorted(job.lines[-2:]) == ["w0 | saved", "w1 | saved"], job.text
    assert job.seconds < 30 and left_behind(job.job_id) == []


LASTS = """
import os, select, time
import numpy as np
import pushgrad as mx
kv = mx.kv.create("dist_sync")
weight = np.zeros(10, np.float32)
kv.init("w", weight)
print("ready", flush=True)
while not os.path.exists("full"):
    time.sleep(0.01)
for _ in range(300):  # for several leases
    time.sleep(0.01)
    kv.push("w", np.ones(10, np.float32))
    kv.pull("w", weight)
open("done", "w").close()
"""


def pid_of(job, name):
    return int(re.search(rf"\b{name} is pid (\d+)", job.text)[1])


def fill_status_pipe(pid):
    """Write empty lines into the scheduler's pipe to its launcher until it takes no more."""
    env = dict(item.split(b"=", 1) for item in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0") if b"=" in item)
    fd = os.open(f"/proc/{pid}/fd/{int(env[b'PUSHGRAD_STATUS_FD'])}", os.O_WRONLY | os.O_NONBLOCK)
    try:
        while True:
            os.write(fd, b"\n" * 4096)
    except BlockingIOError:
        pass
    finally:
        os.close(fd)


@pytest.mark.long
def test_a_stopped_launcher_costs_nothing(launch, script, tmp_path):
    """Nobody reads what the scheduler reports, and it goes on all the same."""
    job = launch("--workers", 2, "--verbose", "--env", "PUSHGRAD_LEASE=1", script(LASTS), real=True)
    job.wait_for("| ready", times=2)
    job.send(signal.SIGSTOP)
    fill_status_pipe(pid_of(job, "sched"))
    handles = [os.pidfd_open(pid_of(job, name)) for name in ("w0", "w1")]
    (tmp_path / "full").touch()
    for handle in handles:
        assert select.select([handle], [], [], 30)[0], "the workers did not end"
        os.close(handle)
    assert (tmp_path / "done").exists()
    job.send(signal.SIGCONT)
    assert job.finish() == 0, job.text


@pytest.mark.long
def test_ctrl_z_for_longer_than_a_lease(launch, script, tmp_path):
    job = launch(
        "--workers", 2, "--env", "PUSHGRAD_LEASE=1", script(LASTS), real=True, start_new_session=False, process_group=0
    )
    job.wait_for("| ready", times=2)
    job.send(signal.SIGTSTP)
    _, status = os.waitpid(job.process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    (tmp_path / "full").touch()
    time.sleep(2.5)  # the lease is what is tested
    assert not (tmp_path / "done").exists()
    job.send(signal.SIGCONT)
    assert job.finish() == 0, job.text
    assert (tmp_path / "done").exists()
