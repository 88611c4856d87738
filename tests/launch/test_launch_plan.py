"""Planning is pure; --dry-run prints what a shell can run."""

import shlex
import socket
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from pushgrad.common.job import JobEnv
from pushgrad.launch.clusters.local import Local
from pushgrad.launch.dry_run import by_hand, heading
from pushgrad.launch.held_port import held_port
from pushgrad.launch.job import Job
from pushgrad.launch.process_plan import FREE_PORT, OWNED, Plan, inherited

JOB = Job(
    command=("python", "train.py", "a b"),
    workers=2,
    servers=2,
    job_id="j1",
    job_dir=Path("/tmp/pushgrad-j1"),
    run_dir=Path("/tmp/pushgrad-j1/logs"),
    hands=(("0",), ("1", "cpu")),
    env={"COLOUR": "blue", "OMP_NUM_THREADS": "7", "AWS_SECRET_ACCESS_KEY": "hunter2"},
    defaults={"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"},
)


@pytest.fixture
def specs():
    return Local().plan(JOB).specs


def test_scheduler_first_then_servers_then_workers(specs):
    assert [spec.name for spec in specs] == ["sched", "ps0", "ps1", "w0", "w1"]
    assert [spec.title for spec in specs] == ["scheduler", "server 0", "server 1", "worker 0", "worker 1"]
    assert specs == Local().plan(JOB).specs


def test_every_process_finds_its_place(specs):
    for spec in specs:
        job = JobEnv.from_env(spec.with_port(4711).env)
        assert (job.role, job.num_workers, job.num_servers) == (spec.role, 2, 2)
        assert job.root == ("tcp://127.0.0.1:0" if spec.role == "scheduler" else "tcp://127.0.0.1:4711")
        assert job.rank == (None if spec.role == "scheduler" else spec.rank)
        assert (job.node_host, job.job_id, job.job_dir, job.keys) == ("127.0.0.1", "j1", "/tmp/pushgrad-j1", None)


def test_the_environment_of_a_worker(specs):
    env = specs[-1].env
    assert (env["CUDA_VISIBLE_DEVICES"], env["LOCAL_RANK"], env["COLOUR"]) == ("1", "1", "blue")
    assert env["OMP_NUM_THREADS"] == "7", "the user's word counts"
    assert [spec.env.get("PUSHGRAD_DEVICES") for spec in specs] == [None, None, None, "gpu0", "gpu0,cpu0"]
    assert "CUDA_VISIBLE_DEVICES" not in specs[1].env
    assert "PUSHGRAD_SHARED_GPUS" not in env
    shared = Local().plan(replace(JOB, hands=(("0",), ("0",)))).specs
    assert [spec.env.get("PUSHGRAD_SHARED_GPUS") for spec in shared] == [None, None, None, "1", "1"]
    for spec in Local().plan(replace(JOB, hands=())).specs:
        assert not {"CUDA_VISIBLE_DEVICES", "PUSHGRAD_DEVICES"} & set(spec.env), "no word of GPUs without --gpus"
    free = {"CUDA_VISIBLE_DEVICES", "MASTER_ADDR", "MASTER_PORT", "PUSHGRAD_START_TIMEOUT"}
    assert set(specs[-1].env) - set(JOB.env) - set(JOB.defaults) - free <= OWNED


def test_keys_reach_every_process():
    assert {spec.env["PUSHGRAD_KEYS"] for spec in Local().plan(replace(JOB, keys=Path("/k"))).specs} == {"/k"}


def test_another_job_is_forgotten():
    assert inherited({"PATH": "/bin", "DMLC_ROLE": "worker", "PUSHGRAD_DEVICES": "gpu0", "PUSHGRAD_LEASE": "3"}) == {
        "PATH": "/bin",
        "PUSHGRAD_LEASE": "3",
    }


def test_torch_s_scripts_find_each_other(specs):
    assert {(spec.env["MASTER_ADDR"], spec.env["MASTER_PORT"]) for spec in specs[3:]} == {("127.0.0.1", FREE_PORT)}
    with held_port(specs) as filled:
        ready = filled(Plan(specs)).specs
        (port,) = {int(spec.env["MASTER_PORT"]) for spec in ready[3:]}
        assert ready[0].env == specs[0].env
        with socket.socket() as listener:  # as torch's TCPStore does, with or without a launcher
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
            listener.listen()
            socket.create_connection(("127.0.0.1", port), 10).close()
        with socket.socket() as other, pytest.raises(OSError):
            other.bind(("127.0.0.1", port))  # nobody gets it by chance
    mine = Local().plan(replace(JOB, env={"MASTER_PORT": "29500"})).specs
    assert {spec.env["MASTER_PORT"] for spec in mine[3:]} == {"29500"}


def test_dry_run_shows_no_secrets(specs):
    text = "\n".join([*heading(JOB, ["a note"]), *by_hand(JOB, specs, {"DMLC_INTERFACE": "eth0"})])
    subprocess.run(["sh", "-n"], input=text, text=True, check=True)
    lines = [shlex.split(line, comments=True) for line in text.splitlines()]
    commands = [words for words in lines if words and words[0] == "env"]
    assert [words[-4:] for words in commands[3:]] == [["python", "train.py", "a b", "&"]] * 2
    assert all(words[1:3] == ["-u", "DMLC_INTERFACE"] for words in commands), "left over from another job"
    assert "PUSHGRAD_DEVICES=gpu0,cpu0" in commands[4] and "CUDA_VISIBLE_DEVICES=1" in commands[4]
    assert "DMLC_PS_ROOT_PORT=$port" in commands[1] and "DMLC_PS_ROOT_PORT=0" in commands[0]
    assert "hunter2" not in text and "AWS_SECRET_ACCESS_KEY=${AWS_SECRET_ACCESS_KEY:?" in text.replace('"', "")
    assert "# note: a note" in text.splitlines()
