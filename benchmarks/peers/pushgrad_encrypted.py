"""A job of ours at this host's own address, where everything is encrypted; started by hand, as a cluster would."""

import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from pushgrad.common.curve import make_keys

WORKERS = 2


def own_address():
    """An address of this host that is not loopback; nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return probe.getsockname()[0]


address = own_address()
with socket.socket() as probe:
    probe.bind((address, 0))
    port = probe.getsockname()[1]
folder = tempfile.TemporaryDirectory()
make_keys(Path(folder.name) / "keys")
common = {
    **os.environ, "DMLC_PS_ROOT_URI": address, "DMLC_PS_ROOT_PORT": str(port), "DMLC_NODE_HOST": address,
    "DMLC_NUM_SERVER": "1", "DMLC_NUM_WORKER": str(WORKERS), "PUSHGRAD_KEYS": str(Path(folder.name) / "keys"),
    "PUSHGRAD_TRANSPORT": "tcp",
}  # fmt: skip
program = [sys.executable, str(Path(__file__).with_name("pushgrad_exchange.py")), *sys.argv[1:]]
processes = [
    subprocess.Popen(program, env={**common, "DMLC_ROLE": role})
    for role in ("scheduler", "server", *["worker"] * WORKERS)
]
sys.exit(max(abs(process.wait()) for process in processes))
