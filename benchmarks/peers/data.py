"""What the timed programs compute on: the same digits, noise in the shape of photographs, tokens, or sonar readings."""

import csv
import gzip
import struct
from collections import namedtuple
from pathlib import Path

import numpy as np

DIGITS = ("lenet", "mlp")  # the other networks but the LSTM take pictures of 224 x 224 in 1 000 classes
VOCABULARY, TOKENS = 100, 32  # of the language model: different tokens, and how many there are in a sequence
LSTM = namedtuple("Lstm", "embedded hidden layers")(128, 256, 2)


def examples(task):
    """`task.count` examples and their labels, both float32; pictures are (n, channels, height, width)."""
    if task.network == "lstm":
        return tokens(task.count)
    return digits(task.data, task.count) if task.network in DIGITS else pictures(task.count)


def tokens(count):
    """Sequences of random tokens, and the token after each."""
    text = np.random.RandomState(0).randint(0, VOCABULARY, (count, TOKENS + 1)).astype(np.float32)
    return text[:, :-1].copy(), text[:, 1:].copy()


def pictures(count):
    """Noise, normalised as photographs are."""
    rng = np.random.RandomState(0)
    return rng.standard_normal((count, 3, 224, 224)).astype(np.float32), rng.randint(0, 1000, count).astype(np.float32)


def sonar(folder):
    """60 readings of each of 208 objects, and whether it is a mine (1) or a rock (0); `folder` is that of digits."""
    with (Path(folder).parent / "sonar.csv").open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    readings = np.array([row[:-1] for row in rows], np.float32)
    return readings, np.array([row[-1] == "M" for row in rows], np.float32)


def digits(folder, count):
    """Images in [0, 1] of 28 x 28; repeated if the files have fewer than `count`."""
    images, labels = read_idx(folder, "train-images-idx3-ubyte"), read_idx(folder, "train-labels-idx1-ubyte")
    rows = np.arange(count) % len(images)
    return (images[rows].reshape(-1, 1, 28, 28) / np.float32(255)).astype(np.float32), labels[rows].astype(np.float32)


def read_idx(folder, stem):
    """The array in an idx file, plain or .gz."""
    path = next(p for p in (Path(folder) / stem, Path(folder) / f"{stem}.gz") if p.exists())
    with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
        content = file.read()
    shape = struct.unpack(f">{content[3]}I", content[4 : 4 + 4 * content[3]])
    return np.frombuffer(content, np.uint8, offset=4 + 4 * content[3]).reshape(shape)
