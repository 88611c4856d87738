"""SVMOutput, MakeLoss, make_loss, smooth_l1."""

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import DataError, ParameterError, ShapeError
from pushgrad.worker.ops.make_loss import MakeLoss
from pushgrad.worker.ops.operator import Step, lookup
from pushgrad.worker.ops.svm_output import SVMOutput

LABEL = np.array([0.0, 2, 1, 2])


def data(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape)


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("options", [{}, {"margin": 0.4, "regularization_coefficient": 2.5}])
def test_svm_output(options, linear, forward, gradcheck):
    op, x = SVMOutput(use_linear=linear, **options), data(4, 3)
    side = np.where(np.arange(3) == LABEL[:, None], 1, -1)

    def loss(_, outputs):
        hinge = np.maximum(0, op.margin - side * outputs[0])
        return op.regularization_coefficient * float((hinge if linear else hinge**2).sum())

    assert (forward(op, [x, LABEL])[0] == x).all()
    gradcheck(op, [x, LABEL], wrt=[0], loss=loss)


def test_svm_output_leaves_the_label_alone(forward, backward):
    inputs = [data(4, 3), LABEL]
    assert (backward(SVMOutput(), inputs, forward(SVMOutput(), inputs), inputs[:1])[1] == 0).all()
    assert SVMOutput.is_loss


@pytest.mark.parametrize("wrong", [3, -1, 0.5, np.nan])
def test_svm_output_refuses_labels_that_are_no_class(wrong, forward, backward):
    inputs = [data(4, 3), np.array([0.0, 1, wrong, 2])]
    with pytest.raises(DataError, match="SVMOutput: label of row 12: expected a class") as caught:
        backward(SVMOutput(), inputs, forward(SVMOutput(), inputs), inputs[:1], Step(first_row=10))
    assert "use_ignore" not in str(caught.value)


def test_svm_output_shapes():
    assert SVMOutput().infer_shape([(4, 3), None], [None]) == ([(4, 3), (4,)], [(4, 3)])
    assert SVMOutput().infer_shape([(0, 3), (7,)], [None]) == ([(7, 3), (7,)], [(7, 3)])
    assert SVMOutput().infer_shape([None, None], [(4, 3)]) == ([(4, 3), (4,)], [(4, 3)])
    with pytest.raises(ShapeError, match="SVMOutput: data: expected rows and classes"):
        SVMOutput().infer_shape([(4, 3, 2), None], [None])
    with pytest.raises(ShapeError, match="SVMOutput: label"):
        SVMOutput().infer_shape([(4, 3), (4, 1)], [None])


@pytest.mark.parametrize(
    ("options", "shape", "divisor"),
    [
        ({}, (4, 3), 1),
        ({"grad_scale": 2.5}, (4,), 1),
        ({"normalization": "batch", "grad_scale": 2}, (4, 3), 4),
        ({"normalization": "batch"}, (2, 3, 4), 6),
        ({"normalization": "batch"}, (4,), 1),
        ({"normalization": "valid"}, (4, 3), None),
        ({"normalization": "valid", "valid_thresh": 0.3}, (4, 3), None),
        ({"normalization": "valid", "valid_thresh": 1e9}, (4, 3), 1),
    ],
)
def test_make_loss(options, shape, divisor, forward, gradcheck):
    op, x = MakeLoss(**options), data(*shape)
    divisor = int((x > op.valid_thresh).sum()) if divisor is None else divisor
    assert (forward(op, [x])[0] == x).all()
    gradcheck(op, [x], loss=lambda _, out: op.grad_scale / divisor * float(out[0].sum()))
    assert op.couples_rows() == (op.normalization != "null")


def test_plain_make_loss(gradcheck):
    op = lookup("make_loss")()
    gradcheck(op, [data(3, 2)], loss=lambda _, out: float(out[0].sum()))
    assert op.is_loss and MakeLoss.is_loss
    assert mx.sym.make_loss(mx.sym.Variable("data"), name="m").list_outputs() == ["m_loss"]


def test_wrong_parameters():
    with pytest.raises(ParameterError, match="MakeLoss: parameter normalization"):
        MakeLoss(normalization="rows")
    with pytest.raises(ParameterError, match="SVMOutput: parameter margin"):
        SVMOutput(margin="wide")


def test_cross_entropy_by_hand_trains():
    logits = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3, name="fc")
    loss = mx.sym.MakeLoss(0 - mx.sym.Variable("onehot") * mx.sym.log_softmax(logits))
    executor = loss.simple_bind(mx.cpu(), data=(6, 4), onehot=(6, 3), slices=2)
    executor.arg_dict["data"][:], executor.arg_dict["onehot"][:] = data(6, 4), np.eye(3)[[0, 1, 2] * 2]
    before = float(executor.forward(is_train=True)[0].sum())
    for _ in range(50):
        executor.forward_backward()
        for name in ("fc_weight", "fc_bias"):
            executor.arg_dict[name] -= 0.1 * executor.grad_dict[name]
    assert float(executor.forward()[0].sum()) < before / 3


@pytest.mark.parametrize("shape", [(5,), (3, 4)])
@pytest.mark.parametrize("scalar", [0, 0.5, 1, 3])
def test_smooth_l1(scalar, shape, forward, gradcheck):
    op, x = lookup("smooth_l1")(scalar=scalar), 2 * data(*shape)
    bound = 1 / scalar**2 if scalar else np.inf
    with np.errstate(invalid="ignore"):
        expected = np.where(np.abs(x) < bound, (scalar * x) ** 2 / 2, np.abs(x) - bound / 2)
    np.testing.assert_allclose(forward(op, [x])[0], expected, rtol=1e-12, atol=1e-12)
    gradcheck(op, [x])
