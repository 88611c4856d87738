"""docs/clusters.md: its blocks, run as they are in the surroundings that they are for.

Those for Slurm are run in slurm/test_slurm_jobs.py, and those for Ray in on_ray/test_ray_jobs.py.
"""

import re
import shutil
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import clusters_page
import pytest
import yaml
from cluster_scripts import TORCHRUN, TRACKER
from clusters_page import block, ranks
from kubernetes_controller import complete
from kubernetes_server import ApiServer

HERE = Path(__file__).parent
# Open MPI would not run as root, nor start more processes than there are cores.
OPEN_MPI = {
    **{"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"},
    **{"OMPI_MCA_rmaps_base_oversubscribe": "1", "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe"},
}
NOT_RUN = {
    ("From one process to a cluster", 0): "an overview of the others",
    ("Containers", 0): "needs Docker; tests/test_compose.py runs what the containers run",
    ("Containers", 1): "a part of a file; tests/test_compose.py",
}


def test_every_block_is_run():
    """A block that is added to the page needs a test, or a reason for having none."""
    texts = [path.read_text() for path in HERE.rglob("test_*.py")]
    run = {
        (heading, int(number or 0))
        for text in texts
        for heading, number in re.findall(r'\bblock\("([^"]+)"(?:, (\d+))?\)', text)
    }
    assert run.isdisjoint(NOT_RUN) and run | set(NOT_RUN) == set(clusters_page.blocks())


@pytest.fixture
def shell(tmp_path):
    """Runs a block by a shell in a folder with train.py, and returns what it has written."""
    (tmp_path / "train.py").write_text(clusters_page.TRAIN)

    def run(text, around=(), env=None, **others):
        variables = {"PATH": clusters_page.programs(tmp_path / "bin", **others), "HOME": str(tmp_path)}
        variables |= {"PUSHGRAD_JOB_DIR": "", "TMPDIR": str(tmp_path), **(env or {})}
        words = [f"{name}={value}" for name, value in variables.items()]
        command = [*around, "env", "--chdir", tmp_path, *words, "sh", "-ec", text]
        done = subprocess.run(command, capture_output=True, text=True, timeout=110)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.mark.long
def test_on_one_machine(shell, tmp_path):
    said = shell(block("On one machine"))
    assert ranks(said, 2) and "w0 | rank 0 of 4" in said and "w1 | rank 1 of 4" not in said
    assert subprocess.run(["sh", "-n", tmp_path / "by-hand.sh"]).returncode == 0


@pytest.mark.long
def test_by_hand(shell):
    assert ranks(shell(block("By hand")), 2)


@pytest.mark.long
def test_torchrun(shell, port):
    said = shell(block("Nodes started by something else", 1), env={"TRACKER_PORT": port}, torchrun=TORCHRUN)
    assert ranks(said, 4)


@pytest.mark.long
def test_a_tracker(shell):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
    name = "dmlc-submit"
    said = shell(block("Nodes started by something else", 2), env={"TRACKER_PORT": port}, **{name: TRACKER})
    assert ranks(said, 2)


@pytest.mark.engines
@pytest.mark.skipif(not shutil.which("mpirun"), reason="no mpirun")
def test_mpi(shell, tmp_path):
    (tmp_path / "hosts").write_text("localhost\n")
    said = shell(block("MPI", 0), env=OPEN_MPI)
    assert said.count("of 4") == 8 and "w3 | rank 3 of 4" in said
    # mpirun passes on what it has read, and so a process's line may be in the middle of another's.
    said = shell(block("MPI", 1), env=OPEN_MPI)
    assert said.count("rank") == 8 and sorted(re.findall(r"\d", said)) == sorted("0123" * 2 + "4" * 8), said


@pytest.mark.engines
@pytest.mark.netns
def test_ssh(shell, network):
    path = {"ssh": (network.path / "ssh").read_text()}
    said = shell(block("Hosts with ssh"), network.here.inside(), **path)
    assert said.count("of 4") == 8


@pytest.mark.engines
@pytest.mark.netns
def test_skypilot(shell, network, tmp_path):
    """Two nodes, each with the environment that SkyPilot documents; `file_mounts` has put the keys there."""
    shell("pushgrad keys keys")
    task = yaml.safe_load(block("Nodes started by something else"))
    run = task["run"].replace(next(iter(task["file_mounts"])), str(tmp_path / "keys"))
    nodes = network.hosts[: task["num_nodes"]]
    addresses = "\n".join(node.address for node in nodes)
    with ThreadPoolExecutor() as pool:
        said = [
            pool.submit(shell, run, node.inside(), {"SKYPILOT_NODE_IPS": addresses, "SKYPILOT_NODE_RANK": str(rank)})
            for rank, node in enumerate(nodes)
        ]
    assert ranks("".join(each.result() for each in said), 2)


@pytest.mark.engines
@pytest.mark.netns
def test_two_hosts(shell, network, tmp_path):
    """The home folder is the same on both: nothing is to be copied."""
    shell(block("Two hosts"), scp="#!/bin/sh\n")
    first, second = network.hosts[:2]
    texts = [block("Two hosts", 1), block("Two hosts", 2)]
    with ThreadPoolExecutor() as pool:
        said = [
            pool.submit(shell, text.replace("10.0.0.1", first.address), host.inside())
            for text, host in zip(texts, (first, second), strict=True)
        ]
    assert ranks("".join(each.result() for each in said), 2)


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl, for the API server's certificate")
@pytest.mark.skipif(not (find_spec("kubernetes") or shutil.which("kubectl")), reason="no way to a cluster")
@pytest.mark.long
def test_kubernetes(shell, tmp_path):
    server = ApiServer(tmp_path)
    complete(server)
    said = shell(block("Kubernetes"), env={"KUBECONFIG": str(server.configuration)})
    server.close()
    assert len(re.findall(r"^w\d+ \| .*-worker-.* is done$", said, re.MULTILINE)) == 4 + 4 + 2
    assert not server.names(), "all has been removed"
    jobset = next(each for each in yaml.safe_load_all((tmp_path / "job.yaml").read_text()) if each)
    assert jobset["kind"] == "JobSet"
