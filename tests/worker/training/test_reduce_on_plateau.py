"""ReduceLROnPlateau: when it lowers the learning rate, and that the steps after it have the lower one."""

from types import SimpleNamespace

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import ParameterError
from pushgrad.worker.training.callback import EpochEnd

RNG = np.random.default_rng(0)
X, Y = RNG.random((40, 5), np.float32), RNG.integers(0, 2, 40).astype(np.float32)
NETWORK = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2, name="fc"))


def lowered_after(callback, values, rate=1.0, maximize=False):
    """The epochs after which the rate is lower, and the rate at the end, for a metric with these values."""
    model = SimpleNamespace(rate_factor=1.0, begin_epoch=0)
    callback.fit_begin(model)
    epochs = []
    for epoch, value in enumerate(values, 1):
        before = model.rate_factor
        callback.epoch_end(EpochEnd(epoch, {"m": value}, {}, model, {"m": maximize}, rate * before))
        if model.rate_factor != before:
            epochs.append(epoch)
    return epochs, rate * model.rate_factor


# By hand, along torch.optim.lr_scheduler.ReduceLROnPlateau with threshold_mode="abs".
@pytest.mark.parametrize(
    ("options", "values", "expected"),
    [
        ({"patience": 0}, [1, 1, 1], ([2, 3], 0.01)),
        ({"patience": 2}, [1, 1, 1, 1, 1, 1, 1], ([4, 7], 0.01)),
        ({"patience": 2}, [1, 1, 1, 0.5, 1, 1, 1], ([7], 0.1)),
        ({"patience": 1, "cooldown": 2}, [1] * 9, ([3, 7], 0.01)),
        ({"patience": 0, "min_lr": 0.25, "factor": 0.5}, [1, 1, 1, 1], ([2, 3], 0.25)),
        ({"patience": 0, "min_lr": 0.75, "factor": 0.5}, [1, 1, 1], ([2], 0.75)),
        ({"patience": 0, "min_delta": 0.5}, [3, 2, 1.75, 1], ([3], 0.1)),
        ({"patience": 0}, [float("nan"), 1, float("nan")], ([1, 3], 0.01)),
    ],
)
def test_when_the_rate_is_lowered(options, values, expected):
    epochs, rate = lowered_after(mx.callback.ReduceLROnPlateau(**options), values)
    assert epochs == expected[0]
    assert rate == pytest.approx(expected[1], rel=1e-12)


def test_the_metric_says_whether_more_is_better():
    values = [1, 2, 3]
    assert lowered_after(mx.callback.ReduceLROnPlateau(patience=0), values, maximize=True)[0] == []
    assert lowered_after(mx.callback.ReduceLROnPlateau(patience=0), values)[0] == [2, 3]
    assert lowered_after(mx.callback.ReduceLROnPlateau(patience=0, maximize=True), values)[0] == []


@pytest.mark.parametrize(
    "options", [{"factor": 1.0}, {"factor": 0}, {"patience": -1}, {"cooldown": 0.5}, {"min_lr": -1}, {"min_delta": "x"}]
)
def test_options_out_of_range(options):
    with pytest.raises(ParameterError, match=f"ReduceLROnPlateau: {next(iter(options))}"):
        mx.callback.ReduceLROnPlateau(**options)


def reducing(**options):
    """A metric that never gets better, so that the rate is a tenth after each epoch but the first."""
    mx.random.seed(0)
    metric = mx.metric.custom("still", lambda label, pred: 1.0)
    callback = mx.callback.ReduceLROnPlateau("still", patience=0)
    model = mx.FeedForward(NETWORK, batch_size=10, learning_rate=0.5, momentum=0.5, **options)
    return model, {"eval_metric": metric, "epoch_end_callback": callback, "verbose": False}


def test_steps_have_the_lowered_rate(capsys):
    model, options = reducing(num_epoch=3)
    model.fit(X, Y, **options)
    assert model.history.learning_rate == pytest.approx([0.5, 0.5, 0.05], rel=1e-12)
    assert capsys.readouterr().err.splitlines() == [
        "pushgrad: epoch 2: the learning rate goes from 0.5 to 0.05",
        "pushgrad: epoch 3: the learning rate goes from 0.05 to 0.005",
    ]
    mx.random.seed(0)
    schedule = mx.lr_scheduler.MultiFactorScheduler([8], 0.1)  # four steps in each epoch
    same = mx.FeedForward(NETWORK, num_epoch=3, batch_size=10, learning_rate=0.5, momentum=0.5, lr_scheduler=schedule)
    same.fit(X, Y, verbose=False)
    for name, value in model.arg_params.items():
        np.testing.assert_array_equal(value, same.arg_params[name])


def test_a_schedule_is_lowered_too():
    schedule = mx.lr_scheduler.FactorScheduler(4, 0.5)
    model, options = reducing(num_epoch=3, lr_scheduler=schedule)
    model.fit(X, Y, **options)
    assert model.history.learning_rate == pytest.approx([0.5, 0.25, 0.0125], rel=1e-12)


def test_a_checkpoint_keeps_what_it_was_lowered_to(tmp_path):
    model, options = reducing(num_epoch=2)
    model.fit(X, Y, **options).save(tmp_path / "net")
    assert model.rate_factor == pytest.approx(0.1)
    loaded = mx.FeedForward.load(tmp_path / "net", num_epoch=3, learning_rate=0.5, momentum=0.5, batch_size=10)
    assert loaded.rate_factor == model.rate_factor
    loaded.fit(X, Y, verbose=False)
    assert loaded.history.learning_rate == pytest.approx([0.05])
