"""`launch --cluster slurm` on two nodes of a real Slurm."""

import os
import pty
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import cluster_scripts
import clusters_page
import numpy as np
import pytest

pytestmark = [pytest.mark.engines, pytest.mark.timeout(400)]

TRAIN = f"""{cluster_scripts.TRAIN}\
seen = [os.environ.get(name, "") for name in ("SLURMD_NODENAME", "LOCAL_RANK", "SLURM_CPUS_ON_NODE", "API_TOKEN")]
print("rank", mx.rank(), "of", mx.num_workers(), *seen)
"""
SUM = f"""{cluster_scripts.SUM}\
if store.rank == 1:
    sys.exit(int(sys.argv[1]))
"""
# Trains for as long as nobody ends it; USR1 is the time for a snapshot.
ENDLESS = """
import signal, sys, time
import pushgrad as mx
asked = []
signal.signal(signal.SIGUSR1, lambda *_: asked.append(True))
store = mx.kv.create("dist_sync")
print("ready", flush=True)
while not asked:
    time.sleep(0.05)
print("snapshot", flush=True)
"""


@pytest.fixture
def start(slurm, launch, script):
    """Starts `launch --cluster slurm` behind the words `around`."""

    def start(text, *arguments, options=(), around=(), env=None, **popen):
        command = [*around, sys.executable, "-m", "pushgrad.launch", "--cluster", "slurm", *options]
        return launch(argv=[*command, script(text), *arguments], env={**slurm.env, **(env or {})}, **popen)

    return start


def arrays(folder, name, workers):
    return [dict(np.load(folder / f"{name}-{rank}.npz")) for rank in range(workers)]


def test_an_allocation_trains_to_the_bits_of_one_host(start, launch, tmp_path):
    """Two nodes with two tasks and one of two CPUs each; an agent has all of them, not those of one task."""
    around = ["salloc", "--quiet", "--nodes=2", "--ntasks=3", "--cpus-per-task=2"]
    job = start(TRAIN, "slurm", around=around, env={"SRUN_CPUS_PER_TASK": "1"})
    assert job.finish() == 0, job.text
    seen = sorted(re.findall(r"rank (\d) of 3 (n\d) (\d) (\d)", job.text))
    assert [node for _, node, _, _ in seen] == ["n1", "n1", "n2"]
    assert {node: cpus for _, node, _, cpus in seen} == {"n1": "4", "n2": "2"}
    assert "w2 | rank 2" in job.text
    local = launch("-n", "3", "train.py", "local", real=True)
    assert local.finish() == 0, local.text
    expected = arrays(tmp_path, "local", 1)[0]
    for found in arrays(tmp_path, "slurm", 3):
        assert all((found[name] == expected[name]).all() for name in expected)


def test_submit_follows_the_job_and_ends_with_its_code(start, slurm):
    options = ["--submit", "-n", "2", "--slurm", "nodes=2", "--slurm", 'comment=it\'s "two" words # \\x']
    job = start(SUM, "7", options=options)
    assert job.finish() == 7, job.text
    number = re.search(r"Slurm job (\d+): ", job.text)[1]
    assert "w0 | sum [2. 2.] of 2" in job.text and "worker 1 exited with code 7" in job.text
    assert f"launch | Slurm job {number}: FAILED" in job.errors
    known = slurm.job(number)
    assert (known["JobName"], known["NumNodes"], known["Requeue"]) == ("train.py", "2", "1")
    assert slurm.run("squeue", "--noheader", "--steps", f"--jobs={number}") == ""


def test_secrets_reach_the_job_and_not_the_script(start, slurm, tmp_path):
    job = start(TRAIN, "secret", options=["--submit", "--env", "API_TOKEN=hunter 2"], env={"LAUNCH_WORKERS": "1"})
    assert job.finish() == 0, job.text
    assert re.search(r"rank 0 of 1 n\d 0 \d hunter 2", job.text)
    number = re.search(r"Slurm job (\d+): ", job.text)[1]
    written = slurm.run("scontrol", "write", "batch_script", number, "-")
    assert "--workers=1" in written and "hunter" not in written


def test_scancel_ends_the_job_in_order(start, slurm, left_behind):
    job = start(ENDLESS, options=["--submit", "-n", "2", "--slurm", "nodes=2"])
    job.wait_for("ready", 2)
    number = re.search(r"Slurm job (\d+): ", job.text)[1]
    slurm.run("scancel", number)
    assert job.finish() != 0
    assert f"Slurm job {number}: CANCELLED" in job.text
    assert not left_behind(job.job_id)


@contextmanager
def terminal():
    ours, theirs = pty.openpty()
    yield ours, theirs
    os.close(theirs)
    os.close(ours)


@pytest.mark.parametrize(("answer", "state"), [(b"y\n", "CANCELLED"), (b"\n", "RUNNING")])
def test_ctrl_c_asks_whether_to_cancel(start, slurm, answer, state):
    with terminal() as (ours, theirs):
        job = start(ENDLESS, options=["--submit"], stdin=theirs)
        job.wait_for("ready")
        job.send(signal.SIGINT)
        job.wait_for("? [y/N]")
        os.write(ours, answer)
        assert job.finish() == 130, job.text
    number = re.search(r"Slurm job (\d+): ", job.text)[1]
    assert slurm.job(number)["JobState"] == state
    assert (f"`scancel {number}` ends it" in job.text) == (state == "RUNNING")
    slurm.run("scancel", number)


def test_workers_are_told_before_the_time_is_up(start):
    """Slurm's shortest limit is a minute, and its signal may come half a minute early."""
    job = start(ENDLESS, options=["--submit", "-n", "2", "--slurm", "time=1", "--slurm", "signal=B:USR1@20"])
    assert job.finish() == 0, job.text
    assert job.text.count("| snapshot") == 2 and "SIGUSR1 is passed on to w0, w1" in job.text


def test_each_task_of_an_array_is_a_job(start):
    job = start(SUM, "0", options=["--submit", "-n", "2", "--slurm", "array=0-1"])
    assert job.finish() == 0, job.text
    assert job.text.count("sum [2. 2.] of 2") == 4
    for task in (0, 1):
        assert re.search(rf"Slurm job \d+_{task}: COMPLETED", job.text)


def test_what_sbatch_refuses(start):
    job = start(SUM, "0", options=["--submit", "--slurm", "partition=none"])
    assert job.finish() == 2
    assert "invalid partition specified: none" in job.text and "Traceback" not in job.text


def srun(slurm, tmp_path, text, *options, **env):
    (tmp_path / "train.py").write_text(text)
    argv = ["srun", "--quiet", *options, sys.executable, "train.py", "0"]
    environ = {**os.environ, **slurm.env, **env}
    return subprocess.run(argv, env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=120)


def test_srun_by_itself(slurm, tmp_path):
    """Equal tasks of one node are a job if PUSHGRAD_SERVERS says so; else each would train a model of its own."""
    done = srun(slurm, tmp_path, SUM, "--nodes=1", "--ntasks=4", PUSHGRAD_SERVERS="1")
    assert done.returncode == 0 and done.stdout.count("sum [2. 2.] of 2") == 2, done.stderr
    alone = srun(slurm, tmp_path, SUM, "--nodes=1", "--ntasks=2")
    assert alone.returncode and "srun (SLURM_STEP_NUM_TASKS=2) has started 2 processes without a job" in alone.stderr
    few = srun(slurm, tmp_path, SUM, "--nodes=1", "--ntasks=2", PUSHGRAD_SERVERS="1")
    assert few.returncode and "srun has started 2 (SLURM_STEP_NUM_TASKS), and PUSHGRAD_SERVERS is 1" in few.stderr
    apart = srun(slurm, tmp_path, SUM, "--nodes=2", "--ntasks=4", PUSHGRAD_SERVERS="1")
    assert apart.returncode and "`launch --cluster slurm train.py` starts them" in apart.stderr


def test_a_tracker_that_uses_srun(slurm, tracked):
    """It gives the role, and the scheduler the ranks."""
    done = tracked("slurm", cluster_scripts.SUM, **slurm.env)
    assert done.returncode == 0 and done.stdout.count("sum [2. 2.] of 2") == 2, done.stdout + done.stderr


def test_the_lines_of_the_page(slurm, tmp_path):
    (tmp_path / "train.py").write_text(clusters_page.TRAIN)
    env = {**os.environ, **slurm.env, "PATH": clusters_page.programs(tmp_path / "bin"), "HOME": str(tmp_path)}
    command = ["sh", "-ec", clusters_page.block("Slurm")]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=170)
    assert done.returncode == 0, done.stdout + done.stderr
    # salloc, --submit, two jobs of an array, srun
    assert done.stdout.count("of 4") == 4 + 4 and done.stdout.count("of 2") == 4 + 2
    assert (tmp_path / "job.sh").read_text().count("#SBATCH --nodes=2") == 1


@pytest.fixture
def has_same_bits(launch, script, tmp_path):
    """Whether what two workers have written under a name is what they write if nothing interrupts them."""

    def compare(name):
        job = launch("-n", "2", "--snapshot", "off", script(cluster_scripts.TRAIN), "undisturbed", real=True)
        assert job.finish() == 0, job.text
        expected = arrays(tmp_path, "undisturbed", 1)[0]
        return all((found[key] == expected[key]).all() for found in arrays(tmp_path, name, 2) for key in expected)

    return compare


def test_a_killed_worker_costs_a_restart(start, has_same_bits, left_behind):
    """The allocation stays, and srun starts new agents in it."""
    around = ["salloc", "--quiet", "--nodes=2", "--ntasks=2"]
    job = start(cluster_scripts.INTERRUPTED, "restarted", options=["--snapshot", "2steps", "--verbose"], around=around)
    job.wait_for("w0 | halted")
    os.kill(int(re.search(r"\bw1 is pid (\d+)", job.text)[1]), signal.SIGKILL)
    assert job.finish() == 0, job.text
    assert re.search(r"worker 1 was killed by SIGKILL .*; the job goes on .* as generation 2", job.text), job.text
    assert left_behind(job.job_id) == [] and has_same_bits("restarted")


def test_a_requeued_job_goes_on(start, slurm, has_same_bits):
    """As when a node fails: from its last snapshot, and `launch --submit` follows it into its second life."""
    options = ["--submit", "-n", "2", "--snapshot", "2steps", "--slurm", "nodes=2"]
    job = start(cluster_scripts.INTERRUPTED, "requeued", options=options)
    job.wait_for("w0 | halted")
    number = re.search(r"Slurm job (\d+): ", job.text)[1]
    slurm.run("scontrol", "requeue", number)
    job.wait_for(f"Slurm job {number}: PENDING", 2)
    slurm.run("scontrol", "update", f"jobid={number}", "StartTime=now")  # Slurm waits for two minutes otherwise
    assert job.finish() == 0, job.text
    assert slurm.job(number)["Restarts"] == "1" and re.search("fit 1 goes on from .*fit1-step", job.text), job.text
    assert has_same_bits("requeued")


def test_a_job_that_ran_into_its_time_limit_goes_on(start, slurm, has_same_bits):
    """No snapshot would have been due: what it goes on from was taken when Slurm announced the end."""
    options = ["--submit", "-n", "2", "--snapshot", "3600s", "--slurm", "nodes=2"]
    options += ["--slurm", "time=2", "--slurm", "signal=B:USR1@60"]
    job = start(cluster_scripts.TOO_SLOW, "limited", options=options)
    job.wait_for("SIGUSR1 is passed on to w0")
    assert job.finish() != 0, job.text
    number = re.search(r"Slurm job (\d+): ", job.text)[1]
    assert f"Slurm job {number}: TIMEOUT" in job.text, job.text
    slurm.run("scontrol", "requeue", number)
    slurm.run("scontrol", "update", f"jobid={number}", "StartTime=now")
    slurm.until(lambda: slurm.job(number)["JobState"] == "COMPLETED")
    known = slurm.job(number)
    assert known["Restarts"] == "1"
    assert re.search("fit 1 goes on from .*fit1-step", Path(known["StdOut"]).read_text())
    assert has_same_bits("limited")
