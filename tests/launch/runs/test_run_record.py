"""What launch writes of a run, and what is read from it."""

import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from pushgrad.common.errors import JobError
from pushgrad.launch.process_log import LogFile
from pushgrad.launch.process_plan import ProcessSpec
from pushgrad.launch.runs import record as recording
from pushgrad.launch.runs.identity import Identity, held
from pushgrad.launch.runs.stored import find, runs
from pushgrad.launch.state import Cause, Member


def test_files_are_private_and_show_no_secrets(make_run):
    made = make_run()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (made.folder, *made.folder.iterdir())}
    assert modes.pop(made.folder.name) == 0o700 and modes.pop("job.toml")
    assert set(modes.values()) == {0o600} and set(modes) == {"run.json", "plan.json", "events.jsonl", "metrics.jsonl"}
    plan = json.loads((made.folder / "plan.json").read_text())
    assert [process["name"] for process in plan["processes"]] == ["sched", "ps0", "w0", "w1"]
    assert plan["processes"][0]["env"] == {"TOKEN": None, "A": "1"}


def test_events_name_processes(make_run):
    made = make_run()
    made.record.said({"event": "listening", "port": 7})
    made.record.said({"event": "joined", "role": "server", "rank": 0, "pid": 5})
    made.record.said({"event": "waiting", "text": "for w1"})
    rows = [{name: value for name, value in row.items() if name != "time"} for row in made.lines("events.jsonl")]
    assert rows == [
        {"event": "listening", "process": "sched", "port": 7},
        {"event": "joined", "process": "ps0", "pid": 5},
        {"event": "waiting", "text": "for w1"},
    ]


def test_progress_is_thinned_out_and_the_last_one_is_kept(make_run, monkeypatch):
    made, now = make_run(), [0.0]
    monkeypatch.setattr(recording.time, "monotonic", lambda: now[0])
    made.record._began = 0.0
    for tick in range(20):  # 10 s of reports every half second
        now[0] = tick / 2
        progress = {"event": "progress", "rank": 0, "fit": 0, "epoch": 1, "step": tick, "samples_per_second": 9.0}
        made.record.said({**progress, "metric": "accuracy=0.5, rmse=1e-3, odd=nan, huge=1e999"})
    assert [row["step"] for row in made.lines("metrics.jsonl")] == list(range(0, 20, 2))
    made.record.end(None, 10.0)
    last = made.lines("metrics.jsonl")[-1]
    assert (last["process"], last["step"], last["metrics"]) == (
        "w0",
        19,
        {"accuracy": 0.5, "rmse": 0.001, "huge": None},
    )


@pytest.mark.parametrize(
    "cause, state, code",
    [
        (None, "done", 0),
        (Cause(143, "ended by SIGTERM"), "stopped", 143),
        (Cause(124, "too long"), "failed", 124),
        (Cause(137, "was killed", Member(ProcessSpec("worker", 1, (), {}, "h"))), "failed", 137),
    ],
)
def test_how_it_ended(make_run, cause, state, code):
    made = make_run()
    assert (made.run.state, made.run.code) == ("running", None)
    made.record.end(cause, 12.3456)
    run = made.run
    assert (run.state, run.code, run.seconds) == (state, code, 12.346)
    assert run.script == "train.py --lr 0.1"


def test_a_launch_that_broke(make_run):
    made = make_run()
    made.record.broke(ValueError("odd"))
    assert (made.run.state, made.run.end["text"]) == ("failed", "launch failed: ValueError: odd")


def test_lost_is_told_by_pid_and_start_time(make_run, gone):
    run = make_run(launcher=gone).run
    assert (run.state, run.seconds, run.code) == ("lost", None, None)
    here = Identity.of(os.getpid())
    assert here.alive() and not replace(here, boot="another").alive() and not gone.alive()
    with held(gone) as handle:
        assert handle is None, "a signal would reach another process"
    with held(here) as handle:
        assert handle is not None


def test_another_hosts_launcher_is_unknown(make_run):
    assert make_run(launcher=replace(Identity.of(os.getpid()), host="elsewhere")).run.state == "unknown"


def test_a_line_that_was_cut_short(make_run):
    made = make_run()
    with (made.folder / "events.jsonl").open("a") as file:
        file.write('{"time": 1, "event": "ended", "state": "do')
    assert made.run.state == "running"


def test_finding(make_run, tmp_path):
    folder = tmp_path / "runs"
    assert runs(folder) == []
    with pytest.raises(JobError, match="there are no runs in"):
        find(folder, "latest")
    for name in ("20260101-120000-1a2b3c", "20260101-130000-1a9999", "20260102-120000-777777"):
        make_run(name)
    (folder / "stray").mkdir()
    (folder / "file").write_text("")
    (folder / "20260103-000000-000000").mkdir()
    (folder / "20260103-000000-000000" / "run.json").write_text('{"id": "another", "began": 1}')
    assert [run.id[-6:] for run in runs(folder)] == ["1a2b3c", "1a9999", "777777"]
    for name, wanted in (("latest", "777777"), ("20260102", "777777"), ("1a2", "1a2b3c"), ("20260101-13", "1a9999")):
        assert find(folder, name).id.endswith(wanted)
    with pytest.raises(JobError, match=r"'1a' may be 20260101-120000-1a2b3c, 20260101-130000-1a9999. Write more"):
        find(folder, "1a")
    with pytest.raises(JobError, match=r"there is no run '777778' in .* 20260102-120000-777777"):
        find(folder, "777778")
    with pytest.raises(JobError, match=r"there is no run '../etc'"):
        find(folder, "../etc")


def test_a_full_disk_is_said_once(make_run):
    made = make_run()
    made.record._events.close()
    made.record._events = LogFile(Path("/dev/full"))
    made.record.note("signal")
    made.record.note("signal")
    assert made.record.trouble.endswith("/dev/full is incomplete: No space left on device")
    assert made.record.trouble == ""
