"""The command line itself."""

import resource

import pytest


def test_dry_run_starts_nothing(launch, script, scratch):
    job = launch("--workers", 2, "--dry-run", script(""), "--x", "a b", real=True)
    assert job.finish() == 0, job.text
    titles = [line.partition(" on ")[0] for line in job.lines if " on " in line]
    assert titles == ["# scheduler (sched)", "# server 0 (ps0)", "# worker 0 (w0)", "# worker 1 (w1)"]
    assert job.lines[-2].endswith("train.py --x 'a b' &") and list(scratch.iterdir()) == []


@pytest.mark.parametrize(
    "arguments, text",
    [
        (["--worker", "2", "train.py"], "No such option '--worker'. (Did you mean one of: '--workdir', '--workers'"),
        (["--work", "2", "train.py"], "No such option '--work'"),
        (["--workers", "two", "train.py"], "'two' is not a valid integer"),
        (["--workers", "0", "train.py"], "--workers: expected 1 or more, got 0"),
        (["--workers", "5000", "train.py"], "--workers: expected 1 to 4096, got 5000"),
        (["-n", "2", "--ranks", "2", "train.py"], "--ranks: expected ranks of the job's workers, 0 to 1, got 2"),
        (["--config", "absent.toml", "train.py"], "--config absent.toml: No such file or directory"),
        (["--max-restarts", "-1", "train.py"], "--max-restarts: expected 0 or more, got -1"),
        (["absent.py"], "there is no script absent.py"),
        (["--gpus", "0", "--workers", "2", "train.py"], "more workers than GPUs"),
        (["--log-dir", "train.py", "train.py"], "is a file"),
        ([], "Missing argument 'SCRIPT'"),
    ],
)
def test_usage_errors(launch, script, arguments, text):
    script("")
    job = launch(*arguments, real=True)
    assert job.finish() == 2, job.text
    assert text in job.text and "Traceback" not in job.text
    assert "launch | job" not in job.text, "nothing was started"


def test_help_is_quick_and_complete(launch):
    """In seconds of a processor: how long it takes depends on what else runs."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for option in ("--help", "-h"):
        job = launch(option, real=True)
        assert job.finish() == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.6
    for option in (
        "--workers",
        "--servers",
        "--gpus",
        "--env",
        "--log-dir",
        "--timeout",
        "--max-restarts",
        "--snapshot",
        "--resume",
        "--on-snapshot-failure",
        "--on-nan",
        "--start-timeout",
        "--config",
        "--timestamps",
        "--ranks",
        "--separate-logs",
        "--dry-run",
        "-n,",
        "-s,",
        "-m,",
    ):
        assert option in job.text


def test_launch_loads_no_numerics(launch, tmp_path):
    import sys

    program = (
        "import sys, pushgrad.launch.cli, pushgrad.launch.run, pushgrad.launch.progress, pushgrad.launch.notebook;"
        "print(sorted({'numpy', 'numba', 'zmq', 'cupy', 'rich'} & set(sys.modules)))"
    )
    job = launch(argv=[sys.executable, "-c", program])
    assert job.finish() == 0, job.text
    assert job.lines == ["[]"]


def test_version(launch):
    job = launch("--version", real=True)
    assert job.finish() == 0 and job.lines[0].startswith("launch (pushgrad ")


def test_quiet_leaves_the_workers_lines_only(launch, script):
    job = launch("--quiet", script("print('mine')"))
    assert job.finish() == 0 and job.lines == ["w0 | mine"] and job.errors == []


def test_module(launch, tmp_path):
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "train.py").write_text("import sys; print(__name__, sys.argv[1:])")
    job = launch("-n", 1, "-s", 1, "-m", "package.train", "--epochs", 3)
    assert job.finish() == 0, job.text
    assert job.lines == ["w0 | __main__ ['--epochs', '3']"]
