"""A job whose connections to its server are cut, delayed, lead nowhere for longer than a lease, and heal."""

import random
from pathlib import Path

import pytest
from killing import kill, lines_of
from proxy import Proxy

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]

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
    """Starts a job of 2 workers and 1 server, whom they reach through the proxy."""

    def run(proxy, pause, *options):
        given = ["--verbose", "--workers", 2, "--servers", 1, *options, script(DETOUR + TRAINS), f'["adam", {pause}]']
        env = {"OMP_NUM_THREADS": "1", "PUSHGRAD_TRANSPORT": "tcp", "PUSHGRAD_LEASE": str(LEASE)}
        return launch(*given, proxy.port, real=True, env=env)

    return run


@pytest.mark.parametrize("seed", range(3))
def test_what_befalls_connections_costs_nothing_but_time(start, tmp_path, left_behind, seed):
    def port():
        return int((tmp_path / "server_port").read_text())

    direct = Proxy(port, seed)
    try:
        whole = start(direct, 0.0, "--snapshot", "off")
        assert whole.finish() == 0, whole.text
    finally:
        direct.close()
    draw = random.Random(seed)
    proxy = Proxy(port, seed, cuts=12, low=5_000, high=60_000, late=0.05)
    try:
        job = start(proxy, 0.05, "--snapshot", "2steps", "--max-restarts", 9)
        for generation in range(1, 4):
            job.wait_for("event=resumable", times=job.text.count("event=resumable") + draw.randrange(2, 6))
            if generation == 2:
                kill(job, draw.choice(["w0", "w1", "ps0", "sched"]))
            else:
                proxy.way.clear()
            job.wait_for("the job goes on", times=generation)
            proxy.way.set()
        assert job.finish() == 0, job.text
    finally:
        proxy.close()
    assert lines_of(job) == lines_of(whole) and lines_of(job)["w1"]
    assert proxy.cut > 2 and proxy.delayed > 2 and left_behind(job.job_id) == []
