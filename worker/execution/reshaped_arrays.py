"""The arrays of a bound graph for other shapes of its inputs, as far as possible the same ones."""

from __future__ import annotations

from collections.abc import Mapping

from ...common.errors import ShapeError
from ..array import Shape, aligned_zeros
from ..ops.shapes import known
from .bound_arrays import Binding, Places, Zeros


def reshaped(
    binding: Binding, shapes: Mapping[str, Shape], partial_shaping: bool = False, zeros: Zeros = aligned_zeros
) -> Binding:
    """The same graph for other `shapes` of inputs. Arrays whose shape stays are shared, the others new, all zeros.

    A variable whose shape does not follow from these keeps its own. Raises what `Binding.allocate` raises, and
    ShapeError if the shape of an argument or state changes that is not among `shapes`, unless `partial_shaping`.
    """
    symbol, old = binding.symbol, {**binding.arguments, **binding.auxiliaries}
    arguments, _, states = symbol.infer_shape_partial(**shapes)
    found = dict(zip(old, [*(arguments or ()), *(states or ())], strict=True))
    start = {**shapes, **{name: old[name].shape for name, shape in found.items() if not known(shape)}}
    new = {node.name: shape for (node, _), shape in symbol.infer_all(**start).items() if node.op is None}
    changed = {name for name, array in old.items() if array.shape != new[name]}
    followed = [name for name in old if name in changed and name not in shapes]
    if followed and not partial_shaping:
        raise ShapeError(
            f"reshape: the shape of {', '.join(followed)} would change as well",
            expected=", ".join(f"{name} {old[name].shape}" for name in followed),
            got=", ".join(str(new[name]) for name in followed),
            remedy="Give it, too, or say partial_shaping=True",
        )
    kept = [
        {name: array for name, array in arrays.items() if name not in changed}
        for arrays in (binding.arguments, binding.gradients, binding.auxiliaries)
    ]
    return Binding.allocate(symbol, binding.requests, dict.fromkeys(old, binding.dtype), start, Places(*kept), zeros)
