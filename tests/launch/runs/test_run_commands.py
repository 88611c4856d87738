"""`pushgrad runs`, `status`, `logs` and `stop`, with runs that nobody has started and with real ones."""

import json
import os
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner

from pushgrad.common.errors import JobError
from pushgrad.launch.runs.commands import logs, runs, status, stop
from pushgrad.launch.runs.identity import Identity
from pushgrad.launch.state import Cause

STEP = {"event": "progress", "fit": 0, "epoch": 2, "samples_per_second": 1234.5}
JOINED = {"event": "joined", "pid": 8, "host": "node7"}


@pytest.fixture
def call(tmp_path):
    """Calls a command on the runs of the test; returns what it prints. Its JobErrors are raised."""

    def call(command, *arguments):
        result = CliRunner().invoke(command, ["--runs", str(tmp_path / "runs"), *arguments], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout

    return call


@pytest.fixture
def trained(make_run):
    """A run in which two workers have come some way."""
    made = make_run()
    made.start()
    for rank in (0, 1):
        made.record.said({**JOINED, "role": "worker", "rank": rank})
        made.record.said({**STEP, "rank": rank, "step": 30 - 10 * rank, "metric": "accuracy=0.5"})
    return made


def test_runs(call, make_run, gone):
    assert call(runs).startswith("There are no runs in ")
    make_run("20260101-120000-000001").record.end(Cause(3, "exited with code 3"), 2.0)
    make_run("20260101-120000-000002", gone)
    make_run("20260101-120000-000003")
    lines = [line.split() for line in call(runs).splitlines()]
    assert lines[0] == ["run", "began", "state", "code", "script"]
    told = [(line[0][-1], *line[3:]) for line in lines[1:]]
    script = ("train.py", "--lr", "0.1")
    assert told == [("1", "failed", "3", *script), ("2", "lost", *script), ("3", "running", *script)]
    assert [json.loads(line)["state"] for line in call(runs, "--json").splitlines()] == ["failed", "lost", "running"]


def test_status_while_it_runs_and_afterwards(call, trained):
    text = call(status)
    assert "run 20260101-120000-1a2b3c: running for " in text and "script train.py --lr 0.1" in text
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.startswith((" w", " ps", " sched"))}
    assert rows["w0"] == ["training", "2", "30", "1,234", "0", "accuracy=0.5"]
    assert rows["w1"] == ["training", "2", "20", "1,234", "10", "accuracy=0.5"]
    assert rows["ps0"] == ["starting"]
    for name, code in (("w1", 3), ("w0", -15)):
        trained.record.note("exited", process=name, code=code)
    trained.record.end(Cause(3, "exited with code 3"), 65.0)
    text = call(status, "1a2b3c")
    assert "failed with code 3 after 1:05 min: exited with code 3" in text
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.startswith((" w", " ps", " sched"))}
    assert rows["w0"] == ["SIGTERM", "2", "30", "1,234", "accuracy=0.5"], "no lag: it has ended"
    assert (rows["w1"][:2], rows["ps0"]) == (["exit", "3"], ["lost"])


def test_status_as_json(call, trained):
    said = json.loads(call(status, "--json"))
    assert (said["state"], said["id"], said["end"]) == ("running", "20260101-120000-1a2b3c", {})
    assert said["processes"][3] == {
        "name": "w1", "state": "training", "epoch": 2, "step": 20, "speed": 1234.5, "metric": "accuracy=0.5", "lag": 10
    }  # fmt: skip


def test_status_of_a_lost_run(call, make_run, gone):
    made = make_run(launcher=gone)
    made.record.note("started", process="w0", pid=7, host="node8")
    text = call(status)
    assert "lost: its launch has ended without a word" in text
    assert [line.split() for line in text.splitlines() if line.startswith(" w0")] == [["w0", "lost"]]


FAILED, RUNS = "failed with code 3", "running for"


@pytest.mark.parametrize(
    "name, text, told",
    [
        ("run.json", '{"id": "2026', None),
        ("run.json", '{"id": "ID", "began": 1e30, "workers": 2, "servers": 1, "command": []}', None),
        ("run.json", '{"id": "ID", "began": 1, "workers": "2", "servers": 1, "command": []}', None),
        ("run.json", '{"id": "ID", "began": 1, "workers": 2, "servers": 1, "command": "train.py"}', None),
        ("plan.json", '{"processes": [3, {"name": "w0"}, {"role": "x", "rank": 0, "host": "a"}]}', FAILED),
        ("plan.json", '{"processes": "w0"}', FAILED),
        ("events.jsonl", '3\n{}\n{"time": 1, "event": "started", "process": "w0"}\n{"event": "ended"}\n{"ti', RUNS),
        ("events.jsonl", '{"time": 1, "event": "restart"}\n{"time": 1, "event": "restart", "generation": 2}\n', RUNS),
        ("metrics.jsonl", '{"process": "w0", "time": 1, "step": "x"}\n{"process": "w1", "time": NaN, "step": 3}\n'
         '{"process": "ps0", "time": 1, "received": 3, "sent": []}\n{"process": "ps0", "received": [1]}\n', FAILED),
    ],
)  # fmt: skip
def test_files_that_make_no_sense_are_passed_over(call, trained, make_run, name, text, told):
    trained.record.end(Cause(3, "exited with code 3"), 2.0)
    (trained.folder / name).write_text(text.replace("ID", trained.folder.name))
    if told is None:
        assert call(runs).startswith("There are no runs in ")
        with pytest.raises(JobError, match="there are no runs in"):
            call(status)
    else:
        assert told in call(status) and json.loads(call(status, "--json"))["id"] == trained.folder.name
        assert len(call(runs).splitlines()) == 2


def test_names_that_are_none(call, make_run):
    for number in range(1, 51):
        make_run(f"20260101-120000-{number:06}").record.close()
    with pytest.raises(JobError, match=r"there is no run 'x' in .*; the latest is 20260101-120000-000050$"):
        call(status, "x")
    with pytest.raises(JobError, match=r"Did you mean 20260101-120000-000017\?"):
        call(status, "20260101-120000000017")
    with pytest.raises(JobError, match=r"'00001' may be .*000017, .*000018, .*000019 or one of 7 others"):
        call(stop, "00001")


def test_a_terminal_is_told_what_it_has_room_for(make_run, monkeypatch, capsys):
    made = make_run()
    about = json.loads((made.folder / "run.json").read_text())
    about["command"] = ["python", "a\x1b[2Jb\nc.py", "x" * 100]
    (made.folder / "run.json").write_text(json.dumps(about))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    for columns, heading in (
        (40, "run                     state    code  "),
        (100, "run                     began"),
    ):
        monkeypatch.setenv("COLUMNS", str(columns))
        runs.main(["--runs", str(made.folder.parent)], standalone_mode=False)
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].startswith(heading) and max(map(len, lines)) <= columns and len(lines) == 2
    assert r"'a\x1b[2Jb\nc.py' xxx" in lines[1] and lines[1].endswith("…")


def test_logs(call, make_run):
    made = make_run()
    made.record.end(None, 1.0)
    (made.folder / "w0.log").write_bytes(b"one\n\x1b[1mtwo\x1b[0m\xff")
    (made.folder / "w1.out.log").write_bytes(b"three\n")
    (made.folder / "w1.err.log").write_bytes(b"four\n")
    written = made.folder / "written"
    script = "import sys; from pushgrad.cli import main; sys.argv[0] = 'pushgrad'; main()"

    def said(*arguments):
        with written.open("wb") as out:
            argv = [sys.executable, "-c", script, "logs", "--runs", str(made.folder.parent), *arguments]
            subprocess.run(argv, stdout=out, check=True, timeout=60)
        return written.read_bytes()

    assert said("-f") == b"w0 | one\nw1 | three\nw1 | four\nw0 | two\xff\n"
    assert said("-w", "0") == b"one\n\x1b[1mtwo\x1b[0m\xff", "one process's: the bytes that it wrote"
    assert call(logs, "--scheduler", "-s", "0") == ""
    with pytest.raises(JobError, match=r"--workers: expected ranks of the job's workers, 0 to 1, got 2"):
        call(logs, "-w", "2")


def test_what_cannot_be_stopped(call, make_run, gone):
    make_run("20260101-120000-000001").record.end(None, 1.0)
    make_run("20260101-120000-000002", gone)
    make_run("20260101-120000-000003", stoppable=False)
    here = Identity.of(os.getpid())
    make_run("20260101-120000-000004", Identity("elsewhere", here.boot, here.pid, here.start))
    for name, words in (
        ("000001", "is not running: it is done"),
        ("000002", "is not running: it is lost"),
        ("000003", "belongs to a program that does not take SIGTERM"),
        ("000004", "was started on elsewhere. `ssh elsewhere pushgrad stop 20260101-120000-000004` ends it"),
    ):
        with pytest.raises(JobError, match=words):
            call(stop, name)


TRAINS = """
    import fake_job, signal, sys
    fake_job.join()
    fake_job.tell("progress", fit=0, epoch=1, step=5, samples_per_second=10.0, metric="accuracy=0.25")
    print("ready", flush=True)
    try:
        signal.pause()
    finally:
        print("saved", flush=True)
"""
ORDERLY = "    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n"


def test_a_real_run_watched_and_stopped(call, launch, script):
    job = launch("--workers", 2, script(TRAINS.replace("    fake_job.join", ORDERLY + "    fake_job.join", 1)))
    job.wait_for("| ready", times=2)
    said = json.loads(call(status, job.job_id, "--json"))
    while any("step" not in row for row in said["processes"][2:]):  # output and progress come by different ways
        said = json.loads(call(status, job.job_id, "--json"))
    assert (said["state"], said["script"]) == ("running", "train.py")
    assert [(row["name"], row["state"], row.get("step")) for row in said["processes"]][2:] == [
        ("w0", "training", 5),
        ("w1", "training", 5),
    ]
    follower = subprocess.Popen(
        [sys.executable, "-c", "from pushgrad.cli import main; main()", "logs", job.job_id[-6:], "-f", "-w", "1"],
        env={**os.environ, "PUSHGRAD_RUNS": str(job.runs)},
        stdout=subprocess.PIPE,
    )
    assert follower.stdout.readline() == b"ready\n"
    told = call(stop, "latest")
    assert "stopped with code 143" in told and "ended by SIGTERM" in told
    assert job.finish() == 143
    assert follower.communicate(timeout=60)[0] == b"saved\n", "it ends with the run"
    events = [json.loads(line) for line in (job.runs / job.job_id / "events.jsonl").read_text().splitlines()]
    kinds = [(event["event"], event.get("process")) for event in events]
    assert kinds[0] == ("started", "sched") and kinds[-1][0] == "ended" and ("signal", None) in kinds
    ends = [process for kind, process in kinds if kind == "exited"]
    assert set(ends[:2]) == {"w0", "w1"} and set(ends[2:]) == {"ps0", "sched"}, "workers first"


def test_a_real_run_whose_launch_is_killed(call, launch, script, gone_within):
    job = launch(script(TRAINS))
    job.wait_for("| ready")
    job.send(signal.SIGKILL)
    job.process.wait()
    assert json.loads(call(status, "--json"))["state"] == "lost"
    assert gone_within(job.job_id, 10.0)


def test_run_in_a_notebook(call, script, tmp_path, monkeypatch):
    from pushgrad import JobFailed, run

    monkeypatch.chdir(tmp_path)
    with pytest.raises(JobFailed):
        run(script("raise SystemExit(4)"), 4, log_dir=tmp_path / "runs")
    said = json.loads(call(status, "--json"))
    assert (said["state"], said["code"], said["script"], said["end"]["process"]) == ("failed", 4, "train.py 4", "w0")
