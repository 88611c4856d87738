"""A Ray cluster of two nodes on this machine, and the interpreter that has Ray."""

import contextlib
import os
import subprocess
import tempfile
from pathlib import Path

import pytest

CPUS = 3  # of each node
PATIENCE = 240  # seconds in which a node must start; Ray itself would give it 30
# Actors are as urgent as the other tests, and none are started before somebody asks for them.
SETTINGS = {
    "RAY_worker_niceness": "0",
    "RAY_prestart_worker_first_driver": "0",
    "RAY_gcs_server_port_wait_time_s": str(PATIENCE),
    "RAY_raylet_start_wait_time_s": str(PATIENCE),
}
CLUSTER = f"""
import socket, sys, time
from ray._private import services
from ray.cluster_utils import Cluster
def patiently(*arguments):
    limit = time.monotonic() + {PATIENCE}
    while True:
        try:
            return get_node(*arguments)
        except RuntimeError:
            if time.monotonic() > limit:
                raise
            time.sleep(0.1)
get_node, services.get_node = services.get_node, patiently
head = {{"num_cpus": {CPUS}, "temp_dir": sys.argv[1], "include_dashboard": True, "dashboard_port": 0}}
def free_port():
    with socket.create_server(("", 0)) as taken:
        return taken.getsockname()[1]
# Of agents of a node, one of which submits jobs. Those that choose their ports themselves must do so within 20 s.
AGENTS = ("dashboard_agent_listen_port", "metrics_agent_port", "metrics_export_port", "runtime_env_agent_port")
def ports():
    return {{name: free_port() for name in AGENTS}}
client_port = free_port()
cluster = Cluster(initialize_head=True, head_node_args=dict(head, ray_client_server_port=client_port, **ports()))
def add_node(**resources):
    node = cluster.add_node(wait=False, **resources, **ports())
    cluster._wait_for_node(node, {PATIENCE})
    return node
add_node(num_cpus={CPUS})
print(cluster.address, cluster.head_node.webui_url, client_port, flush=True)
for line in sys.stdin:
    cpus, gpus = map(int, line.split())
    node = add_node(num_cpus=cpus, num_gpus=gpus)
    print("there", flush=True)
    sys.stdin.readline()
    node.kill_raylet()
cluster.shutdown()
"""


class Cluster:
    """The running cluster: its `address`, those of its Jobs (`jobs`) and for Ray's client (`client`), its `folder`, and
    `python`, which has Ray and pushgrad.

    In `env` the commands of both are found.
    """

    def __init__(self, python, folder):
        self.python, self.folder = python, folder
        self.env = {"PATH": f"{Path(python).parent}{os.pathsep}{os.environ['PATH']}"}
        self._process = subprocess.Popen(
            [python, "-c", CLUSTER, folder],
            env={**os.environ, **self.env, **SETTINGS},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        words = self._process.stdout.readline().decode().split()
        if not words:
            raise AssertionError(self._process.communicate()[1].decode())
        self.address, self.jobs, self.client = words[0], f"http://{words[1]}", f"ray://127.0.0.1:{words[2]}"

    @contextlib.contextmanager
    def another_node(self, cpus=CPUS, gpus=0):
        """With a third node, which is lost in the end. Nobody looks whether it has so many CPUs and GPUs."""
        self._process.stdin.write(f"{cpus} {gpus}\n".encode())
        self._process.stdin.flush()
        assert self._process.stdout.readline() == b"there\n"
        yield
        self._process.stdin.write(b"\n")
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
