"""MNIST from a folder: the four idx files (plain or .gz), or train.csv and test.csv of Kaggle's competition."""

from pathlib import Path
from typing import NamedTuple

import click
import numpy as np

import pushgrad as mx


class Digits(NamedTuple):
    """Images are (n, 1, 28, 28) float32 in [0, 1], labels (n,) float32; Kaggle's test.csv has none (`None`)."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray | None


def load(folder, limit=None):
    """The digits in `folder`, at most `limit` of them for training. Raises UsageError if they are not there."""
    folder = Path(folder)
    digits = _from_csv(folder) if (folder / "train.csv").exists() else _from_idx(folder)
    return digits._replace(train_images=digits.train_images[:limit], train_labels=digits.train_labels[:limit])


def _from_idx(folder):
    def read(stem):
        for name in (stem, f"{stem}.gz"):
            if (folder / name).exists():
                return mx.io.read_idx(folder / name).astype(np.float32)
        raise click.UsageError(
            f"{folder} has neither {stem}[.gz] nor train.csv; --data takes a folder with one of them"
        )

    return Digits(
        _images(read("train-images-idx3-ubyte")),
        read("train-labels-idx1-ubyte"),
        _images(read("t10k-images-idx3-ubyte")),
        read("t10k-labels-idx1-ubyte"),
    )


def _from_csv(folder):
    train = np.loadtxt(folder / "train.csv", np.float32, delimiter=",", skiprows=1, ndmin=2)
    test = np.loadtxt(folder / "test.csv", np.float32, delimiter=",", skiprows=1, ndmin=2)
    return Digits(_images(train[:, 1:]), train[:, 0].copy(), _images(test), None)


def _images(pixels):
    return np.ascontiguousarray(pixels.reshape(-1, 1, 28, 28)) / np.float32(255)
