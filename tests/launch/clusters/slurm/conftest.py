"""A Slurm of two nodes on this machine: munged, slurmctld and two slurmd, in a folder of their own."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

DAEMONS = ("munged", "slurmctld", "slurmd")
# The nodes claim more CPUs than there are. KillWait: seconds from SIGTERM to SIGKILL.
CONFIG = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=10
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdPidFile={folder}/%n.pid
SlurmdSpoolDir={folder}/%n.spool
SlurmdLogFile={folder}/%n.log
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=4
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=4
PartitionName=all Nodes=ALL Default=YES State=UP
"""


def free_ports(number):
    """Slurm must be told its ports: those of sockets that are closed only when all are known."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Site:
    """The running Slurm. `env` is what its commands need."""

    def __init__(self, folder):
        self.folder, self.env = folder, {"SLURM_CONF": str(folder / "slurm.conf")}
        self._daemons = []
        for name in ("state", "n1.spool", "n2.spool"):
            (folder / name).mkdir()
        host = socket.gethostname().partition(".")[0]
        (folder / "slurm.conf").write_text(CONFIG.format(host=host, folder=folder, ports=free_ports(3)))
        (folder / "munge.key").write_bytes(os.urandom(1024))
        (folder / "munge.key").chmod(0o600)
        mine = [f"--{what}={folder}/munge.{end}" for what, end in (("socket", "socket"), ("key-file", "key"))]
        mine += [f"--{what}={folder}/munge.{what}" for what in ("log-file", "pid-file", "seed-file")]
        self._start("munged", "--foreground", "--force", *mine)
        self.until(lambda: (folder / "munge.socket").exists())
        self._start("slurmctld", "-D", "-f", folder / "slurm.conf")
        for node in ("n1", "n2"):
            self._start("slurmd", "-D", "-N", node, "-f", folder / "slurm.conf")
        self.until(lambda: self.run("sinfo", "--noheader", "--format=%D %t") == "2 idle")

    def _start(self, *argv):
        with (self.folder / "said").open("ab") as said:
            self._daemons.append(subprocess.Popen(argv, stdout=said, stderr=said, start_new_session=True))

    def until(self, fulfilled):
        """Wait for that; raises AssertionError with what the daemons have logged if it takes long."""
        limit = time.monotonic() + 60
        while not fulfilled():
            assert time.monotonic() < limit, "\n".join(path.read_text() for path in self.folder.glob("*log*"))
            time.sleep(0.1)

    def run(self, *argv):
        done = subprocess.run(argv, env={**os.environ, **self.env}, capture_output=True, text=True, timeout=60)
        return done.stdout.strip()

    def job(self, number):
        """What Slurm knows of a job, by name."""
        words = self.run("scontrol", "show", "job", str(number), "--oneliner").split()
        return dict(word.partition("=")[::2] for word in words)

    def close(self):
        self.run("scancel", "--user=root")
        self.until(lambda: not self.run("squeue", "--noheader"))
        for daemon in reversed(self._daemons):
            daemon.terminate()
            daemon.wait(30)


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    path = f"{os.environ['PATH']}:/usr/sbin"
    missing = [name for name in DAEMONS if not shutil.which(name, path=path)]
    if missing:
        pytest.skip(f"needs {', '.join(missing)} (slurm-wlm, munge)")
    site = Site(Path(tmp_path_factory.mktemp("slurm")))
    yield site
    site.close()
