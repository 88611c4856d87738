import numpy as np
import pytest

from pushgrad.common.errors import DataError, ParameterError, ShapeError
from pushgrad.worker.ops.operator import Step, lookup
from pushgrad.worker.ops.softmax_output import SoftmaxOutput, check_labels

RANDOM = np.random.default_rng(4)


def step_for(op, label):
    """A step whose count is what the executor sets."""
    return Step(is_train=True, count=op.counted(label) or 1.0)


def cross_entropy(op, label, scale):
    """-sum of q log p, q the smoothed one-hot label; ignored labels left out."""

    def loss(_, outputs):
        probability = op.rows(outputs[0])
        classes = probability.shape[1]
        flat = label.reshape(probability.shape[0], probability.shape[2])
        total = 0.0
        for row, position in np.ndindex(flat.shape):
            if op.use_ignore and flat[row, position] == op.ignore_label:
                continue
            alpha = 0 if op.multi_output else op.smooth_alpha
            wanted = np.full(classes, alpha / (classes - 1))
            wanted[int(flat[row, position])] = 1 - alpha
            total -= float((wanted * np.log(probability[row, :, position])).sum())
        return total * scale

    return loss


@pytest.mark.parametrize("normalization", ["null", "batch", "valid"])
@pytest.mark.parametrize(
    "options", [{}, {"use_ignore": True, "ignore_label": 1}, {"grad_scale": 2.5, "smooth_alpha": 0.1}]
)
@pytest.mark.parametrize(
    ("shape", "label_shape", "form"),
    [
        ((4, 3), (4,), {}),
        ((4, 3, 2), (4,), {}),
        ((4, 2, 3), (4, 2), {"preserve_shape": True}),
        ((4, 3, 2), (4, 2), {"multi_output": True}),
        ((2, 3, 2, 2), (2, 4), {"multi_output": True}),
        ((2, 3, 2, 2), (2, 1, 2, 2), {"multi_output": True}),
    ],
)
def test_softmax_gradient(shape, label_shape, form, options, normalization, gradcheck):
    op = SoftmaxOutput(normalization=normalization, **form, **options)
    label = RANDOM.integers(0, 3, label_shape).astype(np.float64)
    divisor = {"null": 1, "batch": label_shape[0] if op.multi_output else label.size}
    divisor["valid"] = max((label != op.ignore_label).sum(), 1)
    scale = op.grad_scale / divisor[normalization]
    if op.multi_output and normalization != "valid":
        scale /= np.prod(shape[2:])
    data = RANDOM.normal(size=shape)
    gradcheck(op, [data, label], wrt=[0], loss=cross_entropy(op, label, scale), step=step_for(op, label))


@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 2)])
def test_softmax_of_probabilities(shape, gradcheck):
    label = RANDOM.dirichlet(np.ones(shape[1]), (shape[0], *shape[2:]))
    label = np.moveaxis(label, -1, 1).copy()
    op = SoftmaxOutput(grad_scale=0.5, multi_output=len(shape) > 2)
    data = RANDOM.normal(size=shape)
    gradcheck(op, [data, label], wrt=[0], loss=lambda _, out: -0.5 * float((label * np.log(out[0])).sum()))


def test_softmax_ignores_the_head_gradient_unless_told(forward, backward):
    data, label, head = RANDOM.normal(size=(2, 3)), np.array([0.0, 2]), RANDOM.normal(size=(2, 3))
    plain, scaled = SoftmaxOutput(), SoftmaxOutput(out_grad=True)
    out = forward(plain, [data, label])
    without = backward(plain, [data, label], out, [head])
    assert (backward(scaled, [data, label], out, [head])[0] == without[0] * head).all()
    assert (without[1] == 0).all()
    assert plain.is_loss and not scaled.is_loss


def test_softmax_of_large_numbers(forward):
    (out,) = forward(SoftmaxOutput(), [np.array([[1e4, 0, -1e4]], np.float32), np.zeros(1, np.float32)])
    assert out.tolist() == [[1, 0, 0]]


def test_all_labels_ignored_gives_zero(forward, backward):
    op = SoftmaxOutput(normalization="valid", use_ignore=True, ignore_label=1)
    data, label = RANDOM.normal(size=(2, 3)), np.ones(2)
    step = Step(is_train=True, count=op.counted(label))
    assert (backward(op, [data, label], forward(op, [data, label]), [data], step)[0] == 0).all()


@pytest.mark.parametrize(
    ("options", "data", "label"),
    [
        ({}, (4, 3), (4,)),
        ({}, (4, 3, 2), (4,)),
        ({"preserve_shape": True}, (4, 3, 2), (4, 3)),
        ({"multi_output": True}, (5, 3, 4, 4), (5, 16)),
        ({"multi_output": True}, (4, 3, 2), (4, 2)),
    ],
)
def test_softmax_infers_the_label(options, data, label):
    op = SoftmaxOutput(**options)
    assert op.infer_shape([data, None], [None]) == ([data, label], [data])


@pytest.mark.parametrize("label", [(4, 2, 2), (4, 1, 2, 2), (4, 4), (4, 3, 2, 2)])
def test_softmax_accepts_every_form_of_label(label):
    shapes, _ = SoftmaxOutput(multi_output=True).infer_shape([(4, 3, 2, 2), label], [None])
    assert shapes[1] == label


def test_softmax_learns_the_batch_size_from_the_label():
    assert SoftmaxOutput().infer_shape([(0, 3), (7,)], [None]) == ([(7, 3), (7,)], [(7, 3)])


@pytest.mark.parametrize("label", [(5,), (4, 1), (4, 4)])
def test_softmax_refuses_labels_of_other_shapes(label):
    with pytest.raises(ShapeError, match="SoftmaxOutput: label"):
        SoftmaxOutput().infer_shape([(4, 3), label], [None])


@pytest.mark.parametrize(
    ("value", "shown"), [(3, "3"), (-1, "-1"), (0.5, "0.5"), (np.nan, "nan"), (np.inf, "inf"), (1e30, "1e+30")]
)
def test_labels_that_are_no_class(value, shown, forward, backward):
    data, label = RANDOM.normal(size=(4, 3)), np.array([0.0, 1, value, 2])
    out = forward(SoftmaxOutput(), [data, label])
    with pytest.raises(DataError) as caught:
        backward(SoftmaxOutput(), [data, label], out, out, Step(is_train=True, first_row=10))
    assert "SoftmaxOutput: label of row 12: expected a class, a whole number from 0 to 2, got " + shown in str(
        caught.value
    )


def test_check_labels_knows_the_ignored_one():
    check_labels(Step(), np.array([0.0, -1, 2]), 3, -1)
    check_labels(Step(), np.array([0, 2]), 3, None)
    with pytest.raises(DataError, match="row 1"):
        check_labels(Step(), np.array([0.0, -1, 2]), 3, None)


REGRESSIONS = {
    "LinearRegressionOutput": lambda x, y: 0.5 * (x - y) ** 2,
    "LogisticRegressionOutput": lambda x, y: np.log1p(np.exp(x)) - y * x,
    "MAERegressionOutput": lambda x, y: np.abs(x - y),
}


@pytest.mark.parametrize("grad_scale", [1, 0.3])
@pytest.mark.parametrize(
    ("shape", "label_shape"), [((4, 1), (4,)), ((4, 3), (4, 3)), ((4,), (4,)), ((2, 2, 3), (2, 2, 3))]
)
@pytest.mark.parametrize("name", REGRESSIONS)
def test_regression(name, shape, label_shape, grad_scale, gradcheck, forward):
    op = lookup(name)(grad_scale=grad_scale)
    data, label = RANDOM.normal(size=shape), RANDOM.uniform(size=label_shape)
    assert op.infer_shape([shape, None], [None]) == ([shape, label_shape], [shape])
    scale = grad_scale / np.prod(label_shape[1:])

    def loss(inputs, _):
        return float(REGRESSIONS[name](inputs[0], label.reshape(shape)).sum()) * scale

    gradcheck(op, [data, label], wrt=[0], loss=loss)
    link = 1 / (1 + np.exp(-data)) if name.startswith("Logistic") else data
    np.testing.assert_allclose(forward(op, [data, label])[0], link, rtol=1e-14)


def test_mae_at_equality_and_at_nan(backward):
    op = lookup("MAERegressionOutput")()
    data = np.array([1.0, 2.0, np.nan])
    grad = backward(op, [data, np.array([1.0, 1.0, 1.0])], [data], [data])[0]
    assert grad[:2].tolist() == [-1, 1] and np.isnan(grad[2])


def test_regression_refuses_labels_of_other_sizes():
    op = lookup("LinearRegressionOutput")()
    assert op.infer_shape([(4,), (4, 1)], [None])[0] == [(4,), (4, 1)]
    for data, label in (((4, 1), (3,)), ((4, 3), (12,)), ((4, 3), (4,))):
        with pytest.raises(ShapeError, match="LinearRegressionOutput: label"):
            op.infer_shape([data, label], [None])


def test_losses_refuse_unknown_parameters():
    with pytest.raises(ParameterError, match=r"no parameter grad_sale\. Did you mean grad_scale"):
        lookup("LinearRegressionOutput")(grad_sale=1)


def test_fully_connected(forward, gradcheck):
    for options, shape, out in (
        ({}, (4, 2, 3), (4, 5)),
        ({"no_bias": True}, (4, 6), (4, 5)),
        ({"flatten": False}, (2, 3, 4), (2, 3, 5)),
    ):
        op = lookup("FullyConnected")(num_hidden=5, **options)
        shapes, outs = op.infer_shape([shape] + [None] * (len(op.arguments()) - 1), [None])
        assert outs == [out]
        arrays = [RANDOM.normal(size=each) for each in shapes]
        flat = arrays[0].reshape(-1, shapes[1][1])
        expected = (flat @ arrays[1].T + (0 if op.no_bias else arrays[2])).reshape(out)
        np.testing.assert_allclose(forward(op, arrays)[0], expected, rtol=1e-13)
        gradcheck(op, arrays)


@pytest.mark.parametrize("options", [{}, {"preserve_shape": True}, {"multi_output": True}, {"normalization": "valid"}])
def test_an_empty_share_of_a_batch(options, backward):
    op, data = SoftmaxOutput(**options), np.empty((0, 3, 2))
    label = np.empty(op.infer_shape([(1, 3, 2), None], [None])[0][1])[:0]
    out = np.empty_like(data)
    op.forward(Step(), [data, label], [out])
    assert backward(op, [data, label], [out], [out])[0].shape == data.shape
