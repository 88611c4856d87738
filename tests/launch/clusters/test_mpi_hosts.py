"""`launch --cluster mpi` over two hosts: mpirun reaches them by ssh."""

import os
import shutil
import sys

import cluster_scripts
import numpy as np
import pytest

pytestmark = [pytest.mark.engines, pytest.mark.netns, pytest.mark.timeout(240)]

TRAIN = f"""{cluster_scripts.TRAIN}\
import socket
print("rank", mx.rank(), "of", mx.num_workers(), "on", socket.gethostname(), flush=True)
"""
MPIRUNS = {
    "mpirun.mpich": "-launcher ssh -f hosts -iface eth0",
    "mpirun.openmpi": "--allow-run-as-root --oversubscribe --hostfile hosts --mca oob_tcp_if_include eth0",
}


@pytest.mark.parametrize("mpirun", list(MPIRUNS))
def test_two_hosts_train_to_the_bits_of_one(network, launch, script, tmp_path, mpirun):
    if not shutil.which(mpirun):
        pytest.skip(f"{mpirun} is not installed")
    (tmp_path / "hosts").write_text("node1\nnode2\n")
    options = ["--mpirun", f"{mpirun} {MPIRUNS[mpirun]}", "--workers", "4", script(TRAIN), "mpi"]
    path = os.pathsep.join([str(network.path), os.environ["PATH"]])
    inside = network.here.inside(
        "env", "--chdir", tmp_path, sys.executable, "-m", "pushgrad.launch", "--cluster", "mpi"
    )
    job = launch(argv=[*inside, *options], env={"PATH": path, "TMPDIR": str(network.here.temporary)})
    assert job.finish() == 0, job.text
    said = [line for line in job.lines if " of 4 on node" in line]
    assert len(said) == 4 and {line.split()[-1] for line in said} == {"node1", "node2"}, job.text
    local = launch("--workers", 4, "train.py", "local", real=True)
    assert local.finish() == 0, local.text
    with np.load(tmp_path / "local-0.npz") as expected, np.load(tmp_path / "mpi-3.npz") as found:
        assert sorted(found) == sorted(expected)
        assert all(found[name].tobytes() == expected[name].tobytes() for name in expected)
    assert all(host.is_clean_within(10) for host in (*network.hosts, network.here))
