"""A Ray cluster of two nodes on this machine, and the interpreter that has Ray."""

import contextlib
import os
import subprocess
import tempfile

import pytest

CPUS = 3  # of each node
CLUSTER = f"""
import sys
from ray.cluster_utils import Cluster
head = {{"num_cpus": {CPUS}, "temp_dir": sys.argv[1], "include_dashboard": True, "dashboard_port": 0}}
cluster = Cluster(initialize_head=True, head_node_args=head)
cluster.add_node(num_cpus={CPUS})
print(cluster.address, cluster.head_node.webui_url, flush=True)
for line in sys.stdin:
    node = cluster.add_node(num_cpus={CPUS})
    print("there", flush=True)
    sys.stdin.readline()
    node.kill_raylet()
cluster.shutdown()
"""


class Cluster:
    """The running cluster: its `address`, that of its Jobs (`jobs`), and `python`, which has Ray and pushgrad."""

    def __init__(self, python, folder):
        self.python, self.folder = python, folder
        self._process = subprocess.Popen(
            [python, "-c", CLUSTER, folder],
            env={**os.environ, "RAY_worker_niceness": "0"},  # 15 unless told: other tests would get all cores
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        words = self._process.stdout.readline().decode().split()
        if not words:
            raise AssertionError(self._process.communicate()[1].decode())
        self.address, self.jobs = words[0], f"http://{words[1]}"

    @contextlib.contextmanager
    def another_node(self):
        """With a third node, which is lost in the end."""
        self._process.stdin.write(b"add\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == b"there\n"
        yield
        self._process.stdin.write(b"lose\n")
        self._process.stdin.flush()

    def close(self):
        self._process.communicate(timeout=60)


@pytest.fixture(scope="module")
def ray():
    python = os.environ.get("PUSHGRAD_RAY")
    if not python:
        pytest.skip("needs an interpreter with ray[default] and pushgrad, named by PUSHGRAD_RAY (`make ray`)")
    # Short: Ray's sockets are in it.
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        cluster = Cluster(python, folder)
        yield cluster
        cluster.close()
