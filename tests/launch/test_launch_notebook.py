"""mx.run: a job from Python, by scripts and by functions."""

import functools
import gc
import json
import os
import signal
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from pushgrad import JobFailed, run
from pushgrad.common.errors import JobError
from pushgrad.launch import options
from pushgrad.launch.runs.stored import Run

FAKE = Path(__file__).with_name("fake_job.py")


@pytest.fixture(autouse=True)
def fakes(monkeypatch, tmp_path):
    monkeypatch.setattr(options, "Job", functools.partial(options.Job, role_command=(sys.executable, str(FAKE))))
    monkeypatch.setenv("PUSHGRAD_RUNS", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def function(monkeypatch):
    """Functions are sent by value, as those of a notebook are."""
    cloudpickle = pytest.importorskip("cloudpickle", reason="needs cloudpickle")
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


def test_writes_to_the_notebook_and_knows_its_run(tmp_path, capsys):
    (tmp_path / "train.py").write_text("import os, sys; print(sys.argv[1:], os.environ['C'])")
    outcome = run("train.py", "--lr", 0.1, "a b", workers=2, env={"C": "x=y"}, runs=tmp_path / "elsewhere")
    out, err = capsys.readouterr()
    assert sorted(out.splitlines()) == [f"w{rank} | ['--lr', '0.1', 'a b'] x=y" for rank in (0, 1)]
    assert "launch | done in" in err
    assert outcome.folder == tmp_path / "elsewhere" / outcome.id and outcome.values == [None, None]
    assert "\nworkers = 2 " in (outcome.folder / "job.toml").read_text()


def test_a_script_that_fails(tmp_path, capsys):
    (tmp_path / "train.py").write_text(
        "def load():\n    raise OSError('no disk')\n"
        "try:\n    load()\nexcept OSError as error:\n    raise ValueError('no data') from error\n"
    )
    with pytest.raises(
        JobFailed, match=r"^worker 0 exited with code 1 \(host .*: ValueError: no data\nlogs: "
    ) as caught:
        run(tmp_path / "train.py")
    failed = caught.value
    assert (failed.code, failed.process) == (1, "w0") and failed.folder.parent == tmp_path / "runs"
    lines = failed.traceback.splitlines()
    assert lines[0] == "Traceback (most recent call last):" and lines[-1] == "ValueError: no data"
    assert "OSError: no disk" in lines and str(failed).endswith(failed.traceback)
    assert "launch | worker 0 exited" not in capsys.readouterr().err, "the exception says it"


def test_a_script_that_exits(tmp_path):
    (tmp_path / "train.py").write_text("raise SystemExit(4)")
    with pytest.raises(JobFailed) as caught:
        run("train.py")
    assert (caught.value.code, caught.value.traceback) == (4, "")


def test_from_another_thread(tmp_path, capsys):
    (tmp_path / "train.py").write_text("print('hello')")
    ends = []
    thread = threading.Thread(target=lambda: ends.append(run("train.py").values))
    thread.start()
    thread.join()
    assert ends == [[None]] and capsys.readouterr().out == "w0 | hello\n"


@pytest.mark.parametrize(
    "what, given, told",
    [
        ("absent.py", {}, "there is no script absent"),
        (3, {}, "mx.run: expected a script or a function, got int"),
        ("train.py", {"worker": 2}, "mx.run: there is no option 'worker'. Did you mean workers"),
        ("train.py", {"workers": "two"}, "'two' is not a valid integer"),
        ("train.py", {"workers": 0}, "--workers: expected 1 or more, got 0"),
        ("train.py", {"dry_run": True}, "mx.run: there is no option 'dry_run'"),
        ("train.py", {"hostfile": "hosts"}, "--hostfile: --cluster local has no use for it"),
    ],
)
def test_wrong_options_raise(tmp_path, what, given, told):
    (tmp_path / "train.py").touch()
    with pytest.raises(JobError, match=told):
        run(what, **given)


def test_gpus_as_a_list(tmp_path, capsys):
    (tmp_path / "train.py").write_text(
        "import os; print([os.environ[name] for name in ('CUDA_VISIBLE_DEVICES', 'PUSHGRAD_DEVICES')])"
    )
    run("train.py", gpus=["cpu", "cpu"], ranks=[1], quiet=True)
    assert capsys.readouterr().out.splitlines() == ["w1 | ['', 'cpu0']"]


def test_leaves_no_process_thread_or_descriptor(tmp_path, capsys):
    (tmp_path / "train.py").write_text("")
    run("train.py")
    before = held()
    for _ in range(3):
        run("train.py")
    assert held() == before


def held():
    """Open files and threads of this process, those not counted that only garbage holds, maybe another test's.

    Nor are compute threads of other tests, which end when nobody has wanted them for a minute.
    """
    gc.collect()
    threads = [one for one in threading.enumerate() if not one.name.startswith("pushgrad-compute")]
    return len(list(Path("/proc/self/fd").iterdir())), len(threads)


def test_a_function_with_what_it_uses(function, capsys):
    scale = np.arange(3, dtype=np.float32)

    def train(n, more=1):
        print("here")
        return {"rank": int(os.environ["RANK"]), "sum": scale * n + more, "pid": os.getpid()}

    outcome = run(functools.partial(train, more=2), 10, workers=2)
    assert Run.load(outcome.folder).script == "mx.run(train)"
    assert [value["rank"] for value in outcome.values] == [0, 1]
    assert len({os.getpid(), *(value["pid"] for value in outcome.values)}) == 3
    assert outcome.value["sum"].dtype == np.float32 and outcome.value["sum"].tolist() == [2.0, 12.0, 22.0]
    assert sorted(capsys.readouterr().out.splitlines()) == ["w0 | here", "w1 | here"]
    assert {path.stat().st_mode & 0o777 for path in outcome.folder.glob("*.result")} == {0o600}
    assert not (outcome.folder / "function").exists(), "it goes with the job's folder"


def test_a_function_that_fails(function):
    def check(rank):
        if rank == "1":
            raise KeyError("no label")

    def train():
        check(os.environ["RANK"])

    with pytest.raises(JobFailed, match=r"worker 1 exited with code 1.*KeyError: 'no label'") as caught:
        run(train, workers=2)
    lines = caught.value.traceback.splitlines()
    assert [line.rpartition(" in ")[2] for line in lines if line.startswith("  File")] == ["train", "check"]
    assert '    raise KeyError("no label")' in lines, "with the file names of the code"
    shown = caught.value._render_traceback_()
    assert shown[: len(lines)] == lines and shown[-2].startswith("JobFailed: worker 1 exited with code 1")


def test_values_that_cannot_be_returned_or_sent(function):
    with pytest.raises(JobFailed, match=r"the value\['model'\] is a PosixPath, which workers cannot return") as caught:
        run(lambda: {"model": Path()})
    assert "Return model.arg_params" in str(caught.value)
    lock = threading.Lock()
    with pytest.raises(JobError, match=r"<lambda> cannot be sent to workers: TypeError: .*lock"):
        run(lambda: lock)
    assert run(lambda: sys.exit(0)).values == [None]


@pytest.mark.parametrize("given", [{"cluster": "kubernetes", "kubernetes": {"image": "x"}}])
def test_engines_that_take_no_function(function, given):
    with pytest.raises(JobError, match="a function cannot be sent to workers that kubernetes starts"):
        run(print, **given)


def test_ctrl_c_ends_the_job(function, left_behind, tmp_path):
    me = os.getpid()

    def train():
        signal.signal(signal.SIGINT, signal.default_int_handler)
        print("ready", flush=True)
        try:
            os.kill(me, signal.SIGINT)  # as somebody in the notebook would, now that the function runs
            signal.pause()
        finally:
            print("saved", flush=True)

    with pytest.raises(KeyboardInterrupt):
        run(train)
    (folder,) = (tmp_path / "runs").iterdir()
    assert left_behind(folder.name) == []
    assert "saved" in (folder / "w0.log").read_text()
    end = json.loads((folder / "events.jsonl").read_text().splitlines()[-1])
    assert (end["state"], end["code"]) == ("stopped", 130)
    assert run(lambda: 3).value == 3, "the next one runs"


def test_other_signals_count_after_the_job(function, left_behind, tmp_path):
    me, came = os.getpid(), []

    def train():
        os.kill(me, signal.SIGTERM)
        signal.pause()

    def note(*_):
        (folder,) = (tmp_path / "runs").iterdir()
        came.append(left_behind(folder.name))

    before = signal.signal(signal.SIGTERM, note)
    try:
        with pytest.raises(JobFailed, match="SIGTERM"):
            run(train)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert came == [[]]
