"""What the timed programs share: reading the digits, and training an epoch for each line on standard input."""

import gzip
import struct
import sys
import time
from pathlib import Path

import numpy as np


def read_idx(folder, stem):
    """The array in an idx file, plain or .gz."""
    path = next(p for p in (Path(folder) / stem, Path(folder) / f"{stem}.gz") if p.exists())
    with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
        content = file.read()
    shape = struct.unpack(f">{content[3]}I", content[4 : 4 + 4 * content[3]])
    return np.frombuffer(content, np.uint8, offset=4 + 4 * content[3]).reshape(shape)


def digits(folder, count):
    """`count` images (n, 1, 28, 28) in [0, 1] and labels, both float32; repeated if the files have fewer."""
    images, labels = read_idx(folder, "train-images-idx3-ubyte"), read_idx(folder, "train-labels-idx1-ubyte")
    rows = np.arange(count) % len(images)
    return (images[rows].reshape(-1, 1, 28, 28) / np.float32(255)).astype(np.float32), labels[rows].astype(np.float32)


def take_turns(epoch):
    """Warm up with one epoch, say so, and time `epoch()` for each line; the answers go to the original stdout."""
    answers, sys.stdout = sys.stdout, sys.stderr
    epoch()
    print("ready", file=answers, flush=True)
    for _ in sys.stdin:
        started = time.perf_counter()
        epoch()
        print(time.perf_counter() - started, file=answers, flush=True)
