"""Hosts for `launch --cluster ssh`: network namespaces around a switch, with names of their own and an sshd in each."""

import os
import shutil
import subprocess
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from hosts import hosts

SSHD = "/usr/sbin/sshd"


@dataclass
class Found:
    """What `launch` needs to start there: options, variables, and what comes before it on the command line."""

    options: tuple
    environ: dict
    prefix: list


@contextmanager
def ssh_hosts(count, folder):
    """`count` hosts and one to start from; keys, configuration and logs are in `folder`."""
    Path("/run/sshd").mkdir(exist_ok=True)
    for name in ("hostkey", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    with hosts(count + 1, "1gbit") as places, ExitStack() as stack:
        for number, place in enumerate(places[1:], 1):
            stack.enter_context(_sshd(place, f"node{number}", folder))
        _write_configuration(places[1:], folder)
        hostfile = folder / "hosts"
        hostfile.write_text("".join(f"node{number}\n" for number in range(1, count + 1)))
        options = ("--cluster", "ssh", "--hostfile", str(hostfile))
        yield Found(options, {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}, places[0].inside())


@contextmanager
def _sshd(place, name, folder):
    temporary = folder / f"tmp-{name}"
    temporary.mkdir()
    config = folder / f"{name}.sshd"
    config.write_text(
        f"HostKey {folder}/hostkey\nAuthorizedKeysFile {folder}/key.pub\nPidFile none\nUsePAM no\nStrictModes no\n"
        f"MaxStartups 100\nSetEnv TMPDIR={temporary} HOME={Path.home()}\n"
    )
    command = f'hostname {name} && exec {SSHD} -D -e -f "$0"'
    argv = place.inside("unshare", "--uts", "sh", "-c", command, str(config))
    daemon = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)
    try:
        while "listening" not in (line := daemon.stderr.readline()):
            if not line:
                raise OSError(f"no sshd in {name}")
        yield
    finally:
        daemon.kill()
        daemon.communicate()


def _write_configuration(places, folder):
    lines = ["StrictHostKeyChecking no", "UserKnownHostsFile /dev/null", "LogLevel ERROR", f"IdentityFile {folder}/key"]
    for number, place in enumerate(places, 1):
        lines += [f"Host node{number}", f"  HostName {place.address}"]
    (folder / "ssh_config").write_text("\n".join(lines) + "\n")
    (folder / "bin").mkdir()
    ssh = folder / "bin" / "ssh"
    ssh.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/ssh_config "$@"\n')
    ssh.chmod(0o755)
