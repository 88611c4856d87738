"""A job that has begun again, as its display, its run and `pushgrad status` tell it; and where its snapshots are."""

import json
import os

from click.testing import CliRunner

from pushgrad.launch.runs.commands import status
from pushgrad.launch.runs.snapshots import settings

DIES_TWICE = """
    import fake_job, os, signal, sys
    generation = int(os.environ["PUSHGRAD_GENERATION"])
    fake_job.join()
    print("generation", generation, flush=True)
    if generation < 3:
        fake_job.tell("resumable", fit=1, epoch=2, batch=3, step=10 * generation + 3, obstacle="")
        os.kill(os.getpid(), signal.SIGKILL)
    fake_job.leave()
"""


def test_a_job_that_begins_again_tells_so(launch, script, tmp_path, left_behind):
    name = script(DIES_TWICE)
    job = launch(name)
    assert job.finish() == 0, job.text
    assert job.lines == [f"w0 | generation {number}" for number in (1, 2, 3)]
    said = [line for line in job.errors if "the job goes on" in line]
    assert len(said) == 2 and said[0].startswith("launch | worker 0 was killed by SIGKILL (host ")
    assert said[0].endswith("from step 13 of fit 1 (epoch 2, batch 3), as generation 2; 2 restarts left")
    assert said[1].endswith("from step 23 of fit 1 (epoch 2, batch 3), as generation 3; 1 restart left")
    (folder,) = job.runs.iterdir()
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    found = [event for event in events if event["event"] == "restart"]
    assert [(e["generation"], e["left"], e["process"], e["step"]) for e in found] == [
        (2, 2, "w0", 13),
        (3, 1, "w0", 23),
    ]
    assert events[-1]["state"] == "done" and left_behind(job.job_id) == []
    where = ["--runs", str(job.runs)]
    text = CliRunner().invoke(status, where).stdout
    assert "generation 3 since " in text and "w0 was killed by SIGKILL; restarts left: 1" in text
    told = json.loads(CliRunner().invoke(status, [*where, "--json"]).stdout)
    assert (told["generation"], told["restarts_left"]) == (3, 1)
    assert [row["state"] for row in told["processes"] if row["name"] == "w0"] == ["done"]


def test_the_last_death_ends_the_job_and_says_how_it_could_go_on(launch, script, left_behind):
    job = launch("--max-restarts", 1, script(DIES_TWICE))
    assert job.finish() == 137, job.text
    assert job.errors[-1].endswith(
        "`launch --resume auto` with the same script goes on from step 23 of fit 1 (epoch 2, batch 3)"
    )
    assert left_behind(job.job_id) == []


def made(runs, number, command, folder, snapshots=("000001-fit1-step5",)):
    """A run whose job has ended."""
    run = runs / f"run{number}"
    for name in snapshots:
        (run / "snapshots" / name).mkdir(parents=True)
        os.utime(run / "snapshots" / name, (number, number))
    run.mkdir(parents=True, exist_ok=True)
    about = {"id": run.name, "began": number, "command": command, "folder": folder, "workers": 1, "servers": 1}
    (run / "run.json").write_text(json.dumps(about))
    return str(run / "snapshots")


def test_where_a_job_finds_the_snapshots_of_the_one_before(tmp_path):
    runs, here = tmp_path / "runs", str(tmp_path)
    train = ["python", "train.py", "--lr", "0.1"]

    def where(resume="auto", command=train, **given):
        variables = {name: value for name, value in {"PUSHGRAD_RESUME": resume, **given}.items() if value}
        return settings(variables, runs / "new", command, tmp_path)["PUSHGRAD_SNAPSHOT_DIR"]

    own = str(runs / "new" / "snapshots")
    assert where() == where(resume=None) == own, "there are none yet"
    first = made(runs, 10, train, here)
    made(runs, 30, ["python", "other.py"], here)
    made(runs, 40, train, "/elsewhere")
    made(runs, 50, train, here, snapshots=())
    assert where() == first and where(resume=None) == own
    later = made(runs, 20, ["python", "train.py", "--lr", "0.2"], here)
    assert where() == first, "the same arguments come first"
    assert where(command=["python", "train.py"]) == later, "else the latest"
    assert where(resume="/kept/000007-fit1-step9") == where(resume="/kept") == "/kept"
    assert where(PUSHGRAD_SNAPSHOT_DIR="mine") == str(tmp_path / "mine")
    assert where(resume=None, SLURM_RESTART_COUNT="1") == first
    calls = [["python", "-m", "pushgrad.worker.commands.call", name] for name in ("one", "other")]
    theirs = made(runs, 60, calls[0], here)
    assert where(command=calls[0]) == theirs and where(command=calls[1]) == own, "of mx.run, by the function"
    alone = tmp_path / "snapshots" / "train" / "000003-fit1-end"
    alone.mkdir(parents=True)
    assert where(command=["python", "train.py"]) == str(alone.parent), "of `python train.py`, and the latest"
