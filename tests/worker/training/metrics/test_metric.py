import math

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import DataError, ParameterError, ShapeError

LABEL = np.array([0, 1, 2, 1], np.float32)
PROBABILITY = np.array([[0.8, 0.1, 0.1], [0.2, 0.5, 0.3], [0.4, 0.4, 0.2], [0.1, 0.2, 0.7]], np.float32)


def test_accuracy_takes_the_first_of_equals():
    metric = mx.metric.Accuracy()
    metric.update(np.array([0, 1]), np.array([[0.5, 0.5], [0.5, 0.5]]))
    assert metric.get() == ("accuracy", 0.5)


def test_mean_over_batches_as_r_prints_it():
    metric = mx.metric.create("accuracy")
    for correct in (7, 8, 7):
        metric.update(np.zeros(15), np.repeat([[1.0, 0.0], [0.0, 1.0]], [correct, 15 - correct], axis=0))
    assert f"{metric.get()[1]:.15g}" == "0.488888888888889"
    # Equal weight for each batch, whatever its size.
    metric.reset()
    metric.update(np.zeros(1), np.array([[1.0, 0.0]]))
    metric.update(np.zeros(3), np.array([[0.0, 1.0]] * 3))
    assert metric.get()[1] == 0.5


def test_no_batches_is_nan():
    assert math.isnan(mx.metric.Accuracy().get()[1])


@pytest.mark.parametrize(
    ("name", "label", "output", "expected"),
    [
        ("accuracy", LABEL, PROBABILITY, 0.5),
        ("top_k_accuracy", LABEL, PROBABILITY, 1.0),
        ("rmse", LABEL, LABEL + 2, 2.0),
        ("mae", LABEL, LABEL - 2, 2.0),
        ("mse", LABEL, LABEL - 2, 4.0),
        ("rmsle", np.float32([0, math.e - 1]), np.float32([0, 0]), math.sqrt(0.5)),
        ("ce", LABEL, PROBABILITY, -np.log([0.8, 0.5, 0.2, 0.2]).mean()),
        ("perplexity", LABEL, PROBABILITY, math.exp(-np.log([0.8, 0.5, 0.2, 0.2]).mean())),
    ],
)
def test_values(name, label, output, expected):
    metric = mx.metric.create(name)
    assert metric.measure(label, output) == pytest.approx(expected, rel=1e-6)
    assert metric.measure([label], [output]) == metric.measure(label, output)


@pytest.mark.parametrize("name", ["accuracy", "top_k_accuracy", "rmse", "mae", "mse", "rmsle", "ce", "perplexity"])
def test_statistics_of_shares_add_up_to_the_batch(name):
    metric = mx.metric.create(name)
    rng = np.random.default_rng(3)
    classes = name in ("accuracy", "top_k_accuracy", "ce", "perplexity")
    label = rng.integers(0, 7, 11).astype(np.float32)
    output = rng.random((11, 7) if classes else (11, 1), np.float32)
    parts = [slice(0, 3), slice(3, 3), slice(3, 11)]
    shares = [metric.statistics(label[part], output[part]) for part in parts]
    assert all(share.dtype == np.float64 and share.shape == (metric.count,) for share in shares)
    assert metric.value(sum(shares)) == pytest.approx(metric.measure(label, output), rel=1e-14)


@pytest.mark.parametrize("name", ["rmse", "mae", "mse"])
def test_one_column_of_output_against_a_vector(name):
    metric = mx.metric.create(name)
    assert metric.measure(np.arange(4.0), np.arange(4.0)[:, None]) == 0
    assert metric.measure(np.arange(4.0)[:, None], np.arange(4.0)) == 0


def test_accuracy_of_probabilities_and_of_classes():
    metric = mx.metric.Accuracy()
    assert metric.measure(np.array([0, 1, 1]), np.array([[0.2], [0.9], [0.4]])) == pytest.approx(2 / 3)
    assert metric.measure(np.array([[0], [1]]), np.array([[0.2], [0.9]])) == 1
    assert metric.measure(np.array([0, 3, 2]), np.array([0, 3, 1])) == pytest.approx(2 / 3)
    pixels = np.zeros((2, 3, 4))
    pixels[:, 1] = 1
    assert metric.measure(np.ones((2, 4)), pixels) == 1


def test_rmse_is_accumulated_in_double():
    output = np.full(10_000_000, np.float32(0.1))
    assert mx.metric.RMSE().measure(np.zeros_like(output), output) == pytest.approx(float(np.float32(0.1)), rel=1e-12)


@pytest.mark.parametrize(
    ("name", "label", "output"),
    [
        ("accuracy", np.zeros(3), np.zeros((4, 2))),
        ("accuracy", np.zeros((3, 2)), np.zeros((3, 2, 5))),
        ("rmse", np.zeros(4), np.zeros((4, 2))),
        ("ce", np.zeros(4), np.zeros(4)),
        ("top_k_accuracy", np.zeros(4), np.zeros((3, 2))),
    ],
)
def test_shapes_that_do_not_fit(name, label, output):
    with pytest.raises(ShapeError, match=r"metric .*label .*output"):
        mx.metric.create(name).update(label, output)


def test_numbers_of_labels_and_outputs_have_to_agree():
    with pytest.raises(ShapeError, match=r"as many labels as outputs \(2\), got 1"):
        mx.metric.Accuracy().update([LABEL], [PROBABILITY, PROBABILITY])
    assert mx.metric.Accuracy().measure([LABEL, LABEL], [PROBABILITY, PROBABILITY]) == 0.5


def test_cross_entropy_refuses_labels_outside_the_classes():
    with pytest.raises(DataError, match=r"expected 0 to 2, got 0.0 to 3.0"):
        mx.metric.CrossEntropy().measure(np.float32([0, 3]), PROBABILITY[:2])


def test_custom_sees_vectors_and_is_averaged():
    metric = mx.metric.custom("mae", lambda label, pred: np.mean(np.abs(label - pred)))
    assert not metric.sums
    metric.update(np.arange(4.0), np.arange(4.0)[:, None] + 1)
    metric.update(np.arange(4.0), np.arange(4.0)[:, None] + 3)
    assert metric.get() == ("mae", 2.0)


def test_custom_that_gives_no_number():
    with pytest.raises(ParameterError, match="metric mine: its function: expected a number, got 'much'"):
        mx.metric.custom("mine", lambda label, pred: "much").update(LABEL, PROBABILITY)


def test_create_from_functions_lists_and_objects():
    def distance(label, pred):
        return 1.0

    assert mx.metric.create(distance).name == "distance"
    metric = mx.metric.RMSE()
    assert mx.metric.create(metric) is metric
    both = mx.metric.create(["accuracy", "ce", distance])
    both.update(LABEL, PROBABILITY)
    names, values = both.get()
    assert names == ["accuracy", "cross-entropy", "distance"]
    assert values[0] == 0.5
    assert [leaf.name for leaf in both.leaves()] == names
    both.reset()
    assert all(math.isnan(value) for value in both.get()[1])
    assert mx.metric.create("top_k_accuracy", top_k=2).get()[0] == "top_k_accuracy_2"


@pytest.mark.parametrize("metric", ["acuracy", 3, None])
def test_unknown_metric_lists_the_known(metric):
    with pytest.raises(ParameterError, match=r"expected one of accuracy, acc, .*rmse, mae, .*mx\.metric\.custom"):
        mx.metric.create(metric)


def test_bad_options():
    with pytest.raises(ParameterError, match="top_k"):
        mx.metric.TopKAccuracy(0)
    with pytest.raises(ParameterError, match="metric accuracy"):
        mx.metric.create("accuracy", top_k=3)


def test_mxnets_form_of_a_custom_metric():
    """Names and values are those of MXNet 1.9.1; a function may return a sum and a count."""
    label, output = np.array([0, 1]), np.array([[1, 0], [1, 0]], np.float32)
    metric = mx.metric.np(lambda label, output: float((label == output.argmax(axis=1)).mean()))
    metric.update(label, output)
    assert metric.get() == ("custom(<lambda>)", 0.5)

    def errors(label, output):
        return 3.0, 2

    assert mx.metric.np(errors).get()[0] == "errors"
    metric = mx.metric.np(errors, name="mine", allow_extra_outputs=True)
    metric.update(label, output)
    assert metric.get() == ("mine", 1.5)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda: mx.metric.create(mx.metric.Accuracy),
            r"metric: expected an object, Accuracy\(...\), got the class itself",
        ),
        (
            lambda: mx.metric.create(lambda label: 0),
            r"its function: expected arguments \(label, output\), got \(label\)",
        ),
        (lambda: mx.metric.np(lambda label: 0), r"its function: expected arguments \(label, output\), got \(label\)"),
        (lambda: mx.metric.np("rmse"), "custom metric: expected its name and a function, got 'str', 'rmse'"),
        (lambda: mx.metric.custom(max, "largest"), "custom metric: expected its name and a function, got <built-in"),
    ],
)
def test_what_cannot_be_called_with_label_and_output(make, text):
    """It is found out before the first step, and not after it."""
    with pytest.raises(ParameterError, match=text):
        make()
