import io

import pytest

import pushgrad as mx
from pushgrad.common.errors import ParameterError
from pushgrad.worker.log import r_number
from pushgrad.worker.training import callback


def metric_at(value, name="accuracy"):
    metric = mx.metric.Accuracy(name)
    metric.add(value)
    return metric


def batch_end(nbatch, value=0.5, epoch=1):
    return callback.BatchEnd(epoch, nbatch, metric_at(value))


def epoch_end(epoch, train=None, validation=None):
    return callback.EpochEnd(epoch, train or {}, validation or {})


def run(stopping, values, name="accuracy"):
    """The epoch after which `stopping` ends the training; None if it goes on."""
    for epoch, value in enumerate(values, 1):
        if stopping.epoch_end(epoch_end(epoch, {name: value})) is False:
            return epoch
    return None


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1066, "0.1066"), (22 / 45, "0.488888888888889"), (1.0, "1"), (2e-6, "2e-06"), (float("nan"), "nan")],
)
def test_numbers_as_r_prints_them(value, text):
    assert r_number(value) == text


def test_log_train_metric_prints_every_period(capsys):
    log = mx.callback.log_train_metric(100)
    for nbatch in (1, 99, 100, 150, 200):
        log(batch_end(nbatch, 0.1066 if nbatch == 100 else 0.16495))
    assert capsys.readouterr().out == "Batch [100] Train-accuracy=0.1066\nBatch [200] Train-accuracy=0.16495\n"


def test_log_train_metric_with_several_or_no_metrics(capsys):
    both = mx.metric.create(["accuracy", "rmse"])
    for leaf in both.leaves():
        leaf.add(0.25)
    log = mx.callback.log_train_metric(1)
    log(callback.BatchEnd(1, 1, both))
    log(callback.BatchEnd(1, 2, None))
    assert capsys.readouterr().out == "Batch [1] Train-accuracy=0.25\nBatch [1] Train-rmse=0.25\n"


def test_logger_collects_epochs(capsys):
    logger = mx.callback.Logger()
    log = mx.callback.log_train_metric(1, logger)
    for epoch in (1, 2):
        assert log.epoch_end(epoch_end(epoch, {"rmse": epoch / 2}, {"rmse": epoch / 4})) is None
    assert logger.train == [("rmse", 0.5), ("rmse", 1.0)]
    assert logger.eval == [("rmse", 0.25), ("rmse", 0.5)]
    assert capsys.readouterr().out == ""


def test_speedometer_counts_from_the_last_report(capsys, monkeypatch):
    clock = iter([0.0, 1.0, 2.0, 10.0, 14.0])
    monkeypatch.setattr(callback.time, "perf_counter", lambda: next(clock))
    speed = mx.callback.Speedometer(batch_size=100, frequent=2)
    for epoch, nbatch in ((1, 1), (1, 2), (1, 4), (2, 1), (2, 2)):
        speed(batch_end(nbatch, epoch=epoch))
    assert capsys.readouterr().out.splitlines() == [
        "Batch [2] Speed: 100.00 samples/sec Train-accuracy=0.5",
        "Batch [4] Speed: 200.00 samples/sec Train-accuracy=0.5",
        "Batch [2] Speed: 25.00 samples/sec Train-accuracy=0.5",
    ]


def test_do_checkpoint_lets_the_model_save_itself(capsys):
    saved = []

    class Model:
        def save(self, prefix, epoch):
            saved.append((prefix, epoch))

    save = mx.callback.do_checkpoint("out/lenet", 2)
    for epoch in (1, 2, 3, 4):
        save.checkpoint(Model(), epoch)
    assert saved == [("out/lenet", 2), ("out/lenet", 4)]
    assert capsys.readouterr().out.splitlines() == [
        "Model checkpoint saved to out/lenet-0002.params",
        "Model checkpoint saved to out/lenet-0004.params",
    ]


def test_early_stopping_waits_for_patience():
    assert run(mx.callback.EarlyStopping(patience=2), [0.1, 0.5, 0.4, 0.5, 0.9]) == 4
    assert run(mx.callback.EarlyStopping(patience=2), [0.1, 0.5, 0.4, 0.6, 0.55, 0.7]) is None


def test_early_stopping_knows_which_way_is_better():
    assert run(mx.callback.EarlyStopping(patience=1), [3.0, 2.0, 2.5], "rmse") == 3
    assert run(mx.callback.EarlyStopping(patience=1, maximize=True), [3.0, 2.0], "rmse") == 2
    assert run(mx.callback.EarlyStopping(patience=1, min_delta=0.6), [3.0, 2.5], "rmse") == 2
    assert run(mx.callback.EarlyStopping(patience=2), [3.0, float("nan"), float("nan")], "rmse") == 3


def test_early_stopping_prefers_validation_and_takes_a_name():
    stopping = mx.callback.EarlyStopping("mae", patience=1)
    assert stopping.all_ranks
    values = {"rmse": 9.0, "mae": 1.0}
    assert stopping.epoch_end(epoch_end(1, {"mae": 5.0}, values)) is True
    assert stopping.best == 1.0
    with pytest.raises(ParameterError, match=r"expected one of this training: rmse, got 'mae'"):
        stopping.epoch_end(epoch_end(2, {"rmse": 1.0}))
    with pytest.raises(ParameterError, match="no metric at all"):
        mx.callback.EarlyStopping().epoch_end(epoch_end(1))


def test_progress_bar_off_a_terminal_prints_one_line_per_epoch(capsys):
    bar = mx.callback.ProgressBar(total=3)
    for epoch in (1, 2):
        for nbatch in (1, 2, 3):
            bar(batch_end(nbatch, 0.75, epoch))
        bar.epoch_end(epoch_end(epoch))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("epoch 1")
    assert "3/3" in lines[1]
    assert "accuracy=0.75" in lines[1]
    assert "\x1b" not in "".join(lines)


def test_progress_bar_of_a_short_epoch_is_closed(capsys):
    bar = mx.callback.ProgressBar(total=5)
    bar(batch_end(1))
    bar.epoch_end(epoch_end(1))
    bar.epoch_end(epoch_end(1))
    assert "1/5" in capsys.readouterr().out


def test_lines_are_flushed(monkeypatch):
    class Pipe(io.StringIO):
        flushed = 0

        def flush(self):
            self.flushed += 1

    pipe = Pipe()
    monkeypatch.setattr("sys.stdout", pipe)
    mx.callback.log_train_metric(1)(batch_end(1))
    assert pipe.flushed == 1


@pytest.mark.parametrize(
    "make",
    [
        lambda: mx.callback.log_train_metric(0),
        lambda: mx.callback.do_checkpoint("p", 0),
        lambda: mx.callback.Speedometer(0),
        lambda: mx.callback.Speedometer(1, 1.5),
        lambda: mx.callback.EarlyStopping(patience=0),
        lambda: mx.callback.ProgressBar(-1),
    ],
)
def test_bad_periods(make):
    with pytest.raises(ParameterError, match="a whole number of 1 or more"):
        make()
