"""A worker that reaches the scheduler and not a server: it is named, with where it failed and what to set."""

import importlib.util
import signal
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

_spec = importlib.util.spec_from_file_location("two_hosts", Path(__file__).with_name("test_two_hosts.py"))
_two_hosts = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_two_hosts)
hosts, keys = _two_hosts.hosts, _two_hosts.keys

LEASE = 3.0

TRAIN = """
import sys
import numpy as np
import pushgrad as mx

kv = mx.kv.create("dist_sync")
kv.init("w", np.zeros(50_000, np.float32))
out = np.empty(50_000, np.float32)
for n in range(1, 1_000_000):
    kv.push("w", np.ones(50_000, np.float32))
    kv.pull("w", out)
    if n % 5 == 0:
        kv.session.progress(fit=1, epoch=1, step=n, samples_per_second=1.0)
"""

NOWHERE = "02:00:00:00:00:09"  # an Ethernet address that nobody has: what is sent there is lost without a word


def start(new_job, hosts, keys, host):
    """A job with scheduler, server (at address `host`) and worker 0 on the first host, worker 1 on the second."""
    one, two = hosts
    job = new_job(workers=2, servers=1, lease=LEASE, ipc=False, DMLC_PS_ROOT_URI=one.address, PUSHGRAD_KEYS=keys)
    (job.folder / "train.py").write_text(TRAIN)
    train = (sys.executable, "train.py")
    job.start_scheduler(one.inside(*train))
    job.spawn("server0", one.inside(*train), "server", DMLC_NODE_HOST=host)
    job.spawn("worker0", one.inside(*train), "worker", 0)
    job.spawn("worker1", two.inside(*train), "worker", 1)
    return job


def ended(job, begin, host):
    """Everybody ends in about a lease and names the way that is missing."""
    assert set(job.wait(LEASE + 20).values()) == {1}
    print("seconds:", time.monotonic() - begin)
    for name in ("scheduler", "worker0", "worker1"):
        assert f"worker 1 cannot reach server 0 at tcp://{host}:" in job.err(name)
        assert "DMLC_INTERFACE or DMLC_NODE_HOST" in job.err(name)


@pytest.mark.netns
@pytest.mark.parametrize("way", ["refused", "no route", "lost"])
def test_a_server_out_of_reach_from_the_start(hosts, new_job, keys, way):
    one, two = hosts
    host = {"refused": "127.0.0.1", "no route": "10.99.0.1", "lost": "10.77.0.9"}[way]
    if way == "no route":
        one.run("ip", "address", "add", "10.99.0.1/32", "dev", "lo")
    if way == "lost":
        one.run("ip", "address", "add", "10.77.0.9/24", "dev", "eth7")
        two.run("ip", "neigh", "add", host, "lladdr", NOWHERE, "dev", "eth8", "nud", "permanent")
    job = start(new_job, hosts, keys, host)
    job.event("joined", role="worker", rank=1)
    ended(job, time.monotonic(), host)


@pytest.mark.netns
def test_a_server_that_gets_out_of_reach_on_the_way(hosts, new_job, keys):
    one, two = hosts
    one.run("ip", "address", "add", "10.77.0.9/24", "dev", "eth7")
    job = start(new_job, hosts, keys, "10.77.0.9")
    job.event("progress")
    two.run("ip", "neigh", "replace", "10.77.0.9", "lladdr", NOWHERE, "dev", "eth8", "nud", "permanent")
    ended(job, time.monotonic(), "10.77.0.9")


@pytest.mark.netns
def test_a_gap_of_less_than_the_lease_changes_nothing(hosts, new_job, keys):
    one, two = hosts
    one.run("ip", "address", "add", "10.77.0.9/24", "dev", "eth7")
    job = start(new_job, hosts, keys, "10.77.0.9")
    job.event("progress")
    two.run("ip", "neigh", "replace", "10.77.0.9", "lladdr", NOWHERE, "dev", "eth8", "nud", "permanent")
    time.sleep(0.3)  # the gap itself
    two.run("ip", "neigh", "del", "10.77.0.9", "dev", "eth8")
    job.event("progress")
    assert all(process.poll() is None for process in job.processes.values())


def test_a_server_that_stands_still_is_blamed_itself(new_job):
    job = new_job(2, 1, lease=2, ipc=False).start(TRAIN)
    job.event("progress")
    job.processes["server0"].send_signal(signal.SIGSTOP)
    job.wait(20, ["worker0", "worker1", "scheduler"])
    job.processes["server0"].kill()
    assert "because of server 0" in job.err("scheduler")
    assert "no sign of life" in job.err("worker1")
    assert "cannot reach" not in job.err("scheduler")
