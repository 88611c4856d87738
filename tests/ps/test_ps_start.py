"""Scheduler and servers that cannot start: an error within seconds that says which variable to mend."""

import os
import socket
import sys

import pytest
from long_after import long_after

from pushgrad.common.address import is_loopback, route_to
from pushgrad.common.curve import make_keys

ROLE = [sys.executable, "-P", "-m", "pushgrad.ps"]


def outward():
    """An address of this host that others could reach."""
    try:
        address = route_to("192.0.2.1")
    except Exception:
        pytest.skip("no network interface")
    if is_loopback(address):
        pytest.skip("no network interface beside loopback")
    return address


def refused(job, role, **env):
    """What a process of that role says that must end with 1 by itself, and long before it gives up waiting (30 s)."""
    job.spawn(role, ROLE, role, **env)
    assert job.wait(20, [role])[role] == 1
    text = job.err(role)
    assert "Traceback" not in text
    assert text.startswith(f"pushgrad {role}"), text
    return text


@pytest.mark.parametrize(
    ("env", "text"),
    [
        ({"DMLC_PS_ROOT_URI": "no.such.host.invalid"}, "DMLC_PS_ROOT_URI: cannot resolve 'no.such.host.invalid'"),
        ({"DMLC_PS_ROOT_URI": "192.0.2.77", "PUSHGRAD_INSECURE": "1"}, "must name an address of this host"),
        ({"DMLC_PS_ROOT_PORT": "0"}, "DMLC_PS_ROOT_PORT: expected a port, got 0"),
        ({"DMLC_PS_ROOT_PORT": "x"}, "DMLC_PS_ROOT_PORT: expected a whole number"),
        ({"DMLC_NUM_WORKER": "0"}, "DMLC_NUM_WORKER: expected 1 to 4096, got 0"),
        ({"DMLC_NUM_WORKER": "5000"}, "DMLC_NUM_WORKER: expected 1 to 4096, got 5000"),
        ({"DMLC_NUM_SERVER": "5000"}, "DMLC_NUM_SERVER: expected 1 to 4096, got 5000"),
        ({"PUSHGRAD_START_TIMEOUT": "soon"}, "PUSHGRAD_START_TIMEOUT: expected a number of seconds"),
        ({"PUSHGRAD_LEASE": "never"}, "PUSHGRAD_LEASE: expected a number of seconds"),
    ],
)
def test_a_scheduler_says_which_variable_is_wrong(new_job, env, text):
    assert text in refused(new_job(), "scheduler", **{"DMLC_PS_ROOT_PORT": "9999", **env})


def test_a_port_that_is_taken_is_named(new_job):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        text = refused(new_job(ipc=False, PUSHGRAD_INSECURE="1"), "scheduler", DMLC_PS_ROOT_PORT=port)
    assert "DMLC_PS_ROOT_PORT: cannot listen at tcp://127.0.0.1:" in text
    assert "Another process listens there" in text


def test_a_folder_in_which_nothing_can_be_made_is_named(new_job):
    job = new_job(DMLC_PS_ROOT_PORT="9091")
    lock = f"{job.env['PUSHGRAD_JOB_DIR']}/scheduler-127.0.0.1-9091.lock"
    os.mkdir(lock)
    assert f"PUSHGRAD_JOB_DIR: cannot write {lock} (Is a directory)" in refused(job, "scheduler")


def test_a_place_that_another_scheduler_has_is_named(new_job):
    job = new_job().start_scheduler()
    job.spawn("again", ROLE, "scheduler")
    assert job.wait(10, ["again"]) == {"again": 1}
    assert "DMLC_PS_ROOT_PORT: cannot listen at ipc://" in job.err("again")
    assert "a scheduler of yours listens there" in job.err("again")


@pytest.mark.parametrize(
    ("env", "text"),
    [
        ({"DMLC_INTERFACE": "nope0"}, "DMLC_INTERFACE: there is no interface 'nope0'"),
        ({"DMLC_NODE_HOST": "no.such.host.invalid"}, "DMLC_NODE_HOST: cannot resolve"),
        ({"DMLC_NODE_HOST": "192.0.2.77", "PUSHGRAD_INSECURE": "1"}, "DMLC_NODE_HOST must name an address of this"),
        ({"PUSHGRAD_JOB_DIR": "/no/such/folder"}, "PUSHGRAD_JOB_DIR: there is no folder /no/such/folder"),
    ],
)
def test_a_server_says_which_variable_is_wrong(new_job, env, text):
    job = new_job(
        ipc=False, DMLC_PS_ROOT_PORT="9999", **({} if "PUSHGRAD_JOB_DIR" in env else {"PUSHGRAD_INSECURE": "1"})
    )
    assert text in refused(job, "server", **env)


def test_a_server_without_a_scheduler_gives_up(new_job):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # taken, so that no one else listens there
        port = str(nobody.getsockname()[1])
        text = refused(new_job(start_timeout=1, ipc=False, PUSHGRAD_INSECURE="1"), "server", DMLC_PS_ROOT_PORT=port)
    assert f"no answer from the scheduler at tcp://127.0.0.1:{port} for 1 s" in text


def test_a_scheduler_without_all_peers_says_who_is_missing(new_job):
    job = new_job(2, 1, start_timeout=2).start_scheduler()
    job.start_server(0)
    job.event("arrived", role="server")  # the time limit runs from the first worker
    job.start_worker(0, "from pushgrad.worker.store.joining import current_session; current_session()")
    assert set(job.wait(20).values()) == {1}
    for name in ("scheduler", "server0", "worker0"):
        assert "worker 1 did not come within 2 s of the start" in job.err(name)


def test_a_process_of_another_job_is_refused_and_the_job_unharmed(new_job):
    job = new_job(1, 1).start_scheduler()
    text = refused(job, "server", PUSHGRAD_JOB_ID="other")
    assert "job id (PUSHGRAD_JOB_ID): expected 'test', got 'other'" in text
    text = refused(job, "server", DMLC_NUM_WORKER="3")
    assert "DMLC_NUM_WORKER: expected 1 as the scheduler has it, got 3" in text
    job.start_server(0)
    job.event("arrived", role="server")
    job.spawn("again", ROLE, "server", 0)
    assert job.wait(15, ["again"]) == {"again": 1}
    assert "server rank 0 is taken: expected only " in job.err("again")
    job.start_worker(0, "from pushgrad.worker.store.joining import current_session; current_session().barrier()")
    assert set(job.wait(30, ["scheduler", "server0", "worker0"]).values()) == {0}


def test_without_a_role_or_as_a_worker_it_says_how_it_is_used(new_job):
    job = new_job()
    job.spawn("nothing", ROLE)
    job.spawn("worker", ROLE, "worker")
    assert set(job.wait(10).values()) == {1}
    assert "expected DMLC_ROLE=scheduler or DMLC_ROLE=server, got no DMLC_ROLE" in job.err("nothing")


def test_off_loopback_it_refuses_to_start_without_keys(new_job):
    text = refused(new_job(), "scheduler", DMLC_PS_ROOT_URI=outward(), DMLC_PS_ROOT_PORT="9")
    assert "PUSHGRAD_KEYS" in text
    assert "PUSHGRAD_INSECURE=1" in text


TRAIN = """
    import numpy as np
    import pushgrad as mx
    kv = mx.kv.create("dist_sync")
    kv.init("w", np.zeros(300_000, np.float32))
    kv.push("w", np.ones(300_000, np.float32))
    kv.pull("w", out=(out := np.empty(300_000, np.float32)))
    print(out.sum())
"""


@pytest.mark.parametrize("encrypted", long_after(1, [True, False]))
def test_a_job_off_loopback(new_job, tmp_path, encrypted):
    make_keys(tmp_path / "keys")
    how = {"PUSHGRAD_KEYS": str(tmp_path / "keys")} if encrypted else {"PUSHGRAD_INSECURE": "1"}
    job = new_job(2, 2, ipc=False, DMLC_PS_ROOT_URI=outward(), **how).start(TRAIN)
    job.succeed()
    assert [job.out(f"worker{rank}") for rank in range(2)] == ["600000.0\n"] * 2


@pytest.mark.parametrize("keys", long_after(1, ["others", "none"]))
def test_wrong_keys_fail_within_seconds_and_the_job_is_unharmed(new_job, tmp_path, keys):
    make_keys(tmp_path / "keys")
    make_keys(tmp_path / "others")
    job = new_job(1, 1, ipc=False, DMLC_PS_ROOT_URI=outward(), PUSHGRAD_KEYS=str(tmp_path / "keys")).start_scheduler()
    wrong = (
        {"PUSHGRAD_KEYS": str(tmp_path / "others")}
        if keys == "others"
        else {"PUSHGRAD_KEYS": "", "PUSHGRAD_INSECURE": "1"}
    )
    text = refused(job, "server", **wrong)
    assert ("authentication failed" if keys == "others" else "handshake failed") in text
    assert "PUSHGRAD_KEYS" in text
    job.start_server(0)
    job.start_worker(0, TRAIN)
    assert set(job.wait(30, ["scheduler", "server0", "worker0"]).values()) == {0}


def test_a_client_key_of_another_job_is_refused_even_if_it_knows_the_server(new_job, tmp_path):
    make_keys(tmp_path / "keys")
    make_keys(tmp_path / "mixed")
    for name in ("server.key", "server.key_secret"):
        (tmp_path / "mixed" / name).write_bytes((tmp_path / "keys" / name).read_bytes())
    job = new_job(1, 1, ipc=False, DMLC_PS_ROOT_URI=outward(), PUSHGRAD_KEYS=str(tmp_path / "keys")).start_scheduler()
    assert "authentication failed" in refused(job, "server", PUSHGRAD_KEYS=str(tmp_path / "mixed"))


def test_an_open_key_directory_is_refused(new_job, tmp_path):
    make_keys(tmp_path / "keys")
    (tmp_path / "keys").chmod(0o755)
    env = {"DMLC_PS_ROOT_URI": outward(), "DMLC_PS_ROOT_PORT": "9", "PUSHGRAD_KEYS": str(tmp_path / "keys")}
    text = refused(new_job(), "scheduler", **env)
    assert "expected mode 0700, got 0755" in text


def test_the_role_command_starts_without_slow_imports(new_job):
    job = new_job().start_scheduler()
    job.spawn(
        "look", [sys.executable, "-P", "-X", "importtime", "-m", "pushgrad.ps"], "scheduler", DMLC_PS_ROOT_PORT="x"
    )
    job.wait(20, ["look"])
    for slow in ("numpy", "numba", "asyncio", "rich", "click"):
        assert f" {slow}\n" not in job.err("look")
