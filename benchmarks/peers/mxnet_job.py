"""A job of MXNet's: scheduler, server and two workers on this machine, started by hand as its tracker would."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

WORKERS = 2
todo = json.loads(sys.argv[2])
servers = todo.get("servers", 1)
roles = ("scheduler", *["server"] * servers, *["worker"] * WORKERS)

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
common = {
    **os.environ, "DMLC_PS_ROOT_URI": "127.0.0.1", "DMLC_PS_ROOT_PORT": str(port), "DMLC_NODE_HOST": "127.0.0.1",
    "DMLC_NUM_SERVER": str(servers), "DMLC_NUM_WORKER": str(WORKERS),
}  # fmt: skip
program = [sys.executable, str(Path(__file__).with_name(todo.get("program", "mxnet_training.py"))), *sys.argv[1:]]
processes = [subprocess.Popen(program, env={**common, "DMLC_ROLE": role}) for role in roles]
sys.exit(max(abs(process.wait()) for process in processes))
