"""LeNet on two workers with its gradients coded as the command line says; rank 0 writes accuracy and bytes."""

import json
import sys
from pathlib import Path

import numpy as np
from data import digits, read_idx

import pushgrad as mx
from pushgrad.worker.store import kv

coding, folder, count, epochs = json.loads(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
stores, create = [], kv.create
kv.create = lambda kind: stores.append(create(kind)) or stores[-1]  # fit keeps its store to itself

X, y = digits(folder, count)
images, labels = read_idx(folder, "t10k-images-idx3-ubyte"), read_idx(folder, "t10k-labels-idx1-ubyte")
mx.random.seed(0)
model = mx.FeedForward.create(
    mx.models.get("lenet"), X, y, num_epoch=epochs, batch_size=100, learning_rate=0.05, momentum=0.9, wd=1e-5,
    initializer=mx.init.Xavier(), compression_params=coding, verbose=False,
)  # fmt: skip
if mx.rank() == 0:
    shown = model.predict(images.reshape(-1, 1, 28, 28).astype(np.float32) / np.float32(255))
    right = (shown.argmax(axis=1) == labels).mean()
    counted = stores[0].compression_stats()
    Path(sys.argv[5]).write_text(json.dumps({"accuracy": float(right), **counted}))
