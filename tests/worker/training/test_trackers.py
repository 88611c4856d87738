"""TensorBoard's event files, and what Weights & Biases and MLflow are told; stand-ins record the latter two."""

import struct
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import ParameterError
from pushgrad.worker.training.callback import EpochEnd

RNG = np.random.default_rng(0)
X, Y = RNG.random((40, 5), np.float32), RNG.integers(0, 2, 40).astype(np.float32)


def fit(callback, **options):
    network = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2))
    model = mx.FeedForward(network, num_epoch=2, batch_size=10, learning_rate=0.25)
    return model.fit(X, Y, eval_data=(X, Y), epoch_end_callback=callback, verbose=False, **options)


def logged(model):
    """What the trackers are to be told: pairs of an epoch and its values."""
    columns = model.history.columns()
    names = {"loss": "train/loss", "validation_loss": "validation/loss"}
    names |= {"train_accuracy": "train/accuracy", "validation_accuracy": "validation/accuracy"}
    values = {names.get(name, name): column for name, column in columns.items() if name != "epoch"}
    return [(epoch, {name: values[name][epoch - 1] for name in values}) for epoch in columns["epoch"]]


def end(epoch):
    return EpochEnd(epoch, {"accuracy": epoch / 10}, {}, learning_rate=0.5, seconds=1.0)


def events(folder):
    """The events in the files of `folder`: records of length, its checksum, content, its checksum."""
    from tensorboardX.proto.event_pb2 import Event

    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        while content:
            (length,) = struct.unpack("<Q", content[:8])
            yield Event.FromString(content[12 : 12 + length])
            content = content[16 + length :]


def test_event_files_of_tensorboard(tmp_path):
    pytest.importorskip("tensorboardX")
    model = fit(mx.callback.TensorBoard(tmp_path / "board"))
    found = {}
    for event in events(tmp_path / "board"):
        for value in event.summary.value:
            found.setdefault(event.step, {})[value.tag] = value.simple_value
    assert list(found.items()) == [(epoch, pytest.approx(values)) for epoch, values in logged(model)]


def test_tensorboard_forgets_what_was_written_after_the_snapshot(tmp_path):
    pytest.importorskip("tensorboardX")
    board = mx.callback.TensorBoard(tmp_path)
    board.fit_begin(None)
    for epoch in (1, 2):
        board.epoch_end(end(epoch))
    again = mx.callback.TensorBoard(tmp_path)
    again.fit_begin(None)
    again.restore(board.state())
    again.epoch_end(end(2))
    for one in (board, again):
        one.fit_end(None)
    starts = [event.step for event in events(tmp_path) if event.session_log.status == 1]  # SessionLog.START
    assert starts == [2]


class Wandb:
    """What wandb's module has of interest here."""

    def __init__(self):
        self.run, self.calls = None, []

    def init(self, **options):
        self.calls.append(("init", options))
        return self.made()

    def made(self):
        return SimpleNamespace(
            id="r7",
            log=lambda values, step: self.calls.append((step, values)),
            finish=lambda: self.calls.append("finish"),
        )


class Mlflow:
    """What mlflow's module has of interest here."""

    def __init__(self):
        self.run, self.calls = None, []

    def active_run(self):
        return self.run

    def start_run(self, **options):
        self.calls.append(("start", options))
        self.run = SimpleNamespace(info=SimpleNamespace(run_id="r7"))
        return self.run

    def log_metrics(self, values, step):
        self.calls.append((step, values))

    def end_run(self):
        self.calls.append("end")


def test_weights_and_biases(monkeypatch):
    module = Wandb()
    monkeypatch.setitem(sys.modules, "wandb", module)
    model = fit(mx.callback.WandB(project="digits"))
    assert module.calls == [("init", {"project": "digits"}), *logged(model), "finish"]


def test_mlflow(monkeypatch):
    module = Mlflow()
    monkeypatch.setitem(sys.modules, "mlflow", module)
    model = fit(mx.callback.MLflow(run_name="digits"))
    assert module.calls == [("start", {"run_name": "digits"}), *logged(model), "end"]


@pytest.mark.parametrize(
    ("name", "module", "opened"),
    [
        ("WandB", Wandb(), ("init", {"x": 1, "id": "r7", "resume": "allow"})),
        ("MLflow", Mlflow(), ("start", {"run_id": "r7"})),
    ],
)
def test_a_run_that_goes_on_from_a_snapshot(monkeypatch, name, module, opened):
    monkeypatch.setitem(sys.modules, name.lower(), module)
    kept = {"id": "r7"}
    callback = getattr(mx.callback, name)(x=1)
    callback.fit_begin(None)
    callback.restore(kept)
    callback.epoch_end(end(2))
    assert module.calls[0] == opened
    assert callback.state() == kept


@pytest.mark.parametrize(("name", "module"), [("WandB", Wandb()), ("MLflow", Mlflow())])
def test_a_run_of_the_scripts_own_is_used_and_left_open(monkeypatch, name, module):
    module.run = Wandb.made(module) if name == "WandB" else SimpleNamespace(info=SimpleNamespace(run_id="r7"))
    monkeypatch.setitem(sys.modules, name.lower(), module)
    model = fit(getattr(mx.callback, name)())
    assert module.calls == logged(model)


@pytest.mark.parametrize(
    ("make", "module", "extra"),
    [
        (lambda: mx.callback.TensorBoard("x"), "tensorboardX", "tensorboard"),
        (lambda: mx.callback.WandB(), "wandb", "wandb"),
        (lambda: mx.callback.MLflow(), "mlflow", "mlflow"),
    ],
)
def test_a_package_that_is_missing(monkeypatch, make, module, extra):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ParameterError, match=rf"needs the package {module}.*pip install '\.\[{extra}\]' in a clone"):
        make()
