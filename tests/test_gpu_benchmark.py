"""benchmarks/gpu.py where there is no GPU: it says so, and its rows, deadline and last words work all the same."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import pushgrad as mx

FOLDER = Path(__file__).parents[1] / "benchmarks"
NEVER_ENDING = 1e9
FAILING = "import sys; print('first'); print('ValueError: what was wrong', file=sys.stderr); sys.exit(3)"


def run(*options):
    command = [sys.executable, str(FOLDER / "gpu.py"), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=100)


@pytest.fixture
def rooms(monkeypatch):
    """The benchmark's modules, which import each other by bare names."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(FOLDER))
    import gpu
    import side_by_side
    from rows import gpu_measure

    yield gpu, gpu_measure, side_by_side
    for name in set(sys.modules) - before:
        if str(FOLDER) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.mark.skipif(mx.num_gpus() > 0, reason="there is a GPU")
def test_without_a_gpu_it_says_in_one_line_what_is_missing():
    done = run()
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("benchmarks/gpu.py needs a GPU: gpu(0) cannot be used: ")


def test_the_rows_are_named_without_a_gpu():
    names = [line.split()[0] for line in run("--list").stdout.splitlines()]
    assert len(set(names)) == len(names) == 19
    assert {name.partition("-")[0] for name in names} == {"lenet", "start", "server", "images"}


def test_a_program_that_fails_leaves_its_last_words_and_the_others_go_on(rooms, tmp_path):
    gpu, gpu_measure, side_by_side = rooms
    script = tmp_path / "fails.py"
    script.write_text(FAILING)
    programs = (side_by_side.Program("ours", "pushgrad", str(script)), side_by_side.Program("theirs", "none", "x.py"))
    row = next(row for row in gpu.every(gpu.GpuSizes("cpu")) if row.name == "start-warm")
    row = gpu.replace(row, programs=programs)
    pythons = {"pushgrad": sys.executable, "none": str(tmp_path / "python")}
    outcome = gpu_measure.measure(row, 2, False, pythons, tmp_path, print, NEVER_ENDING)
    assert outcome.absent["ours"] == "ended with code 3 | first | ValueError: what was wrong"
    assert "is not there" in outcome.absent["theirs"]
    assert [verdict for *_, verdict in outcome.judged()] == ["not measured"]
    (_, _, line) = gpu.table_lines([outcome])
    assert "| not measured |" in line
    assert "at most 5 s" in line
    assert json.loads(json.dumps(gpu.entry(outcome, "cpu")))["not measured"] == outcome.absent


def test_no_program_starts_after_the_deadline(rooms, tmp_path):
    gpu, gpu_measure, _ = rooms
    row = gpu.every(gpu.GpuSizes("cpu"))[0]
    outcome = gpu_measure.measure(row, 2, False, {}, tmp_path, print, 0.0)
    assert set(outcome.absent.values()) == {"no time was left to start it"}


def test_turns_are_medians_of_seconds_per_unit_and_are_judged_against_limits_in_seconds(rooms):
    gpu, gpu_measure, _ = rooms
    row = next(row for row in gpu.every(gpu.GpuSizes()) if row.name == "lenet")
    seconds = {"pushgrad": [0.3, 0.2, 0.4], "PyTorch eager": [1.5, 1.0, 2.0], "0.35 s": [0.35] * 3}
    outcome = gpu_measure.GpuOutcome(row, seconds, accuracy={"pushgrad": 0.99})
    verdicts = {target.against: verdict for target, _, _, verdict in outcome.judged()}
    assert verdicts == {"0.35 s": "met", "PyTorch eager": "met", "PyTorch CUDA graphs": "not measured"}
    lines = list(gpu.table_lines([outcome]))
    assert lines[2].endswith("| 300 ms (accuracy 0.990) |  |  | at most 0.35 s | met |")
    assert lines[3] == "|  |  | PyTorch eager 1.50 s | 0.20 | at most 0.25 | met |"
    assert lines[4] == "|  |  | PyTorch CUDA graphs not measured |  | at most 1.00 | not measured |"
