"""FeedForward in one process: learning, continuing with equal bits, layouts, callbacks, evaluation, files."""

import copy
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import DataError


def blobs(rows=90, seed=0):
    """Three clouds of points in the plane, one per class."""
    rng = np.random.default_rng(seed)
    label = np.arange(rows) % 3
    centres = np.array([[2, 0], [-2, 1], [0, -3]], np.float32)
    return centres[label] + rng.standard_normal((rows, 2), np.float32) * 0.5, label.astype(np.float32)


def network(dropout=0.0):
    layer = mx.sym.Activation(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=8, name="fc1"), act_type="tanh")
    if dropout:
        layer = mx.sym.Dropout(layer, p=dropout, name="drop")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(layer, num_hidden=3, name="fc2"), name="softmax")


OPTIONS = {"batch_size": 20, "learning_rate": 0.2, "momentum": 0.9, "slices": 2, "initializer": mx.init.Uniform(0.1)}


def same(left, right):
    return left.keys() == right.keys() and all(left[key].tobytes() == right[key].tobytes() for key in left)


def test_it_learns_and_predicts_with_examples_first():
    X, y = blobs()
    mx.random.seed(0)
    model = mx.FeedForward.create(network(), X, y, num_epoch=8, verbose=False, **OPTIONS)
    prediction = model.predict(X[:37])
    assert prediction.shape == (37, 3)
    np.testing.assert_allclose(prediction.sum(axis=1), 1, rtol=1e-5)
    assert (prediction.argmax(axis=1) == y[:37]).mean() > 0.95
    assert model.score(X, y) > 0.95
    assert set(model.score(X, y, eval_metric=["accuracy", "ce"])) == {"accuracy", "cross-entropy"}


def test_sgd_is_what_numpy_computes():
    """One linear layer, two steps with momentum and weight decay, which spares the bias."""
    X, y = np.arange(8, dtype=np.float32).reshape(4, 2) / 8, np.arange(4, dtype=np.float32)
    symbol = mx.sym.LinearRegressionOutput(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=1, name="fc"))
    weight, bias = np.full((1, 2), 0.5, np.float32), np.zeros(1, np.float32)
    model = mx.FeedForward.create(
        symbol, X, y, num_epoch=2, batch_size=4, shuffle=False, eval_metric="rmse", verbose=False,
        arg_params={"fc_weight": weight, "fc_bias": bias}, learning_rate=0.1, momentum=0.5, wd=0.01,
    )  # fmt: skip
    w, b, mom_w, mom_b = weight.astype(float), bias.astype(float), 0, 0
    for _ in range(2):
        error = X @ w.T + b - y[:, None]
        mom_w = 0.5 * mom_w - 0.1 * (error.T @ X / 4 + 0.01 * w)
        mom_b = 0.5 * mom_b - 0.1 * error.mean(axis=0)
        w, b = w + mom_w, b + mom_b
    np.testing.assert_allclose(model.arg_params["fc_weight"], w, rtol=1e-5)
    np.testing.assert_allclose(model.arg_params["fc_bias"], b, rtol=1e-5)
    np.testing.assert_allclose(model.optimizer_states["fc_weight"]["mom"], mom_w, rtol=1e-4)


def test_a_training_in_two_parts_has_the_bits_of_one_in_one(tmp_path):
    """Shuffled data, momentum, dropout and a falling learning rate all go on where they were."""
    X, y = blobs()

    def options():
        return {**OPTIONS, "verbose": False, "lr_scheduler": mx.lr_scheduler.FactorScheduler(step=7, factor=0.5)}

    mx.random.seed(5)
    whole = mx.FeedForward.create(network(dropout=0.3), X, y, num_epoch=6, **options())
    mx.random.seed(5)
    first = mx.FeedForward.create(network(dropout=0.3), X, y, num_epoch=4, **options())
    first.save(tmp_path / "part", 4)
    mx.random.seed(5)
    arguments = options()
    verbose = arguments.pop("verbose")
    second = mx.FeedForward.load(tmp_path / "part", 4, num_epoch=6, **arguments)
    second.fit(X, y, verbose=verbose)
    assert same(second.arg_params, whole.arg_params)
    assert not same(first.arg_params, whole.arg_params)


def test_fit_may_be_called_again_to_go_on():
    X, y = blobs()
    mx.random.seed(5)
    whole = mx.FeedForward.create(network(), X, y, num_epoch=4, verbose=False, **OPTIONS)
    mx.random.seed(5)
    model = mx.FeedForward(network(), num_epoch=2, **OPTIONS)
    model.fit(X, y, verbose=False)
    model.num_epoch = 4
    model.fit(X, y, verbose=False)
    assert same(model.arg_params, whole.arg_params)


@pytest.mark.parametrize("layout", ["auto", "colmajor"])
def test_examples_may_be_columns(layout, capsys):
    X, y = blobs()
    mx.random.seed(1)
    rows = mx.FeedForward.create(network(), X, y, num_epoch=2, array_layout="rowmajor", **OPTIONS)
    mx.random.seed(1)
    columns = mx.FeedForward.create(network(), X.T, y, num_epoch=2, array_layout=layout, **OPTIONS)
    assert same(rows.arg_params, columns.arg_params)
    assert ("Auto detect layout of input matrix, use colmajor.." in capsys.readouterr().out) == (layout == "auto")
    assert np.array_equal(columns.predict(X.T), rows.predict(X))


def test_a_square_matrix_needs_to_be_told():
    with pytest.raises(DataError, match="array_layout"):
        mx.FeedForward.create(network(), np.ones((6, 6)), np.zeros(6), num_epoch=1, batch_size=2)


def test_the_log_is_the_article_s(capsys):
    X, y = blobs()
    mx.random.seed(0)
    mx.FeedForward.create(
        network(), X, y, ctx=[mx.cpu(0), mx.cpu(1)], num_epoch=2, eval_data=(X, y),
        epoch_end_callback=mx.callback.log_train_metric(2), **OPTIONS,
    )  # fmt: skip
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["Auto detect layout of input matrix, use rowmajor..", "Start training with 2 devices"]
    expected = [
        "Batch [2] Train-accuracy=",
        "Batch [4] Train-accuracy=",
        "[1] Train-accuracy=",
        "[1] Validation-accuracy=",
    ]
    assert [line.startswith(text) for line, text in zip(lines[2:6], expected, strict=True)] == [True] * 4


def test_callbacks_see_the_training_and_may_end_it(tmp_path):
    X, y = blobs()
    batches, epochs = [], []

    def epoch_end(epoch, symbol, arg_params, aux_params):
        epochs.append((epoch, sorted(arg_params), aux_params))
        return epoch < 2

    model = mx.FeedForward.create(
        network(), X, y, num_epoch=9, verbose=False, batch_end_callback=lambda p: batches.append((p.epoch, p.nbatch)),
        epoch_end_callback=[epoch_end, mx.callback.do_checkpoint(str(tmp_path / "net"))], **OPTIONS,
    )  # fmt: skip
    assert batches == [(epoch, batch) for epoch in (1, 2) for batch in range(1, 6)]
    assert epochs == [(epoch, ["fc1_bias", "fc1_weight", "fc2_bias", "fc2_weight"], {}) for epoch in (1, 2)]
    assert same(mx.FeedForward.load(tmp_path / "net", 2).arg_params, model.arg_params)


def test_early_stopping_watches_the_validation_metric():
    X, y = blobs()
    seen = []
    mx.FeedForward.create(
        network(), X, y, num_epoch=50, verbose=False, eval_data=(X, y), **{**OPTIONS, "learning_rate": 0.0},
        epoch_end_callback=[mx.callback.EarlyStopping(patience=2), lambda epoch, *_: seen.append(epoch)],
    )  # fmt: skip
    assert seen == [1, 2, 3]


def test_an_error_leaves_the_weights_learnt_so_far_in_the_model():
    X, y = blobs()

    def fail(param):
        if param.nbatch == 3:
            raise RuntimeError("enough")

    model = mx.FeedForward(network(), num_epoch=3, **OPTIONS)
    with pytest.raises(RuntimeError, match="enough"):
        model.fit(X, y, batch_end_callback=fail, verbose=False)
    assert model.num_update == 3
    assert np.isfinite(model.predict(X)).all()


def test_multipliers_of_a_variable_scale_its_learning_rate_and_decay():
    X, y = blobs()
    frozen = mx.sym.Variable("fc1_weight", lr_mult=0.0)
    layer = mx.sym.FullyConnected(mx.sym.Variable("data"), weight=frozen, num_hidden=8, name="fc1")
    symbol = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(layer, num_hidden=3, name="fc2"), name="softmax")
    start = np.random.default_rng(0).standard_normal((8, 2)).astype(np.float32)
    model = mx.FeedForward.create(
        symbol, X, y, num_epoch=1, verbose=False, arg_params={"fc1_weight": start}, wd=0.1, **OPTIONS
    )
    assert np.array_equal(model.arg_params["fc1_weight"], start)
    assert model.arg_params["fc1_bias"].any()


def test_mlp_builds_what_it_says():
    X, y = blobs()
    model = mx.mlp(
        X, y, hidden_node=[5, 4], out_node=3, activation=["relu", "tanh"], dropout=0.1, num_epoch=1, batch_size=30,
        verbose=False,
    )  # fmt: skip
    shapes = [array.shape for name, array in model.arg_params.items() if name.endswith("weight")]
    assert shapes == [(5, 2), (4, 5), (3, 4)]
    internals = model.symbol.get_internals().list_outputs()
    assert [name for name in internals if name.startswith("dropout")] != []
    for wrong in ({"activation": ["relu"]}, {"dropout": 1.0}, {"dropout": [0.1, 0.2]}, {"out_activation": "sofmax"}):
        with pytest.raises(ValueError, match="mlp"):
            mx.mlp(X, y, **{"hidden_node": [5, 4], "out_node": 3, **wrong})


def test_several_outputs_predict_as_a_list():
    X, y = blobs()
    loss = network()
    symbol = mx.sym.Group([loss, mx.sym.BlockGrad(loss.get_internals()["fc1_output"])])
    model = mx.FeedForward.create(symbol, X, y, num_epoch=1, verbose=False, **OPTIONS)
    first, second = model.predict(X)
    assert (first.shape, second.shape) == ((90, 3), (90, 8))


def trained():
    X, y = blobs()
    return X, mx.FeedForward.create(network(), X, y, num_epoch=1, verbose=False, **OPTIONS)


def test_changed_parameters_count_in_the_next_prediction_and_copies_are_independent():
    X, model = trained()
    before = model.predict(X)
    twin = copy.deepcopy(model)
    model.arg_params["fc1_weight"] *= -1
    assert not np.array_equal(model.predict(X), before)
    assert np.array_equal(twin.predict(X), before)
    assert model.predict(X[:5]).shape == (5, 3)
    assert np.array_equal(model.predict(X)[:5], model.predict(X[:5], batch_size=model.batch_size))


def test_threads_may_predict_with_one_model():
    X, model = trained()
    expected = model.predict(X)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(model.predict, [X] * 16))
    assert all(np.array_equal(one, expected) for one in found)
