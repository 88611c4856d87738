"""The gradient of a convolution's output, as passes backward begin with it: times the activation's slope, as pixels."""

from __future__ import annotations

from ...common.compiled_calls import call, line
from ...common.jit import kernel
from ..array import Array
from .convolution_geometry import Geometry, pooled_plane
from .panels import transpose, write_address
from .pixel_pooling import unpool_pixels
from .sums import sum_line


@kernel
def sloped(g: Geometry, slope: int, out: int, grad: int, count: int, lists: int, room: int) -> int:
    """Where grad (count, F, ...), of the output, times the activation's slope is: `room`, or `grad` if `slope` is 0.

    `slope` is the address of a function as of `activation.slope_row`, and `out` that of the activation's output.
    """
    if slope == 0:
        return grad
    write_address(lists, out)
    write_address(lists + 8, grad)
    write_address(lists + 16, room)
    write_address(lists + 24, count * g.filters * pooled_plane(g))
    call(slope, lists)
    return room


@kernel
def read_gradient(g: Geometry, grad: int, count: int, top: int, rows: int, winner: int, room: int, pixels: int) -> None:
    """Grad (count, F, ...) of the output -> pixels (count * rows * OW, F), for rows of the output before pooling.

    What is pooled has all rows; `room` takes its pixels.
    """
    plane, taken = pooled_plane(g), pooled_plane(g) if winner else rows * g.out_width
    target = room if winner else pixels
    for i in range(count):
        source = grad + 4 * (i * g.filters * plane + top * g.out_width)
        transpose(source, plane, target + 4 * i * taken * g.filters, g.filters, g.filters, taken)
    if winner:
        unpool_pixels(g, room, count, winner, pixels)


@kernel
def add_sums(g: Geometry, grad: int, count: int, sums: Array) -> None:
    """Sums (F,) += those of grad (count, F, ...)."""
    plane = pooled_plane(g)
    for i in range(count):
        for f in range(g.filters):
            sums[f] += sum_line(grad + 4 * (i * g.filters + f) * plane, plane)


@kernel
def write_sums(sums: Array, target: int) -> None:
    """Write sums (F,), rounded, to an address."""
    made = line(target, sums.size)
    for f in range(sums.size):
        made[f] = sums[f]
