"""What pods run, as processes on hosts of their own that know the names of Services: ours, and Kubeflow's MXJob."""

import json
import os
import shlex
import subprocess
from pathlib import Path

import clusters_page
import pytest
import yaml
from cluster_scripts import SUM
from kubernetes_controller import INDEX, pods_of

from pushgrad.common.curve import make_keys
from pushgrad.launch.clusters.kubernetes_manifests import KEYS, SECRET

pytestmark = [pytest.mark.engines, pytest.mark.netns, pytest.mark.timeout(180)]


@pytest.fixture
def pods(network, tmp_path):
    """Starts a pod's commands on a host that others know by the names given, and collects what they say."""
    started = []
    make_keys(tmp_path / "keys")
    (tmp_path / "train.py").write_text(SUM)
    path = clusters_page.programs(tmp_path / "bin")
    known = (network.folder / "hosts").read_text()
    free = [*network.hosts, network.here]

    def start(names, script, env):
        host = free.pop(0)
        with (network.folder / "hosts").open("a") as hosts:
            hosts.write(f"{host.address} {' '.join(names)}\n")
        variables = {name: value.replace("<address>", host.address) for name, value in env.items()}
        words = [f"{name}={value}" for name, value in {**variables, "PATH": path}.items()]
        command = host.inside("env", "--chdir", tmp_path, *words, "sh", "-ec", script)
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))

    def finish():
        said = [each.communicate(timeout=100)[0] for each in started]
        assert [each.returncode for each in started] == [0] * len(started), said
        return "".join(said)

    yield start, finish
    for each in started:
        each.kill()
        each.communicate()
    (network.folder / "hosts").write_text(known)


def script_of(pod, secret):
    """The commands of a pod's containers, after what its volumes put there."""
    folders = [Path(KEYS).parent, SECRET]
    lines = [f"mkdir -p {folder}; mount -t tmpfs tmpfs {folder}" for folder in folders]
    lines += [f"cp {secret}/*.key_secret {SECRET}"]
    lines += [shlex.join(pod["spec"][kind][0]["command"]) for kind in ("initContainers", "containers")]
    return "\n".join(lines)


def environment_of(pod):
    values = {"status.podIP": "<address>", f"metadata.annotations['{INDEX}']": pod["metadata"]["annotations"][INDEX]}
    return {
        item["name"]: item["value"] if "value" in item else values[item["valueFrom"]["fieldRef"]["fieldPath"]]
        for item in pod["spec"]["containers"][0]["env"]
    }


@pytest.mark.parametrize("option", [[], ["--no-jobset"]], ids=["jobset", "jobs"])
def test_the_pods_of_a_job_train(pods, tmp_path, option):
    start, finish = pods
    words = ["launch", "--cluster", "kubernetes", "--kubernetes", "image=x", "--kubernetes", "name=mine", *option]
    env = {**os.environ, "PATH": clusters_page.programs(tmp_path / "bin")}
    command = [*words, "--workers", "2", "--dry-run", "train.py"]
    text = subprocess.run(command, cwd=tmp_path, env=env, check=True, capture_output=True, timeout=60).stdout
    items = [item for item in yaml.safe_load_all(text) if item is not None]
    for pod in [pod for item in items for pod in pods_of(item)]:
        spec = pod["spec"]
        names = [f"{spec['hostname']}.{spec['subdomain']}", spec["hostname"]]
        start(names, script_of(pod, tmp_path / "keys"), environment_of(pod))
    assert finish().count("sum [2. 2.] of 2") == 2


def test_an_mxjob_trains(pods, tmp_path):
    """The environment is that of Kubeflow's mxnet-operator: SetClusterSpec in pkg/controller.v1/mxnet/pod.go."""
    start, finish = pods
    numbers = {"scheduler": 1, "server": 1, "worker": 2}
    cluster = {
        role: [{"url": f"mine-{role}-{index}", "port": 9091} for index in range(number)]
        for role, number in numbers.items()
    }
    for role, number in numbers.items():
        for index in range(number):
            config = {"cluster": cluster, "labels": {}, "task": {"type": role, "index": index}}
            env = {
                "MX_CONFIG": json.dumps(config),
                "DMLC_PS_ROOT_PORT": "9091",
                "DMLC_PS_ROOT_URI": "mine-scheduler-0",
                "DMLC_NUM_SERVER": str(numbers["server"]),
                "DMLC_NUM_WORKER": str(numbers["worker"]),
                "DMLC_ROLE": role,
                "DMLC_USE_KUBERNETES": "1",
                **({"DMLC_WORKER_ID": str(index)} if role == "worker" else {}),
            }
            # What a user of ours adds to the MXJob: a Secret with the job's keys.
            start([f"mine-{role}-{index}"], "python train.py", {**env, "PUSHGRAD_KEYS": str(tmp_path / "keys")})
    assert finish().count("sum [2. 2.] of 2") == 2
