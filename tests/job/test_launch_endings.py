"""How real jobs end: real scheduler, real servers, real sockets."""

import os
import re
import signal

import pytest
from long_after import long_after

TRAINS = """
import os, signal, sys
import numpy as np
import pushgrad as mx

kv = mx.kv.create("dist_sync")
weight = np.zeros(1000, np.float32)
kv.init("w", weight)
kv.set_optimizer(mx.optimizer.create("sgd", learning_rate=1.0))

def step():
    kv.push("w", np.full(1000, -(kv.rank + 1.0), np.float32))
    kv.pull("w", weight)

step()
"""

REPORTS = TRAINS + "print('ready', flush=True)\n"

BLOCKS = REPORTS + "while True:\n    step()\n"  # until a peer, or launch, ends it


def check_ended(job, left_behind, code, *texts):
    """The exit code, the texts in the last lines, and nothing left: neither process nor port nor folder of sockets."""
    assert job.finish() == code, job.text
    for text in texts:
        assert text in "\n".join(job.errors[-30:]), job.text
    assert left_behind(job.job_id) == []


def pid_of(job, name):
    return int(re.search(rf"\b{name} is pid (\d+)", job.text)[1])


def test_two_workers_and_two_servers_train_a_key(launch, script, left_behind, scratch):
    name = script(TRAINS + "for _ in range(9): step()\nprint(float(weight[0]), weight.min() == weight.max())")
    job = launch("--workers", 2, "--servers", 2, "--verbose", name, real=True)
    check_ended(job, left_behind, 0)
    assert sorted(job.lines) == ["w0 | 30.0 True", "w1 | 30.0 True"]
    for text in ("sched is pid", "event=listening port=", "event=joined role=worker rank=0", "event=left role=worker"):
        assert text in job.text
    said = "launch | a death ends this job: its script trains through mx.kv and does not call kv.restore"
    assert job.text.count(said) == 1
    assert list(scratch.iterdir()) == []


@pytest.mark.long
def test_big_and_many_keys(launch, script, left_behind):
    name = script(
        """
        import numpy as np, pushgrad as mx
        kv = mx.kv.create("dist_sync")
        sizes = {1: 3_000_000, 2: 3, 7: 11}
        for key, size in sizes.items():
            kv.init(key, np.zeros(size, np.float32))
        outs = {key: np.empty(size, np.float32) for key, size in sizes.items()}
        for key, out in outs.items():
            kv.push(key, np.arange(out.size, dtype=np.float32))
            kv.pull(key, out)
            assert np.array_equal(out, kv.num_workers * np.arange(out.size, dtype=np.float32)), key
        print("equal")
        """
    )
    job = launch("--workers", 2, "--servers", 3, name, real=True)
    check_ended(job, left_behind, 0)
    assert sorted(job.lines) == ["w0 | equal", "w1 | equal"]


FAILURES = {
    "exits 1": ("sys.exit(1)", 1, "worker 1 exited with code 1"),
    "exits 3": ("sys.exit(3)", 3, "worker 1 exited with code 3"),
    "raises": ("raise ValueError('not my day')", 1, "ValueError: not my day"),
    "is killed": ("os.kill(os.getpid(), signal.SIGKILL)", 137, "worker 1 was killed by SIGKILL"),
    "exits 0 early": ("os._exit(0)", 1, "worker 1 exited with code 0 before its training had ended"),
    "segfaults": ("os.kill(os.getpid(), signal.SIGSEGV)", 139, "worker 1 was killed by SIGSEGV"),
}


@pytest.mark.parametrize("how", long_after(1, FAILURES))
def test_a_worker_that_fails(launch, script, left_behind, how):
    action, code, text = FAILURES[how]
    job = launch(
        "--workers", 2, script(REPORTS + f"if kv.rank == 1:\n    {action}\nwhile True:\n    step()\n"), real=True
    )
    job.wait_for("| ready")
    check_ended(job, left_behind, code, text, "worker 1 ", "host ", "pid ", "w1.log")
    assert job.seconds < 15


@pytest.mark.long
def test_a_worker_that_ends_in_order_while_another_goes_on(launch, script, left_behind):
    """A clean end in the middle of a synchronous training leaves the other without a partner: an error, no hang."""
    job = launch(
        "--workers", 2, script(REPORTS + "if kv.rank == 1:\n    sys.exit(0)\nwhile True:\n    step()\n"), real=True
    )
    assert job.finish() == 1, job.text
    assert job.seconds < 15 and left_behind(job.job_id) == []


def test_a_worker_that_never_takes_part(launch, script, left_behind):
    name = script("import os\nif os.environ['RANK'] == '1':\n    raise SystemExit\n" + BLOCKS)
    job = launch("--workers", 2, name, real=True)
    check_ended(job, left_behind, 1, "worker 1 exited with code 0 without joining the job")
    assert job.seconds < 10


@pytest.mark.parametrize("name, title", long_after(1, [("ps1", "server 1"), ("sched", "scheduler")]))
def test_server_or_scheduler_killed(launch, script, left_behind, name, title):
    job = launch("--workers", 2, "--servers", 2, "--verbose", script(BLOCKS), real=True)
    job.wait_for("| ready", times=2)
    os.kill(pid_of(job, name), signal.SIGKILL)
    check_ended(job, left_behind, 137, f"{title} was killed by SIGKILL", f"{name}.log")
    assert job.seconds < 20


SIGNALS = [(signal.SIGINT, 130, "interrupted (Ctrl-C)"), (signal.SIGTERM, 143, "ended by SIGTERM")]


@pytest.mark.parametrize(("sent", "code", "text"), long_after(1, SIGNALS))
def test_a_signal_ends_the_job(launch, script, left_behind, sent, code, text):
    job = launch("--workers", 2, script(BLOCKS), real=True)
    job.wait_for("| ready", times=2)
    job.send(sent)
    check_ended(job, left_behind, code, text)


@pytest.mark.long
def test_ctrl_c_twice(launch, script, left_behind):
    stubborn = "import signal\nsignal.signal(signal.SIGINT, lambda *_: print('not now', flush=True))\n" + BLOCKS
    job = launch("--workers", 2, "--grace-period", 300, script(stubborn), real=True)
    job.wait_for("| ready", times=2)
    job.send(signal.SIGINT)
    job.wait_for("| not now", times=1)
    job.send(signal.SIGINT)
    check_ended(job, left_behind, 130)


@pytest.mark.long
def test_launch_killed(launch, script, gone_within, scratch):
    job = launch("--workers", 2, "--servers", 2, script(BLOCKS), real=True)
    job.wait_for("| ready", times=2)
    job.send(signal.SIGKILL)
    job.process.wait()
    assert gone_within(job.job_id, 5.0)


def test_a_worker_that_stops_answering(launch, script, left_behind):
    job = launch("--workers", 2, "--verbose", "--env", "PUSHGRAD_LEASE=2", script(BLOCKS), real=True)
    job.wait_for("| ready", times=2)
    os.kill(pid_of(job, "w1"), signal.SIGSTOP)
    check_ended(job, left_behind, 1, "worker 1 was given up", "no sign of life for 2 s")
    assert job.seconds < 25


def test_a_slow_start_is_no_failure(launch, script, left_behind):
    """The time limit for the start runs from the first worker that joins: a launcher sees who is alive."""
    name = script("import select\nselect.select([], [], [], 1.5)\n" + TRAINS + "print(float(weight[0]))")
    job = launch("--env", "PUSHGRAD_START_TIMEOUT=1", name, real=True)
    check_ended(job, left_behind, 0)
    assert job.lines == ["w0 | 1.0"]


@pytest.mark.long
def test_a_worker_that_comes_too_late(launch, script, left_behind):
    name = script("import os, signal\nif os.environ['RANK'] == '1':\n    signal.pause()\n" + TRAINS)
    job = launch("--workers", 2, "--env", "PUSHGRAD_START_TIMEOUT=1", name, real=True)
    check_ended(job, left_behind, 1, "worker 1", "did not come within 1 s")


@pytest.mark.long
def test_a_scheduler_that_is_stopped_is_named_and_nobody_else(launch, script, left_behind):
    job = launch(
        *("--workers", 2, "--verbose", "--grace-period", 1), script(BLOCKS), real=True, env={"PUSHGRAD_LEASE": "2"}
    )
    job.wait_for("ready", 2)
    os.kill(pid_of(job, "sched"), signal.SIGSTOP)
    check_ended(job, left_behind, 1, "scheduler gave no sign of life", "It is stopped (SIGSTOP)")
    assert "none has failed" not in job.text
