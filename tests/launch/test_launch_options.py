"""Options: what makes a job and what is refused, with the option named."""

import os
import sys
from pathlib import Path

import pytest

from pushgrad.common.cores import available_cores
from pushgrad.common.errors import JobError
from pushgrad.launch.options import make_job, parse_env, worker_command


@pytest.fixture
def train(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("train.py").write_text("")
    return "train.py"


def test_defaults(train):
    job = make_job(train, ["--lr", "0.1"], environ={})
    assert job.command == (sys.executable, "train.py", "--lr", "0.1")
    assert (job.workers, job.servers, job.hands, job.timeout, job.keys) == (1, 1, (), None, None)
    assert job.log_dir == job.job_dir / "logs" and not job.keep_logs
    assert not job.job_dir.exists(), "planning creates nothing"
    threads = str(available_cores())
    assert job.defaults == {"PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": threads, "NUMBA_NUM_THREADS": threads}


def test_threads_are_shared_out_and_never_overridden(train):
    job = make_job(train, workers=10_000, environ={"OMP_NUM_THREADS": "5"})
    assert job.defaults == {"PYTHONUNBUFFERED": "1", "NUMBA_NUM_THREADS": "1"}


def test_two_jobs_have_two_names(train):
    assert make_job(train).job_id != make_job(train).job_id


@pytest.mark.parametrize(
    "options, words",
    [
        ({"workers": 0}, ["--workers", "got 0"]),
        ({"workers": -1}, ["--workers", "got -1"]),
        ({"servers": 0}, ["--servers", "got 0"]),
        ({"timeout": 0.0}, ["--timeout", "above 0"]),
        ({"timeout": float("nan")}, ["--timeout", "nan"]),
        ({"grace_period": -1.0}, ["--grace-period", "0 or more"]),
        ({"max_restarts": 3}, ["--max-restarts 3", "cannot be replaced yet"]),
        ({"env": ["NAME"]}, ["--env", "NAME=VALUE"]),
        ({"env": ["=value"]}, ["--env", "NAME=VALUE"]),
        ({"env": ["DMLC_ROLE=server"]}, ["--env DMLC_ROLE", "Leave it out"]),
        ({"gpus": "0,1", "env": ["CUDA_VISIBLE_DEVICES=3"]}, ["--gpus", "--env CUDA_VISIBLE_DEVICES"]),
        ({"log_dir": "train.py/logs"}, ["--log-dir train.py/logs", "is a file"]),
    ],
)
def test_refused(train, options, words):
    with pytest.raises(JobError) as refused:
        make_job(train, **options)
    for word in words:
        assert word in str(refused.value)


def test_a_secret_without_a_name_is_not_repeated():
    with pytest.raises(JobError) as refused:
        parse_env(["hunter2"])
    assert "hunter2" not in str(refused.value)


def test_env_values_may_hold_anything():
    assert parse_env(["A=b=c d", "E="]) == {"A": "b=c d", "E": ""}


def test_scripts(train):
    for name in ("tool", "data"):
        Path(name).write_text("#!/bin/sh\n")
    os.chmod("tool", 0o755)
    Path("folder").mkdir()
    assert worker_command("tool") == ("./tool",)
    assert worker_command(os.path.abspath("tool")) == (os.path.abspath("tool"),)
    assert worker_command("sh") == ("sh",), "a command of the PATH"
    assert worker_command("pkg.train", module=True) == (sys.executable, "-m", "pkg.train")
    for name, words in (
        ("absent.py", "there is no script absent.py; this folder is"),
        ("no-such-command", "there is no script no-such-command"),
        ("folder", "folder is a folder: expected a script"),
        ("data", "chmod +x data"),
    ):
        with pytest.raises(JobError) as refused:
            worker_command(name)
        assert words in str(refused.value)


def test_sockets_get_a_short_path(train, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.gettempdir", lambda: "/" + "deep/" * 30)
    assert make_job(train).job_dir.parent == Path("/tmp")


def test_cores_within_a_quota(tmp_path):
    mine = len(os.sched_getaffinity(0))
    assert available_cores(tmp_path) == mine
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert available_cores(tmp_path) == mine
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    assert available_cores(tmp_path) == 1
    (tmp_path / "cpu.max").unlink()
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("100000\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert available_cores(tmp_path) == 1
