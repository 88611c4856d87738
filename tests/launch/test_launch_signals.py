"""Ctrl-C, SIGTERM, nohup, and the launcher's own death."""

import os
import select
import signal
from pathlib import Path

import pytest

PAUSES = """
import fake_job, signal
fake_job.join()
print("ready", flush=True)
signal.pause()
"""

STUBBORN = """
import fake_job, signal
def handler(signum, frame):
    print("not now", flush=True)
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, handler)
fake_job.join()
print("ready", flush=True)
while True:
    signal.pause()
"""


@pytest.mark.parametrize("signum, code, text", [(signal.SIGINT, 130, "Ctrl-C"), (signal.SIGTERM, 143, "SIGTERM")])
def test_one_signal_ends_the_job(launch, script, left_behind, signum, code, text):
    job = launch("--workers", 2, script(PAUSES))
    job.wait_for("| ready", times=2)
    job.send(signum)
    assert job.finish() == code, job.text
    assert text in job.errors[-2] and job.errors[-1].startswith("launch | logs: ")
    assert left_behind(job.job_id) == []


def test_hangup_ends_the_job(launch, script, left_behind):
    job = launch(script(PAUSES))
    job.wait_for("| ready")
    job.send(signal.SIGHUP)
    assert job.finish() == 129, job.text
    assert left_behind(job.job_id) == []


def test_under_nohup_a_hangup_changes_nothing(launch, script):
    name = script(
        """
        import fake_job, signal
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
        fake_job.join()
        print("ready", signal.getsignal(signal.SIGHUP) is signal.SIG_IGN, flush=True)
        signal.sigwait({signal.SIGUSR1})
        fake_job.leave()
        """
    )
    job = launch("--verbose", name, ignored=["HUP"])
    job.wait_for("w0 | ready True")
    job.send(signal.SIGHUP)
    os.kill(job.pid("w0"), signal.SIGUSR1)
    assert job.finish() == 0, job.text


def test_inherited_ignored_sigchld_loses_no_exit_code(launch, script):
    job = launch(script("raise SystemExit(3)"), ignored=["CHLD"])
    assert job.finish() == 3, job.text


def test_second_ctrl_c_kills_at_once(launch, script, left_behind):
    job = launch("--workers", 2, "--grace-period", 300, script(STUBBORN))
    job.wait_for("| ready", times=2)
    job.send(signal.SIGINT)
    job.wait_for("| not now", times=2)
    job.send(signal.SIGINT)
    assert job.finish() == 130, job.text
    assert left_behind(job.job_id) == []


def test_the_grace_period_ends_with_kill(launch, script, left_behind):
    job = launch("--grace-period", "0.3", script(STUBBORN))
    job.wait_for("| ready")
    job.send(signal.SIGTERM)
    assert job.finish() == 143, job.text
    assert "w0 | not now" in job.lines and left_behind(job.job_id) == []


def test_a_stopped_process_is_ended_too(launch, script, left_behind):
    name = script("import fake_job, os, signal; fake_job.join(); os.kill(os.getpid(), signal.SIGSTOP)")
    job = launch("--timeout", "1", name)
    assert job.finish() == 124, job.text
    assert job.seconds < 10 and left_behind(job.job_id) == []


@pytest.mark.parametrize("text", [PAUSES, STUBBORN])
def test_nothing_survives_the_launcher(launch, script, gone_within, text):
    job = launch("--workers", 2, "--servers", 2, script(text))
    job.wait_for("| ready", times=2)
    job.send(signal.SIGKILL)
    job.process.wait()
    assert gone_within(job.job_id, 5.0)


def test_the_keeper_clears_the_directory(launch, script, scratch):
    name = script(
        """
        import fake_job, os, signal
        os.makedirs(os.environ["PUSHGRAD_JOB_DIR"] + "/segments/x")
        fake_job.join(); print("ready", flush=True); signal.pause()
        """
    )
    job = launch(name)
    job.wait_for("| ready")
    keeper = _keeper_of(job)
    job.send(signal.SIGKILL)
    _await_end(keeper)
    assert not list(scratch.iterdir())


def _keeper_of(job):
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"pushgrad.launch.keeper" in words and f"PUSHGRAD_JOB_ID={job.job_id}".encode() in words:
                return int(entry.name)
    raise AssertionError("no keeper")


def _await_end(pid):
    handle = os.pidfd_open(pid)
    assert select.select([handle], [], [], 10)[0], "the keeper did not end"
    os.close(handle)


def test_a_job_goes_on_without_its_keeper(launch, script, left_behind):
    name = script(
        """
        import fake_job, signal
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
        fake_job.join(); print("ready", flush=True)
        signal.sigwait({signal.SIGUSR1})
        fake_job.leave()
        """
    )
    job = launch("--verbose", name)
    job.wait_for("| ready")
    os.kill(_keeper_of(job), signal.SIGKILL)
    os.kill(job.pid("w0"), signal.SIGUSR1)
    assert job.finish() == 0, job.text
    assert left_behind(job.job_id) == []
