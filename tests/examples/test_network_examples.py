"""The examples of larger networks, small: fine-tuning, batch normalisation over workers, a language model."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(name, *options, workers=0):
    """What the example prints, without the launcher's prefixes."""
    start = ["-m", "pushgrad.launch", "--workers", str(workers)] if workers else []
    argv = [sys.executable, *start, ROOT / "examples" / name, *map(str, options)]
    done = subprocess.run(argv, capture_output=True, text=True, cwd=ROOT, timeout=100)
    assert done.returncode == 0, done.stderr
    return [re.sub(r"^w\d+ \| ", "", line) for line in done.stdout.splitlines()]


def figures(lines, name):
    """The numbers after `name=`."""
    return [float(match[1]) for line in lines if (match := re.search(rf"{name}=(\S+)", line))]


@pytest.mark.long
def test_fine_tuning_keeps_the_fixed_layers_on_every_number_of_workers():
    options = ("--examples", 100, "--num-epochs", 1)
    alone, shared = run("finetune.py", *options), run("finetune.py", *options, workers=2)
    assert "Fixed layers unchanged: True" in alone
    assert "Parameters: 6 taken, 2 drawn (new_weight, new_bias), 2 ignored (fc2_weight, fc2_bias), 4 fixed" in alone
    assert shared[0] == "global batch 50 = 2 workers x 25"
    assert [line for line in shared if "workers x" not in line] == alone  # two slices either way: the same bits
    tuned, scratch = (float(value) for value in re.findall(r"(0\.\d+) (?:fine|from)", alone[-1]))
    assert tuned > max(0.4, scratch)


@pytest.mark.long
@pytest.mark.parametrize("network", ["resnet-20", "inception-bn"])
def test_averages_of_batch_normalisation_are_the_same_on_all_workers(network):
    options = ("--network", network, "--limit", 40, "--num-epochs", 1, "--batch-size", 10, "--checksum")
    lines = run("cifar_shaped.py", *options, workers=2)
    sums = [re.fullmatch(r"Averages of worker (\d): (\w{16})", line) for line in lines]
    sums = dict(match.groups() for match in sums if match)
    assert set(sums) == {"0", "1"}
    assert sums["0"] == sums["1"]


@pytest.mark.long
def test_a_language_model_learns():
    lines = run("char_lstm.py", "--num-epochs", 2, "--sample", 80)
    train, held_out = figures(lines, "Train-perplexity"), figures(lines, "Validation-perplexity")
    assert train == sorted(train, reverse=True)
    assert held_out[-1] < 13  # guessing: 94
    assert len("\n".join(lines[2:])) == 20 + 80


@pytest.mark.long
def test_workers_share_a_language_model():
    options = ("--num-epochs", 1, "--limit", 9000, "--num-hidden", 24, "--seq-len", 16, "--num-layers", 2)
    alone, shared = run("char_lstm.py", *options), run("char_lstm.py", *options, workers=2)
    for name in ("Train-perplexity", "Validation-perplexity"):
        assert figures(shared, name) == pytest.approx(figures(alone, name), rel=1e-5)


def test_a_text_that_is_too_short(tmp_path):
    (tmp_path / "short.txt").write_text("abc" * 20)
    argv = [sys.executable, ROOT / "examples" / "char_lstm.py", "--text", tmp_path / "short.txt"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=100)
    assert done.returncode == 2
    assert "a text of 54 characters is too short for 32 x 32" in done.stderr
