"""A convolution's forward as several convolutions that share no number of the output."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..array import Array, Arrays, Shape
from ..ops.operator import Step
from .arranged import Arranged
from .convolution_geometry import Geometry
from .plane_lanes import LANES
from .row_kernel import RowKernel, Stage, shares

_ALL = slice(None)


def parts_of_forward(
    make: Callable[[Shape, Shape], RowKernel],
    arranged: Arranged | None,
    g: Geometry,
    step: Step,
    inputs: Arrays,
    output: Array,
    threads: int,
) -> Stage:
    """The rows of at most so many parts: some of the images if there are several, else some of the filters.

    `make(data, out)` is the kernel of the same convolution for other numbers of images and filters, by the shapes of
    its data and of its output before pooling. Each part arranges the images, or the weight, for itself; but what
    `arranged` makes before the pass, it reads there.
    """
    data, parts = inputs[0], []
    for images, filters in _cuts(g, threads):
        given, parameters, out = data[images], [one[filters] for one in inputs[1:]], output[images, filters]
        kernel = make(given.shape, (*out.shape[:2], g.out_height, g.out_width))
        kernel.arranged = arranged
        parts.append(kernel.forward_rows(step, [given, *parameters], [out]))
    return parts


def _cuts(g: Geometry, threads: int) -> Iterator[tuple[slice, slice]]:
    if g.images > 1:
        yield from ((images, _ALL) for images in shares(g.images, threads))
    elif g.groups > 1:
        yield _ALL, _ALL
    else:
        yield from ((_ALL, filters) for filters in shares(g.filters, threads, LANES))
