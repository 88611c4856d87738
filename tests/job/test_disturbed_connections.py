"""Jobs under `launch` whose connections are cut and delayed, or lead nowhere for longer than a lease."""

import contextlib
import importlib.util
import json
import random
import shutil
import sys
from pathlib import Path

import pytest
from killing import kill, lines_of
from proxy import Proxy

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]

_spec = importlib.util.spec_from_file_location("two_hosts", Path(__file__).with_name("test_two_hosts.py"))
_two_hosts = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_two_hosts)

LEASE = 4
# Workers reach their server through the proxy of the test, which finds it by a file that is whole at once.
DETOUR = """
import os, sys
from pushgrad.worker.store import transport

class Detour(transport.ServerLine):
    def __init__(self, network, env, endpoint, outbox, identity):
        host, _, port = endpoint.rpartition(":")
        with open(f"server_port.{os.getpid()}", "w") as file:
            file.write(port)
        os.replace(file.name, "server_port")
        super().__init__(network, env, f"{host}:{sys.argv[2]}", outbox, identity)

transport.ServerLine = Detour
"""
TRAINS = Path(__file__).with_name("kinds_of_training.py").read_text()


@pytest.fixture
def start(launch, script):
    """Starts a job of 2 workers and 1 server, `inside` of a host, or with the script's detour to a proxy's port."""

    def run(*options, pause=0.0, port=None, inside=list, **env):
        text = TRAINS if port is None else DETOUR + TRAINS
        given = ["--verbose", "--workers", 2, "--servers", 1, *options, script(text), json.dumps(["adam", pause]), port]
        argv = [sys.executable, "-m", "pushgrad.launch", *map(str, given)]
        env |= {"OMP_NUM_THREADS": "1", "PUSHGRAD_TRANSPORT": "tcp", "PUSHGRAD_LEASE": str(LEASE)}
        return launch(argv=[*inside(argv)], env=env)

    return run


@pytest.fixture
def expected(start):
    """The lines of a job that nothing befalls."""
    job = start("--snapshot", "off")
    assert job.finish() == 0, job.text
    return lines_of(job)


def later(job, draw):
    """Wait for some more snapshots."""
    job.wait_for("event=resumable", times=job.text.count("event=resumable") + draw.randrange(2, 6))


@pytest.mark.parametrize("seed", range(2))
def test_cuts_and_delays_beside_deaths_cost_nothing_but_time(start, expected, tmp_path, left_behind, seed):
    draw = random.Random(seed)
    proxy = Proxy(lambda: int((tmp_path / "server_port").read_text()), seed, cuts=12, low=5_000, high=60_000, late=0.05)
    with contextlib.closing(proxy):
        job = start("--snapshot", "2steps", "--max-restarts", 9, pause=0.05, port=proxy.port)
        for generation in (1, 2):
            later(job, draw)
            kill(job, draw.choice(["w0", "w1", "ps0", "sched"]))
            job.wait_for("the job goes on", times=generation)
        assert job.finish() == 0, job.text
    assert lines_of(job) == expected
    assert proxy.cut > 2 and proxy.delayed > 2 and left_behind(job.job_id) == []


@pytest.fixture
def host():
    """A host of its own, whose network can be switched off."""
    if not shutil.which("ip"):
        pytest.skip("needs ip (iproute2)")
    host = _two_hosts.Host("127.0.0.1")
    try:
        if not host.ready:
            pytest.skip("this system grants no network namespaces")
        host.run("ip", "link", "set", "lo", "up")
        yield host
    finally:
        host.close()


@pytest.mark.netns
@pytest.mark.parametrize("seed", range(2))
def test_a_network_that_is_gone_for_longer_than_a_lease_and_then_again_there(start, expected, host, left_behind, seed):
    draw = random.Random(seed)
    options = ("--snapshot", "2steps", "--max-restarts", 9)
    job = start(*options, pause=0.05, inside=lambda argv: host.inside(*argv))
    for generation in (1, 2):
        later(job, draw)
        host.run("ip", "link", "set", "lo", "down")  # whatever is sent is lost
        job.wait_for("the job goes on", times=generation)
        host.run("ip", "link", "set", "lo", "up")
    assert job.finish() == 0, job.text
    assert lines_of(job) == expected
    assert left_behind(job.job_id) == []
