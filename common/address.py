"""Where a process listens: host names, interfaces and routes to addresses, and addresses to ZeroMQ endpoints.

Errors name the environment variable to correct, because that is all the user has set.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from pathlib import Path

from .errors import JobError
from .job import JobEnv, bracket
from .private_folder import given_folder, own_folder, stays_in_place

IPC_PATH = 100  # bytes of an ipc socket's path; sockaddr_un holds 107, the rest is a margin
LONGEST_SOCKET = "scheduler-127.255.255.255-65535.sock"  # of the names that `_ipc` gives to sockets


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


def meeting_folder(env: JobEnv) -> Path | None:
    """The private folder where the processes of a job on one host have their sockets; None if they use tcp.

    A job is on one host if its scheduler's address is a loopback one. Then it is PUSHGRAD_JOB_DIR, or without that a
    folder of the user's own, unless keys (or PUSHGRAD_INSECURE) were given for tcp. Raises JobError if it is not safe.
    """
    if not is_loopback(resolve(env.root_uri, "DMLC_PS_ROOT_URI")):
        return None
    if env.job_dir:
        return given_folder(env.job_dir)
    return None if env.keys or env.insecure else own_folder()


def scheduler_endpoint(env: JobEnv) -> str:
    """Where the scheduler listens: ipc in the folder where the processes meet, else tcp at DMLC_PS_ROOT_URI.

    Every process of the job comes to the same answer, as all see the same environment and the same folder.
    """
    address = resolve(env.root_uri, "DMLC_PS_ROOT_URI")
    return _ipc(meeting_folder(env), f"scheduler-{address}-{env.root_port}") or tcp(address, env.root_port)


def _ipc(folder: Path | None, name: str) -> str | None:
    path = f"{folder}/{name}.sock"
    # A folder that can be replaced holds keys, whose owner is looked at when they are read, but no sockets: ZeroMQ
    # connects again at any time, and looks at nothing.
    fits = folder is not None and len(path.encode()) <= IPC_PATH and stays_in_place(folder)
    return f"ipc://{path}" if fits else None


def interface_address(name: str, peer: str = "") -> str:
    """The address of network interface `name`, of the family of the address `peer` (by default IPv4) if it has one.

    Raises JobError listing the interfaces if it has no address that other hosts could connect to.
    """
    found = [_ipv4_of(name), _ipv6_of(name)]
    own = next(filter(None, reversed(found) if ":" in peer else found), None)
    if own is None:
        known = sorted(item for _, item in socket.if_nameindex())
        raise JobError(
            f"DMLC_INTERFACE: {'no address on' if name in known else 'there is no interface'} {name!r}",
            expected=f"one of {', '.join(known)}",
            got=repr(name),
        )
    return own


def _ipv4_of(interface: str) -> str | None:
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # SIOCGIFADDR with a struct ifreq: the name in 16 bytes with a final zero, then a sockaddr_in, whose
            # address is bytes 4 to 7.
            answer = fcntl.ioctl(probe, 0x8915, struct.pack("256s", interface.encode()[:15]))
        except OSError:
            return None
    return socket.inet_ntoa(answer[20:24])


def _ipv6_of(interface: str) -> str | None:
    """An address that needs no zone: a link-local one means something only together with an interface's name."""
    try:
        lines = Path("/proc/net/if_inet6").read_text().splitlines()
    except OSError:  # this kernel has no IPv6
        return None
    found = (ipaddress.IPv6Address(bytes.fromhex(line.split()[0])) for line in lines if line.split()[-1] == interface)
    return next((str(address) for address in found if not address.is_link_local), None)


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
        return interface_address(env.interface, peer=root), "DMLC_INTERFACE"
    return route_to(root), "DMLC_PS_ROOT_URI"


def tcp(address: str, port: int) -> str:
    """The ZeroMQ endpoint of a port at a numeric address; port 0 lets the system choose when it is bound."""
    return f"tcp://{bracket(address)}:{port}"


def data_endpoint(env: JobEnv, name: str, transport: str | None = None) -> tuple[str, str]:
    """Where a server binds, and the variable to blame if it cannot: ipc where the processes meet, else tcp on any port.

    `transport` "tcp" avoids ipc; so does a path that is too long for a socket. `name` is unique in the job, so that a
    server never meets the socket of an earlier one; every user of the host can read it in /proc/net/unix. Raises
    JobError if tcp is used and this host's address is unknown.
    """
    endpoint = None if transport == "tcp" else _ipc(meeting_folder(env), f"server-{name}")
    if endpoint:
        return endpoint, "PUSHGRAD_JOB_DIR"
    address, variable = node_address(env)
    return tcp(address, 0), variable
