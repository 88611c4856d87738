"""Fits that end before num_epoch: by EarlyStopping, by a callback, by an interruption."""

import math

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import ParameterError

X = np.random.default_rng(0).standard_normal((60, 4)).astype(np.float32)
Y = (np.arange(60) % 3).astype(np.float32)
OPTIONS = {"batch_size": 20, "learning_rate": 0.2, "momentum": 0.9}


def network():
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3, name="fc")
    return mx.sym.SoftmaxOutput(net, name="softmax")


def new(**options):
    mx.random.seed(2)
    return mx.FeedForward(network(), **{**OPTIONS, "num_epoch": 10, **options})


def same(left, right):
    return all(np.array_equal(left[name], right[name]) for name in left) and left.keys() == right.keys()


def same_state(left, right):
    states = [(model.optimizer_states["fc_weight"], model.arg_params) for model in (left, right)]
    return all(same(*pair) for pair in zip(*states, strict=True)) and left.num_update == right.num_update


class Told:
    """A metric whose values are given, one for each evaluation."""

    def __init__(self, *values, maximize=True):
        self.values = iter(values)
        self.metric = mx.metric.custom("told", lambda label, output: next(self.values), maximize)


def fit(model, stopping, *values, maximize=True, **options):
    told = Told(*[value for one in values for value in (0.0, 0.0, 0.0, one)], maximize=maximize)  # three batches each
    return model.fit(
        X, Y, eval_data=(X, Y), eval_metric=told.metric, epoch_end_callback=stopping, verbose=False, **options
    )


def test_an_early_end_counts_the_epochs_that_were_trained(tmp_path):
    model = new()
    model.fit(X, Y, epoch_end_callback=lambda epoch, *_: epoch < 2, verbose=False)
    assert (model.begin_epoch, model.num_update) == (2, 6)
    model.save(str(tmp_path / "net"))
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix == ".params") == ["net-0002.params"]
    loaded = mx.FeedForward.load(str(tmp_path / "net"), 2, num_epoch=4, **OPTIONS)
    model.num_epoch = 4
    for one in (model, loaded):
        mx.random.seed(2)
        one.fit(X, Y, verbose=False)
        assert (one.begin_epoch, one.num_update) == (4, 12)
    assert same_state(model, loaded) and same_state(model, new(num_epoch=4).fit(X, Y, verbose=False))


def test_after_an_interruption_momentum_comes_back_with_the_weights():
    def interrupt(param):
        if (param.epoch, param.nbatch) == (2, 3):
            raise KeyboardInterrupt

    model = new()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, batch_end_callback=interrupt, verbose=False)
    assert (model.begin_epoch, model.num_update) == (1, 6)
    assert same_state(model, new(num_epoch=2).fit(X, Y, verbose=False))
    model.num_epoch = 3
    model.fit(X, Y, verbose=False)
    assert (model.begin_epoch, model.num_update) == (3, 12)


def test_a_metric_says_itself_whether_more_is_better():
    for maximize, epochs in ((True, 3), (False, 5)):
        stopping = mx.callback.EarlyStopping(patience=2)
        model = fit(new(), stopping, 5, 4, 3, 4, 4.5, 4, maximize=maximize)
        assert model.begin_epoch == epochs
        assert (stopping.best, stopping.best_epoch) == ((5, 1) if maximize else (3, 3))


def test_a_name_does_not():
    metric = mx.metric.custom("space", lambda label, output: output.shape[0], maximize=False)
    stopping = mx.callback.EarlyStopping(patience=1)
    end = mx.callback.EpochEnd(1, {"space": 3.0}, {}, None, {"space": metric.maximize})
    assert stopping.epoch_end(end) is True
    assert stopping.epoch_end(end._replace(epoch=2, train={"space": 2.0})) is True  # less is better
    by_name = mx.callback.EarlyStopping(patience=1)  # without what the metric says, names of built-in metrics count
    assert [by_name.epoch_end(mx.callback.EpochEnd(i, {"f1": v}, {})) for i, v in ((1, 0.5), (2, 0.6), (3, 0.55))] == [
        True, True, False,
    ]  # fmt: skip


def test_every_fit_begins_anew():
    stopping = mx.callback.EarlyStopping(patience=2)
    model = fit(new(num_epoch=3), stopping, 9, 8, 8)
    assert (stopping.best, stopping.best_epoch, model.begin_epoch) == (9, 1, 3)
    model.num_epoch = 20
    fit(model, stopping, 1, 2, 3, 2, 2)
    assert (stopping.best, stopping.best_epoch, model.begin_epoch) == (3, 6, 8)


@pytest.mark.parametrize(("values", "epochs", "best"), [
    ((math.nan, 1, 2, 1, 1), 5, (2, 3)), ((math.nan, math.nan), 2, (None, 0)), ((1, math.nan, math.nan), 3, (1, 1)),
])  # fmt: skip
def test_it_recovers_from_nan(values, epochs, best):
    stopping = mx.callback.EarlyStopping(patience=2)
    model = fit(new(), stopping, *values)
    assert (stopping.best, stopping.best_epoch) == best
    assert model.begin_epoch == epochs


@pytest.mark.parametrize("num_epoch", [3, 10])
def test_the_best_epoch_may_come_back(num_epoch, tmp_path):
    stopping = mx.callback.EarlyStopping(patience=2, restore_best=True)
    model = fit(new(num_epoch=num_epoch), stopping, 1, 5, 4, 4)
    assert stopping.best_epoch == model.begin_epoch == 2
    assert same_state(model, new(num_epoch=2).fit(X, Y, verbose=False))
    model.save(str(tmp_path / "net"))
    assert (tmp_path / "net-0002.params").exists()


def test_hooks_at_both_ends_of_a_fit():
    calls = []

    class Listener:
        def fit_begin(self, model):
            calls.append(("begin", model.begin_epoch))

        def epoch_end(self, param):
            calls.append(("epoch", param.epoch))

        def fit_end(self, model):
            calls.append(("end", model.begin_epoch))

    new(num_epoch=2).fit(X, Y, epoch_end_callback=Listener(), verbose=False)
    assert calls == [("begin", 0), ("epoch", 1), ("epoch", 2), ("end", 2)]


def test_options_that_are_no_numbers():
    for option in ({"patience": 1.5}, {"min_delta": "0.1"}):
        with pytest.raises(ParameterError, match=f"EarlyStopping: {next(iter(option))}: expected a"):
            mx.callback.EarlyStopping(**option)
