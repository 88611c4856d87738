"""Mistakes of which the error once named another cause, or none: what it says now, and before which work."""

import functools
import io

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import DataError, GraphError, ParameterError, ShapeError

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(60, 4)).astype(np.float32), RNG.integers(0, 3, 60)


def network():
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3, name="fc"), name="softmax")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"epochs": 10}, "no option epochs. Did you mean num_epoch?"),
        ({"num_round": 10}, "no option num_round. Did you mean num_epoch?"),
        ({"num_epochs": 10}, "no option num_epochs. Did you mean num_epoch?"),
        ({"array_batch_size": 10}, "no option array_batch_size. Did you mean batch_size?"),
        ({"slice": 2}, "no option slice. Did you mean slices?"),
        ({"epochs": 10, "optimizer": mx.optimizer.SGD()}, "no option epochs. Did you mean num_epoch?"),
        ({"validation_data": None}, "no option validation_data. Did you mean eval_data, an option of fit and create?"),
        ({"lr": 0.1}, "no option lr. Did you mean learning_rate?"),
        ({"weight_decay": 0.1}, "no option weight_decay. Did you mean wd?"),
        ({"eval_data": None}, "FeedForward: eval_data is an option of fit and create"),
        # What is like one of the optimizer's parameters is its own to judge.
        ({"momentun": 0.9}, "optimizer sgd: no parameter momentun. Did you mean momentum?"),
        ({"zzz": 1}, "optimizer sgd: no parameter zzz; known:"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_options_of_the_model(options, text):
    with pytest.raises(ParameterError) as caught:
        mx.FeedForward(network(), **options)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"epochs": 10}, "fit: no option epochs. Did you mean num_epoch, an option of FeedForward(...) and create?"),
        ({"num_epoch": 10}, "fit: num_epoch is an option of FeedForward(...) and create"),
        ({"learning_rate": 1}, "fit: learning_rate is an option of FeedForward(...) and create"),
        ({"lr": 1}, "fit: no option lr. Did you mean learning_rate, an option of FeedForward(...) and create?"),
        ({"batch_end_calback": print}, "fit: no option batch_end_calback. Did you mean batch_end_callback?"),
        ({"zzz": 1}, "fit: no option zzz; it has eval_data, eval_metric"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_options_of_fit(options, text):
    with pytest.raises(ParameterError) as caught:
        mx.FeedForward(network()).fit(X, Y, **options)
    assert text in str(caught.value)


@pytest.mark.parametrize("data", [(X, Y), (mx.io.NDArrayIter(X, Y, 20), None)], ids=["arrays", "iterator"])
def test_a_network_without_a_loss(data):
    bare = network().get_internals()["fc_output"]
    with pytest.raises(GraphError) as caught:
        mx.FeedForward(bare).fit(*data, eval_metric="acc")
    assert str(caught.value) == (
        "the network takes no label: it ends in fc_output. "
        "End it in SoftmaxOutput, LinearRegressionOutput or another loss"
    )


def test_one_hot_labels():
    with pytest.raises(ShapeError, match=r"expected shape \(60,\), got \(60, 7\). Labels are class numbers: .*argmax"):
        mx.FeedForward.create(
            network(), X, np.eye(7)[Y], verbose=False, eval_metric=mx.metric.custom("s", lambda a, b: 0)
        )


def lenet():
    net = mx.sym.Convolution(mx.sym.Variable("data"), kernel=(5, 5), num_filter=4, name="conv")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Flatten(net), num_hidden=3, name="fc"), name="softmax")


def test_pictures_with_their_channels_last():
    pictures = np.zeros((6, 12, 12, 3), np.float32)
    with pytest.raises(ShapeError, match=r"Convolution conv.* channels first: X.transpose\(0, 3, 1, 2\)"):
        mx.FeedForward.create(lenet(), pictures, np.zeros(6), verbose=False)
    model = mx.FeedForward.create(lenet(), pictures.transpose(0, 3, 1, 2), np.zeros(6), num_epoch=1, verbose=False)
    with pytest.raises(ShapeError, match=r"channels first: X.transpose\(0, 3, 1, 2\)"):
        model.predict(pictures)
    # Not every picture that is too small has its channels last.
    with pytest.raises(ShapeError) as caught:
        mx.FeedForward.create(lenet(), np.zeros((6, 3, 4, 4), np.float32), np.zeros(6), verbose=False)
    assert "transpose" not in str(caught.value)


def test_score_without_labels():
    model = mx.FeedForward.create(network(), X, Y, num_epoch=1, verbose=False)
    with pytest.raises(DataError, match=r"score: X without y: expected an iterator, \(X, y\)"):
        model.score(X)


class Wrong:
    """Objects with methods that a training calls in another way."""

    def epoch_end(self):
        pass


class Right:
    def epoch_end(self, param):
        pass


def epoch_end(epoch, symbol, arg_params, aux_params):
    pass


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"epoch_end_callback": lambda param: None},
            "epoch_end_callback: <lambda>: expected arguments (epoch, symbol, arg_params, aux_params), got (param)",
        ),
        ({"batch_end_callback": epoch_end}, "batch_end_callback: epoch_end: expected arguments (param), got (epoch,"),
        (
            {"batch_end_callback": [print, 3]},
            "batch_end_callback: expected a function, or an object of mx.callback, got 3",
        ),
        ({"epoch_end_callback": "prefix"}, "epoch_end_callback: expected a function, or an object of mx.callback"),
        ({"batch_end_callback": mx.callback.Speedometer}, "expected an object, Speedometer(...), got the class itself"),
        ({"epoch_end_callback": Wrong()}, "epoch_end_callback: Wrong.epoch_end: expected arguments (param), got ()"),
    ],
)
def test_callbacks_are_checked_before_the_first_step(options, text):
    model = mx.FeedForward(network(), num_epoch=1)
    with pytest.raises(ParameterError) as caught:
        model.fit(X, Y, verbose=False, **options)
    assert text in str(caught.value)
    assert model.arg_params == {}


@pytest.mark.parametrize(
    "options",
    [
        {"epoch_end_callback": lambda *args: None},
        {"epoch_end_callback": functools.partial(print, end="", file=io.StringIO())},
        {"epoch_end_callback": [epoch_end, Right(), mx.callback.log_train_metric(100)]},
        {"batch_end_callback": [mx.callback.Speedometer(20), lambda param, more=None: None, Right()]},
        {"batch_end_callback": mx.callback.EarlyStopping(patience=1)},
    ],
)
def test_callbacks_of_other_forms_run(options):
    mx.FeedForward(network(), num_epoch=1).fit(X, Y, verbose=False, **options)


def test_a_checkpoint_may_be_a_batch_callback(tmp_path):
    """An object with methods is used through them, whichever list it is in."""
    saving = mx.callback.do_checkpoint(str(tmp_path / "m"))
    mx.FeedForward(network(), num_epoch=2).fit(X, Y, verbose=False, batch_end_callback=saving)
    assert sorted(path.name for path in tmp_path.glob("*.params")) == ["m-0001.params", "m-0002.params"]


def test_a_multiplier_that_is_no_number_in_a_file():
    weight = mx.sym.Variable("fc_weight", attr={"lr_mult": "fast"})
    net = mx.sym.SoftmaxOutput(
        mx.sym.FullyConnected(mx.sym.Variable("data"), weight=weight, num_hidden=3, name="fc"), name="softmax"
    )
    with pytest.raises(GraphError, match="variable fc_weight: attribute lr_mult: expected a number, got 'fast'"):
        mx.FeedForward(net).fit(X, Y)
