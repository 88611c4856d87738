"""`pushgrad doctor`."""

import io
import subprocess
import sys

import pytest
from click.testing import CliRunner
from rich.console import Console

from pushgrad.cli import command
from pushgrad.worker.commands import doctor
from pushgrad.worker.devices.gpu_questions import Gpu
from pushgrad.worker.devices.gpu_report import MISSING, OK, Part

H100, V100 = Gpu("NVIDIA H100 80GB HBM3", (9, 0), 80 << 30), Gpu("Tesla V100-SXM2-16GB", (7, 0), 16 << 30)


@pytest.fixture
def run(monkeypatch, fake_machine):
    """Exit code and lines of the command on a machine with those changes."""

    def run(**changed):
        monkeypatch.setattr(doctor, "lookups", lambda: fake_machine(**changed))
        done = CliRunner().invoke(command, ["doctor"], catch_exceptions=False)
        return done.exit_code, done.output.splitlines()

    return run


def test_a_machine_with_a_gpu(run):
    code, lines = run()
    assert code == 0
    names = ["pushgrad", "Python", "processor", "NVIDIA driver", "cupy", "CUDA libraries", "GPU 0", "cuDNN", "NCCL"]
    assert [line[:15].strip() for line in lines[:-1]] == names
    assert {line[15:24].strip() for line in lines[:-1]} == {"ok"}
    assert lines[-1] == "Training can run on 1 GPU: NVIDIA H100 80GB HBM3."


def test_warnings_do_not_stop_anything(run):
    code, lines = run(nccl="absent gone", cudnn="absent gone", gpus=[H100, H100])
    assert code == 0
    assert sum("warning" in line for line in lines) == 2
    assert lines[-1] == "Training can run on 2 GPUs: NVIDIA H100 80GB HBM3, NVIDIA H100 80GB HBM3."


@pytest.mark.parametrize(
    "changed, sentence",
    [
        ({"driver": "absent gone"}, "no NVIDIA driver on this machine (gone). Install NVIDIA's driver"),
        (
            {"cupy": "absent gone", "installed": {}},
            "cupy cannot be imported (gone). pip install '.[cuda12]' in a clone",
        ),
        (
            {"cublas": "absent gone"},
            "CUDA libraries cannot be loaded (gone). pip install '.[cuda12]' in a clone",
        ),
        ({"gpus": [], "visible": "9"}, "no GPU is visible. Look at CUDA_VISIBLE_DEVICES, which is '9'."),
        ({"free_memory": "absent busy"}, "NVIDIA H100 80GB HBM3 cannot be used: CUDA reports busy. `nvidia-smi` shows"),
        ({"cupy": ("14.2.0", 13020), "driver": (13000, ""), "gpus": [V100]}, "too old for cupy, which needs 7.5."),
    ],
)
def test_the_last_line_says_what_is_missing(run, changed, sentence):
    code, lines = run(**changed)
    assert code == 1
    assert lines[-1].startswith("mx.gpu() cannot be used: ")
    assert sentence in lines[-1]


def test_one_usable_gpu_of_two_is_enough(run):
    code, lines = run(cupy=("14.2.0", 13020), driver=(13000, ""), gpus=[V100, H100])
    assert code == 0
    assert lines[-1] == "Training can run on 1 GPU: NVIDIA H100 80GB HBM3."


def test_a_wrong_number_of_threads_is_told_not_raised(run, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    line = next(line for line in run()[1] if line.startswith("processor"))
    assert "OMP_NUM_THREADS: expected a whole number" in line


def test_a_table_on_a_terminal():
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=70)
    parts = [Part("cupy", MISSING, "x" * 60, "pip install '.[cuda12]'"), Part("driver", OK, "550")]
    doctor.show(console, parts)
    assert "│" in file.getvalue() and "\x1b[31mmissing" in file.getvalue()
    assert file.getvalue().count("x") == 60 and "[cuda12]" in file.getvalue(), "nothing is cut off or read as markup"


def test_for_real():
    called = [sys.executable, "-W", "error", "-c", "from pushgrad.cli import main; main()", "doctor"]
    done = subprocess.run(called, capture_output=True, text=True, timeout=100)
    assert done.returncode in (0, 1), done.stderr
    assert "Traceback" not in done.stderr
    last = done.stdout.splitlines()[-1]
    assert last.startswith("Training can run on" if done.returncode == 0 else "mx.gpu() cannot be used: "), done.stdout
