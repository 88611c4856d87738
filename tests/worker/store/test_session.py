"""How a worker leaves: in order, too early, by an error, by a signal, and because of others."""

import json
import os
import signal

import pytest
from long_after import long_after

from pushgrad.worker.store.joining import current_session

JOIN = """
    import os, sys
    from pushgrad.worker.store.joining import current_session
    session = current_session()
"""


def code(text):
    return JOIN + "".join(f"    {line}\n" for line in text.splitlines())


def test_gather_and_barrier(new_job):
    job = new_job(3, 1)
    job.start(
        code(
            "for n in range(20):\n"
            "    parts = session.gather(b'%d %d' % (session.rank, n))\n"
            "    assert parts == [b'%d %d' % (rank, n) for rank in range(3)], parts\n"
            "assert session.gather(bytes(5_000_000 + session.rank))[2] == bytes(5_000_002)\n"
            "session.barrier()\n"
            "print(session.rank, session.num_workers, session.is_distributed)"
        )
    )
    job.succeed()
    assert [job.out(f"worker{rank}") for rank in range(3)] == [f"{rank} 3 True\n" for rank in range(3)]


ALONE = """
full = dict(fit=1, epoch=2, step=3, samples_per_second=4.0, epochs=5, steps=6, seconds_left=7.5)
session.progress(metric=lambda: 'accuracy=0.5', **full)
session.progress(fit=1, epoch=2, step=4, samples_per_second=4.0)
many = ' '.join(f'metric{n}={n / 7}' for n in range(20))
session.progress(fit=1, epoch=2, step=5, samples_per_second=4.0, metric=lambda: many, at_once=True)
try:
    with session.running('fit'):
        raise ValueError
except ValueError:
    print('on')
session.close()
try:
    session.barrier()
except Exception as error:
    print(error)
"""


@pytest.fixture(scope="module")
def alone(new_shared_job):
    """A job of one worker that has ended well, and what its launcher was told."""
    job = new_shared_job(1, 1).start(code(ALONE))
    events = [json.loads(line) for line in job.status]
    job.succeed()
    return job, events


def test_the_launcher_is_told_who_joins_trains_and_leaves(alone):
    job, events = alone
    (joined,) = [event for event in events if event["event"] == "joined" and event["role"] == "worker"]
    assert joined["pid"] == job.processes["worker0"].pid
    assert next(event for event in events if event["event"] == "progress") == {
        "event": "progress",
        "rank": 0,
        "fit": 1,
        "epoch": 2,
        "step": 3,
        "samples_per_second": 4.0,
        "metric": "accuracy=0.5",
        "epochs": 5,
        "steps": 6,
        "seconds_left": 7.5,
    }
    (left,) = [event for event in events if event["event"] == "left" and event["role"] == "worker"]
    assert left["rank"] == 0
    assert events[-1]["event"] == "done"


def test_progress_is_told_now_and_then_or_at_once(alone):
    first, second = (event for event in alone[1] if event["event"] == "progress")
    words = second["metric"].split()
    assert first["step"] == 3 and second["step"] == 5
    assert words == [f"metric{n}={n / 7}" for n in range(len(words))], "whole numbers only"
    assert 200 < len(second["metric"]) <= 256


def test_an_exception_that_is_caught_around_a_fit_is_no_error(alone):
    assert alone[0].out("worker0").splitlines()[0] == "on"


def test_a_closed_session_cannot_be_used(alone):
    assert "this process has left its job" in alone[0].out("worker0").splitlines()[1]


def test_an_uncaught_exception_ends_the_job_at_once_and_is_named(new_job):
    job = new_job(2, 1, lease=60)
    job.start(code("if session.rank == 1:\n    raise ValueError('no such luck')\nsession.barrier()"))
    codes = job.wait(30)
    assert set(codes.values()) == {1}
    assert "ValueError: no such luck" in job.err("worker1")
    reason = "the job ends because of worker 1"
    for name in ("scheduler", "server0", "worker0"):
        assert reason in job.err(name), name
        assert "ValueError: no such luck (worker1.py:6)" in job.err(name), name
    assert "Traceback" not in job.err("worker0")


def test_giving_up_because_of_a_peer_is_75_under_a_launcher(new_job):
    job = new_job(2, 1, PUSHGRAD_LAUNCHED="1")
    job.start(code("if session.rank == 1:\n    raise ValueError('no such luck')\nsession.barrier()"))
    codes = job.wait(30)
    assert codes == {"scheduler": 1, "server0": 75, "worker0": 75, "worker1": 1}


@pytest.mark.parametrize("ending", long_after(1, ["sys.exit(0)", "sys.exit()", "raise SystemExit"]))
def test_leaving_in_the_middle_of_a_fit_is_an_error(new_job, ending):
    job = new_job(2, 1, lease=60)
    job.start(code(f"with session.running('fit'):\n    if session.rank == 0:\n        {ending}\n    session.barrier()"))
    codes = job.wait(30)
    assert set(codes.values()) == {1}
    assert "error: exited before its fit had ended" in job.err("worker0")
    assert "exited before its fit had ended" in job.err("worker1")


def test_exit_codes_of_scripts_stay(new_job):
    job = new_job(1, 1)
    job.start(code("sys.exit(3)"))
    assert job.wait(30) == {"scheduler": 1, "server0": 1, "worker0": 3}, "a failure is no success for anybody"


def test_a_barrier_that_a_worker_has_left_behind_fails_at_once(new_job):
    job = new_job(2, 1, lease=60)
    job.start(code("session.barrier()\nif session.rank == 0:\n    session.barrier()"))
    codes = job.wait(30)
    assert codes["worker0"] == 1
    assert 'worker 1 left the job before "barrier"' in job.err("worker0")


LONG = """
session.barrier()
session.progress(fit=1, epoch=1, step=1, samples_per_second=1.0)
if session.rank == 1:
    import signal
    signal.pause()
session.barrier()
"""


@pytest.mark.parametrize(
    ("victim", "how", "survivors", "told"),
    long_after(
        1,
        [
            ("worker1", signal.SIGKILL, ["scheduler", "server0", "worker0"], "worker 1 on"),
            ("worker1", signal.SIGSTOP, ["scheduler", "server0", "worker0"], "worker 1 on"),
            ("server0", signal.SIGKILL, ["scheduler", "worker0"], "server 0 on"),
            ("scheduler", signal.SIGKILL, ["server0", "worker0"], "the scheduler at ipc:///"),
        ],
    ),
)
def test_a_death_ends_everyone_within_a_lease(new_job, victim, how, survivors, told):
    job = new_job(2, 1, lease=2)
    job.start(code(LONG))
    job.event("progress", rank=1)
    job.processes[victim].send_signal(how)
    codes = job.wait(20, survivors)
    assert set(codes.values()) == {1}
    for name in survivors:
        assert told in job.err(name)
        assert "no sign of life for 2 s" in job.err(name)


def test_waiting_is_told_by_name(new_job):
    job = new_job(2, 1, lease=1)
    os.mkfifo(job.folder / "told")
    job.start(code("if session.rank == 1:\n    open('told').read()\nsession.barrier()"))
    while not job.event("waiting")["text"].startswith("barrier 1 waits for worker 1 ("):
        pass  # before that it may wait for a worker to come
    (job.folder / "told").write_bytes(b"")  # a named pipe: worker 1 goes on
    job.succeed()
    assert "barrier 1 waits for worker 1" in job.err("scheduler")


HELD = """
import re, time
start, n = time.monotonic(), 20
while time.monotonic() - start < 3:  # in C, and no other thread runs meanwhile
    re.match('(a+)+$', 'a' * n + 'b')
    n += 1
session.barrier()
print('alive')
"""


@pytest.mark.long
def test_a_held_gil_is_not_taken_for_death(new_job):
    job = new_job(1, 1, lease=1)
    job.start(code(HELD))
    job.succeed(90)
    assert job.out("worker0") == "alive\n"


def test_alone_a_session_is_a_job_of_one(monkeypatch):
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    session = current_session()
    assert (session.rank, session.num_workers, session.is_distributed, session.local_size) == (0, 1, False, 1)
    assert session.gather(b"x") == [b"x"]
    session.barrier()
    first = session.next_fit()
    assert session.next_fit() == first + 1
    with session.running("fit"):
        session.progress(fit=1, epoch=1, step=1, samples_per_second=1.0)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert session.local_size == 4


def test_a_script_that_is_started_as_a_server_serves(new_job):
    job = new_job(1, 1)
    job.start_scheduler()
    (job.folder / "train.py").write_text("import pushgrad as mx\nkv = mx.kv.create('dist_sync')\nprint('trained')\n")
    import sys

    for name, role in (("server0", "server"), ("worker0", "worker")):
        job.spawn(name, [sys.executable, "train.py"], role)
    job.succeed()
    assert (job.out("worker0"), job.out("server0")) == ("trained\n", "")


REFUSED = """
import threading
import pushgrad as mx
from pushgrad.common.errors import RemoteError
from pushgrad.common.requests import Setup

transport, retired = session.transport, threading.Event()
forget, retire = transport._forget_failed, transport.retire

def late():  # the thread looks for failures only when the caller has given its flight up
    if any(flight.failure for flight in list(transport._flights)):
        retired.wait(20)
    forget()

def early(flight):
    retire(flight)
    retired.set()

kv = mx.kv.create("dist_sync")
transport._forget_failed, transport.retire = late, early
try:
    kv._calls.ask_all(Setup, mode="sync", staleness=0, optimizer={"name": "nonsense"})
except RemoteError as error:
    print(error.code)
"""


def test_a_refused_call_is_forgotten_however_soon_its_caller_gives_up(new_job):
    job = new_job(1, 1).start(code(REFUSED))
    job.succeed(30)
    assert job.out("worker0") == "optimizer\n"


FAILED_JOIN = """
import os
import pushgrad as mx
from pushgrad.common.errors import JobError

def files():
    return len(os.listdir("/proc/self/fd"))

before = None
for _ in range(3):
    try:
        mx.kv.create("dist_sync")
    except JobError as error:
        print(error)
    before = before or files()
assert files() == before, (before, files())
"""


def test_nothing_stays_of_a_join_that_failed(new_job):
    job = new_job(1, 1, start_timeout=0.2)
    job.env["DMLC_PS_ROOT_PORT"] = "1"  # nobody listens there
    job.start_worker(0, FAILED_JOIN)
    job.succeed(30)
    assert job.out("worker0").count("no answer from the scheduler") == 3
