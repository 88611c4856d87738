"""Scripts that jobs on clusters run; tests add to them what they look at."""

# Its parameters are those of a local job, bit for bit; each rank writes them to a file.
TRAIN = """
import os, sys
import numpy as np
import pushgrad as mx

rng = np.random.default_rng(1)
X, y = rng.standard_normal((48, 20), np.float32), rng.integers(0, 3, 48).astype(np.float32)
mx.random.seed(3)
model = mx.mlp(X, y, hidden_node=16, out_node=3, num_epoch=3, batch_size=12, learning_rate=0.1, momentum=0.9, slices=4)
np.savez(f"{sys.argv[1]}-{mx.rank()}.npz", **model.arg_params)
"""
# One step through the store.
SUM = """
import sys
import numpy as np
import pushgrad as mx
store = mx.kv.create("dist_sync")
store.init("a", np.zeros(2, np.float32))
store.push("a", np.ones(2, np.float32))
out = np.zeros(2, np.float32)
store.pull("a", out)
print("sum", out, "of", store.num_workers, flush=True)
"""
