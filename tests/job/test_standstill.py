"""Processes that stand still: each is noticed within its lease, counted once, and it is the one that is named."""

import re
import signal
import sys
import time

import pytest

pytestmark = pytest.mark.long

ROLE = [sys.executable, "-P", "-m", "pushgrad.ps"]

STEPS = """
    import time
    import numpy as np
    import pushgrad as mx

    kv = mx.kv.create("dist_sync")
    kv.init("w", np.zeros(3, np.float32))
    out = np.empty(3, np.float32)
    for n in range(1, 1_000_000):
        kv.push("w", np.ones(3, np.float32))
        kv.pull("w", out)
        if n % 5 == 0:
            kv.session.progress(fit=1, epoch=1, step=n, samples_per_second=1.0)
"""


@pytest.fixture
def running(new_job):
    def start(lease):
        job = new_job(2, 1, lease=lease).start(STEPS)
        job.event("progress")
        return job

    return start


def test_after_a_standstill_of_all_a_death_is_noticed_in_a_lease(running):
    job = running(3)
    for process in job.processes.values():
        process.send_signal(signal.SIGSTOP)
    time.sleep(6)  # twice the lease, as a suspended machine
    job.processes["worker1"].kill()
    for process in job.processes.values():
        process.send_signal(signal.SIGCONT)
    begin = time.monotonic()
    job.wait(20)
    seconds = time.monotonic() - begin
    print("seconds:", round(seconds, 1))
    assert seconds < 9, "the standstill has been added to the lease"
    assert "because of worker 1" in job.err("scheduler")
    assert "no sign of life for 3 s" in job.err("worker0")


def test_a_standstill_of_all_ends_nothing(running):
    job = running(2)
    for process in job.processes.values():
        process.send_signal(signal.SIGSTOP)
    time.sleep(4)
    for process in reversed(job.processes.values()):
        process.send_signal(signal.SIGCONT)
    for _ in range(3):
        job.event("progress")


def test_a_scheduler_that_was_started_anew_refuses_the_old_ones(running):
    job = running(30)
    job.processes["scheduler"].kill()
    job.processes["scheduler"].wait()
    begin = time.monotonic()
    job.spawn("another", ROLE, "scheduler")
    codes = job.wait(20, ["worker0", "worker1", "server0"])
    print("seconds:", round(time.monotonic() - begin, 1))
    assert set(codes.values()) == {1}
    for name in codes:
        assert "is another one than at the start" in job.err(name)
        assert "start all of its processes again" in job.err(name)


def test_a_scheduler_that_is_stopped_is_named_by_all(running):
    job = running(2)
    job.processes["scheduler"].send_signal(signal.SIGSTOP)
    codes = job.wait(20, ["worker0", "worker1", "server0"])
    assert set(codes.values()) == {1}
    for name in codes:
        assert re.search(r"the scheduler at ipc://\S+ is lost: no sign of life for 2 s", job.err(name))


STANDS = """
    import sys, time
    import pushgrad as mx
    from pushgrad.worker.store.joining import current_session

    session = current_session()

    def load_forever():
        {what}

    if session.rank == 1:
        load_forever()
    session.barrier()
"""


@pytest.mark.parametrize(
    ("what", "named"),
    [
        ("time.sleep(600)", r"worker 1 stands at worker1.py:\d+ in load_forever for 2 s and more"),
        ("__import__('re').match('(a+)+$', 'a' * 60 + 'b')", r"worker 1 has run no Python for \d+ s"),
    ],
    ids=["sleeps", "holds the interpreter"],
)
def test_where_a_worker_stands_still_is_said(new_job, what, named):
    job = new_job(2, 1, lease=1).start(STANDS.format(what=what))
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        text = job.event("waiting")["text"]
        assert "waits for worker 1" in text
        if re.search(named, text):
            return
    raise AssertionError(job.err("scheduler"))
