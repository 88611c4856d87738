"""Jobs that a real mpirun starts: `launch --cluster mpi`, and mpirun by itself.

PUSHGRAD_MPIRUNS names further ones, between semicolons: of wheels in environments of their own, say.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import cluster_scripts
import numpy as np
import pytest

pytestmark = pytest.mark.engines

MPIRUNS = [
    "mpirun.openmpi --allow-run-as-root --oversubscribe",
    "mpirun.mpich",
    *filter(None, os.environ.get("PUSHGRAD_MPIRUNS", "").split(";")),
]
TRAIN = f"""{cluster_scripts.TRAIN}\
os.write(1, ("rank %d of %d local %s" % (mx.rank(), mx.num_workers(), os.environ["LOCAL_RANK"]) + chr(10)).encode())
"""


@pytest.fixture(params=MPIRUNS, ids=lambda command: re.sub(r"\W+", "-", command.split()[0]))
def mpirun(request):
    if not shutil.which(request.param.split()[0]):
        pytest.skip(f"{request.param.split()[0]} is not installed")
    return request.param


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The parameters of a local job."""
    folder = tmp_path_factory.mktemp("local")
    (folder / "train.py").write_text(TRAIN)
    command = [sys.executable, "-m", "pushgrad.launch", "--workers", "2", "train.py", "local"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=110)
    with np.load(folder / "local-0.npz") as file:
        return dict(file)


def same_bits(path, expected):
    with np.load(path) as found:
        return sorted(found) == sorted(expected) and all(
            found[name].tobytes() == expected[name].tobytes() for name in expected
        )


def test_launch(mpirun, launch, script, tmp_path, expected):
    job = launch("--cluster", "mpi", "--mpirun", mpirun, "--workers", 2, script(TRAIN), "mpi", real=True)
    assert job.finish() == 0, job.text
    for rank in (0, 1):
        assert f"w{rank} | rank {rank} of 2 local {rank}" in job.lines
        assert same_bits(tmp_path / f"mpi-{rank}.npz", expected)


def test_a_worker_s_code(mpirun, launch, script, left_behind):
    text = "import os, sys, pushgrad as mx\nmx.kv.create('dist_sync')\nif os.environ['RANK'] == '1': sys.exit(3)\n"
    job = launch(
        "--cluster", "mpi", "--mpirun", mpirun, "--workers", 2, script(text + "mx.kv.create('dist_sync')"), real=True
    )
    assert job.finish() == 3, job.text
    assert "worker 1 exited with code 3 (host " in job.errors[-2]
    assert left_behind(job.job_id) == []


def test_a_killed_worker(mpirun, launch, script, left_behind, tmp_path, expected):
    """mpirun is started anew for the next generation, which goes on from the last snapshot."""
    options = ["--mpirun", mpirun, "--workers", 2, "--snapshot", "2steps", "--verbose"]
    job = launch("--cluster", "mpi", *options, script(cluster_scripts.INTERRUPTED), "restarted", real=True)
    job.wait_for("w0 | halted")
    os.kill(int(re.search(r"\bw1 is pid (\d+)", job.text)[1]), signal.SIGKILL)
    assert job.finish() == 0, job.text
    assert re.search(r"worker 1 was killed by SIGKILL .*; the job goes on .* as generation 2", job.text), job.text
    for rank in (0, 1):
        assert same_bits(tmp_path / f"restarted-{rank}.npz", expected)
    assert left_behind(job.job_id) == []


WAIT = """
import signal, pushgrad as mx
mx.rank()
print("ready", flush=True)
while True:
    signal.pause()
"""


def test_launch_killed(mpirun, launch, script, gone_within):
    job = launch("--cluster", "mpi", "--mpirun", mpirun, "--workers", 2, script(WAIT), real=True)
    job.wait_for("| ready", 2)
    job.send(signal.SIGKILL)
    job.finish()
    assert gone_within(job.job_id, 10)


def test_ctrl_c(mpirun, launch, script, left_behind):
    text = f"try:\n{textwrap.indent(WAIT, '    ')}\nexcept KeyboardInterrupt:\n    print('saved')"
    job = launch("--cluster", "mpi", "--mpirun", mpirun, "--workers", 2, script(text), real=True)
    job.wait_for("| ready", 2)
    job.send(signal.SIGINT)
    assert job.finish() == 130, job.text
    assert sorted(line for line in job.lines if "saved" in line) == ["w0 | saved", "w1 | saved"]
    assert left_behind(job.job_id) == []


def test_mpirun_by_itself(mpirun, script, tmp_path, expected):
    command = [*mpirun.split(), "-n", "4", sys.executable, script(TRAIN), "alone"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    # Open MPI gives rank 0 a terminal, which colorama, if numba finds it, resets at the end.
    lines = done.stdout.replace("\x1b[0m", "").splitlines()
    assert sorted(line for line in lines if line.startswith("rank")) == [
        "rank 0 of 2 local 0",
        "rank 1 of 2 local 1",
    ]
    assert same_bits(tmp_path / "alone-1.npz", expected)


@pytest.mark.skipif(not shutil.which("mpirun.openmpi"), reason="no Open MPI")
def test_a_tracker_that_uses_mpirun(tracked, tmp_path):
    """It gives the role; the rank among all of an mpirun's processes, which says roles otherwise, does not count."""
    (tmp_path / "mpirun").symlink_to(shutil.which("mpirun.openmpi"))
    settings = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    settings |= {"OMPI_MCA_rmaps_base_oversubscribe": "1", "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    # The tracker starts several at once. Each would make Open MPI's folder of this user if there is none, and fail if
    # another one has been quicker; nor must the first to end take it away. Its name is short, as it is for sockets.
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder, f"ompi.{socket.gethostname()}.{os.geteuid()}", "kept")
        kept.mkdir(mode=0o700, parents=True)
        kept.parent.chmod(0o700)
        done = tracked("mpi", cluster_scripts.SUM, **settings, TMPDIR=folder)
    assert done.returncode == 0 and done.stdout.count("sum [2. 2.] of 2") == 2, done.stdout + done.stderr


def test_processes_that_do_not_know_of_each_other(launch, script):
    """What srun does with an MPI that it does not know: each process is the only one."""
    alone = "PMI_RANK=0 PMI_SIZE=1 MPI_LOCALRANKID=0 MPI_LOCALNRANKS=1"
    agent = f"{alone} {sys.executable} -P -m pushgrad.launch.clusters.agent & "
    job = launch("--cluster", "mpi", "--mpirun", f"sh -c '{agent * 3} wait'", script(""), real=True)
    assert job.finish() == 1, job.text
    assert "its agent is one of 1 and not of 3: sh has started each by itself" in job.errors[-2]
