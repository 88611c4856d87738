"""What is shown and kept, by choice: times, ranks, files; and what a user is told before and while a job waits."""

import re
import sys
from pathlib import Path

import pytest

from pushgrad.common.cores import available_cores
from pushgrad.launch.process_plan import ProcessSpec
from pushgrad.launch.state import Member
from pushgrad.launch.waiting import LONG, Waits, waits_for

STAMP = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} "


def test_timestamps(launch, script):
    job = launch("--timestamps", script(r"import sys; print('a\rb'); print('e', file=sys.stderr)"))
    assert job.finish() == 0, job.text
    assert re.fullmatch(rf"w0 \| {STAMP}b", job.lines[0]) and len(job.lines) == 1
    assert all(re.match(rf"(w0|launch) \| {STAMP}\S", line) for line in job.errors)


def test_only_some_ranks_are_shown_and_all_are_kept(launch, script, tmp_path):
    name = script("import os; print('rank', os.environ['RANK'])")
    job = launch("--workers", 4, "--ranks", "0,2-3", "--log-dir", "logs", name)
    assert job.finish() == 0, job.text
    assert sorted(job.lines) == ["w0 | rank 0", "w2 | rank 2", "w3 | rank 3"]
    assert (tmp_path / "logs" / job.job_id / "w1.log").read_text() == "rank 1\n"
    assert job.errors[-1].startswith("launch | done in ")


def test_a_worker_that_is_not_shown_is_blamed_all_the_same(launch, script):
    name = script("import os, sys; sys.exit('broken' if os.environ['RANK'] == '1' else 0)")
    job = launch("--workers", 2, "--ranks", "0", name)
    assert job.finish() == 1, job.text
    assert "launch |     broken" in job.errors and "worker 1 exited with code 1" in job.text
    assert "w1 | broken" not in job.text


def test_separate_logs(launch, script, tmp_path):
    name = script("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)")
    job = launch("--log-dir", "logs", "--separate-logs", name)
    assert job.finish() == 3, job.text
    folder = tmp_path / "logs" / job.job_id
    assert (folder / "w0.out.log").read_text() == "out\n" and (folder / "w0.err.log").read_text() == "err\n"
    assert job.errors[-1] == f"launch | log: {folder}/w0.err.log"
    assert "launch |     err" in job.errors


def test_more_workers_than_cores_are_mentioned(launch, script):
    many = available_cores() + 1
    job = launch("-n", many, "--dry-run", script(""), real=True)
    assert job.finish() == 0, job.text
    assert f"# note: {many} workers share " in job.text
    job = launch("-n", many, script(""))
    assert job.finish() == 0, job.text
    assert f"launch | note: {many} workers share " in job.text


def test_another_python_is_mentioned(launch, script, tmp_path):
    other = tmp_path / "bin" / "python3"
    other.parent.mkdir()
    other.write_text(f'#!/bin/sh\n[ "$1" = -c ] && printf \'/other\\nFalse\\n\' || exec {sys.executable} "$@"\n')
    other.chmod(0o755)
    job = launch("python3", script("print('ran')"), env={"PATH": f"{other.parent}:/usr/bin:/bin"})
    assert job.finish() == 0, job.text
    assert f"note: the script runs in {other}, which has no pushgrad; launch runs in {sys.executable}" in job.text
    assert job.lines == ["w0 | ran"]


def test_a_launch_that_mpirun_starts_is_mentioned(launch, script):
    job = launch("--dry-run", script(""), real=True, env={"OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "2"})
    assert job.finish() == 0, job.text
    assert "note: Open MPI's mpirun (OMPI_COMM_WORLD_SIZE=4) has started 4 processes such as this one" in job.text


@pytest.mark.parametrize("setting", [None, "0"])
def test_breakpoint(launch, script, setting):
    name = script("breakpoint()\nprint('beyond')")
    job = launch(*([] if setting is None else ["--env", f"PYTHONBREAKPOINT={setting}"]), name)
    if setting == "0":
        assert job.finish() == 0 and job.lines == ["w0 | beyond"]
    else:
        assert job.finish() == 1, job.text
        assert "breakpoint() at train.py:1: worker 0 has no keyboard under `launch`. Debug in one process" in job.text


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("input('which? ')", "The standard input of a job's processes is empty"),
        ("import pdb; pdb.set_trace()\nprint('beyond')", "The standard input of a job's processes is empty"),
        ("raise ModuleNotFoundError(\"No module named 'pushgrad'\")", "The script's Python is not that of launch"),
    ],
)
def test_errors_that_a_job_causes_are_explained(launch, script, code, told):
    job = launch(script(code))
    assert job.finish() == 1, job.text
    assert told in job.errors[-2]


def member(role="worker", rank=0, **facts):
    return Member(ProcessSpec(role, rank, (), {}, "here"), **facts)


def test_what_a_job_waits_for():
    running = [member(rank=rank, pid=rank + 1) for rank in range(10)]
    assert waits_for([member(pid=1)], False, False, 9.0) == "waiting for the scheduler to say where it listens"
    text = waits_for(running, True, False, 9.0)
    assert "no worker has joined the job so far (w0, w1, w2, w3, w4, w5, w6 and 3 more run)" in text
    assert waits_for([*running, member(pid=1, joined=True)], True, False, 9.0) == "", "the scheduler knows better"
    text = waits_for([member(pid=1), member("server", pid=2), member(rank=1, pid=3, code=0)], True, True, 9.0)
    assert text == "waiting for w0, ps0 to end; what is left 9 s after SIGTERM is killed"
    assert waits_for([member(pid=1, code=1)], True, True, 9.0) == ""


def test_each_wait_is_said_once():
    waits, members = Waits(9.0), [member(pid=1)]
    assert waits.news(members, True, False, 0.0) is None
    assert waits.news(members, True, False, LONG).startswith("no worker has joined")
    assert waits.news(members, True, False, 5 * LONG) is None
    assert waits.news(members, True, True, 5 * LONG + 1) is None
    assert waits.news(members, True, True, 6 * LONG + 1).startswith("waiting for w0 to end")


def test_launch_says_what_it_waits_for(launch, script, monkeypatch):
    patched = Path(__file__).with_name("with_fakes.py").read_text().replace("main()", "waiting.LONG = 0.2\nmain()")
    program = patched.replace("import options", "import options, waiting").replace("__file__", repr(__file__))
    name = script("import signal; print('ready', flush=True); signal.pause()")
    job = launch(argv=[sys.executable, "-c", program, name])
    job.wait_for("launch | no worker has joined the job so far (w0 run): mx.kv.create, fit or mx.rank() joins it")
    assert job.text.count("no worker has joined") == 1
