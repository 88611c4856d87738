"""Options: what makes a job and what is refused, with the option named."""

import os
import sys
from pathlib import Path

import pytest

from pushgrad.common.cores import available_cores
from pushgrad.common.errors import JobError
from pushgrad.launch import options as launch_options
from pushgrad.launch.given import Options
from pushgrad.launch.options import parse_env, parse_ranks
from pushgrad.launch.script import another_interpreter, worker_command


def make_job(script, args=(), environ=None, **options):
    return launch_options.make_job(Options(script, args, **options), environ)


@pytest.fixture
def train(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("train.py").write_text("")
    return "train.py"


def test_defaults(train):
    job = make_job(train, ["--lr", "0.1"], environ={"HOME": str(Path.cwd())})
    assert job.command == (sys.executable, "train.py", "--lr", "0.1")
    assert (job.workers, job.servers, job.hands, job.timeout, job.keys) == (1, 1, (), None, None)
    assert not job.job_dir.exists() and not job.run_dir.parent.exists(), "planning creates nothing"
    threads = str(available_cores())
    assert job.defaults == {
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": threads,
        "NUMBA_NUM_THREADS": threads,
        "PYTHONBREAKPOINT": "pushgrad.common.no_keyboard.refuse",
    }


def test_threads_are_shared_out_and_never_overridden(train):
    job = make_job(train, workers=4096, environ={"OMP_NUM_THREADS": "5", "PYTHONBREAKPOINT": "0"})
    assert job.defaults == {"PYTHONUNBUFFERED": "1", "NUMBA_NUM_THREADS": "1"}


def test_options_of_fits_are_told_to_every_process(train):
    assert make_job(train, on_nan="skip", env=["A=1"], environ={}).env == {"PUSHGRAD_ON_NAN": "skip", "A": "1"}


def test_snapshots_are_told_to_every_process(train):
    job = make_job(train, environ={})
    kept = {"PUSHGRAD_SNAPSHOT": "auto", "PUSHGRAD_RESUME": "off", "PUSHGRAD_SNAPSHOT_DIR": f"{job.run_dir}/snapshots"}
    assert job.env == {} and job.snapshots == kept and job.max_restarts is None and not job.keeps_snapshots
    job = make_job(train, snapshot="30s", resume="auto", env=["PUSHGRAD_SNAPSHOT=9s", "A=1"], environ={})
    assert job.snapshots["PUSHGRAD_SNAPSHOT"] == "30s" and job.snapshots["PUSHGRAD_RESUME"] == "auto"
    assert job.keeps_snapshots
    job = make_job(train, on_snapshot_failure="stop", environ={})
    assert job.env == {"PUSHGRAD_ON_SNAPSHOT_FAILURE": "stop"} and not job.keeps_snapshots
    job = make_job(train, environ={"PUSHGRAD_SNAPSHOT": "off", "PUSHGRAD_SNAPSHOT_DIR": "kept"})
    assert job.snapshots["PUSHGRAD_SNAPSHOT_DIR"] == str(Path.cwd() / "kept") and job.max_restarts == 0
    inside = {"PUSHGRAD_JOB_ID": "another", "PUSHGRAD_SNAPSHOT_DIR": "its", "PUSHGRAD_RESUME": "/its"}
    job = make_job(train, environ=inside)
    assert job.snapshots == kept | {"PUSHGRAD_SNAPSHOT_DIR": f"{job.run_dir}/snapshots"} and not job.keeps_snapshots
    assert make_job(train, cluster="env", environ={"DMLC_ROLE": "worker"}).snapshots == {}


def test_two_jobs_have_two_names(train):
    assert make_job(train).job_id != make_job(train).job_id


@pytest.mark.parametrize(
    "options, words",
    [
        ({"workers": 0}, ["--workers", "got 0"]),
        ({"workers": -1}, ["--workers", "got -1"]),
        ({"servers": 0}, ["--servers", "got 0"]),
        ({"workers": 4097}, ["--workers: expected 1 to 4096, got 4097"]),
        ({"servers": 5000}, ["--servers: expected 1 to 4096, got 5000"]),
        ({"start_timeout": 0.0}, ["--start-timeout", "above 0"]),
        ({"start_timeout": 5.0, "env": ["PUSHGRAD_START_TIMEOUT=6"]}, ["--start-timeout and --env", "Use one of them"]),
        ({"env": ["PUSHGRAD_START_TIMEOUT=soon"]}, ["PUSHGRAD_START_TIMEOUT", "got 'soon'"]),
        ({"timeout": 0.0}, ["--timeout", "above 0"]),
        ({"timeout": float("nan")}, ["--timeout", "nan"]),
        ({"grace_period": -1.0}, ["--grace-period", "0 or more"]),
        ({"max_restarts": -1}, ["--max-restarts", "0 or more"]),
        ({"snapshot": "often"}, ["--snapshot: expected such as 30s", "got 'often'"]),
        ({"env": ["NAME"]}, ["--env", "NAME=VALUE"]),
        ({"env": ["=value"]}, ["--env", "NAME=VALUE"]),
        ({"env": ["DMLC_ROLE=server"]}, ["--env DMLC_ROLE", "Leave it out"]),
        ({"gpus": "0,1", "env": ["CUDA_VISIBLE_DEVICES=3"]}, ["--gpus", "--env CUDA_VISIBLE_DEVICES"]),
        ({"runs": "train.py/logs"}, ["--runs train.py/logs", "is a file"]),
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


def test_where_the_start_timeout_comes_from(train):
    variable = {"PUSHGRAD_START_TIMEOUT": "7"}
    assert make_job(train, environ={}).start_timeout == 60
    assert make_job(train, environ=variable).start_timeout == 7
    assert make_job(train, env=["PUSHGRAD_START_TIMEOUT=8"], environ=variable).start_timeout == 8
    assert make_job(train, start_timeout=9, environ=variable).start_timeout == 9


def test_ranks():
    assert parse_ranks("0,2", 3) == {0, 2} and parse_ranks("1-3, 0", 4) == {0, 1, 2, 3}
    for text, words in (
        ("", "0,2 or 0-3, got ''"),
        ("a", "0,2 or 0-3"),
        ("2-1", "0,2 or 0-3"),
        ("0,3", "0 to 2, got 3"),
    ):
        with pytest.raises(JobError, match=words):
            parse_ranks(text, 3)


def test_scripts(train):
    for name in ("tool", "data", "data.sh"):
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
        ("data", "Make it executable with `chmod +x data`, or name it data.py"),
        ("data.sh", "or start it as `launch bash data.sh`"),
    ):
        with pytest.raises(JobError) as refused:
            worker_command(name)
        assert words in str(refused.value)


@pytest.mark.parametrize(
    "content, words",
    [
        (b"import sys\n", "names no interpreter: expected #!/usr/bin/env python3, or another one, in the first line"),
        (b"", "names no interpreter"),
        (b"#!/usr/bin/env python3\r\nimport sys\r\n", "end as on Windows (CR LF)"),
        (b"#!/no/such/interpreter\n", "an interpreter that is not there: got '/no/such/interpreter'"),
        (b"#!\n", "an interpreter that is not there: got ''"),
    ],
)
def test_first_lines_that_no_kernel_runs(train, content, words):
    Path("tool").write_bytes(content)
    os.chmod("tool", 0o755)
    with pytest.raises(JobError) as refused:
        worker_command("tool")
    assert words in str(refused.value)


def test_programs_and_first_lines_that_run(train):
    for content in (b"#! /bin/sh -e\n", b"#!/bin/sh", b"\x7fELF\x02\x01\x01\0\0", b"#!/usr/bin/env -S sh -e\n"):
        Path("tool").write_bytes(content)
        os.chmod("tool", 0o755)
        assert worker_command("tool") == ("./tool",)


def test_another_interpreter(tmp_path):
    fake = tmp_path / "bin" / "python3"
    fake.parent.mkdir()
    environ = {**os.environ, "PATH": f"{fake.parent}:/usr/bin:/bin"}
    for said, told in (("/other\nFalse", "which has no pushgrad"), ("/other\nTrue", "which has other packages")):
        fake.write_text(f"#!/bin/sh\nprintf '{said}\\n'\n".replace("\nF", "\\nF").replace("\nT", "\\nT"))
        fake.chmod(0o755)
        text = another_interpreter(["python3", "-u", "train.py"], environ)
        assert f"the script runs in {fake}, {told}; launch runs in {sys.executable}, and so does" in text
        for line in ("#!/usr/bin/env python3", "#!/usr/bin/env -S python3 -u", f"#!{fake}"):
            tool = tmp_path / "tool"
            tool.write_text(f"{line}\n")
            assert another_interpreter([str(tool)], environ) == text
    fake.write_text("#!/bin/sh\nexit 3\n")
    assert another_interpreter(["python3", "train.py"], environ) is None, "it will say so itself"
    fake.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    assert another_interpreter(["python3", "train.py"], environ) is None, "a wrapper of ours"
    assert another_interpreter([sys.executable, "train.py"], environ) is None
    assert another_interpreter(["bash", "train.sh"], environ) is None


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
