"""Another user of the same host against a running job: hello, forged identities, folders, sockets, /proc."""

import json
import os
import re
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

import pytest

from pushgrad.common.curve import make_keys

pytestmark = [pytest.mark.long, pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")]
NOBODY = 65534

TRAINS = """
import json, os, time
import numpy as np
import pushgrad as mx
from pushgrad.worker.store.joining import current_session

session = current_session()
kv = mx.kv.create("dist_sync")
kv.init("w", np.zeros(100, np.float32))
link, endpoints = session.transport.link, [line.watch.endpoint for line in session.transport.lines]
with open(f"seen-{session.rank}", "w") as file:
    json.dump({"root": link.root, "servers": endpoints, "incarnation": link.incarnation, "pid": os.getpid()}, file)
session.barrier()
if session.rank == 0:
    os.rename("seen-0", "known")
out, steps = np.empty(100, np.float32), 0
while b"1" not in session.gather(b"1" if os.path.exists("enough") else b"0"):
    kv.push("w", np.full(100, 1.0, np.float32))
    kv.pull("w", out=out)
    assert (out == 2.0).all()
    steps += 1
    time.sleep(0.01)
print("steps", steps > 0)
"""

# What another user can try, all knowledge given to them but the keys. Imports come first: they need not be readable.
STRANGER = """
import json, os, socket, sys
import zmq
from pushgrad.common.channel import dealer
from pushgrad.common.codec import encode
from pushgrad.common.curve import load_keys, make_keys
from pushgrad.common.messages import Fail, Gather, Hello
from pushgrad.common.requests import Stats
import zmq.auth

known, folders = json.loads(sys.argv[1]), json.loads(sys.argv[2])
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
found, me = {}, known["incarnation"]

def attempt(name, action):
    try:
        found[name] = repr(action())
    except OSError as error:
        found[name] = type(error).__name__

for folder in folders:
    attempt(f"list {folder}", lambda: os.listdir(folder))
    attempt(f"read {folder}", lambda: open(f"{folder}/server.key_secret").read())
for name in ("environ", "fd", "map_files"):
    attempt(f"proc {name}", lambda: os.listdir(f"/proc/{known['pid']}/{name}") if name != "environ"
            else open(f"/proc/{known['pid']}/environ").read())
hello = Hello(job=known["job"], role="worker", rank=0, incarnation=me, host="h", pid=1, workers=2, servers=1)
fail = Fail(reason="the words of a stranger")
stats = Stats(job=known["job"], rank=0, incarnation=me, fit=1, seq=1)
context = zmq.Context()
sockets = []
for endpoint in [known["root"], *known["servers"]]:
    if endpoint.startswith("ipc://"):
        attempt(f"connect {endpoint}", lambda: socket.socket(socket.AF_UNIX).connect(endpoint[6:]))
    own = f"/tmp/stranger-{os.getpid()}"
    make_keys(own)
    for keys in (None, load_keys(own)):
        for identity in (f"worker-{me}", f"pulse:worker-{me}", f"worker-0-{me}", "x"):
            line = dealer(context, endpoint, identity.encode(), keys)
            line.immediate = False
            line.connect(endpoint)
            try:
                for message in (hello, Gather(n=1, frames=(b"",)), fail, stats):
                    line.send_multipart(encode(message), zmq.NOBLOCK)
            except zmq.Again:
                found[f"send {endpoint} {identity}"] = "PermissionError"  # hung up already: the handshake has failed
            sockets.append((endpoint, identity, line))
for endpoint, identity, line in sockets:
    if line.poll(max(1, 1500 // len(sockets))):
        found[f"answer {endpoint} {identity}"] = repr(line.recv_multipart())
    line.close(0)
print(json.dumps(found))
"""


def attack(known, folders):
    """What another user has found out, by what they tried."""
    command = [sys.executable, "-c", STRANGER, json.dumps(known), json.dumps(folders)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def world_readable(pids):
    """What the system tells everybody about these processes: command lines, and the names of all Unix sockets."""
    lines = [Path(f"/proc/{pid}/cmdline").read_bytes().decode() for pid in pids]
    return "\n".join([*lines, Path("/proc/net/unix").read_text()])


def refused(found):
    assert found
    wrong = {name: text for name, text in found.items() if text not in ("PermissionError", "FileNotFoundError")}
    assert not wrong


def wait_for(path, processes):
    while not path.exists():
        assert all(process.poll() is None for process in processes), "it ended too early"
        try:
            processes[0].wait(0.02)
        except subprocess.TimeoutExpired:
            continue


@pytest.mark.parametrize("transport", ["", "ipc", "tcp"])
def test_a_job_that_launch_started(launch, script, tmp_path, left_behind, transport):
    extra = ["--env", f"PUSHGRAD_TRANSPORT={transport}"] if transport else []
    job = launch("--workers", 2, *extra, script(TRAINS), real=True)
    wait_for(tmp_path / "known", [job.process])
    known = {**json.loads((tmp_path / "known").read_text()), "job": job.job_id}
    assert known["root"].startswith("ipc://")
    assert [endpoint.partition(":")[0] for endpoint in known["servers"]] == [transport if transport == "tcp" else "ipc"]
    folder = str(Path(known["root"].removeprefix("ipc://")).parent)
    assert os.stat(folder).st_mode & 0o777 == 0o700
    assert known["incarnation"] not in world_readable(left_behind(job.job_id))
    refused(attack(known, [folder, f"{folder}/keys", f"{folder}/logs"]))
    (tmp_path / "enough").touch()
    assert job.finish() == 0, job.text
    assert "stranger" not in job.text
    assert sorted(job.lines)[-2:] == ["w0 | steps True", "w1 | steps True"]


@pytest.mark.parametrize("keys", [False, True], ids=["meeting", "keys"])
def test_a_job_by_hand_on_loopback(new_job, tmp_path, keys):
    make_keys(tmp_path / "keys")
    how = {"PUSHGRAD_KEYS": str(tmp_path / "keys")} if keys else {}
    job = new_job(2, 1, ipc=False, **how).start(TRAINS)
    wait_for(job.folder / "known", list(job.processes.values()))
    known = {**json.loads((job.folder / "known").read_text()), "job": "test"}
    assert {endpoint.partition(":")[0] for endpoint in [known["root"], *known["servers"]]} == {"tcp" if keys else "ipc"}
    assert known["incarnation"] not in world_readable([process.pid for process in job.processes.values()])
    folder = str(tmp_path / "keys") if keys else f"/tmp/pushgrad-jobs-{os.geteuid()}"
    refused(attack(known, [folder]))
    (job.folder / "enough").touch()
    job.succeed()


def test_the_attack_would_find_an_open_job(new_job):
    """PUSHGRAD_INSECURE=1 is what it says, and the stranger of these tests knows how to use it."""
    job = new_job(2, 1, ipc=False, PUSHGRAD_INSECURE="1").start(TRAINS)
    wait_for(job.folder / "known", list(job.processes.values()))
    known = {**json.loads((job.folder / "known").read_text()), "job": "test"}
    assert any(name.startswith("answer tcp://") for name in attack(known, []))


# A role of somebody who has imported everything before they became who they are.
ROLE_OF = """
import encodings.idna, os, sys
import pushgrad.ps.__main__, pushgrad.ps.scheduler, pushgrad.common.curve
os.setgroups([])
os.setgid(int(sys.argv[1]))
os.setuid(int(sys.argv[1]))
sys.exit(pushgrad.ps.__main__.main())
"""


@pytest.mark.parametrize("bait", ["folder", "link"])
def test_the_folder_where_a_user_s_jobs_meet_may_have_been_laid_out_by_another(new_job, bait):
    victim = 2_000_000 + uuid.uuid4().int % 1_000_000
    path = Path(f"/tmp/pushgrad-jobs-{victim}")
    with tempfile.TemporaryDirectory() as elsewhere:
        if bait == "folder":
            path.mkdir(mode=0o777)
        else:
            path.symlink_to(elsewhere)
        os.lchown(path, NOBODY, NOBODY)
        try:
            job = new_job(ipc=False)
            job.spawn("scheduler", [sys.executable, "-c", ROLE_OF, str(victim)], "scheduler", DMLC_PS_ROOT_PORT="9091")
            assert job.wait(20) == {"scheduler": 1}
            told = job.err("scheduler")
            assert os.listdir(path) == []
        finally:
            path.unlink() if bait == "link" else path.rmdir()
    assert re.search(rf"{path} (belongs to another user \(uid {NOBODY}\)|is a link or a file)", told), told
    assert "Set PUSHGRAD_JOB_DIR to a folder of mode 0700 of your own" in told
    assert told.count("\n") == 1
