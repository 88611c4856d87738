"""`launch --cluster ray` on two nodes of a real Ray."""

import os
import re
import shlex
import signal
import subprocess
import textwrap
from pathlib import Path

import cluster_scripts
import clusters_page
import numpy as np
import pytest

pytestmark = [pytest.mark.engines, pytest.mark.timeout(400)]

TRAIN = f"""{cluster_scripts.TRAIN}\
seen = [os.environ.get(name, "") for name in ("RAY_RAYLET_PID", "LOCAL_RANK", "OMP_NUM_THREADS", "API_TOKEN")]
print("rank", mx.rank(), "of", mx.num_workers(), *seen)
"""
SUM = f"""{cluster_scripts.SUM}\
if store.rank == 1:
    sys.exit(int(sys.argv[1]))
"""
WAIT = """
import signal, pushgrad as mx
mx.rank()
print("ready", flush=True)
while True:
    signal.pause()
"""
SAVE = f"try:\n{textwrap.indent(WAIT, '    ')}\nexcept KeyboardInterrupt:\n    print('saved')"


@pytest.fixture
def start(ray, launch, script):
    """Starts `launch --cluster ray`."""

    def start(text, *arguments, address=None, options=(), **popen):
        command = [ray.python, "-m", "pushgrad.launch", "--cluster", "ray", f"--address={address or ray.address}"]
        return launch(argv=[*command, *options, script(text), *arguments], **popen)

    return start


@pytest.fixture
def actors(ray):
    """Pids of this cluster's actors that live, by their numbers: a function."""

    def actors():
        found = {}
        for entry in Path("/proc").iterdir():
            try:
                if (entry / "cmdline").read_bytes().startswith(b"ray::Holder") and ray.folder in command_of_parent(
                    entry
                ):
                    agent = (entry / "task" / entry.name / "children").read_text().split()[0]
                    found[int(Path("/proc", agent, "cmdline").read_bytes().split(b"\0")[-3])] = int(entry.name)
            except (OSError, IndexError):  # no process, or one that has ended
                pass
        return found

    return actors


def command_of_parent(process):
    """That of the raylet which has started an actor: it names its cluster's folder."""
    parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
    return Path("/proc", parent, "cmdline").read_text()


def arrays(folder, name, workers):
    return [dict(np.load(folder / f"{name}-{rank}.npz")) for rank in range(workers)]


def test_two_nodes_train_to_the_bits_of_one_host(ray, start, launch, left_behind, tmp_path):
    options = ["-n", "3", "--ray", "strategy=SPREAD", "--env", "API_TOKEN=hunter 2"]
    job = start(TRAIN, "ray", options=options)
    assert job.finish() == 0, job.text
    seen = re.findall(r"w(\d) \| rank (\d) of 3 (\d+) (\d) 1 hunter 2", job.text)
    assert sorted((name, rank, local) for name, rank, _, local in seen) == [(n, n, n) for n in "012"]
    assert len({node for _, _, node, _ in seen}) == 2
    assert left_behind(job.job_id) == []
    local = launch(argv=[ray.python, "-m", "pushgrad.launch", "-n", "3", "train.py", "local"])
    assert local.finish() == 0, local.text
    expected = arrays(tmp_path, "local", 1)[0]
    for found in arrays(tmp_path, "ray", 3):
        assert all((found[name] == expected[name]).all() for name in expected)


@pytest.mark.parametrize(
    ("end", "code", "said"),
    [("sys.exit(3)", 3, "exited with code 3"), ("os.kill(os.getpid(), 9)", 137, "was killed by SIGKILL")],
)
def test_a_worker_s_end_is_that_of_the_job(start, actors, left_behind, end, code, said):
    text = f"{cluster_scripts.SUM}\nimport os\nif store.rank == 1:\n    {end}\nstore.barrier()\n"
    job = start(text, options=["-n", "2"])
    assert job.finish() == code, job.text
    assert f"worker 1 {said} (host " in job.text
    assert left_behind(job.job_id) == [] and actors() == {}


def test_an_actor_that_is_lost(start, actors, left_behind):
    job = start(WAIT, options=["-n", "2"])
    job.wait_for("| ready", 2)
    os.kill(actors()[3], signal.SIGKILL)
    assert job.finish() == 1, job.text
    assert "worker 1 was lost: the actor of worker 1: the process that held its agent has ended" in job.text
    assert left_behind(job.job_id) == [] and actors() == {}


def test_a_lost_actor_is_replaced(start, actors, launch, script, left_behind, tmp_path, ray):
    """By one of the next generation, which goes on from the last snapshot."""
    job = start(cluster_scripts.INTERRUPTED, "restarted", options=["-n", "2", "--snapshot", "2steps", "--verbose"])
    job.wait_for("w0 | halted")
    os.kill(actors()[3], signal.SIGKILL)
    assert job.finish() == 0, job.text
    assert re.search(r"worker 1 was lost: .*; the job goes on .* as generation 2; 2 restarts left", job.text), job.text
    assert left_behind(job.job_id) == [] and actors() == {}
    trained = [ray.python, "-m", "pushgrad.launch", "-n", "2", "--snapshot", "off", script(cluster_scripts.TRAIN)]
    undisturbed = launch(argv=[*trained, "undisturbed"])
    assert undisturbed.finish() == 0, undisturbed.text
    expected = arrays(tmp_path, "undisturbed", 1)[0]
    for found in arrays(tmp_path, "restarted", 2):
        assert all((found[name] == expected[name]).all() for name in expected)


def test_a_node_that_is_lost(ray, start, actors, left_behind):
    with ray.another_node():
        job = start(WAIT, options=["-n", "2", "--ray", "strategy=SPREAD"])
        job.wait_for("| ready", 2)
    assert job.finish() == 1, job.text
    assert re.search(r"(.+) was lost: the actor of \1: the process that held its agent has ended", job.text)
    assert left_behind(job.job_id) == [] and actors() == {}


@pytest.mark.parametrize("way", ["address", "client"])
def test_launch_killed(ray, start, gone_within, way):
    job = start(WAIT, address=getattr(ray, way), options=["-n", "2"])
    job.wait_for("| ready", 2)
    job.send(signal.SIGKILL)
    job.finish()
    assert gone_within(job.job_id, 10)


def test_ctrl_c(start, actors, left_behind):
    job = start(SAVE, options=["-n", "2"])
    job.wait_for("| ready", 2)
    job.send(signal.SIGINT)
    assert job.finish() == 130, job.text
    assert sorted(line for line in job.lines if "saved" in line) == ["w0 | saved", "w1 | saved"]
    assert left_behind(job.job_id) == [] and actors() == {}


def test_the_lines_of_a_dry_run_submit_the_job(ray, start, tmp_path):
    shown = start(SUM, "3", options=["-n", "2", "--dry-run"])
    assert shown.finish() == 0, shown.text
    argv = shlex.split(shown.lines[-1])
    assert argv[:4] == ["ray", "job", "submit", "--"]
    done = subprocess.run(
        argv,
        env={**os.environ, **ray.env, "RAY_ADDRESS": ray.jobs},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 1 and "entrypoint command failed with exit code 3" in done.stdout + done.stderr
    assert "w0 | sum [2. 2.] of 2" in done.stdout


def test_the_lines_of_the_page(ray, tmp_path):
    (tmp_path / "train.py").write_text(clusters_page.TRAIN)
    text = clusters_page.block("Ray").replace("http://head:8265", ray.jobs)
    where = {"RAY_ADDRESS": ray.address, "RAY_API_SERVER_ADDRESS": ray.jobs}  # as on a node; the second for `ray job`
    with ray.another_node(cpus=4 * 8 + 3, gpus=4):
        done = subprocess.run(
            ["sh", "-ec", text],
            env={**os.environ, **ray.env, **where},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=350,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    for rank in range(4):
        assert done.stdout.count(f"w{rank} | rank {rank} of 4\n") == 4
    assert "#   worker 3: 1 CPU\n" in done.stdout


def test_submitting_with_the_script_s_folder(ray, start, tmp_path):
    """The exit code is that of `launch` on the cluster, to which only the folder has been brought."""
    job = start(SUM, "7", address=ray.jobs, options=["-n", "2", "--sync"])
    job.wait_for("is submitted")
    (tmp_path / "train.py").rename(tmp_path / "elsewhere")
    assert job.finish() == 7, job.text
    assert "w0 | sum [2. 2.] of 2" in job.lines and "worker 1 exited with code 7" in job.text


def test_through_ray_s_client(ray, start, actors, left_behind):
    job = start(SUM, "7", address=ray.client, options=["-n", "2", "--sync"])
    assert job.finish() == 7, job.text
    assert "w0 | sum [2. 2.] of 2" in job.lines and "worker 1 exited with code 7" in job.text
    assert left_behind(job.job_id) == [] and actors() == {}


def test_ctrl_c_of_a_submitted_job(ray, start, actors):
    job = start(SAVE, address=ray.jobs, options=["-n", "2"])
    job.wait_for("| ready", 2)
    job.send(signal.SIGINT)
    assert job.finish() == 130, job.text
    assert sorted(line for line in job.lines if "saved" in line) == ["w0 | saved", "w1 | saved"]
    assert job.text.count("| ready") == 2, "what has been shown is not shown again"
    assert actors() == {}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--ray", "cpus=50", "--start-timeout", "30"], "51.01 CPU are needed, 6 of 6 are free"),
        (["--ray", "gpus=1", "--start-timeout", "30"], "1 GPU are needed, 0 of 0 are free"),
        (["--python", "/nowhere/python"], "/nowhere/python: not found"),
    ],
)
def test_what_ray_cannot_do(start, options, told):
    job = start("", options=options)
    assert job.finish() == 1
    assert told in job.errors[-2] and "Traceback" not in job.text


def test_where_there_is_no_ray(start):
    job = start("", address="http://127.0.0.1:1")
    assert job.finish() == 2
    assert "Ray at http://127.0.0.1:1: Failed to connect" in job.text and "Traceback" not in job.text
    job = start("", address="127.0.0.1:1", options=["--start-timeout", "10"])
    assert job.finish() == 1
    assert "Ray at 127.0.0.1:1: it is not to be reached within 7 s" in job.text and "Traceback" not in job.text
