"""Trainings that end in their midst and go on from a snapshot, in one process; tests/job kills real ones."""

import contextlib
import errno
import itertools
import json
import os
import threading

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import FileFormatError, JobError, ParameterError
from pushgrad.worker.files import snapshot
from pushgrad.worker.store.session import Session
from pushgrad.worker.training import script_run, whole_snapshot
from pushgrad.worker.training.capture import Capture
from pushgrad.worker.training.fit_state import FitState
from pushgrad.worker.training.resuming import say_what_differs

RNG = np.random.default_rng(5)
X = RNG.random((60, 1, 6, 6), np.float32)
Y = RNG.integers(0, 3, 60).astype(np.float32)


write_in_a_thread = script_run.ScriptRun.write


class Killed(Exception):
    pass


class KillAt:
    """Ends the training after its update `number`."""

    all_ranks = True

    def __init__(self, number):
        self.number = number

    def batch_end(self, param):
        if param.model.num_update == self.number:
            raise Killed

    def state(self):
        return {}

    def restore(self, state):
        pass


@pytest.fixture
def script(monkeypatch, tmp_path):
    """Call it where a new process would begin: fits are counted from 1, and nothing is known of earlier ones."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["train.py"])
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    # Every snapshot is written before the next step: otherwise it depends on the disk at which steps there is one.
    monkeypatch.setattr(
        script_run.ScriptRun, "write", lambda run, work: (write_in_a_thread(run, work), run.finish_writing())
    )

    def begin(resume=None, snapshot=None, seed=3):
        monkeypatch.setattr(script_run, "_fits", itertools.count(1))
        monkeypatch.setattr(script_run, "_runs", {})
        for name, value in (("PUSHGRAD_RESUME", resume), ("PUSHGRAD_SNAPSHOT", snapshot)):
            monkeypatch.setenv(name, str(value or "off"))
        mx.random.seed(seed)
        np.random.seed(seed)
        return tmp_path / "snapshots" / "train"

    return begin


def network(hidden=8):
    """All nodes are named: automatic names would go on counting where a new process begins anew."""
    s = mx.symbol
    conv = s.BatchNorm(s.Convolution(s.Variable("data"), kernel=(3, 3), num_filter=4, name="conv"), name="bn")
    flat = s.Flatten(s.Activation(conv, act_type="relu", name="relu"), name="flat")
    full = s.Activation(s.FullyConnected(flat, num_hidden=hidden, name="fc1"), act_type="tanh", name="tanh")
    dropped = s.Dropout(full, p=0.4, name="drop")
    return s.SoftmaxOutput(s.FullyConnected(dropped, num_hidden=3, name="fc2"), name="softmax")


def train(data=(X, Y), kill=None, callbacks=(), hidden=8, symbol=None, **options):
    """Three epochs of six steps by default; the model."""
    ends = [mx.callback.log_train_metric(2), *([KillAt(kill)] if kill else [])]
    ends += [options.pop("batch_end_callback")] if "batch_end_callback" in options else []
    given = {
        "num_epoch": 3, "batch_size": 10, "learning_rate": 0.05, "momentum": 0.9, "eval_data": (X[:20], Y[:20]),
        "initializer": mx.init.Uniform(0.2), "batch_end_callback": ends, "epoch_end_callback": list(callbacks),
    }  # fmt: skip
    if "optimizer" in options:
        del given["momentum"]  # which is not every optimizer's
    return mx.FeedForward.create(network(hidden) if symbol is None else symbol, *data, **(given | options))


def bits(model):
    arrays = {**model.arg_params, **model.aux_params}
    arrays |= {f"{name}:{state}": a for name, slots in model.optimizer_states.items() for state, a in slots.items()}
    return {name: array.tobytes() for name, array in arrays.items()} | {"updates": model.num_update}


def lines(capsys):
    return capsys.readouterr().out.splitlines()


def interrupted(script, capsys, kill, snapshot, make=train, **options):
    """Trains undisturbed, then with a death after update `kill`, and goes on: both must come to the same."""
    script()
    whole = make(**options)
    expected = lines(capsys)
    folder = script(snapshot=snapshot)
    with pytest.raises(Killed):
        make(kill=kill, **options)
    before = lines(capsys)
    script(resume="auto", snapshot=snapshot)
    model = make(**options)
    after = lines(capsys)
    assert bits(model) == bits(whole)
    assert before == expected[: len(before)]
    assert after == expected[len(expected) - len(after) :]
    assert len(before) + len(after) >= len(expected)
    return folder, model, whole


class Own(mx.io.DataIter):
    """An iterator of a user's: it cannot seek, and shuffles with numpy's global generator."""

    batch_size, provide_data, provide_label = 10, [("data", (10, 1, 6, 6))], [("softmax_label", (10,))]

    def __init__(self):
        self.start = 0
        self.order = np.random.permutation(60)

    def next(self):
        if self.start == 60:
            raise StopIteration
        rows = self.order[self.start : self.start + 10]
        self.start += 10
        return mx.io.DataBatch([X[rows]], [Y[rows]])

    def reset(self):
        if self.start:
            self.__init__()


@pytest.mark.parametrize("kill", [4, 7, 18])
def test_the_bits_and_lines_of_an_undisturbed_training(script, capsys, kill):
    folder, _, _ = interrupted(script, capsys, kill, "2steps")
    assert folder.is_dir()


@pytest.mark.parametrize(
    "options",
    [
        {"wd": 0.01, "clip_gradient": 0.5},
        {"data": "own"},
        {"data": "roll_over"},
        {"kvstore": "device", "compression_params": {"type": "2bit", "threshold": 0.01}},
        {"lr_scheduler": mx.lr_scheduler.FactorScheduler(step=4, factor=0.5)},
        {"eval_metric": ["accuracy", "ce"]},
        {"optimizer": "nadam"},
        {"optimizer": "sgld"},
        {"optimizer": "lars", "momentum": 0.9, "lr_scheduler": mx.lr_scheduler.FactorScheduler(step=4, factor=0.5)},
    ],
    ids=lambda options: "-".join(options),
)
def test_it_holds_for_what_a_training_can_be_made_of(script, capsys, options):
    kinds = {"own": Own, "roll_over": lambda: mx.io.NDArrayIter(X, Y, 9, True, "roll_over")}

    def make(**given):
        data = given.pop("data", None)
        return train(**given, **({"data": (kinds[data](),)} if data else {}))

    interrupted(script, capsys, 10, "4steps", make, **options)


def test_pictures_that_are_shuffled_cropped_and_mirrored(script, capsys, tmp_path):
    with mx.recordio.MXIndexedRecordIO(f"{tmp_path}/a.idx", f"{tmp_path}/a.rec", "w") as file:
        for i in range(24):
            pixels = RNG.integers(0, 256, (9, 9, 3)).astype(np.uint8)
            file.write_idx(i, mx.recordio.pack_img((0, i % 3, i, 0), pixels, 3, ".png"))

    def make(kill=None):
        with contextlib.closing(
            mx.io.ImageRecordIter(f"{tmp_path}/a.rec", (3, 6, 6), 4, shuffle=True, rand_crop=True, rand_mirror=True)
        ) as pictures:
            return train(data=(pictures,), kill=kill, eval_data=None)

    interrupted(script, capsys, 10, "4steps", make)


def test_an_unrolled_lstm(script, capsys):
    tokens = RNG.integers(0, 9, (40, 6)).astype(np.float32)
    states = {f"l0_init_{kind}": np.zeros((40, 4), np.float32) for kind in "hc"}
    net = mx.models.lstm_unroll(9, seq_len=5, num_hidden=4, num_embed=3, dropout=0.2)

    def make(kill=None):
        data = mx.io.NDArrayIter({"data": tokens[:, :-1], **states}, {"softmax_label": tokens[:, 1:]}, 8, shuffle=True)
        return train(data=(data,), kill=kill, eval_data=None, symbol=net, eval_metric="ce")

    interrupted(script, capsys, 8, "3steps", make)


def test_early_stopping_goes_on_with_its_best(script, capsys):
    stops = []

    def make(kill=None):
        stops.append(mx.callback.EarlyStopping(patience=2, restore_best=True, maximize=True, metric="accuracy"))
        return train(kill=kill, callbacks=stops[-1:], num_epoch=8)

    _, model, whole = interrupted(script, capsys, 16, "5steps", make)
    assert (stops[2].best, stops[2].best_epoch) == (stops[0].best, stops[0].best_epoch)
    assert model.begin_epoch == whole.begin_epoch == stops[0].best_epoch


def three_fits(kill=None, kill_fit=2):
    models, logs = [], []
    for fit in (1, 2, 3):
        logger = mx.callback.Logger()
        model = train(kill=kill if fit == kill_fit else None, callbacks=[mx.callback.log_train_metric(3, logger)])
        models.append(model)
        logs.append((logger.train, mx.random.uniform(0, 1, (1,)).tolist(), np.random.rand()))
    model.logs, model.all = logs, models
    return model


def test_of_three_fits_the_first_returns_its_result_and_the_second_goes_on(script, capsys):
    folder, model, whole = interrupted(script, capsys, 8, "5steps", three_fits)
    assert [bits(one) for one in model.all] == [bits(one) for one in whole.all]
    assert model.logs == whole.logs
    assert [path.name.split("-", 1)[1] for path in sorted(folder.glob("*-end"))] == ["fit1-end", "fit2-end", "fit3-end"]


def test_a_death_between_two_fits(script, capsys):
    interrupted(script, capsys, 1, "1000steps", lambda kill=None: three_fits(kill, 3))


def test_a_training_that_has_ended_is_not_done_again_but_may_get_more_epochs(script, capsys):
    script(snapshot="5steps")
    first = train(num_epoch=2)
    script(resume="auto", snapshot="5steps")
    capsys.readouterr()
    assert bits(train(num_epoch=2)) == bits(first)
    assert lines(capsys) == []
    script(resume="auto", snapshot="5steps")
    longer = train(num_epoch=3)
    script()
    assert bits(longer) == bits(train(num_epoch=3))


def test_it_is_said_from_where_a_training_goes_on_and_what_is_not_held(script, capsys):
    def mine(epoch, *_):
        pass

    folder = script(resume="auto", snapshot="2steps")
    with pytest.raises(Killed):
        train(kill=3, callbacks=[mine])
    err = capsys.readouterr().err
    assert f"there is no snapshot in {folder} yet: the training begins at its beginning" in err
    assert err.count("snapshots do not hold what callback mine keeps: it has no methods state and restore") == 1
    script(resume="auto")
    train(callbacks=[mine])
    assert f"fit 1 goes on from {folder}/000001-fit1-step2" in capsys.readouterr().err


def test_a_bad_snapshot_is_named_and_the_last_good_one_used(script, capsys):
    folder = script(snapshot="4steps")
    with pytest.raises(Killed):
        train(kill=9)
    *_, good, bad = sorted(folder.iterdir())
    path = bad / "state.params"
    path.write_bytes(path.read_bytes()[:-5])
    capsys.readouterr()
    script(resume="auto")
    model = train()
    err = capsys.readouterr().err
    assert f"snapshot refused: {path}" in err
    assert f"goes on from {good}" in err
    script()
    assert bits(model) == bits(train())


def test_without_a_good_snapshot_it_does_not_begin(script):
    folder = script(snapshot="1step")
    with pytest.raises(Killed):
        train(kill=3)
    for path in folder.glob("*-*/state.json"):
        path.write_bytes(path.read_bytes()[:-5])
    script(resume="auto")
    with pytest.raises(FileFormatError, match=rf"resume: no snapshot in {folder} can be used\. To begin"):
        train()
    (folder / "empty").mkdir()
    script(resume=folder / "empty")
    with pytest.raises(FileFormatError, match="resume: no snapshot in"):
        train()


@pytest.mark.parametrize(
    ("what", "options"),
    [
        ("network", {"hidden": 9}),
        ("data checksum", {"data": (X + 1, Y)}),
        ("batch size", {"batch_size": 12}),
        ("optimizer", {"wd": 0.1}),
        ("metrics", {"eval_metric": "ce"}),
        ("slices", {"slices": 3}),
    ],
)
def test_a_snapshot_of_another_training_is_refused(script, capsys, what, options):
    script(snapshot="1step")
    with pytest.raises(Killed):
        train(kill=2)
    script(resume="auto")
    with pytest.raises(FileFormatError):
        train(**options)
    assert f"is of another {what}: expected" in capsys.readouterr().err


def test_a_snapshot_of_another_script_is_refused(script, capsys, monkeypatch):
    folder = script(snapshot="1step")
    with pytest.raises(Killed):
        train(kill=2)
    script(resume=folder)
    monkeypatch.setattr("sys.argv", ["other.py"])
    with pytest.raises(FileFormatError):
        train()
    assert "is of another script: expected other.py, got train.py" in capsys.readouterr().err


def test_another_fit_later_in_the_script_is_an_error(script):
    script(snapshot="1step")
    with pytest.raises(Killed):
        three_fits(kill=2)
    script(resume="auto")
    train()
    with pytest.raises(FileFormatError, match="is of another network"):
        train(hidden=9)


def test_the_slices_stay_whatever_the_threads(script, capsys, monkeypatch):
    script(snapshot="1step")
    with pytest.raises(Killed):
        train(kill=5)
    script(resume="auto")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    model = train()
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    script()
    assert bits(model) == bits(train())


@pytest.mark.parametrize(
    ("point", "error"),
    [("file.write", "ENOSPC"), ("file.sync", "EIO"), ("snapshot.commit", "ENOSPC"), ("snapshot.lock", "EROFS")],
)
def test_a_disk_that_fails_costs_a_warning(script, capsys, monkeypatch, point, error):
    folder = script(snapshot="6steps")
    monkeypatch.setenv("PUSHGRAD_FAILPOINTS", f"{point}={error}")
    model = train(num_epoch=1)
    monkeypatch.delenv("PUSHGRAD_FAILPOINTS")
    said = [line for line in capsys.readouterr().err.splitlines() if "not written" in line]
    text = os.strerror(getattr(errno, error))
    assert [line.split(":")[1].strip() for line in said] == [
        f"snapshot not written ({number} so far)" for number in range(1, len(said) + 1)
    ]
    assert len(said) == 2 + (point == "snapshot.lock")  # at the start; after step 6; at the end
    assert all(text in line and line.endswith(f"the training goes on, and {folder} has what it had") for line in said)
    assert not folder.exists() or [path.name for path in folder.iterdir()] in ([], [".lock"])
    script()
    assert bits(model) == bits(train(num_epoch=1))


def test_a_state_that_cannot_be_kept_is_named(script):
    class Mine:
        def batch_end(self, param):
            pass

        def state(self):
            return {"file": open}

        def restore(self, state):
            pass

    script(snapshot="1step")
    with pytest.raises(ParameterError, match="callback Mine: state/file: expected dicts by names"):
        train(callbacks=[Mine()])


def test_what_is_in_a_snapshot(script):
    folder = script(snapshot="1step")
    with pytest.raises(Killed):
        train(kill=8)
    text = json.loads((sorted(folder.glob("*-*"))[-1] / "state.json").read_text())
    step = text["step"]
    assert text["state"]["num_update"] == step
    assert (text["epoch"], text["batch"]) == ((step - 1) // 6 + 1, (step - 1) % 6 + 1)
    assert {name.split("/")[0] for name in text["arrays"]} == {
        "arg_params", "aux_params", "optimizer_states", "random",
    }  # fmt: skip
    assert (text["state"]["slices"], text["state"]["workers"], text["state"]["order"]) == (2, 1, 3)


def test_the_training_goes_on_while_a_slow_disk_writes(script, monkeypatch):
    released, write, steps = threading.Event(), snapshot.write, []

    def slow(folder, stem, head, tree):
        steps.append(head["step"])
        assert released.wait(30)
        write(folder, stem, head, tree)

    def finish():
        (run,) = script_run._runs.values()
        run.finish_writing()

    def at_step_7(param):
        if param.model.num_update == 7:
            released.set()
            finish()

    monkeypatch.setattr(snapshot, "write", slow)
    script(snapshot="3steps")
    monkeypatch.setattr(script_run.ScriptRun, "write", write_in_a_thread)
    train(num_epoch=2, callbacks=[mx.callback.log_train_metric(99)], batch_end_callback=at_step_7)
    finish()
    assert steps[:2] == [3, 7], "that of step 6 is taken as soon as it can be"
    assert steps[-1] == 12


@pytest.mark.parametrize("compression", [None, {"type": "2bit", "threshold": 0.01}], ids=["plain", "2bit"])
def test_a_snapshot_that_is_copied_during_the_next_step_has_the_same_bits(script, monkeypatch, compression):
    made, stepped, finish = [], threading.Event(), Capture.finish

    def late(capture):
        assert stepped.wait(30)
        finish(capture)

    def at_step_4(param):
        if param.model.num_update == 4:
            stepped.set()

    options = {"num_epoch": 1, "batch_end_callback": at_step_4, "kvstore": "device", "compression_params": compression}
    for finishes in (finish, late):
        monkeypatch.setattr(Capture, "finish", finishes)
        stepped.clear()
        folder = script(snapshot="3steps")
        monkeypatch.setenv("PUSHGRAD_SNAPSHOT_DIR", str(folder / str(len(made))))
        if finishes is late:
            monkeypatch.setattr(script_run.ScriptRun, "write", write_in_a_thread)
        train(**options)
        (run,) = script_run._runs.values()
        run.finish_writing()
        (path,) = run.folder.path.glob("*-step3")
        made.append(json.loads((path / "state.json").read_text())["arrays"])
    assert made[0] == made[1]
    assert len(made[0]) > 10


def test_the_result_of_a_fit_is_what_it_was_when_it_ended(script, monkeypatch):
    released, write = threading.Event(), snapshot.write
    monkeypatch.setattr(snapshot, "write", lambda *given: released.wait(30) and write(*given))
    folder = script(snapshot="99steps")
    monkeypatch.setattr(script_run.ScriptRun, "write", write_in_a_thread)
    model = train(num_epoch=1)
    expected = bits(model)
    for array in model.arg_params.values():
        array[...] = 0
    released.set()
    (run,) = script_run._runs.values()
    run.finish_writing()
    script(resume="auto")
    assert bits(train(num_epoch=1)) == expected
    assert folder.is_dir()


def test_what_changes_the_bits_is_said(script, capsys):
    folder = script(snapshot="2steps")
    with pytest.raises(Killed):
        train(kill=3)
    (path,) = folder.glob("*-*")
    state = FitState.of(snapshot.read(path), Session())
    capsys.readouterr()
    say_what_differs(state, 2, Session())
    assert capsys.readouterr().err == ""
    say_what_differs(state, 3, Session(num_workers=3))
    assert capsys.readouterr().err == (
        "pushgrad: the bits are not those of an undisturbed training: each batch is cut into 3 slices instead of 2, "
        "and BatchNorm's statistics and the like are those of 3 workers instead of 1\n"
    )


def test_a_part_that_does_not_come_is_named(tmp_path, monkeypatch):
    (tmp_path / "rank-1.json").touch()
    whole_snapshot.await_parts(tmp_path, [1], Session())
    lost = Session()
    monkeypatch.setattr(Session, "is_lost", property(lambda session: session is lost))
    with pytest.raises(JobError, match="the job has ended before worker 2 has written its part"):
        whole_snapshot.await_parts(tmp_path, [1, 2], lost)
    monkeypatch.setattr(whole_snapshot, "PATIENCE", 0.01)
    with pytest.raises(JobError, match=r"worker 2 has not written its part within 0\.01 s.* All hosts must see"):
        whole_snapshot.await_parts(tmp_path, [1, 2], Session())


def test_callbacks_that_lower_the_rate_and_write_files_go_on(script, capsys, monkeypatch, tmp_path):
    """After the death the rate, the history and the lines of the file are those of the undisturbed training."""
    logged, histories = [], []

    def make(**options):
        callbacks = [
            mx.callback.ReduceLROnPlateau("still", patience=0),
            mx.callback.CSVLogger(tmp_path / "log.csv"),
            mx.callback.SaveBest(tmp_path / "best", "accuracy", maximize=True),
        ]
        metrics = ["accuracy", mx.metric.custom("still", lambda label, pred: 1.0)]
        model = train(callbacks=callbacks, eval_metric=metrics, num_epoch=4, **options)
        rows = [line.split(",") for line in (tmp_path / "log.csv").read_text().splitlines()]
        logged.append([[epoch, *rest] for epoch, _seconds, *rest in rows])
        histories.append({name: it for name, it in model.history.columns().items() if name != "seconds"})
        return model

    # The snapshot of step 14 is older than the end of epoch 3, whose lines are there already when the process dies.
    interrupted(script, capsys, kill=20, snapshot="7steps", make=make)
    assert logged[0] == logged[1]
    assert histories[0] == histories[1]
    assert histories[0]["learning_rate"] == pytest.approx([0.05, 0.05, 0.005, 0.0005])
    assert len(list(tmp_path.glob("best-*.params"))) == 1


def test_resume_true_goes_on_from_the_last_snapshot(script, capsys):
    script()
    whole = train()
    capsys.readouterr()
    script()
    with pytest.raises(Killed):
        train(kill=8, resume=True, snapshot="3steps")
    assert "there is neither snapshot nor later checkpoint: epoch 1 is the first" in capsys.readouterr().err
    script()
    model = train(resume=True, snapshot="3steps")
    assert bits(model) == bits(whole)
    assert "fit 1 goes on from" in capsys.readouterr().err
    script()
    assert bits(train(resume=True)) == bits(whole)
    assert "fit 1 has its result" in capsys.readouterr().err


def test_resume_true_goes_on_from_the_latest_checkpoint(script, capsys):
    def run(**options):
        return train(callbacks=[mx.callback.do_checkpoint("net")], **options)

    script()
    whole = run()
    for epoch in (1, 2, 3):
        os.remove(f"net-{epoch:04d}.params")
    script()
    with pytest.raises(Killed):
        run(kill=14, snapshot="off", resume=True)  # in the midst of epoch 3
    capsys.readouterr()
    script()
    model = run(snapshot="off", resume=True)
    out, err = capsys.readouterr()
    assert "the training goes on from net-0002.params" in err
    assert [line[:3] for line in out.splitlines() if line.startswith("[")] == ["[3]", "[3]"]
    assert bits(model) == bits(whole)
    script()
    again = run(snapshot="off", resume=True)  # nothing is left to do
    out, err = capsys.readouterr()
    assert (out, bits(again)) == ("", bits(whole))
    script()
    with pytest.raises(FileFormatError, match="belongs to another network"):
        run(snapshot="off", resume=True, hidden=9, num_epoch=4)
