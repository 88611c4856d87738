"""Trainings on GPUs give what they give on the processor."""

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import DataError, GraphError, ParameterError

TWO = pytest.mark.parametrize("gpus", [2], indirect=True)


def convolutional():
    """What the article's LeNet is made of, with Dropout."""
    net = mx.sym.Convolution(mx.sym.Variable("data"), kernel=(3, 3), num_filter=4, name="conv")
    net = mx.sym.Pooling(mx.sym.Activation(net, act_type="tanh"), pool_type="max", kernel=(2, 2), stride=(2, 2))
    net = mx.sym.Dropout(mx.sym.Flatten(net), p=0.3, name="drop")
    net = mx.sym.Activation(mx.sym.FullyConnected(net, num_hidden=16, name="fc1"), act_type="tanh")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, num_hidden=3, name="fc2"), name="softmax")


def normalised():
    """BatchNorm, and a loss that counts its labels."""
    net = mx.sym.Convolution(mx.sym.Variable("data"), kernel=(3, 3), num_filter=4, name="conv")
    net = mx.sym.Activation(mx.sym.BatchNorm(net, fix_gamma=False, name="bn"), act_type="relu")
    net = mx.sym.FullyConnected(mx.sym.Flatten(net), num_hidden=3, name="fc")
    return mx.sym.SoftmaxOutput(net, name="softmax", normalization="valid", use_ignore=True, ignore_label=2)


@pytest.fixture(scope="module")
def digits():
    generator = np.random.default_rng(0)
    data = generator.standard_normal((50, 1, 10, 10)).astype(np.float32)
    return data, (data.sum((1, 2, 3)) > 0) + (data[:, 0, 0, 0] > 0).astype(np.float32)


@pytest.fixture
def train(digits):
    """Fits a network for two epochs in batches of 20; the last one wraps around."""

    def run(network, ctx, data=None, **options):
        mx.random.seed(3)
        given = {
            "batch_size": 20, "num_epoch": 2, "learning_rate": 0.1, "momentum": 0.9, "wd": 1e-3, "slices": 1,
            "initializer": mx.init.Xavier(), "verbose": False,
        }  # fmt: skip
        X, y = data or digits
        return mx.FeedForward.create(network, X, y, ctx=ctx, **{**given, **options})

    return run


def assert_alike(model, other, rtol=1e-4):
    for kind in ("arg_params", "aux_params"):
        expected = getattr(other, kind)
        assert getattr(model, kind).keys() == expected.keys()
        for name, array in getattr(model, kind).items():
            np.testing.assert_allclose(array, expected[name], rtol=rtol, atol=1e-5, err_msg=name)
    for name, states in other.optimizer_states.items():
        np.testing.assert_allclose(model.optimizer_states[name]["mom"], states["mom"], rtol=rtol, atol=1e-5)


@pytest.mark.parametrize("network", [convolutional, normalised])
def test_one_gpu_as_the_processor(gpus, train, digits, capsys, network):
    options = {"eval_data": digits, "eval_metric": ["accuracy", "ce"], "verbose": True}
    expected = train(network(), mx.cpu(), **options)
    lines = capsys.readouterr().out
    found = train(network(), mx.gpu(0), **options)
    assert_alike(found, expected)
    np.testing.assert_allclose(found.predict(digits[0]), expected.predict(digits[0]), rtol=1e-4, atol=1e-5)
    for line, other in zip(capsys.readouterr().out.splitlines(), lines.splitlines(), strict=True):
        name, _, value = line.partition("=")
        assert name == other.partition("=")[0]
        assert not value or float(value) == pytest.approx(float(other.partition("=")[2]), rel=1e-4)


def lines_of(capsys):
    return [line.partition("=")[::2] for line in capsys.readouterr().out.splitlines() if line.startswith("[")]


def assert_same_lines(found, expected):
    assert [name for name, _ in found] == [name for name, _ in expected]
    for (_, value), (_, other) in zip(found, expected, strict=True):
        assert float(value) == pytest.approx(float(other), rel=1e-4, nan_ok=True)


def grouped():
    """A feature that has no label before the loss, and rows that the loss ignores."""
    net = normalised()
    return mx.sym.Group([mx.sym.BlockGrad(net.get_internals()["fc_output"]), net])


def tokens():
    """Three rows for each example, whose labels the graph turns."""
    label = mx.sym.Reshape(mx.sym.transpose(mx.sym.Variable("softmax_label")), shape=(-1,))
    net = mx.sym.SwapAxis(mx.sym.Reshape(mx.sym.Variable("data"), shape=(0, 5, 20)), dim1=0, dim2=1)
    net = mx.sym.FullyConnected(mx.sym.Reshape(net, shape=(-1, 20)), num_hidden=3, name="fc")
    return mx.sym.SoftmaxOutput(net, label, name="softmax")


@pytest.mark.parametrize("network", [grouped, tokens])
def test_metrics_of_named_pairs_as_on_the_processor(gpus, train, digits, capsys, network):
    data, labels = digits
    if network is tokens:
        labels = (np.arange(250).reshape(50, 5) // 7 % 3).astype(np.float32)

    def iterator():
        return mx.io.NDArrayIter(data, labels, batch_size=20)

    custom = mx.metric.custom("rows", lambda label, output: len(output) + label.ndim)
    options = {"eval_metric": ["accuracy", "ce", "top_k_accuracy_2", custom], "verbose": True, "batch_size": None}
    for ctx in (mx.cpu(), mx.gpu(0)):
        train(network(), ctx, (iterator(), None), eval_data=iterator(), **options)
        if ctx == mx.cpu():
            expected = lines_of(capsys)
    assert_same_lines(lines_of(capsys), expected)


def test_a_loss_without_a_label_is_measured(gpus, train, digits, capsys):
    data = mx.sym.Flatten(mx.sym.Variable("data"))
    again = mx.sym.FullyConnected(mx.sym.FullyConnected(data, num_hidden=5, name="in"), num_hidden=100, name="out")
    loss = mx.sym.MakeLoss(mx.sym.mean(mx.sym.square(again - data), axis=1))
    for ctx in (mx.cpu(), mx.gpu(0)):
        train(loss, ctx, (mx.io.NDArrayIter(digits[0], batch_size=20), None), verbose=True, batch_size=None)
        if ctx == mx.cpu():
            expected = lines_of(capsys)
    assert expected[-1][0] == "[2] Train-loss"
    assert_same_lines(lines_of(capsys), expected)


def ends_in(operator, **options):
    """A network whose loss is `operator`, with its own number of outputs."""
    hidden = 1 if "Regression" in operator else 3
    net = mx.sym.FullyConnected(mx.sym.Flatten(mx.sym.Variable("data")), num_hidden=hidden, name="fc")
    return getattr(mx.sym, operator)(net, name="loss", **options)


def two_losses():
    fc = mx.sym.FullyConnected(mx.sym.Flatten(mx.sym.Variable("data")), num_hidden=3, name="fc")
    return mx.sym.Group([mx.sym.SoftmaxOutput(fc, name="softmax"), mx.sym.MakeLoss(mx.sym.square(fc), name="small")])


@pytest.mark.parametrize(("gpus", "count"), [(1, 1), (2, 2)], indirect=["gpus"])
@pytest.mark.parametrize(
    "network",
    [
        normalised(),
        ends_in("SVMOutput", margin=0.5),
        ends_in("SVMOutput", use_linear=True, regularization_coefficient=2.0),
        ends_in("LinearRegressionOutput"),
        ends_in("LogisticRegressionOutput"),
        ends_in("MAERegressionOutput"),
        two_losses(),
    ],
    ids=["softmax", "svm", "linear_svm", "linear", "logistic", "absolute", "two"],
)
def test_the_loss_as_on_the_processor(gpus, count, train, digits, network):
    data, labels = digits
    found, expected = (
        train(network, ctx, (data, labels), learning_rate=0.01).history
        for ctx in ([mx.gpu(index) for index in range(count)], mx.cpu())
    )
    np.testing.assert_allclose(found.loss, expected.loss, rtol=1e-3)
    assert len(found.loss) == 2 and found.loss[1] < found.loss[0]


def test_a_loss_that_would_take_waiting_is_not_measured(gpus, train):
    """Its label is computed by the network, which only the host can do beside the step."""
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=1, name="fc")
    net = mx.sym.LinearRegressionOutput(net, label=mx.sym.square(mx.sym.Variable("loss_label")), name="loss")
    history = train(net, mx.gpu(0), (np.ones((40, 3), np.float32), np.ones(40, np.float32))).history
    assert np.isnan(history.loss).all() and len(history.loss) == 2


def test_one_hot_labels_and_many_metrics(gpus, train, digits, capsys):
    data, labels = digits
    one_hot = np.eye(3, dtype=np.float32)[labels.astype(int)]
    loss = mx.sym.FullyConnected(mx.sym.Flatten(mx.sym.Variable("data")), num_hidden=3, name="fc")
    loss = mx.sym.LinearRegressionOutput(loss, name="out")
    many = ["accuracy", *["mse", "mae", "rmse"] * 12]
    for ctx in (mx.cpu(), mx.gpu(0)):
        train(loss, ctx, (data, one_hot), eval_metric=many, learning_rate=0.01, verbose=True)
        if ctx == mx.cpu():
            expected = lines_of(capsys)
    found = lines_of(capsys)
    assert len(found) == 2 * 37 and found[4][0] == "[1] Train-mse_2"
    assert_same_lines(found, expected)


@TWO
@pytest.mark.parametrize("loads", [None, [1, 3]])
def test_two_gpus_as_the_processor(gpus, train, loads):
    expected = train(convolutional(), mx.cpu())
    assert_alike(train(convolutional(), [mx.gpu(0), mx.gpu(1)], work_load_list=loads, kvstore="device"), expected)


@TWO
def test_each_gpu_normalises_its_own_rows_and_all_end_with_one_mean(gpus, train, digits):
    data, labels = digits
    options = {"num_epoch": 1, "batch_size": 20}
    whole = (mx.io.NDArrayIter(data[:20], labels[:20], batch_size=20), None)
    found = train(normalised(), [mx.gpu(0), mx.gpu(1)], whole, work_load_list=[1, 3], **options)
    halves = []
    for rows in (slice(0, 5), slice(5, 20)):
        part = (mx.io.NDArrayIter(data[rows], labels[rows], batch_size=rows.stop - rows.start), None)
        halves.append(train(normalised(), mx.cpu(), part, num_epoch=1, batch_size=None).aux_params)
    for name, array in found.aux_params.items():
        np.testing.assert_allclose(array, 0.25 * halves[0][name] + 0.75 * halves[1][name], rtol=1e-4, atol=1e-6)


@TWO
@pytest.mark.parametrize("ctx", [[mx.gpu(0), mx.cpu()], [mx.cpu(), mx.gpu(1), mx.gpu(0)]])
def test_gpus_beside_the_processor(gpus, train, digits, ctx):
    expected = train(convolutional(), mx.cpu())
    found = train(convolutional(), ctx, work_load_list=[2, 1, 1][: len(ctx)])
    assert_alike(found, expected)
    np.testing.assert_allclose(found.predict(digits[0]), expected.predict(digits[0]), rtol=1e-4, atol=1e-5)


class Stream(mx.io.DataIter):
    """Batches that cannot be had as a whole; each overwrites the last one's arrays."""

    def __init__(self, data, labels, batch_size):
        self._data, self._labels, self.batch_size, self._next = data, labels, batch_size, 0
        self._buffers = np.empty((batch_size, *data.shape[1:]), np.float32), np.empty((batch_size, 1), np.float32)
        self.provide_data = [("data", self._buffers[0].shape)]
        self.provide_label = [("softmax_label", self._buffers[1].shape)]

    def next(self):
        rows = slice(self._next, self._next + self.batch_size)
        if rows.stop > len(self._data):
            raise StopIteration
        self._next = rows.stop
        self._buffers[0][:], self._buffers[1][:, 0] = self._data[rows], self._labels[rows]
        return mx.io.DataBatch([self._buffers[0]], [self._buffers[1]])

    def reset(self):
        self._next = 0


@TWO
@pytest.mark.parametrize(("count", "network"), [(1, convolutional), (1, normalised), (2, convolutional)])
def test_batches_that_arrive_one_by_one(gpus, train, digits, count, network):
    expected = train(network(), mx.cpu(), (Stream(*digits, 10), None))
    assert_alike(train(network(), [mx.gpu(i) for i in range(count)], (Stream(*digits, 10), None)), expected)


@pytest.mark.parametrize("handle", ["pad", "discard", "roll_over"])
def test_orders_of_a_resident_data_set(gpus, train, digits, handle):
    def batches():
        return mx.io.NDArrayIter(*digits, batch_size=20, shuffle=True, last_batch_handle=handle, seed=5)

    expected = train(convolutional(), mx.cpu(), (batches(), None), num_epoch=3)
    assert_alike(train(convolutional(), mx.gpu(0), (batches(), None), num_epoch=3), expected)


def test_metrics_are_counted_when_they_are_asked_for(gpus, train):
    def share(label, output):
        return np.mean(output.argmax(axis=1) == label)

    def run(ctx):
        seen = []
        metric = ["accuracy", mx.metric.custom("share", share)]
        train(
            convolutional(),
            ctx,
            eval_metric=metric,
            batch_end_callback=lambda end: seen.append(end.eval_metric.get()[1]),
        )
        return seen

    expected = run(mx.cpu())
    assert len(expected) == 6
    np.testing.assert_allclose(run(mx.gpu(0)), expected)


def test_training_goes_on_after_a_checkpoint(gpus, train, digits, tmp_path):
    expected = train(convolutional(), mx.gpu(0), num_epoch=4)
    train(convolutional(), mx.gpu(0)).save(str(tmp_path / "net"), 2)
    mx.random.seed(3)
    model = mx.FeedForward.load(
        str(tmp_path / "net"), 2, ctx=mx.gpu(0), num_epoch=4, batch_size=20, learning_rate=0.1, momentum=0.9, wd=1e-3
    )
    assert_alike(model.fit(*digits, verbose=False), expected)


def test_a_label_that_is_no_class(gpus, train, digits):
    data, labels = digits
    wrong = labels.copy()
    wrong[7] = 5
    messages = []
    for ctx in (mx.cpu(), mx.gpu(0)):
        with pytest.raises(DataError) as caught:
            train(convolutional(), ctx, (mx.io.NDArrayIter(data, wrong, batch_size=20), None))
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    assert "label of row 7" in messages[0]


def test_what_is_no_number_stops_the_training_and_leaves_the_weights(gpus, digits):
    data, labels = digits
    bad = data.copy()
    bad[25, 0, 0, 0] = np.nan
    options = {"batch_size": 20, "learning_rate": 0.1, "initializer": mx.init.Xavier()}
    mx.random.seed(3)
    model = mx.FeedForward(convolutional(), ctx=mx.gpu(0), num_epoch=2, **options)
    with pytest.raises(DataError, match=r"gradient of conv_weight at step 2 is NaN or infinite.*learning rate"):
        model.fit(mx.io.NDArrayIter(bad, labels, batch_size=20), verbose=False)
    mx.random.seed(3)
    one_step = mx.FeedForward(convolutional(), ctx=mx.gpu(0), num_epoch=1, **options)
    one_step.fit(mx.io.NDArrayIter(data[:20], labels[:20], batch_size=20), verbose=False)
    for name, array in one_step.arg_params.items():
        np.testing.assert_allclose(model.arg_params[name], array, rtol=1e-6, err_msg=name)


def test_fixed_parameters_stay(gpus, train):
    model = train(convolutional(), mx.gpu(0), fixed_param_names=["conv*"])
    assert_alike(model, train(convolutional(), mx.cpu(), fixed_param_names=["conv*"]))


def test_a_batch_of_too_few_rows(gpus, train):
    with pytest.raises(ParameterError, match="1 rows are too few for 2 contexts"):
        train(convolutional(), [mx.gpu(0), mx.cpu()], batch_size=1)


def less_mean(data):
    return mx.sym.broadcast_sub(data, mx.sym.mean(data, axis=0, keepdims=True))


def moved(data):
    """With the batch on axis 1 in between, along which only the processor cuts."""
    return mx.sym.SwapAxis(mx.sym.tanh(mx.sym.SwapAxis(data, dim1=0, dim2=1)), dim1=0, dim2=1)


@TWO
@pytest.mark.parametrize("coupled", [less_mean, moved])
def test_rows_that_cannot_be_computed_apart(gpus, train, coupled):
    net = mx.sym.FullyConnected(mx.sym.Flatten(mx.sym.Variable("data")), num_hidden=3)
    net = mx.sym.SoftmaxOutput(coupled(net), name="softmax")
    with pytest.raises(GraphError, match=r"cannot be computed apart.*Train on one device"):
        train(net, [mx.gpu(0), mx.gpu(1)])


@pytest.mark.parametrize("loads", [[1], [1, 0], "12", [1, -1]])
def test_work_load_list(gpus, train, loads):
    with pytest.raises(ParameterError, match="work_load_list: expected 2 numbers above 0"):
        train(convolutional(), [mx.cpu(0), mx.cpu(1)], work_load_list=loads)


def test_a_gpu_that_is_named_twice(gpus, train):
    with pytest.raises(ParameterError, match="names a GPU twice"):
        train(convolutional(), [mx.gpu(0), mx.gpu(0)])


def test_precision_by_name(train):
    with pytest.raises(ParameterError, match="precision: expected float32 or tf32 or float16 or bfloat16"):
        train(convolutional(), mx.cpu(), precision="half")


@TWO
@pytest.mark.parametrize("precision", ["tf32", "float16", "bfloat16"])
@pytest.mark.parametrize(
    "ctx", [[mx.gpu(0)], [mx.gpu(0), mx.gpu(1)], [mx.gpu(0), mx.cpu()]], ids=["one", "two", "mixed"]
)
def test_other_precisions_learn_nearly_the_same(gpus, train, precision, ctx):
    expected = train(convolutional(), mx.cpu())
    found = train(convolutional(), ctx, precision=precision)
    for name, array in found.arg_params.items():
        assert array.dtype == np.float32
        np.testing.assert_allclose(array, expected.arg_params[name], rtol=0.1, atol=0.01, err_msg=name)
    if precision in ("float16", "bfloat16"):  # and not just the same: something was rounded
        difference = np.abs(found.arg_params["fc1_weight"] - expected.arg_params["fc1_weight"]).max()
        assert difference > 1e-5


def test_float16_that_is_no_number_ends_the_training_of_gpus_beside_the_processor(gpus, train, digits):
    data, labels = digits
    bad = data.copy()
    bad[::10] = np.nan
    with pytest.raises(DataError, match=r"NaN or infinite|has NaN"):
        batches = mx.io.NDArrayIter(bad, labels, batch_size=10)
        train(convolutional(), [mx.gpu(0), mx.cpu()], (batches, None), precision="float16", num_epoch=8, batch_size=10)


@pytest.mark.parametrize(
    ("name", "others"),
    [("adam", {}), ("nadam", {}), ("lamb", {}), ("lars", {"momentum": 0.9, "eta": 0.1}), ("sgld", {"seed": 5})],
)
def test_other_optimizers_as_the_processor_and_after_a_checkpoint(gpus, digits, tmp_path, name, others):
    options = {"optimizer": name, "batch_size": 20, "learning_rate": 0.01, "slices": 1, "initializer": mx.init.Xavier()}

    def schedule():
        return {"lr_scheduler": mx.lr_scheduler.FactorScheduler(2, factor=0.7), **options, **others}

    def fit(ctx, epochs, model=None):
        mx.random.seed(3)
        model = model or mx.FeedForward(convolutional(), ctx=ctx, num_epoch=epochs, **schedule())
        return model.fit(*digits, shuffle=False, verbose=False)

    found, expected = fit(mx.gpu(0), 2), fit(mx.cpu(), 2)
    for key, states in expected.optimizer_states.items():
        np.testing.assert_allclose(found.arg_params[key], expected.arg_params[key], rtol=1e-2, atol=1e-4)
        assert found.optimizer_states[key].keys() == states.keys()
    fit(mx.gpu(0), 1).save(tmp_path / "net", 1)
    after = fit(mx.gpu(0), 2, mx.FeedForward.load(tmp_path / "net", 1, ctx=mx.gpu(0), num_epoch=2, **schedule()))
    for key, array in found.arg_params.items():
        np.testing.assert_array_equal(after.arg_params[key], array)


class Sevens(mx.optimizer.SGD):
    """An optimizer that a GPU has no kernel for."""

    def apply(self, rows, weight, states, step, column=0):
        weight[:] = 7


def test_an_optimizer_of_ones_own(gpus):
    data, labels = np.zeros((4, 2), np.float32), np.zeros(4, np.float32)
    net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2, name="fc"), name="softmax")
    model = mx.FeedForward.create(net, data, labels, ctx=mx.gpu(0), optimizer=Sevens(), num_epoch=1, verbose=False)
    assert all((array == 7).all() for array in model.arg_params.values())


def test_states_and_labels_that_nobody_gives_a_shape(gpus):
    """Of an RNN and of a label behind a Reshape: what one GPU and the processor learn is the same."""
    data = np.random.default_rng(0).integers(0, 5, (16, 3)).astype(np.float32)
    steps = mx.sym.Embedding(mx.sym.Variable("data"), input_dim=5, output_dim=4, name="embed")
    steps = mx.sym.RNN(mx.sym.SwapAxis(steps, dim1=0, dim2=1), state_size=4, num_layers=1, mode="lstm", name="rnn")
    net = mx.sym.FullyConnected(mx.sym.Reshape(mx.sym.SwapAxis(steps, dim1=0, dim2=1), shape=(-1, 4)), num_hidden=5)
    net = mx.sym.SoftmaxOutput(net, mx.sym.Reshape(mx.sym.Variable("softmax_label"), shape=(-1,)), name="softmax")
    trained = []
    for ctx in (mx.cpu(), mx.gpu(0)):
        mx.random.seed(3)
        batches = mx.io.NDArrayIter(data, (data + 1) % 5, batch_size=8)
        size = mx.metric.custom("size", lambda label, output: output.size)
        trained.append(mx.FeedForward.create(net, batches, ctx=ctx, num_epoch=2, eval_metric=size, verbose=False))
    assert "rnn_state" not in trained[0].arg_params
    for name, array in trained[0].arg_params.items():
        np.testing.assert_allclose(trained[1].arg_params[name], array, rtol=1e-4, atol=1e-6, err_msg=name)
    np.testing.assert_allclose(trained[1].predict(data), trained[0].predict(data), rtol=1e-4, atol=1e-6)
