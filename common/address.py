"""Where a process listens: names to addresses, interfaces, and errors that name the variable to mend."""

from __future__ import annotations

import ipaddress
import socket
import struct

from .errors import JobError
from .job import JobEnv, bracket

IPC_PATH = 100  # bytes; sockaddr_un holds 107


def resolve(host: str, variable: str) -> str:
    """The first address of `host`; JobError naming `variable` if there is none."""
    try:
        found = socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise JobError(
            f"{variable}: cannot resolve {host!r} ({error})", remedy="Give an address or a name that this host knows"
        ) from None
    found.sort(key=lambda item: item[0] != socket.AF_INET)  # stable: every host of the job takes the same one
    return str(found[0][4][0])


def is_loopback(address: str) -> bool:
    """Whether `address` (a number, not a name) never leaves this host."""
    return ipaddress.ip_address(address.split("%", maxsplit=1)[0]).is_loopback


def host_of(endpoint: str) -> str:
    """The host of a tcp endpoint, without brackets."""
    return endpoint.removeprefix("tcp://").rpartition(":")[0].strip("[]")


def stays_here(endpoint: str) -> bool:
    """Whether what goes through `endpoint` never leaves this host: ipc, inproc or a loopback address."""
    if not endpoint.startswith("tcp://"):
        return True
    try:
        return is_loopback(host_of(endpoint))
    except ValueError:
        return False


def interface_address(name: str) -> str:
    """The IPv4 address of network interface `name`; JobError listing the interfaces if there is none."""
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            answer = fcntl.ioctl(probe, 0x8915, struct.pack("256s", name.encode()[:15]))  # SIOCGIFADDR
        except OSError as error:
            known = ", ".join(sorted(item for _, item in socket.if_nameindex()))
            raise JobError(
                f"DMLC_INTERFACE: no address on {name!r} ({error.strerror})", expected=f"one of {known}", got=repr(name)
            ) from None
    return socket.inet_ntoa(answer[20:24])


def route_to(address: str) -> str:
    """The address of this host from which packets to `address` leave."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, 9))  # sends nothing
        except OSError as error:
            raise JobError(
                f"DMLC_PS_ROOT_URI: no route to {address} ({error.strerror})",
                remedy="Set DMLC_NODE_HOST or DMLC_INTERFACE to where this host can be reached",
            ) from None
        return str(probe.getsockname()[0])


def node_address(env: JobEnv) -> tuple[str, str]:
    """This process's own address and the variable it comes from: DMLC_NODE_HOST, DMLC_INTERFACE, or the route."""
    if env.node_host:
        return resolve(env.node_host, "DMLC_NODE_HOST"), "DMLC_NODE_HOST"
    if env.interface:
        return interface_address(env.interface), "DMLC_INTERFACE"
    return route_to(resolve(env.root_uri, "DMLC_PS_ROOT_URI")), "DMLC_PS_ROOT_URI"


def tcp(address: str, port: int) -> str:
    """The endpoint of a port at an address."""
    return f"tcp://{bracket(address)}:{port}"


def data_endpoint(env: JobEnv, nonce: str, transport: str | None = None) -> tuple[str, str]:
    """Where a server binds, and the variable to blame if it cannot: ipc in the job's directory, else tcp, any port."""
    path = f"{env.job_dir}/server-{nonce}.sock"
    if env.job_dir and transport != "tcp" and len(path.encode()) <= IPC_PATH:
        return f"ipc://{path}", "PUSHGRAD_JOB_DIR"
    address, variable = node_address(env)
    return tcp(address, 0), variable
