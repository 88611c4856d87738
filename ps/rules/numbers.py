"""What several rules do with a number."""

from __future__ import annotations

from typing import Any

from ...common.jit import kernel


@kernel
def clipped(value: Any, bound: Any) -> Any:
    """`value` kept within [-bound, bound]; the bound is infinite for no clipping."""
    # Comparisons with NaN are false, so it passes through, as through np.clip.
    return bound if value > bound else (-bound if value < -bound else value)


@kernel
def signed(size: Any, value: Any) -> Any:
    """size * sign(value)."""
    return size if value > 0 else (-size if value < 0 else size - size)
