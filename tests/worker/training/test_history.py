"""model.history, and the file that CSVLogger writes of the same values."""

import math

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import ParameterError
from pushgrad.worker import log
from pushgrad.worker.training.callback import EpochEnd
from pushgrad.worker.training.history import History

RNG = np.random.default_rng(0)
X, Y = RNG.random((40, 5), np.float32), RNG.integers(0, 2, 40).astype(np.float32)


def network():
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2))


def end(epoch, train=None, validation=None, rate=0.1):
    return EpochEnd(epoch, train or {}, validation or {}, learning_rate=rate, seconds=2.0, loss=0.5)


def test_a_fit_leaves_what_its_lines_say(capsys, tmp_path):
    model = mx.FeedForward(network(), num_epoch=3, batch_size=10, learning_rate=0.25)
    path = tmp_path / "log.csv"
    options = {"eval_metric": ["accuracy", "ce"], "epoch_end_callback": mx.callback.CSVLogger(path)}
    model.fit(X, Y, eval_data=(X, Y), **options)
    found = model.history
    assert found.epoch == [1, 2, 3]
    assert found.learning_rate == [0.25] * 3
    assert len(found.seconds) == 3
    assert min(found.seconds) > 0
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("[")]
    assert said == [
        f"[{epoch}] {kind}-{name}={log.r_number(values[name][epoch - 1])}"
        for epoch in (1, 2, 3)
        for kind, values in (("Train", found.train), ("Validation", found.validation))
        for name in ("accuracy", "cross-entropy")
    ]
    header, *rows = path.read_text().splitlines()
    assert header == (
        "epoch,seconds,learning_rate,loss,validation_loss,"
        "train_accuracy,train_cross-entropy,validation_accuracy,validation_cross-entropy"
    )
    columns = list(found.columns().values())
    assert [tuple(map(float, row.split(","))) for row in rows] == list(zip(*columns, strict=True))
    model.num_epoch = 4
    model.fit(X, Y, verbose=False)
    assert found.epoch == [1, 2, 3, 4]
    assert math.isnan(found.validation["accuracy"][3])


def test_a_value_that_comes_late_is_nan_before():
    history = History()
    history.add(end(1, {"accuracy": 0.5}))
    history.add(end(2, {"accuracy": 0.75}, {"accuracy": 0.25}))
    assert math.isnan(history.validation["accuracy"][0])
    assert history.validation["accuracy"][1] == 0.25
    assert repr(history) == (
        "History of 2 epochs: epoch, seconds, learning_rate, loss, validation_loss, train_accuracy, validation_accuracy"
    )


def test_epochs_that_are_trained_again_replace_the_old_ones():
    history = History()
    for epoch, value in ((1, 0.1), (2, 0.2), (3, 0.3), (2, 0.4)):
        history.add(end(epoch, {"accuracy": value}))
    assert history.columns() == {
        "epoch": [1, 2], "seconds": [2.0, 2.0], "learning_rate": [0.1, 0.1], "loss": [0.5, 0.5],
        "train_accuracy": [0.1, 0.4],
    }  # fmt: skip


def test_a_history_of_a_time_before_losses():
    history = History.of({"epoch": [1, 2], "seconds": [1.0, 1.0], "learning_rate": [0.1, 0.1]})
    history.add(end(3))
    assert [math.isnan(value) for value in history.loss] == [True, True, False]


def test_a_csv_file_is_begun_anew_or_appended_to(tmp_path):
    path = tmp_path / "log.csv"
    for append, epochs in ((False, ["1"]), (False, ["1"]), (True, ["1", "1"])):
        logger = mx.callback.CSVLogger(path, append)
        logger.fit_begin(None)
        logger.epoch_end(end(1))
        assert [line.split(",")[0] for line in path.read_text().splitlines()] == ["epoch", *epochs]


def test_a_csv_file_goes_on_where_the_snapshot_was(tmp_path):
    path = tmp_path / "log.csv"
    logger = mx.callback.CSVLogger(path)
    logger.fit_begin(None)
    logger.epoch_end(end(1))
    kept = logger.state()
    logger.epoch_end(end(2, rate=7.0))  # the process is killed after that
    again = mx.callback.CSVLogger(path)
    again.fit_begin(None)
    again.restore(kept)
    again.epoch_end(end(2))
    assert path.read_text() == "epoch,seconds,learning_rate,loss\n1,2.0,0.1,0.5\n2,2.0,0.1,0.5\n"


def test_a_csv_file_in_no_folder_is_an_error_before_the_first_step(tmp_path):
    with pytest.raises(FileNotFoundError):
        mx.callback.CSVLogger(tmp_path / "none" / "log.csv").fit_begin(None)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, True),
        ({"optimizer": "sgd", "momentum": 0.9}, True),
        ({"learning_rate": 0.01}, False),
        ({"lr_scheduler": mx.lr_scheduler.FactorScheduler(10)}, False),
        ({"optimizer": mx.optimizer.create("sgd")}, False),
    ],
)
def test_a_learning_rate_that_was_not_given_is_said_once(capsys, options, said):
    log.note_once.cache_clear()
    for _ in range(2):
        mx.FeedForward(network(), num_epoch=1, **options).fit(X, Y)
    out, err = capsys.readouterr()
    line = "pushgrad: learning rate 0.01, the optimizer's default: learning_rate=... chooses another\n"
    assert err == (line if said else "")
    assert "learning rate" not in out


def test_a_metric_that_is_none_of_the_training(tmp_path):
    for callback in (mx.callback.ReduceLROnPlateau("f1"), mx.callback.SaveBest(tmp_path / "net", "f1")):
        with pytest.raises(ParameterError, match=f"{type(callback).__name__}: metric.*one of this training: accuracy"):
            callback.epoch_end(end(1, {"accuracy": 1.0}))
