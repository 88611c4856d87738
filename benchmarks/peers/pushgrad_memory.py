"""Many steps of a job; rank 0 says what its servers have come to hold, in multiples of their shard of the weights."""

import json
import os
import sys
from pathlib import Path

import numpy as np

import pushgrad as mx

steps = int(sys.argv[1])
KEYS, ELEMENTS = 25, 1_000_000  # 100 MB
SAMPLES = 10


def servers():
    """The processes of this job's servers."""
    mine = f"DMLC_PS_ROOT_PORT={os.environ['DMLC_PS_ROOT_PORT']}"
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environ = (folder / "environ").read_text().split("\0")
        except OSError:
            continue
        if mine in environ and "DMLC_ROLE=server" in environ:
            yield folder


def held():
    """Bytes that all servers hold."""
    return sum(
        int(line.split()[1]) * 1024
        for folder in servers()
        for line in (folder / "status").read_text().splitlines()
        if line.startswith("VmRSS:")
    )


kv = mx.kv.create("dist_sync")
kv.set_optimizer(mx.optimizer.create("sgd", learning_rate=1e-6, momentum=0.9))
kv.init("warm", np.zeros(ELEMENTS, np.float32))
gradient, weight = np.full(ELEMENTS, 1e-3, np.float32), np.empty(ELEMENTS, np.float32)
kv.push("warm", gradient)
kv.pull("warm", out=weight)
kv.barrier()
before = held() if kv.rank == 0 else 0
keys = [f"key{number}" for number in range(KEYS)]
kv.init(keys, [np.zeros(ELEMENTS, np.float32)] * KEYS)
samples = []
for step in range(1, steps + 1):
    kv.push(keys, [gradient] * KEYS)
    kv.pull(keys, out=[weight] * KEYS)
    if step % (steps // SAMPLES) == 0:
        kv.barrier()
        samples.append((held() - before) / (KEYS * ELEMENTS * 4) if kv.rank == 0 else 0)
        kv.barrier()
if kv.rank == 0:
    Path(sys.argv[2]).write_text(json.dumps(samples))
kv.close()
