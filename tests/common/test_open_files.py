"""Connections to many servers, for which the limits of ZeroMQ and of the system are raised: limits of a process."""

import subprocess
import sys

import pytest

CONNECT = """
import os, resource, sys
from pushgrad.common.channel import Watch, context_for, dealer
from pushgrad.common.errors import JobError

soft, hard, peers = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
try:
    context = context_for(peers)
except JobError as error:
    sys.exit(str(error))
lines = [dealer(context, "ipc://x", b"me", None) for _ in range(peers)]
watches = [Watch(line, "ipc://x", False) for line in lines]
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0], len(os.listdir("/proc/self/fd")) < 32 + 4 * peers)
os._exit(sys.stdout.flush() or 0)
"""


@pytest.mark.parametrize(
    ("soft", "hard", "peers", "left"),
    [(256, 4096, 500, 2032), (256, 4096, 2, 256), (1024, 1024, 246, 1024)],
    ids=["many", "few", "just enough"],
)
def test_a_worker_may_have_connections_to_all_servers(soft, hard, peers, left):
    argv = [sys.executable, "-c", CONNECT, *map(str, (soft, hard, peers))]
    found = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert (found.stdout, found.stderr) == (f"{left} True\n", "")


def test_too_few_files_are_told_with_their_number():
    argv = [sys.executable, "-c", CONNECT, "64", "1024", "500"]
    found = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert found.stderr == (
        "this process may not open enough files for its connections to 500 servers: "
        "expected a limit of 2032, got 1024. Raise it where the job is started: `ulimit -n 2032`\n"
    )
