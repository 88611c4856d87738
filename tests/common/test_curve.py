import os
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import zmq

from pushgrad.common.channel import Watch, dealer, receive, router, send
from pushgrad.common.curve import keys_for, load_keys, make_keys
from pushgrad.common.errors import JobError
from pushgrad.common.job import JobEnv

OUTSIDE = "tcp://10.0.0.1:9"


def env(**changes):
    return JobEnv("server", "10.0.0.1", 9, 1, 1, **changes)


def test_keys_are_made_for_the_owner_only_and_read_again(tmp_path):
    make_keys(tmp_path / "keys")
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    for name in ("server", "client"):
        assert stat.S_IMODE((tmp_path / "keys" / f"{name}.key_secret").stat().st_mode) == 0o600
    keys = load_keys(str(tmp_path / "keys"))
    assert len({keys.server_public, keys.server_secret, keys.client_public, keys.client_secret}) == 4


def test_tcp_needs_keys_even_on_loopback(tmp_path):
    make_keys(tmp_path / "keys")
    keys = str(tmp_path / "keys")
    for endpoint in (OUTSIDE, "tcp://127.0.0.1:9", "tcp://[::1]:9"):
        assert keys_for(env(keys=keys), endpoint) == load_keys(keys)
        assert keys_for(env(keys=keys, insecure=True), endpoint) is not None
        assert keys_for(env(insecure=True), endpoint) is None
        with pytest.raises(JobError, match=r"has no keys\. Set PUSHGRAD_KEYS .* PUSHGRAD_INSECURE=1"):
            keys_for(env(), endpoint)
    assert keys_for(env(keys=keys), "ipc:///tmp/x") == load_keys(keys)  # given ones are never ignored
    assert keys_for(env(), "ipc:///tmp/x") is None


def test_processes_that_meet_in_a_folder_make_keys_there_for_tcp(tmp_path):
    tmp_path.chmod(0o700)
    here = replace(env(job_dir=str(tmp_path)), root_uri="127.0.0.1")
    with ThreadPoolExecutor(8) as pool:  # all of them at once, as in a job
        found = list(pool.map(lambda _: keys_for(here, "tcp://127.0.0.1:9"), range(8)))
    assert set(found) == {load_keys(str(tmp_path / "keys"))}
    assert os.listdir(tmp_path) == ["keys"]


def test_what_is_wrong_with_a_key_folder_is_told(tmp_path):
    folder = tmp_path / "keys"
    with pytest.raises(JobError, match="PUSHGRAD_KEYS: no such directory"):
        load_keys(str(folder))
    make_keys(folder)
    folder.chmod(0o750)
    with pytest.raises(JobError, match=r"expected mode 0700, got 0750\. chmod 700"):
        load_keys(str(folder))
    folder.chmod(0o700)
    (folder / "client.key_secret").write_bytes((folder / "client.key").read_bytes())
    with pytest.raises(JobError, match=r"client\.key_secret is no secret key"):
        load_keys(str(folder))
    (folder / "client.key_secret").unlink()
    with pytest.raises(JobError, match="cannot read"):
        load_keys(str(folder))


@pytest.fixture
def context():
    made = zmq.Context()
    yield made
    made.term()  # ends the gatekeeper


def test_messages_pass_with_the_right_keys(tmp_path, context):
    make_keys(tmp_path / "keys")
    keys = load_keys(str(tmp_path / "keys"))
    server, endpoint = router(context, "tcp://127.0.0.1:0", "X", keys)
    client = dealer(context, endpoint, b"me", keys)
    client.connect(endpoint)
    assert client.poll(5000, zmq.POLLOUT)
    assert send(client, [b"hello", bytes(100_000)])
    assert server.poll(5000)
    assert [bytes(frame) for frame in receive(server)] == [b"me", b"hello", bytes(100_000)]
    server.close()
    client.close()


@pytest.mark.parametrize("known", ["nothing", "server", "client"])
def test_wrong_keys_are_noticed_by_the_client(tmp_path, context, known):
    for name in ("ours", "theirs"):
        make_keys(tmp_path / name)
    if known != "nothing":
        for suffix in ("key", "key_secret"):
            (tmp_path / f"theirs/{known}.{suffix}").write_bytes((tmp_path / f"ours/{known}.{suffix}").read_bytes())
    server, endpoint = router(context, "tcp://127.0.0.1:0", "X", load_keys(str(tmp_path / "ours")))
    client = dealer(context, endpoint, b"me", load_keys(str(tmp_path / "theirs")))
    watch = Watch(client, endpoint, True)
    client.connect(endpoint)
    with pytest.raises(JobError, match="authentication failed at tcp://127"):
        for _ in range(100):
            watch.monitor.poll(100)
            assert watch.drain() == 0
    assert not server.poll(0)
    for item in (watch.monitor, client, server):
        item.close()
