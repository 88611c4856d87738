"""Agents that cannot be given an input and output each, as mpirun's and srun's cannot, dial `launch` instead.

One variable tells them where `launch` listens and with which keys (CURVE) both sides prove themselves. An agent says
its number, and what goes over the line is what would go over a pipe.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import zmq

from ...common.address import interface_address, resolve, route_to, tcp
from ...common.curve import Gatekeeper, Keys, secure_client, secure_server
from ...common.errors import JobError
from .link import PIECE

# A secret: it goes into environments, never into an argv. Open MPI hands on to other hosts what begins with OMPI_, and
# the others everything.
VARIABLE = "OMPI_PUSHGRAD_AGENT"
REACH = 5.0  # seconds to reach an address
LINGER = 2000  # milliseconds in which last words may leave
BEAT = 5000  # milliseconds between two heartbeats of ZeroMQ; a side that misses three has gone


@dataclass(frozen=True)
class Invitation:
    """What an agent needs to know: the addresses of `launch`, its port and keys."""

    addresses: tuple[str, ...]
    port: int
    keys: Keys

    def text(self) -> str:
        """As the value of VARIABLE. The server's secret stays here."""
        keys = (self.keys.server_public, self.keys.client_public, self.keys.client_secret)
        return " ".join([",".join(self.addresses), str(self.port), *(key.decode() for key in keys)])

    @staticmethod
    def parse(text: str) -> Invitation:
        """From the value of VARIABLE. Raises JobError if it is none."""
        try:
            addresses, port, server, public, secret = text.split(" ")
            keys = Keys(server.encode(), b"", public.encode(), secret.encode())
            return Invitation(tuple(addresses.split(",")), int(port), keys)
        except ValueError:
            raise JobError(f"{VARIABLE} is not what launch has set it to") from None


class Switchboard:
    """Listens for agents. `lines` are sockets, by the agents' numbers, that carry what each says and is told."""

    def __init__(self, count: int) -> None:
        pairs = [socket.socketpair() for _ in range(count)]
        self.lines = [ours for ours, _ in pairs]
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        keys = _fresh_keys()
        Gatekeeper(self._context, keys).start()
        router = self._context.socket(zmq.ROUTER)
        _configure(router)
        secure_server(router, keys)
        port = router.bind_to_random_port("tcp://*")
        self.invitation = Invitation(own_addresses(), port, keys)
        self._pump = threading.Thread(
            target=_exchange, args=(router, {str(n).encode(): far for n, (_, far) in enumerate(pairs)}), daemon=True
        )
        self._pump.start()

    def close(self) -> None:
        """Stop, when all lines have been closed."""
        for line in self.lines:
            line.close()
        self._pump.join()
        self._context.term()


def _fresh_keys() -> Keys:
    server, client = zmq.curve_keypair(), zmq.curve_keypair()
    return Keys(*server, *client)


def _configure(channel: zmq.Socket[bytes]) -> None:
    channel.linger = LINGER
    channel.ipv6 = True
    channel.heartbeat_ivl, channel.heartbeat_timeout = BEAT, 3 * BEAT


def _exchange(router: zmq.Socket[bytes], lines: dict[bytes, socket.socket]) -> None:
    """Carry bytes between lines and agents until all lines are closed on our side."""
    poller = zmq.Poller()
    poller.register(router, zmq.POLLIN)
    known: set[bytes] = set()
    numbers = {line.fileno(): number for number, line in lines.items()}
    for line in lines.values():
        poller.register(line, zmq.POLLIN)
    while numbers:
        for ready, _ in poller.poll():
            if ready is router:
                number, data = router.recv_multipart()
                if number in lines:
                    known.add(number)
                    _hand_over(lines[number], data)
                continue
            number = numbers[ready]
            data = _said(lines[number])
            if data and number in known:  # nothing is said to an agent before it has said something
                router.send_multipart([number, data])
            elif not data:
                del numbers[ready]
                poller.unregister(lines[number])
                lines[number].close()
    router.close()


def _said(line: socket.socket) -> bytes:
    """What the near side has said; b"" if it has gone, even if it had not read all that it was told (a reset)."""
    try:
        return line.recv(PIECE)
    except ConnectionResetError:
        return b""


def _hand_over(line: socket.socket, data: bytes) -> None:
    """The reader may have gone. It never keeps us waiting for long: it reads whatever comes (remote_children.py)."""
    with contextlib.suppress(OSError):
        line.sendall(data)


def own_addresses() -> tuple[str, ...]:
    """This host's addresses, the likeliest for others first, loopback last."""
    found: list[str] = []
    with contextlib.suppress(JobError):
        found.append(route_to("192.0.2.1"))  # of documentation: nothing is sent there
    with contextlib.suppress(JobError):
        found.append(resolve(socket.gethostname(), "host name"))
    for _, name in socket.if_nameindex():
        with contextlib.suppress(JobError):
            found.append(interface_address(name))
    unique = dict.fromkeys(found)
    return tuple(sorted(unique, key=lambda address: address.startswith("127.")))


class Line:
    """An agent's line to the `launch` that has written `invitation`, for agent `number`; `socket` is its near end.

    Raises JobError if `launch` cannot be reached.
    """

    def __init__(self, number: int, invitation: str) -> None:
        found = Invitation.parse(invitation)
        address = _reachable(found.addresses, found.port)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        dealer = self._context.socket(zmq.DEALER)
        _configure(dealer)
        dealer.identity = str(number).encode()
        dealer.reconnect_ivl = -1  # what was said meanwhile would be missing: a line that breaks has ended
        secure_client(dealer, found.keys)
        monitor: zmq.Socket[bytes] = dealer.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        dealer.connect(tcp(address, found.port))
        self.socket, far = socket.socketpair()
        self._thread = threading.Thread(target=_carry, args=(dealer, monitor, far), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Hang up when what was said last has been carried, for which there are LINGER milliseconds."""
        self.socket.close()
        self._thread.join()
        self._context.term()


def _reachable(addresses: Sequence[str], port: int) -> str:
    for address in addresses:
        with contextlib.suppress(OSError), socket.create_connection((address, port), REACH):
            return address
    raise JobError(
        f"launch cannot be reached at {' or '.join(addresses)}, port {port}",
        remedy="Start it on a host that the others can connect to",
    )


def _carry(dealer: zmq.Socket[bytes], monitor: zmq.Socket[bytes], line: socket.socket) -> None:
    """Carry bytes until either side closes."""
    poller = zmq.Poller()
    for readable in (dealer, monitor, line):
        poller.register(readable, zmq.POLLIN)
    while True:
        for ready, _ in poller.poll():
            if ready is dealer:
                _hand_over(line, dealer.recv())
            elif ready is not monitor and (data := _said(line)):
                dealer.send(data)
            else:
                line.close()
                dealer.disable_monitor()
                monitor.close()
                dealer.close()
                return
