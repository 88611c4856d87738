"""Hosts on one machine: network namespaces around a switch, each with a link of a given rate.

Needs root and Debian's iproute2. Where the kernel has netem, links have a latency, too; elsewhere tbf shapes the rate.
"""

import subprocess
from contextlib import ExitStack, contextmanager

QUEUE_MS = 20  # how much a link may hold back before it drops
BURST = "256kb"  # at least one of the kernel's large packets


class Namespace:
    """A network of its own; it lives as long as the process in it."""

    def __init__(self, address=None):
        self.address = address
        self._keeper = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "echo ready; exec cat"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        if self._keeper.stdout.readline() != "ready\n":
            raise OSError(f"no network namespace: {self._keeper.communicate()[1].strip()} (this needs root)")
        self.pid = str(self._keeper.pid)
        self.run("ip", "link", "set", "lo", "up")

    def inside(self, *command):
        """`command` as it is run in here."""
        return ["nsenter", f"--net=/proc/{self.pid}/ns/net", *command]

    def run(self, *command):
        """Run a command in here; OSError with its message if it fails."""
        done = subprocess.run(self.inside(*command), capture_output=True, text=True, timeout=30)
        if done.returncode:
            raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")

    def close(self):
        self._keeper.communicate(timeout=30)


@contextmanager
def hosts(count, rate, latency_ms=0.0):
    """`count` namespaces that reach each other over links of `rate` (tc's notation: 1gbit), `latency_ms` in all."""
    with ExitStack() as stack:
        switch = Namespace()
        stack.callback(switch.close)
        switch.run("ip", "link", "add", "switch", "type", "bridge")
        switch.run("ip", "link", "set", "switch", "up")
        found = []
        for number in range(count):
            host = Namespace(f"10.88.{number // 250}.{number % 250 + 1}")
            stack.callback(host.close)
            _connect(switch, host, f"port{number}", rate, latency_ms)
            found.append(host)
        yield found


def has_netem():
    """Whether this kernel can hold packets back."""
    space = Namespace()
    try:
        space.run("tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms")
    except OSError:
        return False
    finally:
        space.close()
    return True


def _connect(switch, host, port, rate, latency_ms):
    cable = ("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", host.pid)
    switch.run(*cable)
    switch.run("ip", "link", "set", port, "master", "switch", "up")
    host.run("ip", "address", "add", f"{host.address}/16", "dev", "eth0")
    host.run("ip", "link", "set", "eth0", "up")
    for end, device in ((switch, port), (host, "eth0")):
        shaped = ("root", "tbf", "rate", rate, "burst", BURST, "latency", f"{QUEUE_MS}ms")
        if latency_ms and end is host:  # on the way out; what comes in has been held back by its sender
            shaped = ("root", "netem", "delay", f"{latency_ms}ms", "rate", rate, "limit", "10000")
        end.run("tc", "qdisc", "add", "dev", device, *shaped)
