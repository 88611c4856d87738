"""From before `import pushgrad` to the end of LeNet's first training step; prints the seconds as JSON."""

import time

started = time.perf_counter()

import json  # noqa: E402
import sys  # noqa: E402

import numpy as np  # noqa: E402

import pushgrad as mx  # noqa: E402

gpu = sys.argv[1] == "gpu"
rng = np.random.default_rng(0)
X, y = rng.random((100, 1, 28, 28), np.float32), rng.integers(0, 10, 100).astype(np.float32)
# fit gives the learned weights back, so that the step is over when it returns.
mx.FeedForward.create(
    mx.models.lenet(), X, y, ctx=mx.gpu(0) if gpu else mx.cpu(), num_epoch=1, batch_size=100, momentum=0.9,
    learning_rate=0.01, verbose=False,
)  # fmt: skip
print(json.dumps({"seconds": time.perf_counter() - started, "versions": {"pushgrad": mx.__version__}}))
