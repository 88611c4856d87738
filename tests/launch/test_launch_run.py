"""Whole jobs with stand-ins for scheduler and servers."""

import json
import os
import re
import signal
import stat

import pytest


def test_all_well(launch, script, left_behind, scratch):
    name = script(
        """
        import sys, fake_job
        fake_job.join(); fake_job.wait_for_all()
        print("args", sys.argv[1:]); print("to errors", file=sys.stderr)
        fake_job.leave()
        """
    )
    job = launch("--workers", 2, "--servers", 2, name, "--workers", "7", "a b", "--", "-x")
    assert job.finish() == 0, job.text
    assert sorted(job.lines) == [f"w{rank} | args ['--workers', '7', 'a b', '--', '-x']" for rank in (0, 1)]
    assert sorted(line for line in job.errors if "to errors" in line) == ["w0 | to errors", "w1 | to errors"]
    assert job.errors[-1].startswith("launch | done in ")
    assert left_behind(job.job_id) == []
    assert list(scratch.iterdir()) == [], "a successful job leaves nothing in the temporary folder"


def test_environment(launch, script):
    name = script(
        """
        import fake_job, json, os
        fake_job.join()
        print(json.dumps({k: v for k, v in os.environ.items()}))
        fake_job.leave()
        """
    )
    env = {"DMLC_INTERFACE": "eth9", "PUSHGRAD_KEYS": "/other/job", "RANK": "77", "OMP_NUM_THREADS": "3"}
    job = launch("--workers", 2, "--env", "COLOUR=light blue", name, env=env)
    assert job.finish() == 0, job.text
    seen = {line[:2]: json.loads(line[5:]) for line in job.lines}
    for rank in (0, 1):
        mine = seen[f"w{rank}"]
        assert (mine["RANK"], mine["LOCAL_RANK"], mine["DMLC_WORKER_ID"]) == (str(rank),) * 3
        assert (mine["WORLD_SIZE"], mine["LOCAL_WORLD_SIZE"], mine["DMLC_NUM_WORKER"]) == ("2",) * 3
        assert mine["DMLC_PS_ROOT_URI"] == mine["DMLC_NODE_HOST"] == "127.0.0.1"
        assert int(mine["DMLC_PS_ROOT_PORT"]) > 0
        assert mine["PUSHGRAD_LAUNCHED"] == mine["DMLC_NUM_SERVER"] == "1"
        assert mine["PUSHGRAD_JOB_ID"] == job.job_id
        assert mine["COLOUR"] == "light blue"
        assert mine["OMP_NUM_THREADS"] == "3" and mine["NUMBA_NUM_THREADS"].isdigit()
        assert not {"DMLC_INTERFACE", "PUSHGRAD_KEYS", "DMLC_SERVER_ID", "PUSHGRAD_STATUS_FD"} & set(mine)


def test_private_directory_own_session_and_no_stdin(launch, script):
    name = script(
        """
        import os, sys
        mode = oct(os.stat(os.environ["PUSHGRAD_JOB_DIR"]).st_mode & 0o777)
        print(mode, os.getsid(0) == os.getpid(), repr(sys.stdin.read()))
        """
    )
    job = launch(name)
    assert job.finish() == 0, job.text
    assert job.lines == ["w0 | 0o700 True ''"]


def test_a_script_that_does_not_use_the_job(launch, script, left_behind):
    job = launch("--workers", 3, script("print('alone')"))
    assert job.finish() == 0, job.text
    assert sorted(job.lines) == ["w0 | alone", "w1 | alone", "w2 | alone"]
    assert left_behind(job.job_id) == []


FAILURES = {
    "exits 3": ("sys.exit(3)", 3, "worker 1 exited with code 3"),
    "raises": ("raise ValueError('boom\\u00e9')", 1, "worker 1 exited with code 1"),
    "killed": ("os.kill(os.getpid(), 9)", 137, "worker 1 was killed by SIGKILL"),
    "early 0": ("os._exit(0)", 1, "worker 1 exited with code 0 before its training had ended"),
    "aborts": ("os.abort()", 134, "worker 1 was killed by SIGABRT"),
}


@pytest.mark.parametrize("how", FAILURES)
def test_the_first_failure_ends_the_job(launch, script, left_behind, how):
    action, code, text = FAILURES[how]
    name = script(
        f"""
        import os, signal, sys, fake_job
        fake_job.join(); fake_job.wait_for_all()
        if os.environ["RANK"] == "1":
            print("last words", file=sys.stderr, flush=True)
            {action}
        signal.pause()
        """
    )
    job = launch("--workers", 2, name)
    assert job.finish() == code, job.text
    assert job.seconds < 10
    tail = "\n".join(job.errors[-30:])
    assert text in tail and "pid " in tail and "host " in tail and "launch |     last words" in tail
    assert "worker 0" not in tail
    log = job.errors[-1].removeprefix("launch | log: ")
    with open(log) as file:
        assert "last words" in file.read()
    assert stat.S_IMODE(os.stat(log).st_mode) == 0o600
    assert left_behind(job.job_id) == []


def test_one_worker_that_never_joins_while_another_does(launch, script):
    name = script(
        """
        import os, signal, sys, fake_job
        if os.environ["RANK"] == "0":
            fake_job.join()
            signal.pause()
        """
    )
    job = launch("--workers", 2, name)
    assert job.finish() == 1, job.text
    assert "worker 1 exited with code 0 without joining the job that other workers have joined" in job.text


def test_who_gave_up_because_of_a_peer_is_not_to_blame(launch, script):
    name = script(
        """
        import os, signal, sys, fake_job
        fake_job.join(); fake_job.wait_for_all()
        if os.environ["RANK"] == "0":
            sys.exit(75)
        print("ready", flush=True)
        signal.pause()
        """
    )
    job = launch("--workers", 2, "--verbose", name)
    job.wait_for("w1 | ready")
    job.wait_for("w0 ended with 75")
    os.kill(job.pid("w1"), signal.SIGSEGV)
    assert job.finish() == 139, job.text
    assert "worker 1 was killed by SIGSEGV" in job.errors[-2]


def test_the_scheduler_names_a_worker_that_hangs(launch, script):
    name = script(
        """
        import os, signal, sys, fake_job
        fake_job.join(); fake_job.wait_for_all()
        if os.environ["RANK"] == "0":
            fake_job.tell("aborted", rank=1, reason="its lease of 2 s has run out")
            sys.exit(75)
        signal.pause()
        """
    )
    job = launch("--workers", 2, name)
    assert job.finish() == 1, job.text
    assert "worker 1 was given up (host " in job.errors[-2]
    assert job.errors[-2].endswith(": its lease of 2 s has run out")


@pytest.mark.parametrize("role", ["scheduler", "server"])
def test_scheduler_or_server_that_fails_at_the_start(launch, script, role):
    name = script("import fake_job, signal; fake_job.join(); signal.pause()")
    job = launch(name, env={"FAKE_BROKEN": role})
    assert job.finish() == 1, job.text
    assert f"{role}{' 0' if role == 'server' else ''} exited with code 1" in job.text
    assert "launch |     broken on purpose" in job.errors


@pytest.mark.parametrize("prefix, title", [("sched", "scheduler"), ("ps1", "server 1")])
def test_scheduler_or_server_killed(launch, script, left_behind, prefix, title):
    name = script("import fake_job, signal; fake_job.join(); print('ready', flush=True); signal.pause()")
    job = launch("--servers", 2, "--verbose", name)
    job.wait_for("w0 | ready")
    os.kill(job.pid(prefix), signal.SIGKILL)
    assert job.finish() == 137, job.text
    assert f"{title} was killed by SIGKILL" in job.text
    assert left_behind(job.job_id) == []


def test_timeout(launch, script, left_behind):
    job = launch("--timeout", "0.5", script("import fake_job, signal; fake_job.join(); signal.pause()"))
    assert job.finish() == 124, job.text
    assert "the job ran longer than --timeout 0.5 s" in job.text
    assert re.search("w0 (starting|joined)", job.text)  # how far it has come by then depends on what else runs
    assert left_behind(job.job_id) == []


def test_servers_that_do_not_end_by_themselves_are_ended(launch, script, left_behind):
    job = launch(script("import fake_job; fake_job.join(); fake_job.leave()"), env={"FAKE_LINGER": "1"})
    assert job.finish() == 0, job.text
    assert left_behind(job.job_id) == []


def test_children_left_behind_by_a_worker_are_ended(launch, script, left_behind):
    name = script(
        """
        import subprocess, sys
        for own in (False, True):
            subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], start_new_session=own)
        print("started")
        """
    )
    job = launch(name)
    assert job.finish() == 0, job.text
    assert job.seconds < 10 and left_behind(job.job_id) == []


def test_a_process_that_cannot_be_started(launch, script, tmp_path):
    path = tmp_path / "tool"
    path.write_bytes(b"\x7fELF, and nothing of a program after it\0")
    path.chmod(0o755)
    job = launch("tool")
    assert job.finish() == 1, job.text
    assert "worker 0 could not be started: ./tool: Exec format error" in job.text


def test_log_dir_keeps_the_logs_of_a_success(launch, script, tmp_path):
    job = launch("--log-dir", "logs", "--workers", 2, script("print('kept')"))
    assert job.finish() == 0, job.text
    folder = tmp_path / "logs" / job.job_id
    logs = ["ps0.log", "sched.log", "w0.log", "w1.log"]
    files = ["events.jsonl", "job.toml", "metrics.jsonl", "plan.json", "run.json", *logs]
    assert sorted(path.name for path in folder.iterdir()) == sorted(files)
    assert (folder / "w1.log").read_text() == "kept\n"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
