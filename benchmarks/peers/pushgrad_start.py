"""A worker that makes one step, says what it has used so far, and is idle for the seconds that it is given.

pushgrad_start.py exchange|fit SECONDS
"""

import json
import os
import sys
import time
from pathlib import Path

program, seconds = sys.argv[1], float(sys.argv[2])
import pushgrad as mx  # noqa: E402 - what comes before is no part of the start

rank = mx.rank()
joined = time.process_time()

import numpy as np  # noqa: E402

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))
from processes import Process  # noqa: E402

if program == "exchange":
    kv = mx.kv.create("dist_sync")
    kv.init("w", np.zeros(1000, np.float32))
    kv.push("w", np.ones(1000, np.float32))
    kv.pull("w", np.empty(1000, np.float32))
else:
    X = np.zeros((mx.num_workers(), 10), np.float32)
    mx.mlp(X, np.zeros(len(X)), hidden_node=8, out_node=2, num_epoch=1, batch_size=len(X), verbose=False)
    kv = mx.kv.create("dist_sync")
stepped, when = time.process_time(), time.time()
kv.barrier()
began, before = time.monotonic(), time.process_time()
time.sleep(seconds)
idle = (time.process_time() - before) / (time.monotonic() - began)
me = Process(os.getpid())
print(json.dumps({
    "rank": rank, "first step at": when, "CPU until joined": joined, "CPU until the first step": stepped,
    "idle CPU": idle, "memory": me.memory(), "threads": me.threads(), "files": me.files(),
}), flush=True)  # fmt: skip
