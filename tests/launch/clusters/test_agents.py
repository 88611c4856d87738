"""Jobs whose processes an agent starts, with a stand-in for ssh that starts it on this host."""

import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest

FAKE = Path(__file__).parents[1] / "fake_job.py"

# As OpenSSH, it takes options, then `--`, a host and a command for the shell there.
SSH = """#!/bin/sh
while [ "$1" != -- ]; do shift; done
[ "$2" = broken ] && { echo "ssh: connect to host broken: No route to host" >&2; exit 255; }
[ "$2" = noisy ] && { echo "Welcome! You have mail."; }
export SSH_CONNECTION="127.0.0.1 1 127.0.0.1 22"
exec sh -c "$3"
"""


@pytest.fixture
def start(launch, script, tmp_path):
    """Starts `launch --cluster ssh` with stand-ins for ssh, the scheduler and servers."""
    path = tmp_path / "bin" / "ssh"
    path.parent.mkdir()
    path.write_text(SSH)
    path.chmod(0o755)
    environ = {"PATH": os.pathsep.join([str(path.parent), os.environ["PATH"]])}

    def run(text, *options, hosts="there slots=2", lease=30, **popen):
        (tmp_path / "hosts").write_text(hosts + "\n")
        given = ["--cluster", "ssh", "--hostfile", "hosts", *options, script(text)]
        return launch(*given, env={**environ, "PUSHGRAD_LEASE": str(lease)}, **popen)

    return run


def test_a_whole_job_behind_a_talkative_shell(start, left_behind):
    text = """
        import os, sys, fake_job
        fake_job.join()
        print("out", os.environ["LOCAL_RANK"], oct(os.stat(os.environ["PUSHGRAD_KEYS"]).st_mode & 0o777))
        print("error", file=sys.stderr)
        os.write(1, b"x" * 3_000_000 + b"\\n")
        fake_job.leave()
    """
    job = start(text, "--env", "API_TOKEN=hunter2", hosts="noisy slots=2")
    assert job.finish() == 0, job.text[:2000]
    assert {"w0 | out 0 0o700", "w1 | out 1 0o700"} <= set(job.lines)
    assert job.errors.count("w1 | error") == 1
    # More than may be under way at once, from both.
    assert sum(len(line) - len("w0 | ") for line in job.lines if "xxx" in line) == 6_000_000
    assert left_behind(job.job_id) == []


def test_a_failure_and_its_last_words(start, left_behind, scratch):
    text = """
        import os, sys, fake_job
        fake_job.join()
        fake_job.wait_for_all()
        if os.environ["RANK"] == "1":
            sys.exit("no such luck")
        fake_job.threading.Event().wait()
    """
    job = start(text)
    assert job.finish() == 1
    assert "launch |     no such luck" in job.errors
    assert re.search(r"worker 1 exited with code 1 \(host there, pid [1-9]\d+, after", job.errors[-2])
    assert left_behind(job.job_id) == []
    assert list(scratch.iterdir()) == [], "no keys"


WAIT = """
    import signal, fake_job
    signal.signal(signal.SIGUSR1, lambda *_: print("told", flush=True))
    fake_job.join()
    print("ready", flush=True)
    while True:
        signal.pause()
"""


def test_signals_reach_the_workers(start, left_behind):
    job = start(WAIT)
    job.wait_for("| ready", 2)
    job.send(signal.SIGUSR1)
    job.wait_for("| told", 2)
    job.wait_for("SIGUSR1 is passed on to w0, w1")
    job.send(signal.SIGTERM)
    assert job.finish() == 143, job.text
    assert left_behind(job.job_id) == []


def test_workers_are_told_when_a_death_ends_their_job(start):
    text = """
        import os, pathlib, signal, fake_job
        def end(*_):
            print("told", (pathlib.Path(os.environ["PUSHGRAD_JOB_DIR"]) / "death").exists(), flush=True)
            os._exit(0)
        signal.signal(signal.SIGTERM, end)
        fake_job.join()
        fake_job.wait_for_all()
        if os.environ["RANK"] == "1":
            os.kill(os.getpid(), signal.SIGKILL)
        fake_job.threading.Event().wait()
    """
    job = start(text, "--max-restarts", 0)
    assert job.finish() == 137, job.text
    assert "w0 | told True" in job.lines


def test_the_leash(start, gone_within):
    """The agent ends its processes when nobody holds the other end of its input."""
    job = start(WAIT)
    job.wait_for("| ready", 2)
    job.send(signal.SIGKILL)
    job.finish()
    assert gone_within(job.job_id, 10)


def test_an_agent_that_is_killed(start, gone_within, left_behind):
    job = start(WAIT)
    job.wait_for("| ready", 2)
    worker = left_behind(job.job_id)[-1]
    with open(f"/proc/{worker}/stat") as file:
        agent = int(file.read().rpartition(")")[2].split()[1])
    os.kill(agent, signal.SIGKILL)
    assert job.finish() == 1, job.text
    assert "worker 1 was lost: there: the connection has ended" in job.errors[-2]
    assert gone_within(job.job_id, 10)


def test_a_lost_host_is_reached_again(start, left_behind):
    """The job begins anew behind a new agent; what the old one may have left behind has another generation."""
    text = """
        import os, signal, fake_job
        fake_job.join()
        print("ready", os.environ["PUSHGRAD_GENERATION"], flush=True)
        if os.environ["PUSHGRAD_GENERATION"] == "1":
            signal.pause()
        fake_job.leave()
    """
    job = start(text, "--max-restarts", 1)
    job.wait_for("| ready 1", 2)
    worker = left_behind(job.job_id)[-1]
    with open(f"/proc/{worker}/stat") as file:
        agent = int(file.read().rpartition(")")[2].split()[1])
    os.kill(agent, signal.SIGKILL)
    assert job.finish() == 0, job.text
    assert sorted(job.lines) == ["w0 | ready 1", "w0 | ready 2", "w1 | ready 1", "w1 | ready 2"]
    assert "worker 1 was lost: there: the connection has ended" in job.text and "0 restarts left" in job.text
    assert left_behind(job.job_id) == []


def test_hosts_that_cannot_be_used(start):
    job = start("", hosts="broken\nthere")
    assert job.finish() == 1, job.text
    assert "1 of 2 hosts cannot be used: broken: ssh: connect to host broken: No route to host" in job.errors[-2]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--workdir", "/no/such"], "there: [Errno 2] No such file or directory: '/no/such'"),
        (["--python", "/no/python"], "/no/python: not found"),
        (["--sync", "--workdir", "/proc/no"], "rsync"),
    ],
)
def test_what_is_missing_there(start, options, told):
    job = start("", *options)
    assert job.finish() == 1, job.text
    assert told in job.errors[-2] and job.seconds < 20


def state_of(pid):
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0]


def test_ctrl_z_stops_the_job_for_longer_than_a_lease(start, left_behind):
    # Not a session of its own: the system does not stop a process that no shell could continue.
    job = start(WAIT, lease=1, start_new_session=False, process_group=0)
    job.wait_for("| ready", 2)
    job.send(signal.SIGTSTP)
    _, status = os.waitpid(job.process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    pids = left_behind(job.job_id)
    until = time.monotonic() + 1.5  # more than the lease
    while time.monotonic() < until:
        assert set(left_behind(job.job_id)) == set(pids)
        time.sleep(0.1)
    assert [state_of(pid) for pid in pids].count("T") == 4, "scheduler, server and workers"
    job.send(signal.SIGCONT)
    job.send(signal.SIGUSR1)
    job.wait_for("| told", 2)
    job.send(signal.SIGTERM)
    assert job.finish() == 143, job.text
    assert left_behind(job.job_id) == []


def test_a_function_goes_there_and_its_values_come_back_in_pieces(start, scratch):
    pytest.importorskip("cloudpickle", reason="needs cloudpickle")
    text = f"""
        import functools, os, sys
        from pushgrad import run, JobFailed
        from pushgrad.launch import options
        options.Job = functools.partial(options.Job, role_command=(sys.executable, {str(FAKE)!r}))
        held = "x" * 300_000

        def train(fails):
            if fails and os.environ["RANK"] == "1":
                raise ValueError("no data")
            return int(os.environ["RANK"]), held

        there = {{"cluster": "ssh", "hostfile": "hosts", "servers": 1}}
        outcome = run(train, False, **there)
        assert outcome.values == [(0, held), (1, held)]
        print(oct((outcome.folder / "w1.result").stat().st_mode & 0o777))
        try:
            run(train, True, **there)
        except JobFailed as error:
            print(error.process, error.code, error.traceback.splitlines()[-1])
    """
    started = start(text, argv=[sys.executable, "train.py"], hosts="one\ntwo")
    assert started.finish() == 0, started.text
    told = [line for line in started.lines if " | " not in line]
    assert told == ["0o600", "w1 1 ValueError: no data"]
    assert list(scratch.iterdir()) == [], "nothing is left there"
