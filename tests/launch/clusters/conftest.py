"""Hosts that share nothing but a network and files: namespaces on a switch, each with an sshd."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import cluster_scripts
import pytest

SSHD = "/usr/sbin/sshd"
TOOLS = ("ip", "unshare", "nsenter", "ssh", "ssh-keygen", "pkill", "ps")


class Namespace:
    """Network, processes and name of its own; it lives as long as the process in it, which ends with the test's."""

    def __init__(self, name):
        self.name = name
        isolate = ["unshare", "--net", "--pid", "--uts", "--fork", "--mount-proc", "--kill-child"]
        self.keeper = subprocess.Popen(
            [*isolate, "sh", "-c", f"hostname {name} && echo ready; exec cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        if self.keeper.stdout.readline() != "ready\n":
            self.close()
            pytest.skip("this system grants no namespaces")
        self.pid = Path(f"/proc/{self.keeper.pid}/task/{self.keeper.pid}/children").read_text().strip()

    def inside(self, *command):
        return ["nsenter", f"--target={self.pid}", "--net", "--pid", "--uts", "--mount", "--", *map(str, command)]

    def run(self, *command):
        return subprocess.run(self.inside(*command), check=True, capture_output=True, text=True, timeout=30).stdout

    def close(self):
        self.keeper.communicate(timeout=30)


class Host(Namespace):
    """A host at a port of the switch. `temporary` is its own folder for temporary files."""

    def __init__(self, number, switch, folder):
        super().__init__(f"node{number}")
        self.number, self.address = number, f"10.78.0.{number}"
        self.port, self.folder = f"port{number}", folder
        self.temporary, self.sshd = folder / f"t{number}", None
        self.temporary.mkdir()
        cable = ["ip", "link", "add", "eth0", "netns", self.pid, "type", "veth", "peer", "name", self.port]
        subprocess.run([*cable, "netns", switch.pid], check=True, timeout=30)
        self.run("ip", "address", "add", f"{self.address}/24", "dev", "eth0")
        for interface in ("lo", "eth0"):
            self.run("ip", "link", "set", interface, "up")
        self.run("mount", "--bind", folder / "hosts", "/etc/hosts")
        self.run("mount", "-t", "tmpfs", "tmpfs", "/dev/shm")  # names there hold pids, which the hosts have in common
        switch.run("ip", "link", "set", self.port, "master", "br0", "up")

    def start_sshd(self):
        # What the tests know, the hosts know: where compiled kernels are, for example.
        known = {name: text for name, text in os.environ.items() if text and not set(text) & set('"\\\n#')}
        settings = " ".join(f'"{name}={text}"' for name, text in {**known, "TMPDIR": self.temporary}.items())
        config = self.folder / f"{self.name}.sshd"
        config.write_text(
            f"HostKey {self.folder}/hostkey\nAuthorizedKeysFile {self.folder}/key.pub\nPidFile none\nUsePAM no\n"
            f"StrictModes no\nPasswordAuthentication no\nSetEnv {settings}\n"
        )
        self.sshd = subprocess.Popen(self.inside(SSHD, "-D", "-e", "-f", config), stderr=subprocess.PIPE, text=True)
        assert "listening" in self.sshd.stderr.readline()

    def kill_sshd(self):
        """The listener and whatever it has let in."""
        self.run("pkill", "-KILL", "sshd")

    @contextlib.contextmanager
    def sshd_killed(self):
        """Without sshd while inside."""
        self.kill_sshd()
        try:
            yield
        finally:
            self.sshd.communicate()
            self.start_sshd()

    @contextlib.contextmanager
    def full(self, folder):
        """While inside, the folder has room for one small file: Python would look for another than a full one."""
        self.run("mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", folder)
        try:
            self.run("dd", "if=/dev/zero", f"of={folder}/everything", "bs=4k", "count=3")
            yield
        finally:
            self.run("umount", "--lazy", folder)

    def pythons(self):
        """What runs there of a job. What has ended is never collected: the first process of the namespace is a cat."""
        return [
            line for line in self.run("ps", "-eo", "args").splitlines() if "python" in line and "<defunct>" not in line
        ]

    def is_clean_within(self, seconds):
        """Whether nothing of a job is left after so many seconds, neither processes nor files."""
        deadline = time.monotonic() + seconds
        while left := [*self.pythons(), *self.temporary.glob("pushgrad-*")]:
            if time.monotonic() > deadline:
                print(self.name, left)
                return False
            time.sleep(0.1)
        return True

    def close(self):
        super().close()  # with all that runs there
        if self.sshd is not None:
            self.sshd.communicate(timeout=30)


class Network:
    """Three hosts with an sshd each, and `here`, where `launch` runs with the `ssh` in `path` before the system's."""

    def __init__(self, folder):
        self.folder, self.path = folder, folder / "bin"
        self.switch = Namespace("switch")
        self.switch.run("ip", "link", "add", "br0", "type", "bridge")
        self.switch.run("ip", "link", "set", "br0", "up")
        (folder / "hosts").touch()
        self.hosts = [Host(number, self.switch, folder) for number in (1, 2, 3)]
        self.here = Host(9, self.switch, folder)
        self.name_all()
        for name in ("hostkey", "key", "wrongkey"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
        for host in self.hosts:
            host.start_sshd()
        self.path.mkdir()
        (self.path / "ssh").write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/ssh_config "$@"\n')
        (self.path / "ssh").chmod(0o755)
        self.knows()

    def name_all(self):
        """Write the names of all hosts into the file that they have in common."""
        names = [f"{host.address} node{host.number}\n" for host in (*self.hosts, self.here)]
        (self.folder / "hosts").write_text(f"127.0.0.1 localhost\n{''.join(names)}")

    def knows(self, **keys):
        """Write the user's configuration of ssh; a host may be given another key by its name."""
        lines = ["StrictHostKeyChecking no", "UserKnownHostsFile /dev/null", "LogLevel ERROR", "IdentitiesOnly yes"]
        for host in self.hosts:
            key = self.folder / keys.get(host.name, "key")
            lines += [f"Host {host.name}", f"  HostName {host.address}", f"  IdentityFile {key}"]
        (self.folder / "ssh_config").write_text("\n".join(lines) + "\n")

    @contextlib.contextmanager
    def only_ipv6(self):
        """While inside, no host has another address, and no name leads to another."""
        self._move("fd00:78::{}", 64, "nodad")
        try:
            yield
        finally:
            self._move("10.78.0.{}", 24)

    def _move(self, address, prefix, *flags):
        for host in (*self.hosts, self.here):
            host.address = address.format(host.number)
            host.run("ip", "address", "flush", "dev", "eth0")
            host.run("ip", "address", "add", f"{host.address}/{prefix}", "dev", "eth0", *flags)
        self.name_all()
        self.knows()

    def cut(self, host, state="down"):
        """Pull the host's cable; with `state` up, put it in again."""
        self.switch.run("ip", "link", "set", host.port, state)

    def close(self):
        for namespace in (*self.hosts, self.here, self.switch):
            namespace.close()


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    missing = [tool for tool in TOOLS if not shutil.which(tool)] + ([] if Path(SSHD).exists() else ["sshd"])
    if missing:
        pytest.skip(f"needs {', '.join(missing)} (iproute2, util-linux, procps, openssh-server)")
    Path("/run/sshd").mkdir(exist_ok=True)
    made = Network(tmp_path_factory.mktemp("net"))
    yield made
    made.close()


@pytest.fixture
def port():
    """One that is free: on a loopback address it tells jobs apart, and nobody listens there."""
    with socket.socket() as taken:
        taken.bind(("", 0))
        yield str(taken.getsockname()[1])


@pytest.fixture
def tracked(script, tmp_path, port):
    """Runs a script by a tracker like dmlc's, with two workers and a server; returns how it ended.

    `around` are words before the tracker, and `before` those before the interpreter in its command.
    """

    def run(cluster, text, around=(), before=(), **env):
        numbers = ["--cluster", cluster, "--num-workers", "2", "--num-servers", "1", "--host-file", "hosts"]
        tracker = [sys.executable, script(cluster_scripts.TRACKER, "dmlc-submit"), *numbers]
        command = [*around, *tracker, *before, sys.executable, script(text)]
        env = {**os.environ, "TRACKER_PORT": port, **env}
        return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=110, check=False)

    return run
