"""Sums, clipping and borders: compiled, they give the numbers of the plain operators, also for infinity and NaN."""

import numpy as np
import pytest

from pushgrad.worker.cpu.registry import kernel_for
from pushgrad.worker.cpu.row_kernel import RowKernel
from pushgrad.worker.ops.activation import Activation
from pushgrad.worker.ops.clip import Clip
from pushgrad.worker.ops.elementwise import ElemwiseAdd
from pushgrad.worker.ops.operator import Step
from pushgrad.worker.ops.pad import Pad

WIDTHS = (0, 0, 0, 0, 1, 2, 3, 0)
OPERATORS = {
    "sum": ElemwiseAdd(),
    "clip": Clip(a_min=-0.5, a_max=0.75),
    "clip at zero": Clip(a_min=0, a_max=6),
    "pad": Pad(mode="constant", pad_width=WIDTHS, constant_value=-1.5),
    "no border": Pad(mode="constant", pad_width=(0,) * 8),
}


def arrays(op, shape):
    rng = np.random.default_rng(2)
    inputs = [rng.uniform(-2, 2, shape).astype(np.float32) for _ in op.arguments()]
    special = [np.nan, np.inf, -np.inf, 0.0, -0.0, 0.75, -0.5]
    _, (out,) = op.infer_shape([shape] * len(inputs), [None])
    head = rng.uniform(-2, 2, out).astype(np.float32)
    for array in (*inputs, head):
        flat = array.reshape(-1)
        flat[: min(7, flat.size)] = special[: flat.size]
    head[-1, -1, -1, -3:] = special[:3][: out[3]]  # where numbers are ordinary, too
    return inputs, head, np.full(out, 7, np.float32)


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 3, 5, 7), (1, 2, 16, 17)])
@pytest.mark.parametrize("op", OPERATORS.values(), ids=OPERATORS)
def test_as_the_plain_operator(op, shape):
    inputs, head, out = arrays(op, shape)
    kernel = kernel_for([op], [array.shape for array in inputs], [out.shape], np.float32)
    assert isinstance(kernel, RowKernel)
    found = []
    with np.errstate(all="ignore"):
        for one in (op, kernel):
            made, grads = out.copy(), [np.full(array.shape, 7, np.float32) for array in inputs]
            one.forward(Step(), inputs, [made])
            one.backward(Step(), [head], inputs, [made], grads)
            found.append([made, *grads])
    for expected, made in zip(*found, strict=True):
        np.testing.assert_array_equal(made, expected)


@pytest.mark.parametrize("wanted", [(True, True), (False, True), (True, False), (False, False)])
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 3, 5, 7), (1, 2, 16, 17)])
def test_a_sum_and_relu_as_one_have_the_bits_of_both(shape, wanted):
    op, relu = OPERATORS["sum"], Activation(act_type="relu")
    inputs, head, out = arrays(op, shape)
    both, add, activate = (
        kernel_for(c, [shape] * n, [shape], np.float32) for c, n in (((op, relu), 2), ((op,), 2), ((relu,), 1))
    )
    total, expected, slope = out.copy(), out.copy(), out.copy()
    add.forward(Step(), inputs, [total])
    activate.forward(Step(), [total], [expected])
    activate.backward(Step(), [head], [total], [expected], [slope])
    both.forward(Step(), inputs, [out])
    np.testing.assert_array_equal(out, expected)
    grads = [np.full(shape, 7, np.float32) if is_wanted else None for is_wanted in wanted]
    both.backward(Step(), [head], inputs, [out], grads)
    for grad in grads:
        if grad is not None:
            np.testing.assert_array_equal(grad, slope)


def test_gradients_that_nobody_wants_are_left_alone():
    op = OPERATORS["sum"]
    inputs, head, out = arrays(op, (2, 3, 4, 5))
    kernel, grad = kernel_for([op], [head.shape] * 2, [head.shape], np.float32), np.zeros_like(head)
    kernel.backward(Step(), [head], inputs, [out], [None, grad])
    np.testing.assert_array_equal(grad, head)
    kernel.backward(Step(), [head], inputs, [out], [None, None])


@pytest.mark.parametrize("op", [Pad(mode="edge", pad_width=WIDTHS), Pad(mode="constant", pad_width=(0,) * 10)])
def test_other_borders_are_the_operators_work(op):
    shape = (1, 1, *[5] * (len(op.pad_width) // 2 - 2))
    assert kernel_for([op], [shape], [shape], np.float32) is op
