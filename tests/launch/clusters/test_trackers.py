"""Jobs that others have started: dmlc-core's trackers, SkyPilot and dstack, by what each sets in the environment.

dmlc's trackers for mpirun and srun are in test_mpirun.py and slurm/.
"""

import os
import sys
from concurrent.futures import ThreadPoolExecutor

import cluster_scripts
import pytest
from clusters_page import programs

from pushgrad.common.curve import make_keys

SAY = "import pushgrad as mx; print(f'rank {mx.rank()} of {mx.num_workers()}' + chr(10), end='', flush=True)"
RANKS = ["rank 0 of 2", "rank 1 of 2"]


@pytest.fixture
def keys(tmp_path):
    """The words that let a tracker's command find the keys of a job."""
    make_keys(tmp_path / "keys")
    return ["env", f"PUSHGRAD_KEYS={tmp_path}/keys"]


@pytest.mark.parametrize("cluster", ["local", pytest.param("yarn", marks=pytest.mark.long)])
def test_a_role_for_each_task(tracked, cluster):
    done = tracked(cluster, SAY)
    assert done.returncode == 0 and sorted(done.stdout.splitlines()) == RANKS, done.stdout + done.stderr


def test_tasks_of_sge_have_only_numbers(tracked, tmp_path):
    done = tracked("sge", SAY, PATH=programs(tmp_path / "bin", qsub=cluster_scripts.QSUB))
    assert done.returncode == 0 and sorted(done.stdout.splitlines()) == RANKS, done.stdout + done.stderr


@pytest.mark.engines
@pytest.mark.netns
def test_over_ssh(tracked, keys, network, tmp_path):
    """The scheduler is on the tracker's own host, the others on two more."""
    (tmp_path / "hosts").write_text("node1\nnode2\n")
    path = os.pathsep.join([str(network.path), os.environ["PATH"]])
    around = network.here.inside("env", "--chdir", tmp_path)
    done = tracked("ssh", SAY, around=around, before=keys, TRACKER_HOST=network.here.address, PATH=path)
    assert done.returncode == 0 and sorted(done.stdout.splitlines()) == RANKS, done.stdout + done.stderr
    assert all(host.is_clean_within(10) for host in network.hosts)


def skypilot(addresses, rank):
    count = str(len(addresses))
    return {"SKYPILOT_NODE_IPS": "\n".join(addresses), "SKYPILOT_NODE_RANK": str(rank), "SKYPILOT_NUM_NODES": count}


def dstack(addresses, rank):
    count = str(len(addresses))
    env = {"DSTACK_MASTER_NODE_IP": addresses[0], "DSTACK_NODE_RANK": str(rank), "DSTACK_NODES_NUM": count}
    return env | {"DSTACK_GPUS_PER_NODE": "0", "DSTACK_RUN_NAME": "run"}


@pytest.mark.long
@pytest.mark.parametrize("platform", [skypilot, dstack])
def test_a_platform_s_only_node(launch, script, platform):
    command = [sys.executable, "-m", "pushgrad.launch", "--cluster", "env", "--workers-per-host", "2", script(SAY)]
    job = launch(argv=command, env=platform(["10.0.0.5"], 0))
    assert job.finish() == 0, job.text
    assert sorted(job.lines) == [f"w{rank} | {line}" for rank, line in enumerate(RANKS)]


@pytest.mark.engines
@pytest.mark.netns
@pytest.mark.parametrize("platform", [skypilot, dstack])
def test_two_nodes_of_a_platform(launch, script, keys, network, tmp_path, platform):
    nodes = network.hosts[:2]
    words = ["env", "--chdir", tmp_path, *keys[1:], sys.executable, "-m", "pushgrad.launch", "--cluster", "env"]
    path = script(SAY)

    def run(rank):
        env = {**platform([node.address for node in nodes], rank), "TMPDIR": str(nodes[rank].temporary)}
        job = launch(argv=nodes[rank].inside(*words, path), env=env)
        assert job.finish() == 0, job.text
        return job.lines

    with ThreadPoolExecutor() as pool:
        assert [line for lines in pool.map(run, (0, 1)) for line in lines] == ["w0 | " + RANKS[0], "w1 | " + RANKS[1]]
    assert all(node.is_clean_within(10) for node in nodes)
