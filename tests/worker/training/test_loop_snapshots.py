"""Loops that push and pull by hand and keep snapshots, in one process; tests/job kills real jobs."""

import itertools
import json
import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from click.testing import CliRunner

import pushgrad as mx
from pushgrad.common.errors import DataError, FileFormatError, JobError, ParameterError
from pushgrad.worker.commands.snapshot import snapshot as command
from pushgrad.worker.files import snapshot as files
from pushgrad.worker.store.local_store import KVStoreLocal
from pushgrad.worker.store.session import Session
from pushgrad.worker.training import script_run
from pushgrad.worker.training.loop_snapshots import LoopSnapshots

write_in_a_thread = script_run.ScriptRun.write


@pytest.fixture
def signals():
    """Keeps what a loop does with signals from other tests."""
    before = {signum: signal.getsignal(signum) for signum in (signal.SIGTERM, signal.SIGUSR1)}
    yield
    for signum, handler in before.items():
        signal.signal(signum, handler)


@pytest.fixture
def script(monkeypatch, tmp_path, signals):
    """Call it where a new process would begin."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["loop.py"])
    # Every snapshot is written before the next step: otherwise it depends on the disk at which steps there is one.
    monkeypatch.setattr(
        script_run.ScriptRun, "write", lambda run, work: (write_in_a_thread(run, work), run.finish_writing())
    )

    def begin(resume="off", snapshot="off"):
        monkeypatch.setattr(script_run, "_fits", itertools.count(1))
        monkeypatch.setattr(script_run, "_runs", {})
        monkeypatch.setenv("PUSHGRAD_RESUME", str(resume))
        monkeypatch.setenv("PUSHGRAD_SNAPSHOT", snapshot)
        return tmp_path / "snapshots" / "loop"

    return begin


def made(optimizer="sgd", shape=(3, 2), **options):
    """A store with a key in an optimizer's hands, one by rows and one of whole numbers, and the optimizer's options."""
    options = {"learning_rate": 0.1, "momentum": 0.9, **options} if optimizer == "sgd" else options
    kv = mx.kv.create("local")
    if optimizer:
        kv.set_optimizer(mx.optimizer.create(optimizer, **options))
    kv.init("w", np.ones(shape, np.float32))
    kv.init("rows", np.zeros((4, 2)), row_sparse=True)
    return kv


def train(kv, until, log):
    """The loop of a script: gradients from numpy's random numbers, a sum in `extra`; a line for every step."""
    first, extra = kv.restore() or (0, {"sum": 0.0, "seen": np.zeros(2)})
    total, seen = extra["sum"], extra["seen"]
    for step in range(first, until):
        gradient = np.random.standard_normal((3, 2)).astype(np.float32)
        kv.push("w", gradient)
        kv.row_sparse_push("rows", gradient[:2].astype(np.float64), [step % 4, (step + 1) % 4])
        total, seen = total + float(kv.pull("w").sum()), seen + gradient[0]
        log.append((step, total, seen.copy()))
        kv.snapshot(step + 1, extra={"sum": total, "seen": seen})
    return [kv.pull("w"), kv.pull("rows"), *(array for state in kv.states(["w", "rows"]) for array in state.values())]


def schedule(step):
    return 0.1 / step


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "lars"])
def test_a_loop_goes_on_with_the_same_bits(script, optimizer):
    """Momentum, a schedule that counts pushes, numpy's random numbers, and the script's own sums."""
    logs = [], [], []
    script()
    np.random.seed(1)
    expected = train(made(optimizer, lr_scheduler=schedule), 20, logs[0])
    script(snapshot="4steps")
    np.random.seed(1)
    train(made(optimizer, lr_scheduler=schedule), 14, logs[1])
    script(resume="auto", snapshot="4steps")
    found = train(made(optimizer, lr_scheduler=schedule), 20, logs[2])
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert logs[2][0][0] == 12, "step 12 was the last that was kept"
    for one, other in zip(logs[2], logs[0][12:], strict=True):
        assert one[:2] == other[:2]
        np.testing.assert_array_equal(one[2], other[2])


def test_what_a_snapshot_of_a_loop_holds(script, capsys):
    folder = script(snapshot="5steps")
    kv = made()
    train(kv, 11, [])
    assert [path.name for path in sorted(folder.glob("0*"))] == ["000001-fit1-step5", "000002-fit1-step10"]
    found = files.verify(folder / "000002-fit1-step10")
    assert found.head["step"] == 10 and found.head["done"] is False
    assert found.tree["pushes"] == {"w": 10, "rows": 10}
    assert found.tree["arg_params"]["rows"].dtype == np.float64
    assert set(found.tree["optimizer_states"]["w"]) == {"mom"}
    listed = CliRunner().invoke(command, ["list", str(folder)]).output
    assert listed.splitlines()[-1].split()[0] == "000002-fit1-step10" and listed.split()[-2:] == ["10", "loop.py"]
    made_of_it = CliRunner().invoke(command, ["to-checkpoint", str(folder), str(folder / "net")]).output
    assert made_of_it == f"saved {folder}/net-0010.params\n"
    np.testing.assert_array_equal(mx.nd.load(folder / "net-0010.params")["arg:w"], found.tree["arg_params"]["w"])
    np.testing.assert_array_equal(
        mx.nd.load(folder / "net-0010.states")["mom:w"], found.tree["optimizer_states"]["w"]["mom"]
    )


def test_snapshots_that_are_off_are_not_taken(script):
    folder = script()
    kv = made()
    assert kv.restore() is None
    assert not kv.snapshot(1) and not kv.snapshot(2, extra={"a": 1})
    assert not folder.exists()


def test_nothing_to_restore_is_said(script, capsys):
    script(resume="auto")
    assert made().restore() is None
    assert "there is no snapshot" in capsys.readouterr().err


OTHERS = {
    "optimizer": ({"momentum": 0.5}, "another optimizer"),
    "none": ({"optimizer": None}, "another optimizer"),
    "shape": ({"shape": (2, 3)}, "another key 'w'"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_the_snapshot_of_another_loop_is_refused_by_name(script, capsys, name):
    script(snapshot="1steps")
    train(made(), 2, [])
    script(resume="auto")
    options, said = OTHERS[name]
    with pytest.raises(FileFormatError, match=r"no snapshot in .* can be used"):
        made(**options).restore()
    assert said in capsys.readouterr().err


def test_further_keys_are_another_loop(script, capsys):
    script(snapshot="1steps")
    train(made(), 2, [])
    script(resume="auto")
    kv = made()
    kv.init("further", np.zeros(1))
    with pytest.raises(FileFormatError):
        kv.restore()
    assert "another number of keys" in capsys.readouterr().err


def test_a_snapshot_of_a_fit_is_none_of_a_loop(script, capsys, monkeypatch):
    script(snapshot="1steps")
    net = mx.symbol.SoftmaxOutput(mx.symbol.FullyConnected(mx.symbol.Variable("data"), num_hidden=2), name="softmax")
    mx.FeedForward.create(net, np.ones((4, 3), np.float32), np.zeros(4), num_epoch=1, batch_size=2, verbose=False)
    script(resume="auto")
    with pytest.raises(FileFormatError):
        made().restore()
    assert "another kind of training" in capsys.readouterr().err


def test_what_is_called_wrongly_is_named(script):
    script(snapshot="100steps")
    kv = made()
    with pytest.raises(ParameterError, match=r"extra/model.* got object"):
        kv.snapshot(1, extra={"model": object()})
    kv.snapshot(5)
    with pytest.raises(ParameterError, match="more than the 5 of before"):
        kv.snapshot(5)
    kv.push("w", np.ones((3, 2), np.float32))
    with pytest.raises(ParameterError, match="before the first push"):
        kv.restore()
    with pytest.raises(ParameterError, match="another key-value store of this script"):
        made().snapshot(1)


class OneOfTwo(Session):
    """Worker 0 of two; the other one says in collectives what is `changed` in what this one says."""

    def __init__(self, **changed):
        super().__init__(rank=0, num_workers=2)
        self.changed, self.asked, self.obstacles = changed, 0, []

    def not_resumable(self, obstacle):
        self.obstacles.append(obstacle)

    def gather(self, payload, what="gather"):
        self.asked += 1
        return [payload, json.dumps({**json.loads(payload), **self.changed}).encode()]


@pytest.mark.parametrize("restores", [False, True])
def test_a_store_for_sums_does_not_keep_a_loop_from_going_on(script, restores):
    script(snapshot="10steps")
    session = OneOfTwo()
    weights, sums = KVStoreLocal("local", session), KVStoreLocal("local", session)
    for kv in (weights, sums):
        kv.keeper = LoopSnapshots(kv)
        kv.init("w", np.zeros(2))
    if restores:
        weights.restore()
    for _ in range(3):
        sums.push("w", np.ones(2))
    assert len(session.obstacles) == (not restores)


def test_workers_at_different_steps_are_told(script):
    script(snapshot="10steps")
    store = KVStoreLocal("local", OneOfTwo(step=11))
    with pytest.raises(DataError, match=r"workers 0 and 1 call kv.snapshot with different steps.*got 11 \(rank 1\)"):
        LoopSnapshots(store).snapshot(10, None)


def test_a_snapshot_is_put_off_while_any_worker_writes(script):
    folder = script(snapshot="10steps")
    session = OneOfTwo(busy=True)
    kept = LoopSnapshots(KVStoreLocal("local", session))
    assert not any(kept.snapshot(step, None) for step in range(1, 30))
    assert 2 <= session.asked <= 29
    assert not list(folder.glob("0*"))


@pytest.mark.parametrize("policy", ["warn", "stop"])
def test_a_snapshot_that_cannot_be_written_warns_or_ends_the_loop(script, capsys, monkeypatch, policy):
    script(snapshot="2steps")
    monkeypatch.setenv("PUSHGRAD_ON_SNAPSHOT_FAILURE", policy)
    kv = made()
    assert not kv.snapshot(1)
    monkeypatch.setenv("PUSHGRAD_FAILPOINTS", "file.write=ENOSPC")
    if policy == "stop":
        with pytest.raises(JobError, match=r"snapshot not written: .*No space left"):
            kv.snapshot(2)
    else:
        assert kv.snapshot(2)
        assert "snapshot not written (1 so far)" in capsys.readouterr().err


def test_a_step_between_two_calls_counts(script):
    script(snapshot="10steps")
    kv = made()
    assert [kv.snapshot(step) for step in (3, 9, 14, 19, 20, 41)] == [False, False, True, False, True, True]


def test_sigusr1_asks_for_a_snapshot_until_the_store_is_closed(script):
    folder = script(snapshot="1000steps")
    kv = made()
    assert not kv.snapshot(1)
    os.kill(os.getpid(), signal.SIGUSR1)
    assert [kv.snapshot(step) for step in (2, 3)] == [True, False]
    assert [path.name for path in folder.glob("0*")] == ["000001-fit1-step2"]
    kv.close()
    assert signal.getsignal(signal.SIGUSR1) is signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_handler_of_the_script_stays(script):
    script(snapshot="1000steps")
    heard = []
    signal.signal(signal.SIGTERM, lambda *_: heard.append("SIGTERM"))
    kv = made()
    assert not kv.snapshot(1)
    os.kill(os.getpid(), signal.SIGTERM)
    assert not kv.snapshot(2) and heard == ["SIGTERM"]
    kv.close()


@pytest.mark.parametrize("then", ["time.sleep(60)", "kv.close()"], ids=["waits", "closes"])
def test_sigterm_ends_a_script_that_does_not_call_snapshot_any_more(tmp_path, then):
    loop = """
        import os, signal, time
        import pushgrad as mx
        from pushgrad.worker.training import loop_snapshots
        loop_snapshots.LONGEST = 0.01 if "sleep" in THEN else 60
        kv = mx.kv.create("local")
        kv.snapshot(1)
        os.kill(os.getpid(), signal.SIGTERM)
        eval(THEN)
        """
    (tmp_path / "loop.py").write_text(f"THEN = {then!r}\n{textwrap.dedent(loop)}")
    env = {**os.environ, "PUSHGRAD_SNAPSHOT": "1000steps"}
    done = subprocess.run([sys.executable, "loop.py"], cwd=tmp_path, env=env, timeout=50, check=False)
    assert done.returncode == -signal.SIGTERM
