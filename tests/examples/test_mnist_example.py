"""examples/mnist.py on small data: folders of idx files and of Kaggle's csv files, what it writes, wrong folders."""

import csv
import gzip
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


def run(*arguments):
    argv = [sys.executable, ROOT / "examples" / "mnist.py", *map(str, arguments)]
    return subprocess.run(argv, capture_output=True, text=True, cwd=ROOT, timeout=100)


@pytest.fixture(scope="module")
def digits():
    """The embedded digits: images (n, 28, 28) and labels of both sets."""
    sys.path.insert(0, str(ROOT / "examples"))
    try:
        from digits import load
    finally:
        sys.path.pop(0)
    return load(ROOT / "examples" / "data" / "mnist")


def write_idx(path, array):
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    with (gzip.open if path.suffix == ".gz" else open)(path, "wb") as file:
        file.write(header + array.astype(np.uint8).tobytes())


def test_the_embedded_digits_are_learnt_and_drawn(tmp_path):
    done = run(
        "--network", "mlp", "--num-epochs", 6, "--submission", tmp_path / "s.csv", "--picture", tmp_path / "p.png"
    )
    assert done.returncode == 0, done.stderr
    accuracy = next(line for line in done.stdout.splitlines() if line.startswith("Test-accuracy="))
    assert float(accuracy.split("=")[1]) > 0.9
    with (tmp_path / "s.csv").open() as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["ImageId", "Label"]
    assert [int(row[0]) for row in rows[1:]] == list(range(1, 1001))
    assert {row[1] for row in rows[1:]} == {str(digit) for digit in range(10)}
    assert (tmp_path / "p.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_idx_files_without_gz(tmp_path, digits):
    images = (digits.train_images[:200, 0] * 255).round()
    for stem, array in (("images-idx3-ubyte", images), ("labels-idx1-ubyte", digits.train_labels[:200])):
        write_idx(tmp_path / f"train-{stem}", array)
        write_idx(tmp_path / f"t10k-{stem}.gz", array[:50])
    done = run("--data", tmp_path, "--network", "mlp", "--num-epochs", 1, "--batch-size", 50)
    assert done.returncode == 0, done.stderr
    assert "[1] Validation-accuracy=" in done.stdout


@pytest.mark.long
def test_kaggle_csv_has_no_test_labels(tmp_path, digits):
    pixels = (digits.train_images[:120].reshape(120, -1) * 255).round().astype(int)
    names = ",".join(f"pixel{i}" for i in range(784))
    train = np.column_stack([digits.train_labels[:120].astype(int), pixels])
    np.savetxt(tmp_path / "train.csv", train, "%d", delimiter=",", header=f"label,{names}", comments="")
    np.savetxt(tmp_path / "test.csv", pixels[:30], "%d", delimiter=",", header=names, comments="")
    done = run(
        "--data",
        tmp_path,
        "--network",
        "mlp",
        "--num-epochs",
        1,
        "--batch-size",
        40,
        "--submission",
        tmp_path / "s.csv",
    )
    assert done.returncode == 0, done.stderr
    assert "Test-accuracy" not in done.stdout
    assert len((tmp_path / "s.csv").read_text().splitlines()) == 31


def test_a_folder_without_digits_is_an_error_that_says_what_it_takes(tmp_path):
    done = run("--data", tmp_path)
    assert done.returncode == 2
    assert "train-images-idx3-ubyte" in done.stderr
    assert "train.csv" in done.stderr


def test_a_picture_without_matplotlib_is_refused_before_training(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['matplotlib'] = None\n")
    argv = [sys.executable, ROOT / "examples" / "mnist.py", "--picture", tmp_path / "p.png"]
    done = subprocess.run(
        argv, capture_output=True, text=True, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(tmp_path)}
    )
    assert done.returncode == 2 and "needs matplotlib: pip install matplotlib" in done.stderr and not done.stdout
