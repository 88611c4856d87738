"""Image patches as the columns of a matrix, for one band of output rows, and the way back.

There is a column per output pixel, its numbers ordered (c, ky, kx): the weight as it lies in memory times these columns
is the output as it lies. Each plane is dealt into phases first (see stride_phases.py), so that whatever the stride, a
row of output pixels reads one run of memory at each tap, and no run needs a check for the border.
"""

from __future__ import annotations

from ...common.jit import kernel
from ..array import Array
from .stride_phases import add_rows, deal_rows


@kernel
def deal_image(image: Array, phases: Array, number: int, top: int, pad: tuple[int, int]) -> None:
    """Deal image (C, H, W) into phases[:, number] of phases (C, images, sh, sw, rows, pitch), whose border is zero.

    They begin with what the output's row `top` reads.
    """
    for c in range(len(image)):
        deal_rows(image[c], phases[c, number], top, pad)


@kernel
def list_taps(phases: Array, offsets: Array, rows: Array) -> None:
    """rows (C * kh * kw,) = the address of what the first window reads, for each number of a column.

    phases are those of `deal_image`, `offsets` those of PhasePlan.
    """
    channels = len(phases)
    for c in range(channels):
        for t in range(len(offsets)):
            rows[c * len(offsets) + t] = phases.ctypes.data + 4 * (c * (phases.size // channels) + offsets[t])


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
    """Add columns (C * kh * kw, rows * out_w) to the patches of image (C, H, W), for output rows rows[0] to rows[1].

    `phases` is scratch for one plane of at least as many rows, and need not be cleared; `offsets` are PhasePlan's.
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
