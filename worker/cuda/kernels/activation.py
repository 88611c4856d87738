"""Activations and their slopes from their outputs, for float32, alone or together with the bias before them.

Arrays are taken as flat memory, four elements to a thread, so they must be `alike` (see flat.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...array import Array, Arrays, Gradients
from ...ops.activation import Activation
from ...ops.operator import Step
from ..compiled_source import Module
from ..device import Device
from .flat import alike


class ActivationKernel:
    """Activation of data of any shape -> the same shape, float32: relu, sigmoid, tanh, softrelu or softsign."""

    def __init__(self, device: Device, act_type: str) -> None:
        self.device, self.act_type = device, act_type
        self._plain = Activation(act_type=act_type)

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Write f(x)."""
        # Arrays that a user has bound may be views with holes: the plain version takes those.
        if alike(inputs[0], outputs[0]):
            activate(self.device, self.act_type, inputs[0], outputs[0])
        else:
            self._plain.forward(step, inputs, outputs)

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Write dy f'(x), computed from the output."""
        if in_grads[0] is None:
            return
        if alike(outputs[0], out_grads[0], in_grads[0]):
            slope_times(self.device, self.act_type, outputs[0], out_grads[0], in_grads[0])
        else:
            self._plain.backward(step, out_grads, inputs, outputs, in_grads)


def activate(device: Device, act_type: str, x: Array, out: Array) -> None:
    """out = f(x); arrays of one shape that are `alike` and may be the same."""
    # Addresses rather than arrays: the kernel takes them as flat memory, in whatever order their axes lie.
    _module(device, act_type).over("activate", _quads(x), (x.data, out.data, np.int64(x.size)))


def slope_times(device: Device, act_type: str, out: Array, grad: Array, target: Array) -> None:
    """target = grad * f'(x), from out = f(x); arrays of one shape that are `alike` and may be the same."""
    args = out.data, grad.data, target.data, np.int64(out.size)
    _module(device, act_type).over("slope_times", _quads(out), args)


def activate_with_bias(
    device: Device, x: Array, bias: Array | None, act_type: str | None = None, inner: int = 1
) -> None:
    """x = f(x + bias) in place; f or bias is left out where it is None.

    x lies in memory as (rows, channels, inner), bias (channels,): NCHW data have inner = H * W, NHWC data and matrices
    have inner = 1.
    """
    if bias is not None:
        args = (x, bias, np.int64(x.size), np.int32(bias.size), np.int64(inner))
        _module(device, act_type).over("activate_with_bias", _quads(x), args)
    elif act_type:
        activate(device, act_type, x, x)


def _module(device: Device, act_type: str | None) -> Module:
    # The function is a macro: each activation is a program of its own, without a choice in its loop.
    return device.module("activation", ACT=(act_type or "none").upper())


def _quads(array: Any) -> int:
    """How many threads it takes with four elements each."""
    return -(-int(array.size) // 4)
