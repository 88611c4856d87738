"""Strangers at the ports of a running job."""

import os
import random
import re
import socket
from pathlib import Path

TRAINS_UNTIL_TOLD = """
import os
import numpy as np
import pushgrad as mx

kv = mx.kv.create("dist_sync")
weight, steps = np.zeros(100, np.float32), 0
kv.init("w", weight)
print("ready", flush=True)
told = np.zeros(1, np.float32)
kv.init("told", told)
while not told[0]:
    kv.push("w", np.full(100, 1.0, np.float32))
    kv.pull("w", weight)
    assert (weight == 2.0).all()
    kv.push("told", np.array([float(os.path.exists("enough"))], np.float32))
    kv.pull("told", told)
    steps += 1
print("steps", steps > 0)
"""

HTTP = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
TLS = bytes.fromhex("16030100c8010000c40303") + bytes(189)


def listening():
    """The TCP sockets of this host that listen: ports by inode."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {row[9]: int(row[1].partition(":")[2], 16) for row in rows if row[3] == "0A"}


def listeners(pids):
    """Those of these processes."""
    inodes = set()
    for pid in pids:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            try:
                match = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(entry))
            except OSError:
                continue
            if match:
                inodes.add(match[1])
    return {inode: port for inode, port in listening().items() if inode in inodes}


def knock(port, data):
    """Send `data` and read until the other side closes or says nothing for a moment."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as link:
        link.settimeout(0.2)
        try:
            link.sendall(data)
            while link.recv(4096):
                pass
        except OSError:
            pass


def test_random_bytes_and_http_do_no_harm(launch, script, left_behind, tmp_path):
    job = launch(
        *("--workers", 2, "--servers", 2, "--env", "PUSHGRAD_TRANSPORT=tcp"), script(TRAINS_UNTIL_TOLD), real=True
    )
    job.wait_for("| ready", times=2)
    doors = listeners(left_behind(job.job_id))
    ports = set(doors.values())
    assert len(ports) >= 2, "two servers'; the scheduler has a socket in the job's folder"
    noise = random.Random(1)
    idle = [socket.create_connection(("127.0.0.1", port)) for port in ports for _ in range(20)]
    for port in sorted(ports):
        for data in (
            HTTP,
            TLS,
            b"",
            b"\0" * 1000,
            noise.randbytes(100_000),
            b"\xff" + bytes(8) + b"\x7f\x03" + bytes(60),
        ):
            knock(port, data)
    (tmp_path / "enough").touch()
    assert job.finish() == 0, job.text
    for link in idle:
        link.close()
    assert sorted(job.lines)[-2:] == ["w1 | ready", "w1 | steps True"]
    assert left_behind(job.job_id) == []
    assert not doors.keys() & listening().keys()  # by inode: the ports themselves may be another job's by now
