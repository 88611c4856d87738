"""`launch --cluster env`: what is to run here, by what somebody else has put into the environment."""

import os
import socket
import sys

import pytest

from pushgrad.common.errors import JobError
from pushgrad.launch.clusters.engine import engine
from pushgrad.launch.clusters.nodes import Nodes, nodes
from pushgrad.launch.given import Options
from pushgrad.launch.options import make_job

# As SkyPilot's and dstack's documentation and torchrun's source have them.
SKYPILOT = {
    "SKYPILOT_NODE_IPS": "10.0.0.5\n10.0.0.7",
    "SKYPILOT_NODE_RANK": "1",
    "SKYPILOT_NUM_NODES": "2",
    "SKYPILOT_NUM_GPUS_PER_NODE": "4",
    "SKYPILOT_TASK_ID": "sky-1",
}
DSTACK = {
    "DSTACK_MASTER_NODE_IP": "10.0.0.5",
    "DSTACK_NODE_RANK": "0",
    "DSTACK_NODES_NUM": "2",
    "DSTACK_GPUS_PER_NODE": "0",
    "DSTACK_RUN_NAME": "run",
}
TORCHRUN = {
    "RANK": "1",
    "WORLD_SIZE": "3",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "3",
    "MASTER_ADDR": "node5",
    "MASTER_PORT": "29400",
    "TORCHELASTIC_RUN_ID": "none",
}
PLAIN = {name: text for name, text in os.environ.items() if not name.startswith(("DMLC_", "PUSHGRAD_"))}


def planned(environ, **options):
    options = {"script": "train.py", "cluster": "env", **options}
    job = make_job(Options(**options), {"PUSHGRAD_KEYS": "/keys", **environ})
    return {spec.name: spec.env for spec in engine("env").plan(job).specs}


@pytest.fixture(autouse=True)
def in_a_folder_with_a_script(tmp_path, monkeypatch):
    (tmp_path / "train.py").write_text("")
    monkeypatch.chdir(tmp_path)


def test_who_says_it():
    assert nodes(SKYPILOT) == Nodes(2, 1, "10.0.0.5", "9091", gpus=4, job="sky-1")
    assert nodes({**DSTACK, "DMLC_PS_ROOT_PORT": "7"}) == Nodes(2, 0, "10.0.0.5", "7", job="run")
    assert nodes(TORCHRUN) == Nodes(3, 1, "127.0.0.1", "29400", alike=True, sharing=3, job="none")
    assert nodes({**TORCHRUN, "LOCAL_WORLD_SIZE": "1"}).root == "node5"
    assert nodes({}) is None
    with pytest.raises(JobError, match="SKYPILOT_NODE_RANK: expected a whole number, got 'two'"):
        nodes({**SKYPILOT, "SKYPILOT_NODE_RANK": "two"})


def test_a_node_of_skypilot():
    found = planned(SKYPILOT)
    assert list(found) == ["ps1", "w4", "w5", "w6", "w7"]
    worker = found["w6"]
    assert (worker["DMLC_PS_ROOT_URI"], worker["DMLC_PS_ROOT_PORT"]) == ("10.0.0.5", "9091")
    assert (worker["DMLC_NUM_WORKER"], worker["DMLC_NUM_SERVER"]) == ("8", "2")
    assert (worker["RANK"], worker["LOCAL_RANK"], worker["CUDA_VISIBLE_DEVICES"]) == ("6", "2", "2")
    assert (worker["PUSHGRAD_JOB_ID"], worker["PUSHGRAD_KEYS"]) == ("sky-1", "/keys")
    assert list(planned({**SKYPILOT, "SKYPILOT_NODE_RANK": "0"}, workers_per_host=1, servers_per_host=2)) == [
        "sched",
        "ps0",
        "ps1",
        "w0",
    ]


def test_a_process_of_torchrun():
    found = planned(TORCHRUN)
    assert list(found) == ["w1"] and (found["w1"]["RANK"], found["w1"]["LOCAL_RANK"]) == ("1", "1")
    assert list(planned({**TORCHRUN, "RANK": "0"})) == ["sched", "ps0", "w0"]
    assert list(planned(TORCHRUN, servers=3)) == ["ps1", "w1"]


def test_a_role_of_dmlc_s_tracker():
    tracker = {"DMLC_PS_ROOT_URI": "10.0.0.5", "DMLC_PS_ROOT_PORT": "9", "DMLC_NUM_WORKER": "2", "DMLC_NUM_SERVER": "1"}
    found = planned({**tracker, "DMLC_ROLE": "worker", "DMLC_WORKER_ID": "1"}, workers=1)
    assert list(found) == ["w1"] and (found["w1"]["RANK"], found["w1"]["WORLD_SIZE"]) == ("1", "2")
    assert list(planned({**tracker, "DMLC_ROLE": "scheduler"})) == ["sched"]


def test_what_is_missing_is_named():
    with pytest.raises(JobError, match="--cluster env: nothing in the environment describes a job: expected DMLC_ROLE"):
        planned({})
    with pytest.raises(JobError, match="names no keys"):
        planned({**SKYPILOT, "PUSHGRAD_KEYS": ""})


SAY = "import os, pushgrad as mx; print('rank', mx.rank(), 'of', mx.num_workers())"


def finished(jobs):
    codes = [job.finish() for job in jobs]
    assert codes == [0] * len(jobs), [job.text for job in jobs]
    return sorted(line for job in jobs for line in job.lines)


def test_launched_twice_as_by_torchrun(launch, script):
    with socket.socket() as port:  # nobody listens there: it tells jobs apart
        port.bind(("", 0))
        env = {**TORCHRUN, "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_PORT": str(port.getsockname()[1])}
        command = [sys.executable, "-m", "pushgrad.launch", "--cluster", "env", script(SAY)]
        jobs = [launch(argv=command, env={**env, "RANK": str(rank)}) for rank in (0, 1)]
        assert finished(jobs) == ["w0 | rank 0 of 2", "w1 | rank 1 of 2"]


@pytest.mark.long
def test_a_node_that_comes_late_and_one_that_never_comes(launch, script):
    command = [sys.executable, "-m", "pushgrad.launch", "--cluster", "env", "--start-timeout", "60", script(SAY)]
    with socket.socket() as port:
        port.bind(("", 0))
        env = {**TORCHRUN, "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_PORT": str(port.getsockname()[1])}
        first = launch(argv=command, env={**env, "RANK": "0", "PUSHGRAD_LEASE": "3"})
        first.wait_for("the job waits for worker 1 to come")
        second = launch(argv=command, env={**env, "RANK": "1", "PUSHGRAD_LEASE": "3"})
        assert finished([first, second]) == ["w0 | rank 0 of 2", "w1 | rank 1 of 2"]
        command[command.index("60")] = "6"
        alone = launch(argv=command, env={**env, "RANK": "0"})
        assert alone.finish() == 1
        assert "worker 1 did not come within 6 s of the start" in alone.text, alone.text


def test_a_tracker_that_runs_one_command_for_all_roles(launch, script):
    with socket.socket() as port:
        port.bind(("", 0))
        env = {"DMLC_PS_ROOT_URI": "127.0.0.1", "DMLC_PS_ROOT_PORT": str(port.getsockname()[1])}
        env |= {"DMLC_NUM_WORKER": "2", "DMLC_NUM_SERVER": "1"}
        command = [sys.executable, "-m", "pushgrad.launch", "--cluster", "env", script(SAY)]
        roles = ("scheduler", "server", "worker", "worker")
        jobs = [launch(argv=command, env={**env, "DMLC_ROLE": role}) for role in roles]
        # Without DMLC_WORKER_ID the scheduler deals the ranks.
        assert [line.partition("| ")[2] for line in finished(jobs)] in (
            ["rank 0 of 2", "rank 1 of 2"],
            ["rank 1 of 2", "rank 0 of 2"],
        )
