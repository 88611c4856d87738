"""What differs between the processor and a GPU when a graph is laid out: memory, fused nodes, kernels.

A Program asks its Backend for all of these, so that laying out a graph is written once (see program.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from ..array import Array, Shape, aligned_empty, aligned_zeros
from ..cpu.registry import kernel_for
from ..graphs.node import Entry, Node
from ..ops.kernel import Kernel
from ..ops.operator import Operator
from .fusion import extends_in_prediction, extends_on_host, fuse
from .memory_format import Format, Formats


class Backend(Protocol):
    """Where a program's arrays lie and what computes on them. Its methods are called while a graph is laid out; only
    `add` is called in every step.
    """

    def empty(self, shape: Shape, dtype: Any) -> Array:
        """A C-ordered array of `shape` with undefined contents."""
        ...

    def zeros(self, shape: Shape, dtype: Any) -> Array:
        """A C-ordered array of `shape`, filled with zeros."""
        ...

    def fuse(
        self, nodes: Sequence[Node], heads: Sequence[Entry], dtype: np.dtype[Any], trains: bool = True
    ) -> list[list[Node]]:
        """The operator nodes in order, in groups: each group is a chain of nodes that one kernel computes.

        Unless the network `trains`, there is no backward.
        """
        ...

    def formats(
        self,
        groups: Sequence[Sequence[Node]],
        heads: Sequence[Entry],
        shapes: Mapping[Entry, Shape],
        dtype: np.dtype[Any],
    ) -> Formats:
        """The formats of the entries that are not in C order; a gradient has the format of its entry."""
        ...

    def kernel_for(
        self,
        chain: Sequence[Operator],
        in_shapes: Sequence[Shape],
        out_shapes: Sequence[Shape],
        dtype: Any,
        formats: Sequence[Format] = (),
    ) -> Kernel:
        """What computes a group of nodes: `in_shapes` are those of its first node's inputs, `out_shapes` of its last
        node's outputs. `formats`: of its first input and first output.
        """
        ...

    def add(self, total: Array, addend: Array) -> None:
        """Add `addend` to `total` in place: two gradients of one entry, with the same shape and format."""
        ...


class Host:
    """The processor: numpy arrays, and kernels compiled for float32."""

    def empty(self, shape: Shape, dtype: Any) -> Array:
        """A numpy array of `shape` with undefined contents, which begins on a cache line."""
        return aligned_empty(shape, dtype)

    def zeros(self, shape: Shape, dtype: Any) -> Array:
        """A numpy array of zeros of `shape`, which begins on a cache line."""
        return aligned_zeros(shape, dtype)

    def fuse(
        self, nodes: Sequence[Node], heads: Sequence[Entry], dtype: np.dtype[Any], trains: bool = True
    ) -> list[list[Node]]:
        """The groups that compiled kernels compute together; in other types than float32 every node is its own."""
        # Only compiled kernels compute chains, and they are compiled for float32: a plain operator is a single node.
        extends = extends_on_host if trains else extends_in_prediction
        return fuse(nodes, heads, extends if dtype == np.float32 else None)

    def formats(
        self,
        groups: Sequence[Sequence[Node]],
        heads: Sequence[Entry],
        shapes: Mapping[Entry, Shape],
        dtype: np.dtype[Any],
    ) -> Formats:
        """An empty mapping: all kernels here want C order."""
        return {}

    def kernel_for(
        self,
        chain: Sequence[Operator],
        in_shapes: Sequence[Shape],
        out_shapes: Sequence[Shape],
        dtype: Any,
        formats: Sequence[Format] = (),
    ) -> Kernel:
        """The compiled kernel for the chain, or the operator itself if there is none; formats are always C order."""
        return kernel_for(chain, in_shapes, out_shapes, dtype)

    def add(self, total: Array, addend: Array) -> None:
        """Add one gradient to another of the same shape, in place."""
        total += addend


HOST: Backend = Host()
