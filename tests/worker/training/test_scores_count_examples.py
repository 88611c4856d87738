"""score and validation are values of all examples, whatever the batch size; training lines are means over batches."""

import numpy as np
import pytest

import pushgrad as mx

ROWS = 130
RNG = np.random.default_rng(5)
X = RNG.standard_normal((ROWS, 4)).astype(np.float32)
Y = (RNG.integers(0, 3, ROWS)).astype(np.float32)


def model_of(net, **params):
    return mx.FeedForward(net, arg_params={name: np.asarray(a, np.float32) for name, a in params.items()})


@pytest.fixture(scope="module")
def classifier():
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3, name="fc")
    net = mx.sym.SoftmaxOutput(net, name="softmax")
    return model_of(net, fc_weight=RNG.standard_normal((3, 4)), fc_bias=np.zeros(3))


@pytest.fixture(scope="module")
def line():
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=1, name="fc")
    return model_of(mx.sym.LinearRegressionOutput(net, name="lro"), fc_weight=np.ones((1, 4)), fc_bias=[0.5])


def entropy(p):
    return -np.log(p[np.arange(ROWS), Y.astype(int)].astype(np.float64)).mean()


CLASS_METRICS = {
    "accuracy": lambda p: (p.argmax(axis=1) == Y).mean(),
    "top_k_accuracy_2": lambda p: (np.argsort(-p, axis=1)[:, :2] == Y[:, None]).any(axis=1).mean(),
    "ce": entropy,
    "perplexity": lambda p: np.exp(entropy(p)),  # of all rows, not the mean of the batches' values
}


@pytest.mark.parametrize("size", [1, 7, 100, 130])
@pytest.mark.parametrize("name", CLASS_METRICS)
def test_class_metrics(classifier, name, size):
    expected = CLASS_METRICS[name](classifier.predict(X))
    assert classifier.score(X, Y, name, size) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("size", [1, 7, 100, 130])
def test_regression_metrics(line, size):
    error = line.predict(X)[:, 0].astype(np.float64) - Y
    found = line.score(X, Y, ["rmse", "mse", "mae", "pearsonr"], size)
    r = np.corrcoef(line.predict(X)[:, 0], Y)[0, 1]
    expected = {"rmse": np.sqrt((error**2).mean()), "mse": (error**2).mean(), "mae": abs(error).mean(), "pearsonr": r}
    assert found == {name: pytest.approx(value, rel=1e-6) for name, value in expected.items()}


@pytest.mark.parametrize("size", [7, 100])
def test_a_custom_metric_gets_all_rows_at_once(classifier, size):
    seen = []

    def median(label, output):
        seen.append((label.shape, output.shape))
        return np.median(output[:, 0] - label)

    expected = np.median(classifier.predict(X)[:, 0] - Y)
    assert classifier.score(X, Y, median, size) == pytest.approx(expected, rel=1e-6)
    assert seen == [((ROWS,), (ROWS, 3))]


def test_validation_is_the_score_and_training_the_mean_of_batches(capsys):
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3, name="fc")
    model = mx.FeedForward.create(
        mx.sym.SoftmaxOutput(net, name="softmax"), X, Y, num_epoch=1, batch_size=100, eval_data=(X, Y), shuffle=False,
        learning_rate=0.0, array_layout="rowmajor", initializer=mx.init.Uniform(1),
    )  # fmt: skip
    right = model.predict(X).argmax(axis=1) == Y
    train, validation = (float(line.split("=")[1]) for line in capsys.readouterr().out.splitlines()[-2:])
    assert validation == pytest.approx(right.mean(), rel=1e-12) == model.score(X, Y)
    filled = np.concatenate([right[100:], right[:70]])  # training counts the rows that fill the last batch
    assert train == pytest.approx((right[:100].mean() + filled.mean()) / 2, rel=1e-12)


def test_a_metric_object_begins_anew_with_every_score(classifier):
    metric = mx.metric.Accuracy()
    first = classifier.score(X, Y, metric)
    assert classifier.score(X, Y, metric) == first == metric.get()[1]


def test_without_examples_there_is_no_score(classifier):
    it = mx.io.NDArrayIter(X[:5], Y[:5], batch_size=5, last_batch_handle="discard")
    it.batches = lambda epoch: 0
    assert np.isnan(classifier.score(it)) and np.isnan(classifier.score(it, eval_metric=lambda label, output: 1.0))
    assert classifier.predict(it).shape == (0, 3)


def test_two_metrics_of_one_name_stay_two(classifier, capsys):
    both = [mx.metric.Accuracy(), mx.metric.custom("accuracy", lambda label, output: 7.0)]
    assert classifier.score(X, Y, both) == {"accuracy": classifier.score(X, Y), "accuracy_2": 7.0}
    log = mx.callback.log_train_metric(1)
    metric = mx.metric.create(both)
    metric.update(Y, classifier.predict(X))
    log.batch_end(mx.callback.BatchEnd(1, 1, metric))
    assert [line.split("=")[0] for line in capsys.readouterr().out.splitlines()] == [
        "Batch [1] Train-accuracy", "Batch [1] Train-accuracy_2",
    ]  # fmt: skip
