"""What differs between the processor and a GPU when a graph is laid out: memory, fused nodes, kernels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from ..array import Array, Shape, aligned_empty, aligned_zeros
from ..cpu.registry import kernel_for
from ..graphs.node import Entry, Node
from ..ops.kernel import Kernel
from ..ops.operator import Operator
from .fusion import extends_on_host, fuse
from .memory_format import Format, Formats


class Backend(Protocol):
    """Where a program's arrays lie and what computes on them."""

    def empty(self, shape: Shape, dtype: Any) -> Array:
        """A C-ordered array of undefined contents."""
        ...

    def zeros(self, shape: Shape, dtype: Any) -> Array:
        """A C-ordered array of zeros."""
        ...

    def fuse(self, nodes: Sequence[Node], heads: Sequence[Entry], dtype: np.dtype[Any]) -> list[list[Node]]:
        """The operator nodes in order, those that one kernel computes together."""
        ...

    def formats(
        self,
        groups: Sequence[Sequence[Node]],
        heads: Sequence[Entry],
        shapes: Mapping[Entry, Shape],
        dtype: np.dtype[Any],
    ) -> Formats:
        """Those entries that lie otherwise than in C order, as do their gradients."""
        ...

    def kernel_for(
        self,
        chain: Sequence[Operator],
        in_shapes: Sequence[Shape],
        out_shapes: Sequence[Shape],
        dtype: Any,
        formats: Sequence[Format] = (),
    ) -> Kernel:
        """What computes a group of nodes. `formats`: of its first input and first output."""
        ...

    def add(self, total: Array, addend: Array) -> None:
        """Add a gradient to another of the same entry."""
        ...


class Host:
    """The processor: numpy arrays, and kernels compiled for float32."""

    def empty(self, shape: Shape, dtype: Any) -> Array:
        """See Backend; it begins on a cache line."""
        return aligned_empty(shape, dtype)

    def zeros(self, shape: Shape, dtype: Any) -> Array:
        """See Backend; it begins on a cache line."""
        return aligned_zeros(shape, dtype)

    def fuse(self, nodes: Sequence[Node], heads: Sequence[Entry], dtype: np.dtype[Any]) -> list[list[Node]]:
        """See Backend."""
        return fuse(nodes, heads, extends_on_host if dtype == np.float32 else None)

    def formats(
        self,
        groups: Sequence[Sequence[Node]],
        heads: Sequence[Entry],
        shapes: Mapping[Entry, Shape],
        dtype: np.dtype[Any],
    ) -> Formats:
        """None: kernels here want C order."""
        return {}

    def kernel_for(
        self,
        chain: Sequence[Operator],
        in_shapes: Sequence[Shape],
        out_shapes: Sequence[Shape],
        dtype: Any,
        formats: Sequence[Format] = (),
    ) -> Kernel:
        """See Backend."""
        return kernel_for(chain, in_shapes, out_shapes, dtype)

    def add(self, total: Array, addend: Array) -> None:
        """See Backend."""
        total += addend


HOST: Backend = Host()
