"""Operators that look at values on the host, such as Custom, in the middle of a graph on a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from ..array import Array, Arrays, Gradients
from ..cpu.registry import kernel_for
from ..ops.kernel import Kernel
from ..ops.operator import Operator, Step


class HostCall:
    """Copies the inputs to the host, has the CPU's kernel compute, and copies the results back, waiting for each.

    Arrays are those of the operator, of any shape, in the GPU's memory. Errors are those of the operator.
    """

    def __init__(self, op: Operator) -> None:
        self._op = op
        self._kernel: Kernel | None = None

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Write the outputs, and the auxiliary states, which come last among the inputs."""
        here, results = [_get(array) for array in inputs], [_get(array) for array in outputs]
        self._host(here, results).forward(_on_host(step), here, results)
        first_state = len(self._op.arguments())
        _set([*outputs, *inputs[first_state:]], [*results, *here[first_state:]])

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Write the gradients that are asked for."""
        here, results = [_get(array) for array in inputs], [_get(array) for array in outputs]
        # Uninitialised: operators write gradients, and never add to them.
        gradients = [None if grad is None else np.empty(grad.shape, grad.dtype) for grad in in_grads]
        heads = [_get(grad) for grad in out_grads]
        self._host(here, results).backward(_on_host(step), heads, here, results, gradients)
        _set(in_grads, gradients)

    def _host(self, inputs: Arrays, outputs: Arrays) -> Kernel:
        if self._kernel is None:  # the shapes are only known with the first arrays; they do not change afterwards
            shapes = [array.shape for array in inputs], [array.shape for array in outputs]
            self._kernel = kernel_for([self._op], *shapes, outputs[0].dtype)
        return self._kernel


def _on_host(step: Step) -> Step:
    """The same step for operators on numpy's arrays."""
    return Step(**{field.name: getattr(step, field.name) for field in fields(Step) if field.name != "xp"})


def _get(array: Any) -> Array:
    host: Array = array.get()
    return host


def _set(targets: Sequence[Any], values: Gradients) -> None:
    for target, value in zip(targets, values, strict=True):
        if target is not None and value is not None:
            target.set(value)
