"""Gradients that are NaN or infinite: on_nan, in one process. tests/job has jobs, tests/cuda GPUs."""

import itertools

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import DataError, ParameterError
from pushgrad.worker.training import script_run

RNG = np.random.default_rng(3)
X, IDS = RNG.random((48, 1, 6, 6), np.float32), RNG.integers(0, 9, (48, 2)).astype(np.float32)
Y = RNG.integers(0, 3, 48).astype(np.float32)
GOOD = np.r_[0:24, 32:48]  # without the fourth batch of eight
BAD = X.copy()
BAD[28, 0, 2, 2] = np.nan


def line(x, on_nan=None, **options):
    """One weight, w = 0 at first, drawn to 1 in steps of half the way: 1 - w halves with each example of x = 1."""
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=1, no_bias=True, name="fc")
    model = mx.FeedForward(
        mx.sym.LinearRegressionOutput(net, name="line"), num_epoch=1, batch_size=1, learning_rate=0.5,
        arg_params={"fc_weight": np.zeros((1, 1), np.float32)},
    )  # fmt: skip
    x = np.array(x, np.float32).reshape(-1, 1)
    model.fit(x, np.ones(len(x), np.float32), shuffle=False, verbose=False, on_nan=on_nan, **options)
    return model


def weight(model):
    return float(model.arg_params["fc_weight"][0, 0])


@pytest.mark.parametrize("bad", [np.nan, np.inf, 3e38], ids=["nan", "inf", "too large"])
def test_a_step_that_is_left_out_changes_nothing(bad, capsys):
    """0 -> 1/2 -> left out -> 3/4 -> 7/8. 3e38 is finite, but not its gradient, (3e38 * w - 1) * 3e38."""
    model = line([1, bad, 1, 1], "skip")
    assert weight(model) == 0.875
    assert (model.num_update, model.skipped_steps) == (4, 1)
    assert "step left out (1 so far): the gradient of key 'fc_weight' at step 2 has" in capsys.readouterr().err


def test_a_training_that_stops_keeps_the_last_good_weights(capsys):
    model = line([1, 1, np.nan, 1], "stop")
    assert weight(model) == 0.75
    assert (model.num_update, model.begin_epoch) == (2, 0)
    assert "the training stops, with the model as before this step: the gradient of key" in capsys.readouterr().err


def test_an_error_is_the_default_and_allow_looks_at_nothing(monkeypatch):
    with pytest.raises(DataError, match="the gradient of key 'fc_weight' at step 2 has NaN"):
        line([1, np.nan, 1])
    assert np.isnan(weight(line([1, np.nan, 1], "allow")))
    monkeypatch.setenv("PUSHGRAD_ON_NAN", "skip")
    assert weight(line([1, np.nan, 1])) == 0.75
    with pytest.raises(DataError, match="has NaN"):
        line([1, np.nan], "error")


def test_an_unknown_policy_is_named(monkeypatch):
    with pytest.raises(ParameterError, match=r"fit: on_nan: no 'skp'. Did you mean skip"):
        line([1], "skp")
    monkeypatch.setenv("PUSHGRAD_ON_NAN", "nothing")
    with pytest.raises(ParameterError, match="PUSHGRAD_ON_NAN: no 'nothing'"):
        line([1])


def test_notes_on_many_steps_are_few(capsys):
    assert line([np.nan] * 40 + [1], "skip").skipped_steps == 40
    assert capsys.readouterr().err.count("step left out") == 6  # the 1st, 2nd, 4th, 8th, 16th and 32nd


def network():
    """With a state (BatchNorm), and a table of which the store updates rows."""
    s = mx.sym
    conv = s.BatchNorm(s.Convolution(s.Variable("data"), kernel=(3, 3), num_filter=4, name="conv"), name="bn")
    rows = s.Embedding(s.Variable("ids"), input_dim=9, output_dim=4, sparse_grad=True, name="table")
    both = s.Concat(s.Flatten(conv, name="flat"), s.Flatten(rows, name="flat_rows"), name="both")
    return s.SoftmaxOutput(s.FullyConnected(both, num_hidden=3, name="fc"), name="softmax")


def train(x, pick=slice(None), **options):
    mx.random.seed(1)
    data = mx.io.NDArrayIter({"data": x[pick], "ids": IDS[pick]}, Y[pick], batch_size=8)
    return mx.FeedForward.create(
        network(), data, num_epoch=1, learning_rate=0.2, momentum=0.9, wd=0.01, slices=4, eval_metric="ce",
        initializer=mx.init.Xavier(), **options
    )  # fmt: skip


def check_equal(model, other):
    for arrays, others in ((model.arg_params, other.arg_params), (model.aux_params, other.aux_params)):
        for name, array in arrays.items():
            np.testing.assert_array_equal(array, others[name], err_msg=name)
    for name, states in model.optimizer_states.items():
        np.testing.assert_array_equal(states["mom"], other.optimizer_states[name]["mom"], err_msg=name)


@pytest.mark.parametrize("compression", [None, {"type": "2bit", "threshold": 0.01}], ids=["plain", "2bit"])
def test_the_training_is_as_without_the_batch(capsys, compression):
    """Slices, momentum, averages, a table by rows, residuals, the metric's line: as if the batch had not been there."""
    options = {"compression_params": compression, "kvstore": "device"}
    expected = train(X, GOOD, **options)
    lines = capsys.readouterr().out
    found = train(BAD, on_nan="skip", **options)
    check_equal(found, expected)
    assert capsys.readouterr().out == lines
    assert found.skipped_steps == 1


def test_a_gradient_too_large_for_its_coding_is_left_out_as_well(capsys):
    """Below 65520 fp16 rounds to its largest number, 65504; from there on to infinity, as numpy's float16 does."""
    assert fp16([-65519.0, -65520.0]) == 1
    assert "at step 2 has a value too large for fp16" in capsys.readouterr().err


def fp16(gradients):
    """How many steps of a line with these gradients are left out, at a learning rate of 0."""
    net = mx.sym.MakeLoss(
        mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=1, no_bias=True, name="fc"), name="l"
    )
    model = mx.FeedForward(
        net, num_epoch=1, batch_size=1, learning_rate=0.0, compression_params={"type": "fp16"},
        arg_params={"fc_weight": np.zeros((1, 1), np.float32)},
    )  # fmt: skip
    data = mx.io.NDArrayIter(np.array(gradients, np.float32).reshape(-1, 1), batch_size=1)
    model.fit(data, kvstore="device", on_nan="skip")
    return model.skipped_steps


@pytest.fixture
def script(monkeypatch, tmp_path):
    """Call it where a new process would begin."""
    monkeypatch.setenv("PUSHGRAD_SNAPSHOT_DIR", str(tmp_path / "kept"))

    def begin():
        monkeypatch.setattr(script_run, "_fits", itertools.count(1))
        monkeypatch.setattr(script_run, "_runs", {})
        return tmp_path / "kept"

    return begin


def test_a_stopped_training_is_kept_and_goes_on_from_there(script, capsys):
    expected = train(BAD, on_nan="skip")
    folder = script()
    train(BAD, on_nan="stop", snapshot="1000steps")
    for run in script_run._runs.values():
        run.finish_writing()
    assert [path.name for path in folder.glob("0*")] == ["000001-fit1-step3"]
    script()
    found = train(BAD, on_nan="skip", snapshot="1000steps", resume="auto")
    for run in script_run._runs.values():
        run.finish_writing()
    check_equal(found, expected)
    assert found.skipped_steps == 1


def test_a_loop_of_ones_own_may_allow_them(monkeypatch):
    kv = mx.kv.create()
    kv.init("w", np.zeros(2, np.float32))
    with pytest.raises(DataError, match="has NaN"):
        kv.push("w", np.array([1, np.nan], np.float32))
    monkeypatch.setenv("PUSHGRAD_ON_NAN", "allow")
    kv = mx.kv.create()
    kv.init("w", np.zeros(2, np.float32))
    kv.push("w", np.array([1, np.nan], np.float32))
    np.testing.assert_array_equal(kv.pull("w"), [1, np.nan])
