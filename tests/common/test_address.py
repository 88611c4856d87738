import socket

import pytest

from pushgrad.common.address import (
    data_endpoint,
    host_of,
    interface_address,
    is_loopback,
    node_address,
    resolve,
    route_to,
    stays_here,
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


@pytest.mark.parametrize(
    ("endpoint", "stays"),
    [
        ("ipc:///tmp/x", True),
        ("inproc://x", True),
        ("tcp://127.0.0.1:9", True),
        ("tcp://127.9.9.9:9", True),
        ("tcp://[::1]:9", True),
        ("tcp://10.0.0.1:9", False),
        ("tcp://0.0.0.0:9", False),
        ("tcp://[fe80::1%eth0]:9", False),
        ("tcp://a.name:9", False),
    ],
)
def test_what_stays_on_this_host(endpoint, stays):
    assert stays_here(endpoint) is stays


def test_endpoints_of_both_families():
    assert tcp("10.0.0.1", 5) == "tcp://10.0.0.1:5"
    assert tcp("fd00::2", 5) == "tcp://[fd00::2]:5"
    assert host_of("tcp://[fd00::2]:5") == "fd00::2"


def test_an_interface_has_an_address_and_the_unknown_is_told_with_the_known():
    assert interface_address("lo") == "127.0.0.1"
    with pytest.raises(JobError, match=r"DMLC_INTERFACE: no address on 'nope0'.*expected one of .*lo"):
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


def test_servers_listen_in_the_job_s_folder_if_its_path_is_short_enough():
    assert data_endpoint(env(job_dir="/tmp/j"), "ab") == ("ipc:///tmp/j/server-ab.sock", "PUSHGRAD_JOB_DIR")
    assert data_endpoint(env(job_dir="/tmp/j"), "ab", "tcp") == ("tcp://127.0.0.1:0", "DMLC_PS_ROOT_URI")
    assert data_endpoint(env(job_dir="/tmp/" + "j" * 90), "ab")[0] == "tcp://127.0.0.1:0"
    assert data_endpoint(env(node_host="127.0.0.7"), "ab") == ("tcp://127.0.0.7:0", "DMLC_NODE_HOST")


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
