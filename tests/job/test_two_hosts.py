"""A job over two hosts: network namespaces with a cable between them, so that nothing but the network is shared."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from pushgrad.common.curve import make_keys

pytestmark = pytest.mark.netns

TRAIN = """
import sys
import numpy as np
import pushgrad as mx

rng = np.random.default_rng(1)
X, y = rng.standard_normal((40, 5), np.float32), rng.standard_normal(40, np.float32)
net = mx.sym.LinearRegressionOutput(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=1))
model = mx.FeedForward.create(net, X, y, num_epoch=2, batch_size=10, learning_rate=0.1, momentum=0.5,
                              eval_metric="rmse", verbose=False)
np.savez(f"{mx.rank()}.npz", **model.arg_params)
"""

# The beginning of ZMTP's greeting: signature and version. The peer's answer is whole and names its mechanism.
ASK = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 10) as line:
    line.sendall(b"\\xff" + bytes(8) + b"\\x7f\\x03\\x00")
    answer = line.makefile("rb").read(64)
print(answer[12:32].rstrip(bytes(1)).decode())
"""


class Host:
    """A network namespace. It lives as long as a process in it, which ends with the test's."""

    def __init__(self, address):
        self.address = address
        self.keeper = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "echo ready; exec cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.ready = self.keeper.stdout.readline() == "ready\n"

    def inside(self, *command):
        return ["nsenter", f"--net=/proc/{self.keeper.pid}/ns/net", *map(str, command)]

    def run(self, *command):
        return subprocess.run(self.inside(*command), check=True, capture_output=True, text=True, timeout=30).stdout

    def close(self):
        _, error = self.keeper.communicate(timeout=30)
        return error


@pytest.fixture
def hosts():
    """Two hosts, 10.77.0.1 on its eth7 and 10.77.0.2 on its eth8, joined by a cable."""
    missing = [name for name in ("ip", "unshare", "nsenter") if not shutil.which(name)]
    if os.geteuid() != 0 or missing:
        pytest.skip(f"needs {', '.join(missing)} (iproute2, util-linux)" if missing else "needs root")
    pair = [Host("10.77.0.1"), Host("10.77.0.2")]
    try:
        if not all(host.ready for host in pair):
            pytest.skip("this system grants no network namespaces")
        first, second = (str(host.keeper.pid) for host in pair)
        cable = ["ip", "link", "add", "eth7", "netns", first, "type", "veth", "peer", "name", "eth8", "netns", second]
        subprocess.run(cable, check=True, capture_output=True, timeout=30)
        for host, interface in zip(pair, ("eth7", "eth8"), strict=True):
            host.run("ip", "address", "add", f"{host.address}/24", "dev", interface)
            host.run("ip", "link", "set", interface, "up")
            host.run("ip", "link", "set", "lo", "up")
        yield pair
    finally:
        for host in pair:
            host.close()


@pytest.fixture
def keys(tmp_path):
    make_keys(tmp_path / "keys")
    return str(tmp_path / "keys")


@pytest.mark.long
def test_one_job_on_two_hosts(hosts, new_job, keys, tmp_path):
    one, two = hosts
    job = new_job(workers=2, servers=2, ipc=False, DMLC_PS_ROOT_URI=one.address, PUSHGRAD_KEYS=keys)
    (job.folder / "train.py").write_text(TRAIN)
    train = (sys.executable, "train.py")
    job.start_scheduler(one.inside(*train))
    assert two.run(sys.executable, "-c", ASK, one.address, job.env["DMLC_PS_ROOT_PORT"]) == "CURVE\n"

    make_keys(tmp_path / "others")
    job.spawn("stranger", two.inside(*train), "worker", PUSHGRAD_KEYS=str(tmp_path / "others"))
    assert job.wait(names=["stranger"]) == {"stranger": 1}
    assert "authentication failed" in job.err("stranger")
    del job.processes["stranger"]

    job.spawn("server0", one.inside(*train), "server", DMLC_INTERFACE="eth7")
    job.spawn("server1", two.inside(*train), "server", DMLC_NODE_HOST=two.address)
    job.spawn("worker0", one.inside(*train), "worker")
    job.spawn("worker1", two.inside(*train), "worker")
    job.succeed()
    with np.load(job.folder / "0.npz") as first, np.load(job.folder / "1.npz") as second:
        assert sorted(first) == sorted(second) == ["fullyconnected0_bias", "fullyconnected0_weight"]
        assert all(first[name].tobytes() == second[name].tobytes() for name in first)
        assert all(np.isfinite(first[name]).all() and first[name].any() for name in first)


@pytest.fixture
def named(tmp_path):
    """Puts a command into a mount namespace in which names are what `lines` of /etc/hosts say."""

    def put(command, *lines):
        path = tmp_path / f"hosts{len(list(tmp_path.glob('hosts*')))}"
        path.write_text("\n".join(["127.0.0.1 localhost", *lines]) + "\n")
        return ["unshare", "--mount", "sh", "-c", f'mount --bind {path} /etc/hosts && exec "$@"', "sh", *command]

    return put


@pytest.mark.long
def test_a_server_whose_own_name_leads_back_to_it(hosts, new_job, keys, named):
    """Debian gives a host 127.0.1.1 for its own name: the others are told the address on the way to the scheduler."""
    one, two = hosts
    job = new_job(workers=2, servers=1, ipc=False, DMLC_PS_ROOT_URI=one.address, PUSHGRAD_KEYS=keys)
    (job.folder / "train.py").write_text(TRAIN)
    train = (sys.executable, "train.py")
    job.start_scheduler(one.inside(*train))
    job.spawn("server0", named(two.inside(*train), "127.0.1.1 node2"), "server", DMLC_NODE_HOST="node2")
    job.spawn("worker0", one.inside(*train), "worker")
    job.spawn("worker1", two.inside(*train), "worker")
    job.succeed()
    with np.load(job.folder / "0.npz") as first, np.load(job.folder / "1.npz") as second:
        assert all(first[name].tobytes() == second[name].tobytes() for name in first)


def test_a_scheduler_whose_own_name_leads_back_to_it(hosts, new_job, keys, named):
    one, two = hosts
    job = new_job(workers=1, start_timeout=2, ipc=False, DMLC_PS_ROOT_URI="node1", PUSHGRAD_KEYS=keys)
    (job.folder / "train.py").write_text("import pushgrad as mx; mx.rank()")
    train = (sys.executable, "train.py")
    job.start_scheduler(named(one.inside(*train), "127.0.1.1 node1"))
    job.spawn("worker0", named(two.inside(*train), f"{one.address} node1"), "worker")
    assert job.wait(timeout=30, names=["worker0"]) == {"worker0": 1}
    warning = "warning: DMLC_PS_ROOT_URI: node1 is 127.0.1.1 on this host (see /etc/hosts)"
    assert warning in job.err("scheduler")
    assert "does not take its own name node1 for 127.0.1.1 (see its /etc/hosts)" in job.err("worker0")


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("DMLC_INTERFACE", "eth8", "DMLC_INTERFACE: there is no interface 'eth8': expected one of eth7, lo"),
        ("DMLC_NODE_HOST", "10.77.0.2", "DMLC_NODE_HOST: cannot listen at tcp://10.77.0.2:0"),
    ],
    ids=["interface", "address"],
)
def test_a_server_that_is_told_the_other_host_s_place(hosts, new_job, keys, variable, value, told):
    job = new_job(ipc=False, DMLC_PS_ROOT_URI=hosts[0].address, PUSHGRAD_KEYS=keys)
    job.env["DMLC_PS_ROOT_PORT"] = "9091"  # nobody listens there, and it does not come to that
    job.spawn("server0", hosts[0].inside(sys.executable, "-m", "pushgrad.ps"), "server", **{variable: value})
    assert job.wait(timeout=20) == {"server0": 1}
    assert job.err("server0").startswith("pushgrad server: error: " + told)
    assert job.err("server0").count("\n") == 1


def test_no_keys_no_listening_on_the_network(hosts, new_job):
    job = new_job(ipc=False, DMLC_PS_ROOT_URI=hosts[0].address)
    job.spawn("scheduler", hosts[0].inside(sys.executable, "-m", "pushgrad.ps"), "scheduler", PUSHGRAD_STATUS_FD="2")
    assert job.wait(timeout=20) == {"scheduler": 1}
    assert "has no keys" in job.err("scheduler")
    assert "`pushgrad keys FOLDER` makes it" in job.err("scheduler")
