"""Runs scripts as `launch` starts them and as it forks them: `python both_ways.py [[script, argument ...], ...]`.

Prints for each the two outcomes, {code, out, err}, and then what became of a spare process that was killed.
"""

import json
import os
import select
import signal
import subprocess
import sys
from functools import partial

from pushgrad.launch.orphans import Orphans
from pushgrad.launch.spare import Spare


def outcome(begin):
    """What `begin`, which gets two descriptors to write to, has a process do."""
    pipes = [os.pipe(), os.pipe()]
    child = begin([write for _, write in pipes])
    for _, write in pipes:
        os.close(write)
    texts = [os.fdopen(read).read() for read, _ in pipes]
    return {"code": child.wait(), "out": texts[0], "err": texts[1]}


def started(argv, fds):
    return subprocess.Popen(
        argv, env=ENVIRON, stdin=subprocess.DEVNULL, stdout=fds[0], stderr=fds[1], start_new_session=True
    )


def forked(argv, fds):
    child = spare.start(argv, ENVIRON, fds)
    assert child is not None
    return child


ENVIRON = {**os.environ, "PUSHGRAD_GENERATION": "2", "PUSHGRAD_JOB_ID": "both-ways", "LAUNCH": str(os.getpid())}
Orphans(True)
spare = Spare()
spare.prepare(2, ENVIRON)
select.select([spare._line], [], [])
found = []
for argv in ([sys.executable, *given] for given in json.loads(sys.argv[1])):
    found.append([outcome(partial(how, argv)) for how in (started, forked)])
this = [sys.executable, "x.py"]
refused = [spare.start(argv, ENVIRON, []) for argv in ([sys.executable, "-m", "x"], ["/bin/sh", "x.py"], ["x.py"])]
refused.append(spare.start(this, {**ENVIRON, "PUSHGRAD_GENERATION": "3"}, []))
os.kill(spare.pid, signal.SIGKILL)
refused += [spare.start(this, ENVIRON, []), spare.pid]
print(json.dumps({"found": found, "refused": refused}))
