"""`--cluster ray` without Ray: what is planned, what it is asked for, and what is made of its answers."""

import os
import select
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from pushgrad.common.errors import JobError
from pushgrad.launch import cli
from pushgrad.launch.clusters import ray_jobs
from pushgrad.launch.clusters.agent import MODULE
from pushgrad.launch.clusters.dialing import VARIABLE, Switchboard
from pushgrad.launch.clusters.link import Link
from pushgrad.launch.clusters.ray import Ray
from pushgrad.launch.clusters.ray_actors import Asked, shortage
from pushgrad.launch.given import Options
from pushgrad.launch.options import make_job


@pytest.fixture(autouse=True)
def train(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    Path("train.py").write_text("")


def job(environ=None, **options):
    return make_job(Options("train.py", cluster="ray", **options), environ or {})


def planned(environ=None, **options):
    plan = Ray().plan(job(environ, **options))
    return plan, Asked.parse(plan.starter[-1])


def test_the_program_that_makes_the_actors():
    plan, _ = planned(workers=2, python="/py", start_timeout=100)
    assert plan.starter == (
        *(sys.executable, "-P", "-m", "pushgrad.launch.clusters.ray_actors"),
        '{"address": "auto", "strategy": "PACK", '
        '"bundles": [{"CPU": 0.01}, {"CPU": 1.0}, {"CPU": 1.0}, {"CPU": 1.0}], '
        '"agent": ["/py", "-P", "-m", "pushgrad.launch.clusters.agent"], "patience": 70.0, "working_dir": null}',
    )
    assert [(spec.name, spec.site, plan.sites[spec.site].name) for spec in plan.specs] == [
        ("sched", 0, "the actor of scheduler"),
        ("ps0", 1, "the actor of server 0"),
        ("w0", 2, "the actor of worker 0"),
        ("w1", 3, "the actor of worker 1"),
    ]


def test_gpus_and_cpus_are_rays_to_give():
    settings = ["gpus=2", "cpus=8", "server-cpus=0.5", "strategy=SPREAD"]
    plan, asked = planned(ray=settings, env=["NUMBA_NUM_THREADS=3"])
    assert asked.strategy == "SPREAD"
    assert asked.bundles == [{"CPU": 0.01}, {"CPU": 0.5}, {"CPU": 8.0, "GPU": 2.0}]
    server, worker = (dict(spec.env) for spec in plan.specs[1:])
    assert (server["OMP_NUM_THREADS"], worker["OMP_NUM_THREADS"], worker["NUMBA_NUM_THREADS"]) == ("1", "8", "3")
    # Ray itself says which they are.
    assert "CUDA_VISIBLE_DEVICES" not in worker and worker["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    assert worker["PUSHGRAD_DEVICES"] == "gpu0,gpu1" and "PUSHGRAD_SHARED_GPUS" not in worker
    assert "PUSHGRAD_DEVICES" not in server


def test_part_of_a_gpu_is_shared():
    plan, asked = planned(ray=["gpus=.5"])
    assert asked.bundles[-1] == {"CPU": 1.0, "GPU": 0.5}
    assert (plan.specs[-1].env["PUSHGRAD_DEVICES"], plan.specs[-1].env["PUSHGRAD_SHARED_GPUS"]) == ("gpu0", "1")


@pytest.mark.parametrize(
    ("options", "environ", "address"),
    [
        ({}, {}, "auto"),
        ({}, {"RAY_ADDRESS": "10.0.0.1:6379"}, "10.0.0.1:6379"),
        ({"address": "ray://head:10001"}, {"RAY_ADDRESS": "10.0.0.1:6379"}, "ray://head:10001"),
    ],
)
def test_where_ray_is(options, environ, address):
    assert planned(environ, **options)[1].address == address


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"gpus": "0"}, "--gpus counts the GPUs of this host. `--ray gpus=1` gives each worker one of Ray's"),
        ({"ray": ["gpu=1"]}, "--ray gpu: there is no such setting. Did you mean gpus?"),
        ({"ray": ["cpus=0"]}, "--ray cpus: expected a whole number, or a part of one such as 0.5, got '0'"),
        ({"ray": ["gpus=1.5"]}, "--ray gpus: expected a whole number"),
        ({"ray": ["strategy=pack"]}, "--ray strategy: expected PACK or SPREAD or STRICT_PACK or STRICT_SPREAD"),
        ({"sync": True, "workdir": "/there"}, "--workdir and --sync contradict each other"),
    ],
)
def test_what_is_refused(options, told, monkeypatch):
    monkeypatch.setattr("pushgrad.launch.team.present_gpus", lambda: SimpleNamespace(gpus=1, uuids=()))
    with pytest.raises(JobError) as refused:
        planned(**options)
    assert told in str(refused.value)


def test_a_copied_folder_is_planned_again_after_a_death(monkeypatch):
    ran = []
    monkeypatch.setattr("pushgrad.launch.clusters.ray.find_spec", lambda name: True)
    monkeypatch.setattr("pushgrad.launch.run.run_job", lambda job, plan, *_, planner, **how: ran.append((job, planner)))
    ray, asked = Ray(), job(sync=True)
    first = ray.plan(asked)
    ray.run(asked, first, None)
    [(there, planner)] = ran
    assert there.workdir == Path()
    assert planner(there.again(None)).starter == first.starter


def test_address_is_rays_alone():
    with pytest.raises(JobError, match=r"--address: --cluster local has no use for it\. It is for --cluster ray"):
        make_job(Options("train.py", address="auto"), {})


def invoke(*words):
    return CliRunner().invoke(cli.command, ["--cluster", "ray", *words])


def test_a_dry_run_is_a_job_of_rays():
    done = invoke("--dry-run", "-n", "2", "--ray", "gpus=1", "--env", "API_TOKEN=hunter2", "train.py", "a b")
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert [line for line in lines if line.startswith("#   ")] == [
        "#   scheduler: 0.01 CPU",
        "#   server 0: 1 CPU",
        "#   worker 0: 1 CPU, 1 GPU",
        "#   worker 1: 1 CPU, 1 GPU",
    ]
    assert "hunter2" not in done.output and any("API_TOKEN is not handed on" in line for line in lines)
    assert shlex.split(lines[-1]) == [
        *("ray", "job", "submit", "--", "env", "-C", os.getcwd(), sys.executable, "-P", "-m", "pushgrad.launch"),
        *("--workers=2", "--cluster=ray", "--ray=gpus=1", "train.py", "a b"),
    ]


def test_a_dry_run_that_copies_the_folder():
    Path("sub").mkdir()
    Path("sub/train.py").write_text("")
    done = invoke("--dry-run", "--address", "http://head:8265", "--sync", "sub/train.py")
    assert shlex.split(done.output.splitlines()[-1]) == [
        *("ray", "job", "submit", "--address", "http://head:8265", "--working-dir", str(Path("sub").absolute()), "--"),
        *(sys.executable, "-P", "-m", "pushgrad.launch", "--cluster=ray", "train.py"),
    ]


def test_without_ray(monkeypatch):
    monkeypatch.setattr("pushgrad.launch.clusters.ray.find_spec", lambda name: None)
    error = invoke("train.py").exception
    assert isinstance(error, JobError)
    assert f"Ray is not installed for {sys.executable}. pip install '.[ray]' in a clone" in str(error)


def test_secrets_are_not_submitted():
    made = job(env=["API_TOKEN=hunter2"], address="http://head:8265")
    with pytest.raises(JobError, match="--env API_TOKEN: Ray shows everybody what it is asked to run"):
        ray_jobs.submit(made, SimpleNamespace())


@pytest.mark.parametrize(
    ("status", "driver", "expected"),
    [("SUCCEEDED", 0, 0), ("FAILED", 3, 3), ("FAILED", None, 1), ("STOPPED", None, 1), ("FAILED", -9, 137)],
)
def test_exit_codes(status, driver, expected):
    assert ray_jobs.exit_code(SimpleNamespace(status=status, driver_exit_code=driver)) == expected


def test_what_is_missing_is_named():
    _, asked = planned(workers=2, ray=["gpus=1"], start_timeout=10)
    assert shortage(asked, {"CPU": 4.0, "node:a": 1.0}, {"CPU": 2.5}) == (
        "there was no room for the job within 7 s (PACK): "
        "3.01 CPU are needed, 2.5 of 4 are free; 2 GPU are needed, 0 of 0 are free"
    )


def test_an_agent_ends_with_its_actor():
    """The actor holds the agent by its standard input; the agent still says why it leaves."""
    board = Switchboard(1)
    agent = subprocess.Popen(
        [sys.executable, *MODULE, "0", "192.0.2.7"],
        env={**os.environ, VARIABLE: board.invitation.text()},
        stdin=subprocess.PIPE,
    )
    link, said = Link(board.lines[0].fileno(), board.lines[0].fileno(), greeted=False), []
    while not any(message["do"] in ("refused", "bye") for message in said):
        assert select.select([link.reading], [], [], 30)[0], "it said nothing more"
        said += link.receive()
        if said and not agent.stdin.closed:
            assert (said[0]["do"], said[0]["address"], said[0]["size"]) == ("hello", "192.0.2.7", None)
            agent.stdin.close()
    assert agent.wait(30) == 0
    assert [message["why"] for message in said if message["do"] == "refused"] == [
        "the process that held its agent has ended"
    ]
    board.close()
