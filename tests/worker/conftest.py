"""What tests of operators share: running one operator, and comparing its gradients with numeric ones."""

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.worker.array import Array, Arrays
from pushgrad.worker.execution import slice_layout
from pushgrad.worker.ops.custom_prop import PROPS
from pushgrad.worker.ops.operator import Operator, Step

Loss = Callable[[Arrays, Arrays], float]

_spec = importlib.util.spec_from_file_location("gpu_fakes", Path(__file__).with_name("gpu_fakes.py"))
gpu_fakes = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(gpu_fakes)


@pytest.fixture
def fake_machine():
    """Makes machines with and without what GPUs need: see gpu_fakes.py."""
    return gpu_fakes.FakeMachine


@pytest.fixture
def register():
    """Registers an operator whose forward is that function of its input."""
    before = dict(PROPS)

    def make(name, function):
        class Op(mx.operator.CustomOp):
            def forward(self, is_train, req, in_data, out_data, aux):
                self.assign(out_data[0], req[0], function(in_data[0]))

        @mx.operator.register(name)
        class Prop(mx.operator.CustomOpProp):
            def create_operator(self, ctx, in_shapes, in_dtypes):
                return Op()

    yield make
    PROPS.clear()
    PROPS.update(before)


@pytest.fixture(autouse=True)
def threads_for_small_networks_too(monkeypatch):
    """The networks of these tests are small; what is tested about threads must not happen on a single one."""
    monkeypatch.setattr(slice_layout, "WORK_OF_ONE", 0.0)
    monkeypatch.setattr(slice_layout, "WORK_OF_ONE_COMPILED", 0.0)


def run_forward(op: Operator, inputs: Arrays, step: Step | None = None) -> list[Array]:
    """The outputs of `op`, whose arrays start as NaN so that every element must be written."""
    arguments = inputs[: len(op.arguments())]  # what follows are auxiliary states
    _, shapes = op.infer_shape([array.shape for array in arguments], [None] * len(op.outputs()))
    outputs = [np.full(shape, np.nan, inputs[0].dtype) for shape in shapes]
    op.forward(step or Step(is_train=True), inputs, outputs)
    return outputs


def run_backward(
    op: Operator,
    inputs: Arrays,
    outputs: Arrays,
    out_grads: Arrays,
    step: Step | None = None,
    wanted: Sequence[int] | None = None,
) -> list[Array | None]:
    """The gradients of the `wanted` inputs (all by default), written over NaN."""
    wanted = range(len(inputs)) if wanted is None else wanted
    grads = [np.full_like(array, np.nan) if i in wanted else None for i, array in enumerate(inputs)]
    op.backward(step or Step(is_train=True), out_grads, inputs, outputs, grads)
    return grads


def check_gradients(
    op: Operator,
    inputs: Arrays,
    *,
    wrt: Sequence[int] | None = None,
    loss: Loss | None = None,
    step: Step | None = None,
) -> None:
    """Compare every gradient with central differences, in float64, to 1e-6.

    `loss(inputs, outputs)` is the number whose gradient is meant; by default the sum of the outputs times random
    head gradients. Losses ignore the head gradient, so theirs must be given.
    """
    assert all(array.dtype == np.float64 for array in inputs)
    inputs = [array.copy() for array in inputs]
    outputs = run_forward(op, inputs, step)
    random = np.random.default_rng(1)
    heads = [random.normal(size=array.shape) for array in outputs]
    if loss is None:

        def loss(_: Arrays, outputs: Arrays) -> float:
            return sum(float((head * output).sum()) for head, output in zip(heads, outputs, strict=True))

    wrt = range(len(inputs)) if wrt is None else wrt
    together = run_backward(op, inputs, outputs, heads, step, wrt)
    for which in wrt:
        expected = _numeric(op, inputs, which, loss, step)
        np.testing.assert_allclose(together[which], expected, rtol=1e-6, atol=1e-6)
        (alone,) = [grad for grad in run_backward(op, inputs, outputs, heads, step, [which]) if grad is not None]
        np.testing.assert_array_equal(alone, together[which])


def _numeric(op: Operator, inputs: list[Array], which: int, loss: Loss, step: Step | None) -> Array:
    array, gradient, width = inputs[which], np.empty_like(inputs[which]), 1e-6
    for index in np.ndindex(array.shape):
        value = array[index]
        array[index] = value + width
        above = loss(inputs, run_forward(op, inputs, step))
        array[index] = value - width
        below = loss(inputs, run_forward(op, inputs, step))
        array[index] = value
        gradient[index] = (above - below) / (2 * width)
    return gradient


@pytest.fixture
def gradcheck() -> Callable[..., None]:
    return check_gradients


@pytest.fixture
def forward() -> Callable[..., list[Array]]:
    return run_forward


@pytest.fixture
def backward() -> Callable[..., list[Array | None]]:
    return run_backward
