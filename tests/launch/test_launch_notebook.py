"""mx.run: a job from Python."""

import dataclasses
import gc
import sys
import threading
from pathlib import Path

import pytest

from pushgrad.common.errors import JobError
from pushgrad.launch import notebook
from pushgrad.launch.notebook import run

FAKE = Path(__file__).with_name("fake_job.py")


@pytest.fixture(autouse=True)
def fakes(monkeypatch, tmp_path):
    make = notebook.make_job
    command = (sys.executable, str(FAKE))
    monkeypatch.setattr(notebook, "make_job", lambda *a, **k: dataclasses.replace(make(*a, **k), role_command=command))
    monkeypatch.chdir(tmp_path)


def test_returns_the_exit_code_and_writes_to_the_notebook(tmp_path, capsys):
    (tmp_path / "train.py").write_text(
        "import os, sys; print(sys.argv[1:], os.environ['C']); sys.exit(int(sys.argv[1]))"
    )
    assert run("train.py", 0, "a b", workers=2, env={"C": "x=y"}) == 0
    out, err = capsys.readouterr()
    assert sorted(out.splitlines()) == ["w0 | ['0', 'a b'] x=y", "w1 | ['0', 'a b'] x=y"]
    assert "launch | done in" in err
    assert run(tmp_path / "train.py", 4, env={"C": ""}, log_dir=tmp_path / "logs") == 4
    assert "worker 0 exited with code 4" in capsys.readouterr().err
    assert len(list((tmp_path / "logs").iterdir())) == 1


def test_from_another_thread(tmp_path, capsys):
    (tmp_path / "train.py").write_text("print('hello')")
    codes = []
    thread = threading.Thread(target=lambda: codes.append(run("train.py")))
    thread.start()
    thread.join()
    assert codes == [0] and capsys.readouterr().out == "w0 | hello\n"


def test_wrong_options_raise():
    with pytest.raises(JobError, match="there is no script absent"):
        run("absent.py")


def test_gpus_as_a_list(tmp_path, capsys):
    (tmp_path / "train.py").write_text(
        "import os; print([os.environ[name] for name in ('CUDA_VISIBLE_DEVICES', 'PUSHGRAD_DEVICES')])"
    )
    assert run("train.py", gpus=["cpu", "cpu"]) == 0
    assert sorted(capsys.readouterr().out.splitlines()) == ["w0 | ['', 'cpu0']", "w1 | ['', 'cpu0']"]


def test_leaves_no_process_thread_or_descriptor(tmp_path, capsys):
    (tmp_path / "train.py").write_text("")
    run("train.py")
    before = held()
    for _ in range(3):
        assert run("train.py") == 0
    assert held() == before


def held():
    """Open files and threads of this process, those not counted that only garbage holds, maybe another test's."""
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir())), threading.active_count()
