"""The compiled RNN computes what the plain operator computes in double precision, and rows do not depend on others."""

import numpy as np
import pytest

from pushgrad.worker.cpu.array_module import NUMPY
from pushgrad.worker.cpu.rnn import RnnKernel
from pushgrad.worker.ops.operator import Step
from pushgrad.worker.ops.rnn import RNN

MODES = ("rnn_relu", "rnn_tanh", "lstm", "gru")
# The operator's options, T, N, C and H: less than a vector, whole vectors and no whole ones, one step, one row, several
# tiles of rows, and gates whose sums are cut into parts (4 * 70 > 256).
CASES = [
    ({"num_layers": 1}, 5, 3, 4, 3),
    ({"num_layers": 2, "bidirectional": True, "state_outputs": True}, 7, 5, 6, 16),
    ({"num_layers": 3, "p": 0.3}, 4, 1, 20, 18),
    ({"num_layers": 2, "bidirectional": True, "p": 0.5}, 1, 17, 3, 5),
    ({"num_layers": 1, "bidirectional": True, "state_outputs": True}, 3, 37, 33, 70),
]


def arrays(op, steps, rows, channels, seed=0):
    """Inputs and gradients of outputs."""
    random = np.random.default_rng(seed)
    missing = [None] * (len(op.arguments()) - 1), [None] * len(op.outputs())
    shapes = op.infer_shape([(steps, rows, channels), *missing[0]], missing[1])
    return [[random.uniform(-0.4, 0.4, shape).astype(np.float32) for shape in kind] for kind in shapes]


def results(kernel, inputs, out_grads, first_row=0, wanted=lambda index: True):
    """Outputs and gradients by name, of arrays that hold NaN before."""
    op = getattr(kernel, "op", kernel)
    step = Step(NUMPY, is_train=True, seed=3, first_row=first_row)
    outputs = [np.full_like(array, np.nan) for array in out_grads]
    grads = [np.full(array.shape, np.nan, array.dtype) if wanted(i) else None for i, array in enumerate(inputs)]
    kernel.forward(step, inputs, outputs)
    kernel.backward(step, out_grads, inputs, outputs, grads)
    return dict(zip([*op.outputs(), *op.arguments()], [*outputs, *grads], strict=True))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("options", "steps", "rows", "channels", "size"), CASES)
def test_kernel_computes_what_the_operator_does(mode, options, steps, rows, channels, size):
    op = RNN(mode=mode, state_size=size, **options)
    inputs, out_grads = arrays(op, steps, rows, channels)
    found = results(RnnKernel(op), inputs, out_grads)
    exact = results(op, *([array.astype(np.float64) for array in kind] for kind in (inputs, out_grads)))
    for name, array in exact.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-4, atol=2e-5 * np.abs(array).max(), err_msg=name)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [16, 21])
def test_bits_of_a_row_do_not_depend_on_the_others(mode, size):
    op = RNN(mode=mode, state_size=size, num_layers=2, bidirectional=True, state_outputs=True, p=0.2)
    inputs, out_grads = arrays(op, 6, 20, 9)
    whole = results(RnnKernel(op), inputs, out_grads)
    for low, high in ((0, 1), (3, 20)):
        part = [inputs[0][:, low:high], inputs[1], *(state[:, low:high] for state in inputs[2:])]
        found = results(RnnKernel(op), part, [grad[:, low:high] for grad in out_grads], low)
        for name in found.keys() - {"parameters"}:
            np.testing.assert_array_equal(found[name], whole[name][:, low:high], err_msg=name)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("number", range(4))
def test_gradients_that_nobody_wants(mode, number):
    op = RNN(mode=mode, state_size=5, num_layers=2, bidirectional=True)
    inputs, out_grads = arrays(op, 4, 3, 2)
    everything = results(RnnKernel(op), inputs, out_grads)
    found = results(RnnKernel(op), inputs, out_grads, wanted=lambda index: index != number)
    for name, array in found.items():
        if array is not None:
            np.testing.assert_array_equal(array, everything[name], err_msg=name)


def test_backward_may_run_again_and_changes_nothing_that_it_reads():
    op = RNN(mode="gru", state_size=5, num_layers=2)
    inputs, out_grads = arrays(op, 4, 3, 2)
    kernel, step, outputs = RnnKernel(op), Step(NUMPY, is_train=True), [np.empty_like(array) for array in out_grads]
    kernel.forward(step, inputs, outputs)
    grads = [[np.empty_like(array) for array in inputs] for _ in range(2)]
    for again in grads:
        kernel.backward(step, out_grads, inputs, outputs, again)
    for first, second in zip(*grads, strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("mode", MODES)
def test_nan_comes_through_in_its_row_alone(mode):
    op = RNN(mode=mode, state_size=18, num_layers=1)
    inputs, out_grads = arrays(op, 3, 4, 2)
    inputs[0][1, 2, 0] = np.nan
    found = results(RnnKernel(op), inputs, out_grads)
    assert np.isnan(found["output"][1:, 2]).all() and np.isnan(found["data"][1, 2]).all()
    assert np.isfinite(np.delete(found["output"], 2, axis=1)).all() and np.isfinite(found["output"][0]).all()
