"""The article's numbers, printed by the examples as a user runs them: alone, and under `launch` with one worker."""

import functools
import re
import subprocess
import sys
from pathlib import Path

import pytest
from long_after import long_after

ROOT = Path(__file__).parents[2]
ARTICLE = Path(__file__).parent / "article"


@functools.cache
def run(name, under_launch):
    """What the example prints, without the launcher's prefix. It prints the same each time."""
    start = ["-m", "pushgrad.launch", "--workers", "1"] if under_launch else []
    argv = [sys.executable, *start, ROOT / "examples" / name]
    done = subprocess.run(argv, capture_output=True, text=True, cwd=ROOT, timeout=100)
    assert done.returncode == 0, done.stderr
    return [line.removeprefix("w0 | ") for line in done.stdout.splitlines()]


def values(lines, metric):
    """The figures of `[i] Train-metric=` lines, which must count up from 1."""
    found = [re.fullmatch(rf"\[(\d+)\] Train-{metric}=(\S+)", line) for line in lines]
    found = [match for match in found if match]
    assert [int(match[1]) for match in found] == list(range(1, len(found) + 1))
    return [float(match[2]) for match in found]


@pytest.fixture(params=long_after(1, [False, True]), ids=["alone", "launched"])
def under_launch(request):
    return request.param


def test_sonar_to_the_last_digit(under_launch):
    lines = run("sonar.py", under_launch)
    accuracies = [line for line in lines if "Train-accuracy" in line]
    assert accuracies == (ARTICLE / "sonar-accuracy.txt").read_text().splitlines()
    assert lines[0] == "Start training with 1 devices"
    assert [line.split() for line in lines[-2:]] == [["0", "24", "14"], ["1", "36", "33"]]


def test_boston_to_six_digits(under_launch):
    lines = run("boston.py", under_launch)
    starts = [index for index, line in enumerate(lines) if line.startswith("Start training")]
    assert len(starts) == 3
    for metric, recorded, first in zip(("rmse", "mae", "my-mae"), ("rmse", "mae", "mae"), starts, strict=True):
        expected = values((ARTICLE / f"boston-{recorded}.txt").read_text().splitlines(), recorded)
        assert len(expected) == 50
        assert values(lines[first : first + 51], metric) == pytest.approx(expected, rel=5e-7)
    assert lines[-1] == "test rmse 7.8005"


@pytest.mark.long
def test_one_worker_prints_what_a_local_run_prints():
    assert run("sonar.py", under_launch=True) == run("sonar.py", under_launch=False)
