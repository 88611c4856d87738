import os
import socket
import tempfile
from dataclasses import replace

import pytest

from pushgrad.common.address import (
    data_endpoint,
    host_of,
    interface_address,
    is_loopback,
    node_address,
    resolve,
    route_to,
    scheduler_endpoint,
    tcp,
    warning_of_names,
)
from pushgrad.common.errors import JobError
from pushgrad.common.job import JobEnv


def env(**changes):
    return JobEnv("server", "127.0.0.1", 1234, 1, 1, **changes)


def test_names_and_numbers_resolve():
    assert resolve("127.0.0.1", "X") == "127.0.0.1"
    assert resolve("::1", "X") == resolve("[::1]", "X") == "::1"
    assert is_loopback(resolve("localhost", "X"))


@pytest.mark.parametrize("host", ["no.such.host.invalid", "a" * 300, "\N{SNOWMAN}." * 100])
def test_what_does_not_resolve_is_an_error_of_its_variable(host):
    with pytest.raises(JobError, match="DMLC_NODE_HOST: cannot resolve"):
        resolve(host, "DMLC_NODE_HOST")


def test_endpoints_of_both_families():
    assert tcp("10.0.0.1", 5) == "tcp://10.0.0.1:5"
    assert tcp("fd00::2", 5) == "tcp://[fd00::2]:5"
    assert host_of("tcp://[fd00::2]:5") == "fd00::2"


def test_an_interface_has_an_address_and_the_unknown_is_told_with_the_known():
    assert interface_address("lo") == "127.0.0.1"
    with pytest.raises(JobError, match=r"DMLC_INTERFACE: there is no interface 'nope0'.*expected one of .*lo"):
        interface_address("nope0")


def test_the_node_s_address_is_the_host_s_before_the_interface_s_before_the_route_s():
    assert node_address(env(node_host="127.0.0.5", interface="lo")) == ("127.0.0.5", "DMLC_NODE_HOST")
    assert node_address(env(interface="lo")) == ("127.0.0.1", "DMLC_INTERFACE")
    assert node_address(env()) == ("127.0.0.1", "DMLC_PS_ROOT_URI")
    assert route_to("127.0.0.1") == "127.0.0.1"


def test_no_route_names_the_remedy(monkeypatch):
    def refuse(self, address):
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    with pytest.raises(JobError, match=r"no route to 10\.0\.0\.1 \(Network is unreachable\).*DMLC_INTERFACE"):
        route_to("10.0.0.1")


@pytest.fixture
def folder():
    with tempfile.TemporaryDirectory(prefix="pg-") as path:  # a short one, of mode 0700
        yield path


def test_processes_of_one_host_meet_in_the_job_s_folder(folder):
    here = env(job_dir=folder)
    assert scheduler_endpoint(here) == f"ipc://{folder}/scheduler-127.0.0.1-1234.sock"
    assert data_endpoint(here, "ab") == (f"ipc://{folder}/server-ab.sock", "PUSHGRAD_JOB_DIR")
    assert data_endpoint(here, "ab", "tcp") == ("tcp://127.0.0.1:0", "DMLC_PS_ROOT_URI")


def test_a_path_that_is_too_long_for_a_socket_is_avoided(folder):
    long = f"{folder}/{'j' * 90}"
    os.mkdir(long, 0o700)
    assert scheduler_endpoint(env(job_dir=long)) == "tcp://127.0.0.1:1234"
    assert data_endpoint(env(job_dir=long), "ab")[0] == "tcp://127.0.0.1:0"


def test_a_folder_that_anybody_could_replace_holds_no_sockets(folder):
    os.mkdir(f"{folder}/open")
    os.mkdir(f"{folder}/open/job", 0o700)
    for mode, scheme in ((0o777, "tcp"), (0o1777, "ipc"), (0o755, "ipc")):
        os.chmod(f"{folder}/open", mode)
        assert scheduler_endpoint(env(job_dir=f"{folder}/open/job")).startswith(f"{scheme}://")


@pytest.mark.parametrize(
    ("mode", "link", "told"),
    [
        (0o755, False, r"others may enter .*expected mode 0700, got 0755\. chmod 700 "),
        (0o700, True, "is a link or a file"),
    ],
)
def test_a_folder_that_is_not_private_is_refused(folder, mode, link, told):
    os.mkdir(f"{folder}/job", mode)
    if link:
        os.symlink(f"{folder}/job", f"{folder}/link")
    with pytest.raises(JobError, match=told):
        scheduler_endpoint(env(job_dir=f"{folder}/link" if link else f"{folder}/job"))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a folder away")
def test_somebody_else_s_folder_is_refused(folder):
    os.mkdir(f"{folder}/job", 0o700)
    os.chown(f"{folder}/job", 65534, 65534)
    with pytest.raises(JobError, match=r"belongs to another user \(uid 65534\)"):
        scheduler_endpoint(env(job_dir=f"{folder}/job"))


def test_without_a_folder_they_meet_in_the_user_s_own_unless_tcp_is_made_safe_or_asked_for():
    own = f"/tmp/pushgrad-jobs-{os.geteuid()}"
    assert scheduler_endpoint(env()) == f"ipc://{own}/scheduler-127.0.0.1-1234.sock"
    assert os.stat(own).st_mode & 0o777 == 0o700
    for tcp_env in (env(keys="/k"), env(insecure=True)):
        assert scheduler_endpoint(tcp_env) == "tcp://127.0.0.1:1234"
        assert data_endpoint(replace(tcp_env, node_host="127.0.0.7"), "ab") == ("tcp://127.0.0.7:0", "DMLC_NODE_HOST")


def test_a_job_on_several_hosts_meets_in_no_folder(folder):
    elsewhere = replace(env(job_dir=folder, node_host="127.0.0.7"), root_uri="192.0.2.7")
    assert scheduler_endpoint(elsewhere) == "tcp://192.0.2.7:1234"
    assert data_endpoint(elsewhere, "ab")[0] == "tcp://127.0.0.7:0"


def test_names_that_lead_back_to_this_host(monkeypatch):
    names = {"node1": "127.0.1.1", "node2": "10.0.0.2", "10.0.0.1": "10.0.0.1"}
    monkeypatch.setattr("pushgrad.common.address.resolve", lambda host, variable: names.get(host, host))
    monkeypatch.setattr("pushgrad.common.address.route_to", lambda address: f"towards {address}")

    def job(root, node=None):
        return JobEnv(role="server", root_uri=root, root_port=1, num_workers=1, num_servers=1, node_host=node)

    assert warning_of_names(job("node1")).startswith("DMLC_PS_ROOT_URI: node1 is 127.0.1.1 on this host")
    assert [warning_of_names(job(root)) for root in ("node2", "10.0.0.1", "127.0.0.1", "127.0.1.1")] == [None] * 4
    assert node_address(job("node2", "node1")) == ("towards 10.0.0.2", "DMLC_PS_ROOT_URI"), (
        "the others could not reach it"
    )
    assert node_address(job("node1", "node1")) == ("127.0.1.1", "DMLC_NODE_HOST"), "a job of one host"
    assert node_address(job("node1", "node2")) == ("10.0.0.2", "DMLC_NODE_HOST")
    assert node_address(job("10.0.0.1", "127.0.0.1")) == ("127.0.0.1", "DMLC_NODE_HOST"), "who gives a number means it"
