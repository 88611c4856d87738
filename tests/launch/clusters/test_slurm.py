"""`--cluster slurm` without Slurm: what is planned, the batch script, and what is read from Slurm's answers."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from pushgrad.common.errors import JobError
from pushgrad.launch import cli
from pushgrad.launch.clusters.pairs import pairs
from pushgrad.launch.clusters.slurm import Slurm
from pushgrad.launch.clusters.slurm_job import exit_code, parse_records
from pushgrad.launch.given import Options
from pushgrad.launch.options import make_job

# As salloc 22.05.8 sets them for --nodes=3 --ntasks=5.
GRANTED = {
    "SLURM_JOB_ID": "7",
    "SLURM_JOB_NUM_NODES": "3",
    "SLURM_NTASKS": "5",
    "SLURM_TASKS_PER_NODE": "2(x2),1",
}


@pytest.fixture(autouse=True)
def train(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("train.py").write_text("")


def job(environ=None, **options):
    return make_job(Options("train.py", cluster="slurm", **options), environ or {})


@pytest.mark.parametrize(
    ("options", "environ", "workers", "servers"),
    [
        ({}, {}, [2, 2, 1], [1, 1, 1]),
        ({"workers": 3}, {}, [2, 1, 0], [1, 1, 0]),
        ({"workers": 4, "servers": 2}, {}, [2, 2, 0], [1, 1, 0]),
        ({"workers_per_host": 4, "servers_per_host": 2}, {}, [4, 4, 4], [2, 2, 2]),
        # Without --ntasks Slurm counts as many as there are CPUs, in an exclusive allocation: nobody asked for them.
        ({}, {"SLURM_NTASKS": None, "SLURM_TASKS_PER_NODE": "64(x3)"}, [1, 1, 1], [1, 1, 1]),
        ({"workers": 7}, {"SLURM_NTASKS": None, "SLURM_TASKS_PER_NODE": "64(x3)"}, [2, 2, 3], [1, 1, 1]),
    ],
)
def test_workers_are_where_the_allocation_has_tasks(options, environ, workers, servers):
    granted = {name: text for name, text in {**GRANTED, **environ}.items() if text is not None}
    made = job(granted, **options)
    plan = Slurm().plan(made)
    for role, counts in (("worker", workers), ("server", servers)):
        sites = [spec.site for spec in plan.specs if spec.role == role]
        assert [sites.count(site) for site in range(3)] == counts
    nodes = sum(1 for pair in zip(workers, servers, strict=True) if any(pair))
    assert f"--nodes={nodes}" in plan.starter and f"--ntasks={nodes}" in plan.starter
    assert len(plan.sites) == nodes and plan.starter[0] == "srun" and plan.specs[0].site == 0
    assert {"SLURM_CPUS_PER_TASK", "SRUN_CPUS_PER_TASK"} <= set(plan.withheld)


def test_the_line_of_srun():
    assert " ".join(Slurm().plan(job(GRANTED)).starter) == (
        "srun --ntasks-per-node=1 --overlap --mpi=none --cpu-bind=none --export=ALL --unbuffered --kill-on-bad-exit=0 "
        f"--wait=0 --nodes=3 --ntasks=3 --relative=0 {sys.executable} -P -m pushgrad.launch.clusters.agent"
    )


@pytest.mark.parametrize(
    ("options", "environ", "told"),
    [
        ({}, {}, "there is no allocation here (SLURM_JOB_ID is not set). --submit asks for one"),
        ({"slurm": ["nodes=2"]}, GRANTED, "--slurm holds options for sbatch. Add --submit"),
        ({"workers": 6}, GRANTED, "--workers 6: the hosts have room for 5"),
        ({"gpus": "0"}, GRANTED, "mx.gpu(int(os.environ['LOCAL_RANK']))"),
        ({"submit": True, "slurm": ["--nodes=2"]}, {}, "--slurm: expected KEY=VALUE, or KEY, got '--nodes=2'"),
        ({"submit": True, "slurm": ["comment=a\nb"]}, {}, "--slurm comment: expected a value without line breaks"),
        ({"hostfile": "hosts"}, GRANTED, "--hostfile: --cluster slurm has no use for it"),
    ],
)
def test_what_is_refused(options, environ, told):
    with pytest.raises(JobError) as refused:
        job(environ, **options)
    assert told in str(refused.value)


def test_submit_is_slurms_alone():
    with pytest.raises(JobError, match="--submit: --cluster local has no use for it"):
        make_job(Options("train.py", submit=True), {})


SCRIPT = f"""\
#!/bin/sh
#SBATCH --job-name=train.py
#SBATCH --signal=USR2@60
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --nodes=2
#SBATCH --exclusive
#SBATCH --comment="a \\"b\\" \\\\ #c"
unset LAUNCH_CONFIG LAUNCH_SUBMIT LAUNCH_SLURM
exec {sys.executable} -P -m pushgrad.launch --workers=4 --cluster=slurm --env=A=b --timeout=60.0 train.py '0 1'
"""


def dry_run(*words, **environ):
    done = CliRunner().invoke(cli.command, ["--cluster", "slurm", "--submit", "--dry-run", *words], env=environ)
    assert done.exit_code == 0, done.output
    return done.output


def test_the_batch_script():
    """Options come from everywhere, and the script needs neither file nor variables."""
    Path("job.toml").write_text('workers = 4\nslurm = ["nodes=2", "signal=USR2@60"]\nenv = {A = "b", API_KEY = "k"}\n')
    words = ["--config", "job.toml", "--slurm", "nodes=2", "--slurm", "signal=USR2@60"]
    more = ["--slurm", "exclusive", "--slurm", 'comment=a "b" \\ #c', "train.py", "0 1"]
    text = dry_run(*words, *more, LAUNCH_TIMEOUT="60")
    script = text.partition("sbatch <<'EOF'\n")[2].removesuffix("EOF\n")
    assert script == SCRIPT
    assert "# API_KEY goes into LAUNCH_ENV, and is not shown\n" in text
    assert subprocess.run(["sh", "-n"], input=script, text=True).returncode == 0


def test_a_task_for_each_worker_unless_it_is_said():
    assert "#SBATCH --ntasks=3\n" in dry_run("-n", "3", "train.py")
    for said in ("ntasks=5", "ntasks-per-node=3"):
        assert "--ntasks=3" not in dry_run("-n", "3", "--slurm", said, "train.py")
    assert "--requeue" not in dry_run("--slurm", "no-requeue", "train.py")
    assert "6 workers, 2 servers" in dry_run("--slurm", "nodes=2", "--slurm", "ntasks-per-node=3", "train.py")


RECORD = "JobId={} {}JobName=a b JobState={} Reason={} ExitCode={} StdIn=/dev/null StdOut={} Power= \n"


def test_what_slurm_says_of_jobs():
    text = RECORD.format(3, "", "PENDING", "Resources", "0:0", "/tmp/a folder/slurm-3.out")
    (record,) = parse_records(text)
    assert (record.name, record.state, record.reason, record.over) == ("3", "PENDING", "Resources", False)
    assert record.output == Path("/tmp/a folder/slurm-3.out")
    parts = [
        RECORD.format(5, "ArrayJobId=4 ArrayTaskId=0 ", "COMPLETED", "None", "0:0", "x"),
        RECORD.format(4, "ArrayJobId=4 ArrayTaskId=1 ", "FAILED", "NonZeroExitCode", "3:0", "y"),
    ]
    records = parse_records("".join(parts))
    assert [record.name for record in records] == ["4_0", "4_1"] and all(record.over for record in records)
    assert exit_code(records) == 3 and exit_code(records[:1]) == 0


@pytest.mark.parametrize(
    ("state", "code", "expected"),
    [("COMPLETED", "0:0", 0), ("FAILED", "3:0", 3), ("CANCELLED", "0:9", 137), ("TIMEOUT", "0:0", 1)],
)
def test_exit_codes(state, code, expected):
    assert exit_code(parse_records(RECORD.format(1, "", state, "None", code, "x"))) == expected
    assert exit_code([]) == 1, "Slurm has forgotten it before we could see how it ended"


def test_pairs():
    assert pairs("--slurm", ["nodes=2", "exclusive", "nodes=3", "comment=a=b"]) == {
        "nodes": "3",
        "exclusive": "",
        "comment": "a=b",
    }
