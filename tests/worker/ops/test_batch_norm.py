import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import ParameterError, ShapeError
from pushgrad.worker.ops.batch_norm import BatchNorm, CuDNNBatchNorm
from pushgrad.worker.ops.operator import Step, lookup

SHAPES = [((5, 3), 1), ((3, 2, 4), 1), ((2, 3, 2, 2), 1), ((2, 2, 3), -1), ((3, 4), 0)]
TRAINING, INFERENCE = Step(is_train=True), Step()


def arrays(shape, axis, seed=0):
    """data, gamma, beta, moving mean, moving variance."""
    rng, channels = np.random.default_rng(seed), shape[axis]
    data = rng.normal(1, 2, shape)
    return [data, rng.uniform(0.5, 2, channels), *rng.normal(size=(2, channels)), rng.uniform(0.5, 2, channels)]


def first_output(inputs, outputs):
    """A loss of the first output alone: no gradient passes through the others."""
    weight = np.random.default_rng(1).normal(size=outputs[0].shape)
    return float((weight * outputs[0]).sum())


def normalised(data, mean, var, axis, eps):
    """The definition, with the channels last."""
    return np.moveaxis((np.moveaxis(data, axis, -1) - mean) / np.sqrt(var + eps), -1, axis)


@pytest.mark.parametrize("mean_var", [False, True])
@pytest.mark.parametrize("global_stats", [False, True])
@pytest.mark.parametrize("fix_gamma", [False, True])
@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_gradients(shape, axis, fix_gamma, global_stats, mean_var, gradcheck):
    op = BatchNorm(axis=axis, fix_gamma=fix_gamma, use_global_stats=global_stats, output_mean_var=mean_var, eps=0.1)
    gradcheck(op, arrays(shape, axis), wrt=[0, 1, 2], loss=first_output, step=TRAINING)


def test_gradients_of_inference(gradcheck):
    gradcheck(BatchNorm(fix_gamma=False), arrays((3, 2, 4), 1), wrt=[0, 1, 2], loss=first_output, step=INFERENCE)


@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_training_uses_the_batch_and_moves_the_averages(shape, axis, forward):
    inputs = arrays(shape, axis)
    mean_before, var_before = inputs[3].copy(), inputs[4].copy()
    data = np.moveaxis(inputs[0], axis, -1).reshape(-1, shape[axis])
    op = BatchNorm(axis=axis, fix_gamma=False, momentum=0.8, eps=0.01, output_mean_var=True)
    out, mean, inverse = forward(op, inputs, TRAINING)
    expected = normalised(inputs[0], data.mean(0), data.var(0), axis, 0.01)
    expected = np.moveaxis(np.moveaxis(expected, axis, -1) * inputs[1] + inputs[2], -1, axis)
    np.testing.assert_allclose(out, expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(mean, data.mean(0))
    np.testing.assert_allclose(inverse, 1 / np.sqrt(data.var(0) + 0.01))
    np.testing.assert_allclose(inputs[3], 0.8 * mean_before + 0.2 * data.mean(0))
    np.testing.assert_allclose(inputs[4], 0.8 * var_before + 0.2 * data.var(0))


@pytest.mark.parametrize(("options", "step"), [({}, INFERENCE), ({"use_global_stats": True}, TRAINING)])
def test_moving_averages_serve_and_stay(options, step, forward):
    inputs = arrays((4, 3, 2), 1)
    before = [array.copy() for array in inputs]
    (out,) = forward(BatchNorm(eps=0.01, **options), inputs, step)
    expected = normalised(inputs[0], before[3], before[4], 1, 0.01) + before[2][:, None]
    np.testing.assert_allclose(out, expected, rtol=1e-12)
    assert all((now == then).all() for now, then in zip(inputs, before, strict=True))


def test_far_from_zero_float32_keeps_its_variance(forward):
    data = (1e4 + np.random.default_rng(0).normal(size=(500, 2, 3))).astype(np.float32)
    inputs = [data, *(np.full(2, value, np.float32) for value in (1, 0, 0, 1))]
    (out,) = forward(BatchNorm(eps=0), inputs, TRAINING)
    np.testing.assert_allclose(out.std((0, 2)), 1, rtol=1e-3)


def test_an_empty_batch_leaves_the_averages_alone(forward, backward):
    inputs = arrays((0, 3, 2), 1)
    before = inputs[3].copy()
    op = BatchNorm(fix_gamma=False)
    outputs = [np.empty((0, 3, 2))]
    op.forward(TRAINING, inputs, outputs)
    grads = [np.full_like(array, np.nan) for array in inputs[:3]]
    op.backward(TRAINING, outputs, inputs, outputs, [*grads, None, None])
    assert (inputs[3] == before).all()
    assert (grads[1] == 0).all() and (grads[2] == 0).all()


def test_one_element_per_channel(forward):
    (out,) = forward(BatchNorm(), arrays((1, 3), 1), TRAINING)
    np.testing.assert_allclose(out[0], arrays((1, 3), 1)[2])


@pytest.mark.parametrize(
    ("known", "out", "expected"),
    [
        ([(4, 3, 2), None, None], None, [(4, 3, 2), (3,), (3,)]),
        ([None, None, None], (4, 3, 2), [(4, 3, 2), (3,), (3,)]),
        ([(4, 0, 2), (3,), None], None, [(4, 3, 2), (3,), (3,)]),
        ([(0, 0), None, (5,)], (7, 0), [(7, 5), (5,), (5,)]),
        ([None, (3,), None], None, [None, (3,), (3,)]),
        ([None, None, None], None, [None, None, None]),
    ],
)
def test_shapes_in_every_direction(known, out, expected):
    inputs, outputs = BatchNorm(output_mean_var=True).infer_shape(known, [out, None, None])
    assert inputs == expected
    assert outputs == [expected[0], expected[1], expected[1]]
    assert BatchNorm().auxiliary_shapes(inputs) == [expected[1]] * 2


@pytest.mark.parametrize(
    ("options", "shapes", "words"),
    [
        ({}, [(4,), None, None], "BatchNorm: data: expected a shape with axis 1"),
        ({"axis": -3}, [(4, 3), None, None], "BatchNorm: data: expected a shape with axis -3"),
        ({}, [(4, 3), (4,), None], "BatchNorm: gamma"),
        ({}, [(4, 3), None, (3, 1)], "BatchNorm: beta"),
    ],
)
def test_shapes_that_do_not_fit(options, shapes, words):
    with pytest.raises(ShapeError, match=words):
        BatchNorm(**options).infer_shape(shapes, [None])


def test_wrong_parameters():
    with pytest.raises(ParameterError, match="BatchNorm: parameter eps"):
        BatchNorm(eps=-1)
    with pytest.raises(ParameterError, match="BatchNorm: parameter fix_gamma"):
        BatchNorm(fix_gamma="perhaps")


def test_names_and_what_the_executor_must_know():
    assert lookup("BatchNorm_v1") is BatchNorm
    assert BatchNorm().couples_rows() and not BatchNorm(use_global_stats=True).couples_rows()
    net = mx.sym.BatchNorm(mx.sym.Variable("data"), name="bn", output_mean_var=True, min_calib_range=-1)
    assert net.list_outputs() == ["bn_output", "bn_mean", "bn_var"]
    assert net.list_auxiliary_states() == ["bn_moving_mean", "bn_moving_var"]
    assert CuDNNBatchNorm().auxiliaries() == ("moving_mean", "moving_inv_var")
    assert not CuDNNBatchNorm().fix_gamma


def test_one_forward_of_an_executor_moves_the_averages_once():
    net = mx.sym.BatchNorm(mx.sym.Variable("data"), name="bn", momentum=0.5)
    executor = net.simple_bind(mx.cpu(), data=(4, 2))
    executor.arg_dict["data"][:] = 6
    executor.forward(is_train=True)
    executor.backward()
    executor.backward()
    executor.forward(is_train=False)
    assert executor.aux_dict["bn_moving_mean"].tolist() == [3, 3]
    assert (executor.grad_dict["bn_gamma"] == 0).all()
