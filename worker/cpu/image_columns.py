"""Image patches as the columns of a matrix, for one band of output rows, and the way back.

There is a column per output pixel, its numbers ordered (c, ky, kx): the weight as it lies in memory times these columns
is the output as it lies. Each plane is dealt into phases first (see stride_phases.py), so that whatever the stride, a
row of output pixels reads one run of memory at each tap, and no run needs a check for the border. The phases of one
plane and band stay in the first-level cache while all taps read them.
"""

from __future__ import annotations

from ...common.jit import kernel
from ..array import Array
from .stride_phases import add_rows, deal_rows


@kernel
def image_to_columns(
    image: Array,
    columns: Array,
    rows: tuple[int, int],
    out_w: int,
    phases: Array,
    offsets: Array,
    pad: tuple[int, int],
) -> None:
    """image (C, H, W), output rows from rows[0] to rows[1] -> columns (C * kh * kw, rows * out_w).

    `phases` is scratch for one plane of at least as many rows, left and right border zero; `offsets` are PhasePlan's.
    """
    flat, pitch = phases.reshape(-1), phases.shape[3]
    for c in range(len(image)):
        deal_rows(image[c], phases, rows[0], pad)
        # Each row of the columns is written from front to back, while the phases are read again and again.
        for t in range(len(offsets)):
            line = columns[c * len(offsets) + t]
            for o in range(rows[1] - rows[0]):
                place, source = line[o * out_w : (o + 1) * out_w], flat[offsets[t] + o * pitch :]
                for x in range(place.size):
                    place[x] = source[x]


@kernel
def add_columns_to_image(
    columns: Array,
    image: Array,
    rows: tuple[int, int],
    out_w: int,
    phases: Array,
    offsets: Array,
    pad: tuple[int, int],
) -> None:
    """The transpose of `image_to_columns`: add the columns, of the same shape, to the patches of image (C, H, W).

    `phases` is scratch that need not be cleared.
    """
    flat, pitch = phases.reshape(-1), phases.shape[3]
    for c in range(len(image)):
        flat[:] = 0  # patches overlap, so taps add to each other
        for t in range(len(offsets)):
            line = columns[c * len(offsets) + t]
            for o in range(rows[1] - rows[0]):
                added, place = line[o * out_w : (o + 1) * out_w], flat[offsets[t] + o * pitch :]
                for x in range(added.size):
                    place[x] += added[x]
        add_rows(phases, image[c], rows[0], pad)
