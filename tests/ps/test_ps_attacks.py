"""Whatever comes through the ports of a running job, the job goes on and its servers stay as they are."""

import contextlib
import json
import os
import random
import socket
import time
from pathlib import Path

import pytest
import zmq
from wire_messages import SAMPLES, mutate, nested

from pushgrad.common.codec import decode, encode
from pushgrad.common.messages import Error, Hello, Leave
from pushgrad.common.requests import Push, Stats
from pushgrad.common.tensor import Tensor

TRAIN = """
    import json, os, time
    import numpy as np
    import pushgrad as mx
    from pushgrad.worker.store.joining import current_session

    session = current_session()
    kv = mx.kv.create("dist_sync")
    kv.init("w", np.zeros(1000, np.float32))
    print(json.dumps([endpoint for endpoint, _ in session.transport.link.welcome.servers]), flush=True)
    n, out = 0, np.empty(1000, np.float32)
    while True:
        n += 1
        kv.push("w", np.full(1000, n, np.float32))
        kv.pull("w", out=out)
        assert (out == n * kv.num_workers).all()
        time.sleep(0.005)  # leaves the processors to others
        if kv.rank == 0 and os.path.exists("look"):
            os.remove("look")
            session.progress(fit=1, epoch=1, step=n, samples_per_second=1.0, at_once=True)
        if b"1" in session.gather(b"1" if os.path.exists("stop") else b"0"):
            break
    assert out[0] == n * kv.num_workers
    print("steps", n)
"""


@pytest.fixture(scope="module")
def training(new_shared_job):
    """A running job, which bears it all and ends as it should, and the endpoints of its scheduler and server."""
    job = new_shared_job(2, 1, lease=20, ipc=False, PUSHGRAD_INSECURE="1").start(TRAIN)
    check_it_goes_on(job)
    server = json.loads(job.out("worker0").splitlines()[0])[0]
    yield job, [f"tcp://127.0.0.1:{job.env['DMLC_PS_ROOT_PORT']}", server]
    (job.folder / "stop").touch()
    job.succeed()
    assert job.out("worker0").splitlines()[-1].startswith("steps ")


def check_it_goes_on(job):
    """The job must still be training: it does another step, and says so."""
    assert all(process.poll() is None for process in job.processes.values())
    (job.folder / "look").touch()
    job.event("progress")


def address(endpoint):
    host, port = endpoint.removeprefix("tcp://").split(":")
    return host, int(port)


def files_of(process):
    return len(os.listdir(f"/proc/{process.pid}/fd"))


def resident_kilobytes(process):
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


def test_bytes_that_are_no_zeromq(training):
    job, endpoints = training
    generator = random.Random(1)
    for endpoint in endpoints:
        for data in (
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            bytes.fromhex("16030100a50100") + generator.randbytes(158),
            b"\xff" * 9 + b"\x7f\x03\x00NULL" + bytes(48) + generator.randbytes(500),
            b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x03\x00NULL"
            + bytes(16)
            + b"\x00"
            + bytes(31)
            + b"\x06\xff" * 200,
            *(generator.randbytes(generator.randint(1, 5000)) for _ in range(20)),
        ):
            stranger = socket.create_connection(address(endpoint), timeout=5)
            with stranger, contextlib.suppress(ConnectionError):
                stranger.sendall(data)
    check_it_goes_on(job)


@pytest.mark.long
def test_idle_connections_are_closed(training):
    job, endpoints = training
    processes = [job.processes["scheduler"], job.processes["server0"]]
    before = [files_of(process) for process in processes]
    idle = [socket.create_connection(address(endpoint), timeout=5) for endpoint in endpoints for _ in range(300)]
    deadline = time.monotonic() + 20
    for connection in idle:
        connection.settimeout(max(0.1, deadline - time.monotonic()))
        while connection.recv(100):
            pass  # the greeting, then the end
        connection.close()
    for process, count in zip(processes, before, strict=True):
        assert files_of(process) <= count + 2
    check_it_goes_on(job)


def dealer(endpoint, identity):
    stranger = zmq.Context.instance().socket(zmq.DEALER)
    stranger.linger, stranger.rcvtimeo, stranger.routing_id = 0, 5000, identity
    stranger.connect(endpoint)
    return stranger


def test_messages_that_are_none_get_a_typed_error_and_cost_nothing(training):
    job, endpoints = training
    generator = random.Random(2)
    me = {"job": "test", "rank": 0, "incarnation": "forged", "fit": 1}
    push = Push(**me, n=1, lr=0.1, tensors=(Tensor("w", "float32", (1000,), 0, 1000),), frames=(bytes(4000),))
    hello = Hello(job="test", role="worker", rank=0, incarnation="forged", host="h", pid=1, workers=2, servers=1)
    wanted = [
        ([b""], "malformed"),
        ([b"\x91" * 2000], "malformed"),
        ([b"\x91" * 1010 + b"\x01"], "malformed"),  # too deep for repr, not for the unpacker
        ([b"\x82\xa1v\x01\xa2op" + b"\x91" * 1010 + b"\x01"], "malformed"),
        ([b"\x81\xa1v" + b"\x81\xa1k" * 1010 + b"\x01"], "malformed"),
        ([b"\xdf\xff\xff\xff\xff"], "malformed"),
        ([generator.randbytes(500)], "malformed"),
        ([bytes(2 << 20)], "too_large"),
        ([b"\x80", *[b"x"] * 10_000], "version"),
        ([encode(Leave())[0], *[b""] * 5000], "frames"),
    ]
    for endpoint, own in zip(endpoints, ([(encode(hello), "rank")], [(encode(push), "superseded")]), strict=True):
        stranger = dealer(endpoint, b"worker-forged")
        for frames, code in [*wanted, *own]:
            stranger.send_multipart(frames)
            answer = decode(stranger.recv_multipart())
            assert isinstance(answer, Error)
            assert answer.code == code, (answer, frames[0][:20])
        stranger.close()
    check_it_goes_on(job)


def test_mutated_messages_never_end_a_process(training):
    """Each of a stranger's messages is answered by an error."""
    job, endpoints = training
    generator = random.Random(3)
    for endpoint in endpoints:
        stranger = dealer(endpoint, b"stranger")
        for _ in range(1500):
            frames = mutate(generator, generator.choice(SAMPLES))
            if generator.random() < 0.2:
                frames[0] = nested(generator.randint(1, 1023), generator.choice(["array", "map"]))
            stranger.send_multipart(frames)
            assert isinstance(decode(stranger.recv_multipart()), Error)
        stranger.close()
    check_it_goes_on(job)


def test_frames_beyond_the_limit_are_cut_off_before_they_are_stored(training):
    job, endpoints = training
    before = resident_kilobytes(job.processes["server0"])
    for endpoint in endpoints:
        stranger = dealer(endpoint, b"big")
        with stranger.get_monitor_socket(zmq.EVENT_DISCONNECTED) as events:
            stranger.send(bytes(200 << 20))
            assert events.poll(20_000)  # the connection is cut
            stranger.disable_monitor()
        assert not stranger.poll(0)
        stranger.close()
    assert resident_kilobytes(job.processes["server0"]) < before + (64 << 10)
    check_it_goes_on(job)


def test_a_stranger_cannot_ask_a_server(training):
    job, endpoints = training
    stranger = dealer(endpoints[1], b"worker-0-forged")
    stranger.send_multipart(encode(Stats(job="test", rank=0, incarnation="forged", fit=1, seq=1)))
    answer = decode(stranger.recv_multipart())
    assert (answer.code, answer.seq) == ("superseded", 1)
    stranger.close()
    check_it_goes_on(job)
