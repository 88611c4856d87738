"""Where a process listens: host names, interfaces and routes to addresses, and addresses to ZeroMQ endpoints.

Errors name the environment variable to correct, because that is all the user has set.
"""

from __future__ import annotations

import ipaddress
import socket
import struct

from .errors import JobError
from .job import JobEnv, bracket

IPC_PATH = 100  # bytes of an ipc socket's path; sockaddr_un holds 107, the rest is a margin


def resolve(host: str, variable: str) -> str:
    """The address of `host` (a name or a number), IPv4 first. Raises JobError naming `variable` if there is none."""
    try:
        found = socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise JobError(
            f"{variable}: cannot resolve {host!r} ({error})", remedy="Give an address or a name that this host knows"
        ) from None
    # IPv4 first, otherwise in the resolver's order (the sort is stable): where a name has several addresses, the
    # scheduler must bind the one to which the others connect.
    found.sort(key=lambda item: item[0] != socket.AF_INET)
    return str(found[0][4][0])


def is_loopback(address: str) -> bool:
    """Whether packets to `address` never leave this host. Raises ValueError if it is a name and not a number."""
    return ipaddress.ip_address(address.split("%", maxsplit=1)[0]).is_loopback


def is_number(host: str) -> bool:
    """Whether `host` is an address and no name."""
    try:
        ipaddress.ip_address(host.strip("[]").split("%", maxsplit=1)[0])
    except ValueError:
        return False
    return True


def _is_only_here(host: str, address: str) -> bool:
    """Whether a name that others know leads back to this host here, as Debian's /etc/hosts has it: 127.0.1.1."""
    return is_loopback(address) and not is_number(host) and not host.startswith("localhost")


def warning_of_names(env: JobEnv) -> str | None:
    """What to tell the user if the scheduler's name leads back to this host: then nobody else reaches what is here."""
    address = resolve(env.root_uri, "DMLC_PS_ROOT_URI")
    if not _is_only_here(env.root_uri, address):
        return None
    return (
        f"DMLC_PS_ROOT_URI: {env.root_uri} is {address} on this host (see /etc/hosts), where other hosts cannot reach "
        "it. For a job of several hosts give the address that they use instead of the name"
    )


def host_of(endpoint: str) -> str:
    """The host of a tcp endpoint, without the brackets of IPv6."""
    return endpoint.removeprefix("tcp://").rpartition(":")[0].strip("[]")


def stays_here(endpoint: str) -> bool:
    """Whether what goes through `endpoint` never leaves this host: ipc, inproc or tcp to a loopback address.

    Encryption is decided by this, so a name that has not been resolved counts as somewhere else.
    """
    if not endpoint.startswith("tcp://"):
        return True
    try:
        return is_loopback(host_of(endpoint))
    except ValueError:
        return False


def interface_address(name: str) -> str:
    """The IPv4 address of network interface `name`. Raises JobError listing the interfaces if it has none."""
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # SIOCGIFADDR with a struct ifreq: the name in 16 bytes with a final zero, then a sockaddr_in, whose
            # address is bytes 4 to 7.
            answer = fcntl.ioctl(probe, 0x8915, struct.pack("256s", name.encode()[:15]))
        except OSError as error:
            known = ", ".join(sorted(item for _, item in socket.if_nameindex()))
            raise JobError(
                f"DMLC_INTERFACE: no address on {name!r} ({error.strerror})", expected=f"one of {known}", got=repr(name)
            ) from None
    return socket.inet_ntoa(answer[20:24])


def route_to(address: str) -> str:
    """The address of this host from which packets to `address` leave. Raises JobError if there is no route."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, 9))  # of a UDP socket: sends nothing, but makes the kernel choose a route
        except OSError as error:
            raise JobError(
                f"DMLC_PS_ROOT_URI: no route to {address} ({error.strerror})",
                remedy="Set DMLC_NODE_HOST or DMLC_INTERFACE to where this host can be reached",
            ) from None
        return str(probe.getsockname()[0])


def node_address(env: JobEnv) -> tuple[str, str]:
    """This process's own address and the variable that it comes from.

    DMLC_NODE_HOST wins over DMLC_INTERFACE (as in ps-lite); without both it is the address on the route to the
    scheduler, and so it is where the host takes its own name for 127.0.1.1 while the scheduler is elsewhere. Raises
    JobError if the one that is set leads to no address.
    """
    root = resolve(env.root_uri, "DMLC_PS_ROOT_URI")
    if env.node_host:
        own = resolve(env.node_host, "DMLC_NODE_HOST")
        if is_loopback(root) or not _is_only_here(env.node_host, own):
            return own, "DMLC_NODE_HOST"
    elif env.interface:
        return interface_address(env.interface), "DMLC_INTERFACE"
    return route_to(root), "DMLC_PS_ROOT_URI"


def tcp(address: str, port: int) -> str:
    """The ZeroMQ endpoint of a port at a numeric address; port 0 lets the system choose when it is bound."""
    return f"tcp://{bracket(address)}:{port}"


def data_endpoint(env: JobEnv, nonce: str, transport: str | None = None) -> tuple[str, str]:
    """Where a server binds, and the variable to blame if it cannot: ipc in the job's directory, else tcp on any port.

    `transport` "tcp" avoids ipc; so does a path that is too long for a socket. `nonce` is unique in the job, so that a
    server never meets the socket of an earlier one. Raises JobError if tcp is used and this host's address is unknown.
    """
    path = f"{env.job_dir}/server-{nonce}.sock"
    if env.job_dir and transport != "tcp" and len(path.encode()) <= IPC_PATH:
        return f"ipc://{path}", "PUSHGRAD_JOB_DIR"
    address, variable = node_address(env)
    return tcp(address, 0), variable
