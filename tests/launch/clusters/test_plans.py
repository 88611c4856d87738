"""Plans are pure: what ssh and mpirun are told, against recorded text."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from pushgrad.common.errors import JobError
from pushgrad.launch.clusters.engine import ENGINES, engine
from pushgrad.launch.clusters.hosts import Host, Seat
from pushgrad.launch.given import Options
from pushgrad.launch.job import Job
from pushgrad.launch.options import make_job
from pushgrad.launch.process_plan import CHOSEN_PORT, FREE_PORT_THERE

JOB = Job(
    command=("/opt/python", "train.py", "a b"),
    role_command=("/opt/python", "-P", "-m", "pushgrad.ps"),
    workers=3,
    servers=2,
    job_id="j1",
    job_dir=Path("/tmp/pushgrad-j1"),
    run_dir=Path("/tmp/pushgrad-j1/run"),
    seats=(Seat(Host("me@node1", 2222), 1, 1, (("3",),)), Seat(Host("node2"), 2, 1)),
    python="/opt/python",
    workdir=Path("/home/me/a job"),
    env={"API_TOKEN": "hunter2", "COLOUR": "light blue"},
)
SSH = "ssh -T -o BatchMode=yes -o ConnectTimeout=10 -o ServerAliveInterval=5 -o ServerAliveCountMax=3"
AGENT = "/opt/python -P -m pushgrad.launch.clusters.agent"


def test_ssh_starts_an_agent_on_each_host():
    first, second = engine("ssh").plan(JOB).sites
    assert first.commands == ((*SSH.split(), "-p", "2222", "--", "me@node1", f"exec {AGENT}"),)
    assert second.commands == ((*SSH.split(), "--", "node2", f"exec {AGENT}"),)


def test_sync_comes_first():
    site = engine("ssh").plan(replace(JOB, sync=Path("/home/me/src"))).sites[0]
    shell = f"{SSH} -p 2222"
    assert site.commands[0] == (
        *("rsync", "-a", "-z", "--protect-args", "-e", shell),
        *("--rsync-path", "mkdir -p -- '/home/me/a job' && rsync"),
        *("/home/me/src/", "me@node1:/home/me/a job/"),
    )


def test_who_is_where():
    specs = engine("ssh").plan(JOB).specs
    assert [(spec.name, spec.host, spec.site) for spec in specs] == [
        ("sched", "me@node1", 0),
        ("ps0", "me@node1", 0),
        ("ps1", "node2", 1),
        ("w0", "me@node1", 0),
        ("w1", "node2", 1),
        ("w2", "node2", 1),
    ]
    last = specs[-1].env
    assert (last["RANK"], last["LOCAL_RANK"], last["LOCAL_WORLD_SIZE"], last["WORLD_SIZE"]) == ("2", "1", "2", "3")
    assert (last["DMLC_PS_ROOT_URI"], last["DMLC_PS_ROOT_PORT"]) == ("node1", CHOSEN_PORT)
    assert (last["MASTER_ADDR"], last["MASTER_PORT"]) == ("node1", FREE_PORT_THERE)
    assert (specs[3].env["CUDA_VISIBLE_DEVICES"], "CUDA_VISIBLE_DEVICES" in last) == ("3", False)
    # Each host makes these for itself.
    assert not {"PUSHGRAD_JOB_DIR", "PUSHGRAD_KEYS", "DMLC_NODE_HOST"} & set(last)


def test_mpirun_starts_an_agent_for_each_process():
    plan = engine("mpi").plan(replace(JOB, mpirun=("mpirun", "--hostfile", "h")))
    assert plan.starter == ("mpirun", "--hostfile", "h", "-n", "6", *AGENT.split())
    assert [(spec.name, spec.site) for spec in plan.specs] == [
        *(("sched", 0), ("ps0", 1), ("ps1", 2)),
        *(("w0", 3), ("w1", 4), ("w2", 5)),
    ]


@pytest.mark.parametrize("name", ["ssh", "mpi"])
def test_lines_of_a_dry_run_are_a_shell_s_and_show_no_secrets(name):
    cluster = engine(name)
    text = "\n".join(cluster.describe(JOB, cluster.plan(JOB)))
    subprocess.run(["sh", "-n"], input=text, text=True, check=True)
    assert "hunter2" not in text and "${API_TOKEN:?" in text
    assert text == "\n".join(cluster.describe(JOB, cluster.plan(JOB)))


def test_a_dry_run_of_mpirun():
    job = replace(JOB, env={"COLOUR": "light blue"})
    assert engine("mpi").describe(job, engine("mpi").plan(job)) == [
        "cd '/home/me/a job'",
        "export COLOUR='light blue'",
        "export PUSHGRAD_SERVERS=2",
        "# on several hosts also DMLC_PS_ROOT_URI (rank 0's host), DMLC_PS_ROOT_PORT and PUSHGRAD_KEYS",
        "mpirun -n 6 /opt/python train.py 'a b'",
    ]


@pytest.fixture
def options(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text("")
    (tmp_path / "hosts").write_text("node1 slots=2\nnode2 gpus=1\n")
    return lambda **given: make_job(Options(script="train.py", **given), {})


def test_options_become_seats(options, tmp_path):
    job = options(cluster="ssh", hostfile="hosts", python="/opt/python")
    assert (job.workers, job.servers, job.workdir) == (3, 2, tmp_path)
    assert job.command == ("/opt/python", "train.py") and job.role_command[0] == "/opt/python"
    assert "OMP_NUM_THREADS" not in job.defaults, "each host has cores of its own"
    synced = options(cluster="ssh", hostfile="hosts", sync=True, workdir="/there")
    assert (synced.sync, str(synced.workdir), synced.command[1:]) == (tmp_path, "/there", ("./train.py",))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"cluster": "slrm"}, f"--cluster: expected {' or '.join(ENGINES)}, got 'slrm'"),
        ({"cluster": "ssh"}, "--cluster ssh needs --hostfile"),
        ({"cluster": "ssh", "hostfile": "none"}, "--hostfile none: No such file or directory"),
        ({"cluster": "ssh", "hostfile": "hosts", "gpus": "0"}, "Write gpus=0,1 behind the hosts in --hostfile"),
        ({"cluster": "ssh", "hostfile": "hosts", "sync": True, "module": True}, "--module names none"),
        ({"hostfile": "hosts"}, "--hostfile: --cluster local has no use for it. It is for --cluster ssh"),
        ({"sync": True}, "--sync: --cluster local has no use for it"),
        ({"cluster": "mpi", "mpirun": "'"}, "--mpirun: No closing quotation"),
    ],
)
def test_what_cannot_be_is_refused(options, given, told):
    with pytest.raises(JobError) as error:
        options(**given)
    assert told in str(error.value)
