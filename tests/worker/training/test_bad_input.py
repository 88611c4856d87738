"""What FeedForward says about wrong input: an error of the right kind that tells what, where, and what to do."""

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import (
    DataError,
    DeviceError,
    FileFormatError,
    GraphError,
    JobError,
    ParameterError,
    ShapeError,
)

X = np.random.default_rng(0).standard_normal((40, 4), np.float32)
Y = (np.arange(40) % 3).astype(np.float32)


def network(classes=3, name="fc"):
    layer = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=classes, name=name)
    return mx.sym.SoftmaxOutput(layer, name="softmax")


def train(symbol=None, X=X, y=Y, **options):
    options = {"num_epoch": 1, "batch_size": 10, "verbose": False, "shuffle": False, **options}
    return mx.FeedForward.create(network() if symbol is None else symbol, X, y, **options)


def refused(kind, action, *told):
    """Run `action` and look for each of `told` in the error that it must raise."""
    with pytest.raises(kind) as caught:
        action()
    for text in told:
        assert text in str(caught.value)


def changed(array, place, value):
    array = array.copy()
    array[place] = value
    return array


@pytest.mark.parametrize("data", [X, X.reshape(40, 1, 2, 2)], ids=["matrix", "images"])
def test_x_and_y_of_different_lengths(data):
    refused(
        DataError,
        lambda: train(X=data, y=Y[:30]),
        f"X and y have different numbers of examples: X has 40 (shape {data.shape}), y has 30",
        "The examples are the first axis of X",
    )


@pytest.mark.parametrize(("label", "shown"), [(3, "got 3"), (-1, "got -1"), (1.5, "got 1.5"), (np.nan, "got nan")])
def test_labels_that_are_no_class(label, shown):
    told = "SoftmaxOutput: label of row 7: expected a class, a whole number from 0 to 2, " + shown
    refused(DataError, lambda: train(y=changed(Y, 27, label)), told, "use_ignore=True")


@pytest.mark.parametrize("wrong", [None, [["a", "b"]], "text"])
def test_data_that_are_no_numbers(wrong):
    refused(DataError, lambda: train(X=wrong), "X is not an array of numbers")


def test_labels_that_are_no_numbers_or_none_at_all():
    refused(DataError, lambda: train(y=["cat"] * 40), "y is not an array of numbers")
    refused(DataError, lambda: train(y=None), "labels are missing: y is None", "Pass y")
    refused(DataError, lambda: train(X=X[:0], y=Y[:0]), "y is empty: got shape (0,)")


def test_an_iterator_without_labels():
    told = ("the network's argument softmax_label gets no label", "an iterator without labels", "Pass labels")
    refused(DataError, lambda: train(X=mx.io.NDArrayIter(X, batch_size=10), y=None), *told)
    refused(DataError, lambda: train().score(mx.io.NDArrayIter(X, batch_size=10)), *told)


def test_an_iterator_whose_labels_are_called_otherwise():
    iterator = mx.io.NDArrayIter(X, {"one": Y, "two": Y}, batch_size=10)
    refused(GraphError, lambda: train(X=iterator, y=None), "one, two", "softmax_label")
    refused(DataError, lambda: train(X=mx.io.NDArrayIter(X, Y, batch_size=10)), "y was given along with an iterator")


def test_labels_of_another_shape():
    refused(ShapeError, lambda: train(y=np.zeros((40, 2))), "softmax_label: expected shape (10,), got (10, 2)")


def test_a_gradient_that_is_not_a_number():
    refused(
        DataError,
        lambda: train(X=changed(X, (27, 2), np.nan)),
        "worker 0: the gradient of key 'fc_weight' at step 3 has NaN",
        "Lower the learning rate, clip gradients (clip_gradient), or look for bad values in the data",
    )


@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
def test_a_gradient_that_is_infinite():
    net = mx.sym.LinearRegressionOutput(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=1, name="fc"))
    refused(
        DataError,
        lambda: train(net, X=np.full((40, 4), 1e30), y=np.full(40, 1e30), eval_metric="mae"),
        "worker 0: the gradient of key 'fc_weight' at step 1 has an infinite value",
    )


@pytest.mark.parametrize("size", [0, -3, 2.5, "10", True])
def test_a_batch_size_that_is_none(size):
    refused(
        ParameterError,
        lambda: train(batch_size=size),
        f"batch_size: expected a whole number of 1 or more, got {size!r}",
    )


def test_a_batch_size_above_the_data():
    told = "batch_size is larger than the data: expected at most 40 (the number of examples), got 41"
    refused(ParameterError, lambda: train(batch_size=41), told)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"optimizer": "sdg"}, "no optimizer 'sdg'. Did you mean sgd?"),
        ({"momentun": 0.9}, "optimizer sgd: no parameter momentun. Did you mean momentum?"),
        ({"momentum": "0.9"}, "optimizer sgd: momentum: expected a number of at least 0, got '0.9'"),
        ({"learning_rate": float("nan")}, "optimizer sgd: learning_rate: expected a number of at least 0, got nan"),
        ({"eval_metric": "acuracy"}, "metric: expected one of accuracy, "),
        ({"kvstore": "foo"}, "kvstore: expected local or device or dist_sync or dist_async or dist_ssp, got 'foo'"),
        ({"kvstore": 3}, "kvstore: expected local or device"),
        ({"initializer": "unifrom"}, "initializer: expected one of bilinear, constant, "),
        ({"initializer": mx.init.Uniform}, "initializer: expected one of bilinear, constant, "),
        ({"array_layout": "rows"}, "array_layout: expected auto or rowmajor or colmajor, got 'rows'"),
        ({"slices": 0}, "slices: expected a whole number of at least 1, got 0"),
        ({"slices": 2.5}, "slices: expected a whole number of at least 1, got 2.5"),
        ({"num_epoch": "3"}, "num_epoch: expected a whole number of 0 or more, got '3'"),
        ({"begin_epoch": -1}, "begin_epoch: expected a whole number of 0 or more, got -1"),
        ({"begin_epoch": 1}, "num_epoch: nothing is left to train: expected more than the 1 epochs that are done"),
        ({"symbol": "net"}, "FeedForward: symbol: expected a Symbol, got str"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_parameters(options, told):
    refused(ParameterError, lambda: train(**options), told)


def test_a_distributed_store_outside_of_a_job():
    told = "kvstore 'dist_sync' outside of a job: DMLC_ROLE is not set. Start the script with `launch`"
    refused(JobError, lambda: train(kvstore="dist_sync"), told)


def test_a_gpu_that_is_not_there():
    if mx.num_gpus() > 7:
        pytest.skip("there is a GPU 7 here")
    refused(DeviceError, lambda: train(ctx=mx.gpu(7)), "gpu(7)")


def test_one_name_for_two_arguments():
    layer = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3, name="fc")
    twice = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(layer, num_hidden=3, name="fc"), name="softmax")
    refused(GraphError, lambda: train(twice), "duplicate argument name fc_weight, fc_bias", "name them apart")


def test_evaluation_data():
    refused(DataError, lambda: train(eval_data=(X, Y[:3])), "X has 40 (shape (40, 4)), y has 3")
    refused(DataError, lambda: train(eval_data=X), "eval_data: expected an iterator, (X, y), or a dict", "ndarray")


def test_a_model_without_training():
    told = "the model has no parameters yet. Train it with fit, or load it."
    refused(ParameterError, lambda: mx.FeedForward(network()).predict(X), told)
    refused(ParameterError, lambda: mx.FeedForward(network()).score(X, Y), told)


def test_predicting_from_other_data():
    told = ("the network was not trained on data such as data of shape (10, 3)", "fc")
    refused(ShapeError, lambda: train().predict(X[:, :3]), *told)


def test_parameters_of_another_network():
    other = train(network(name="other")).arg_params
    told = ("arg_params: the network has no other_weight, other_bias: expected fc_weight", "Leave out")
    refused(FileFormatError, lambda: train(arg_params=other), *told)
    wide = train(network(classes=5)).arg_params
    told = "parameter fc_weight does not fit this network: expected shape (3, 4), got (5, 4)"
    refused(FileFormatError, lambda: train(arg_params=wide), told)


@pytest.fixture
def saved(tmp_path):
    """The prefix of a saved model without checksums, and its params file."""
    prefix = tmp_path / "net"
    train().save(str(prefix), 1)
    (tmp_path / "net-0001.sha256").unlink()
    return str(prefix), tmp_path / "net-0001.params"


@pytest.mark.parametrize("rest", [0, 7, 20, 60, -1])
def test_a_params_file_that_is_cut_off(saved, rest):
    prefix, path = saved
    path.write_bytes(path.read_bytes()[:rest])
    refused(FileFormatError, lambda: mx.FeedForward.load(prefix, 1), f"{path}, byte ", "fetch or write it again")


def test_a_params_file_of_another_kind(saved):
    prefix, path = saved
    path.write_bytes(b"PK\x03\x04" + bytes(100))
    refused(FileFormatError, lambda: mx.FeedForward.load(prefix, 1), f"{path}, byte 0: not an MXNet array file")


@pytest.mark.parametrize(
    ("other", "told"),
    [(network(name="other"), "arg:fc_weight is missing"), (network(classes=5), "fc_weight has shape (5, 4)")],
    ids=["names", "shapes"],
)
def test_a_params_file_of_another_network(saved, tmp_path, other, told):
    prefix, path = saved
    train(other, y=np.zeros(40)).save(str(tmp_path / "other"), 1)
    (tmp_path / "other-0001.params").rename(path)
    refused(FileFormatError, lambda: mx.FeedForward.load(prefix, 1), f"{path} belongs to another network", told)


def test_files_that_are_not_there(saved):
    prefix, _ = saved
    refused(FileFormatError, lambda: mx.FeedForward.load(prefix, 7), "net-0007.params is not there", "net-0001.params")
    refused(FileFormatError, lambda: mx.FeedForward.load(prefix + "x", 1), "netx-symbol.json is not there")


def test_a_loaded_model_needs_epochs_to_train(saved):
    prefix, _ = saved
    model = mx.FeedForward.load(prefix, 1)
    refused(ParameterError, lambda: model.fit(X, Y), "num_epoch: nothing is left to train", "begin_epoch")
