"""Importers of resizing to nearest pixels: repeated ones where the file asks for that, chosen ones elsewhere."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ....array import Array
from ....symbols.symbol import Symbol
from .reader import OnnxNode, imports

_PROBE = 4  # pixels of an axis of open extent: enough to see its ends and whether its middle is repeated
_HALF = np.float32(0.5)

# Where in the image before, of n pixels, the pixels x of the one after, of m pixels, lie. All in float32, in the order
# of onnxruntime's operations, as a last bit decides between two pixels.
_SOURCES: dict[str, Callable[[Array, int, int, np.float32], Array]] = {
    "asymmetric": lambda x, n, m, scale: x / scale,
    "half_pixel": lambda x, n, m, scale: (x + _HALF) / scale - _HALF,
    "pytorch_half_pixel": lambda x, n, m, scale: (x + _HALF) / scale - _HALF if m > 1 else 0 * x,
    "align_corners": lambda x, n, m, scale: x * np.float32(n - 1) / np.float32(m - 1) if m > 1 else 0 * x,
}
_ROUNDINGS: dict[str, Callable[[Array], Array]] = {
    "round_prefer_floor": lambda x: np.ceil(x - _HALF),
    "round_prefer_ceil": lambda x: np.floor(x + _HALF),
    "floor": np.floor,
    "ceil": np.ceil,
}


@imports("Upsample", "Resize")
def _resize(node: OnnxNode) -> Symbol:
    policy = node.get("keep_aspect_ratio_policy", "stretch")
    if node.get("mode", "nearest") != "nearest" or node.get("axes") or policy != "stretch":
        raise node.refuse("anything but nearest pixels, by factors or sizes of all axes")
    scales, shape = _scales(node), node.shape(0) or ()
    changed = {axis: scale for axis, scale in enumerate(scales) if scale != 1}
    places = {axis: _places(node, shape[axis], scale) for axis, scale in changed.items()}
    factors = {axis: _factor(found, shape[axis] or _PROBE) for axis, found in places.items()}
    if len(shape) == 4 and [*factors] == [2, 3] and factors[2] == factors[3] > 0:
        return node.apply("UpSampling", node.symbol(0), scale=factors[2], sample_type="nearest", num_args=1)
    made = node.symbol(0) if factors else node.apply("identity", node.symbol(0))
    for axis, factor in factors.items():
        last = axis == max(factors)
        if factor:
            made = node.apply("repeat", made, last=last, repeats=factor, axis=axis)
        elif shape[axis]:
            index = node.graph.parameter(f"{node.name}_places", places[axis])
            made = node.apply("take", made, index, last=last, axis=axis)
        else:
            raise node.refuse(f"axis {axis}, whose extent is open, other than by repeating its pixels")
    return made


def _scales(node: OnnxNode) -> list[np.float32]:
    """The factor by which each axis grows."""
    shape, rank = node.shape(0) or (), node.rank(0)
    place = 1 if node.kind == "Upsample" or node.graph.opset < 11 else 2
    if place == 2 and node.has(3):
        sizes = node.ints(3, "sizes") or ()
        if len(sizes) != rank or not all(shape) or min(sizes) < 1:
            raise node.refuse("sizes of some axes, or of an image whose own are open")
        return [np.float32(m) / np.float32(n) for m, n in zip(sizes, shape, strict=True)]
    values = node.constant(place, "scales") if node.has(place) else np.array(node.get("scales") or ())
    scales = [np.float32(value) for value in values.reshape(-1)]
    if len(scales) != rank or min(scales) <= 0:
        raise node.refuse("factors of some axes, or of 0 or less")
    return scales


def _places(node: OnnxNode, extent: int, scale: np.float32) -> Array:
    """For each pixel of an axis afterwards, the number of the pixel that it shows: float32 (new extent,)."""
    before = extent or _PROBE
    # A size that came as such was divided by the extent, and may miss itself by a bit.
    after = round(before * float(scale)) if node.has(3) else int(np.float32(before) * scale)
    source = node.get("coordinate_transformation_mode", "half_pixel")
    rounding = node.get("nearest_mode", "round_prefer_floor")
    if node.kind == "Upsample" or node.graph.opset < 11:
        source, rounding = "asymmetric", "ceil" if scale < 1 else "floor"
    if source not in _SOURCES or rounding not in _ROUNDINGS or (source == "align_corners" and not extent):
        raise node.refuse(f"coordinates {source} with {rounding}, or of an open extent")
    x = _SOURCES[source](np.arange(after, dtype=np.float32), before, after, scale)
    return np.clip(_ROUNDINGS[rounding](x), 0, before - 1)


def _factor(places: Array, extent: int) -> int:
    """How many times each of `extent` pixels is repeated, or 0 if they are not simply that."""
    factor = len(places) // extent
    return factor if np.array_equal(places, np.arange(extent).repeat(factor)) else 0
