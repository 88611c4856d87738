"""What goes wrong on a GPU, as errors that tell a user what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from ....common.errors import DeviceError
from ...array import Shape
from ...cuda.device import Device
from ..memory_format import C_ORDER, Formats

SAFETY = 0.9  # the part of free memory that an estimate counts on: kernels have scratch memory, too
_ITEM = 4  # bytes per element of a Format: networks whose Need is estimated are float32


class Need:
    """The memory that a step needs on one GPU for values and their gradients: `fixed` bytes, whatever the batch, and
    `per_row` bytes for each row.
    """

    def __init__(
        self, shapes: Mapping[Any, Shape], rows: int, is_trained: bool, formats: Formats | None = None
    ) -> None:
        """`shapes`: of every value that has memory, for a batch of `rows`; `formats`: as Backend.formats gives them.

        With `is_trained`, every value has a gradient of the same size.
        """
        laid_out = [(shape, (formats or {}).get(entry, C_ORDER)) for entry, shape in shapes.items()]
        sizes = [(shape[:1] == (rows,), form.size(shape) * _ITEM) for shape, form in laid_out]
        copies = 2 if is_trained else 1
        self.rows = self.global_rows = rows  # those of all GPUs of this worker, and those of the whole job
        self.per_row = copies * sum(size for follows, size in sizes if follows) // max(1, rows)
        self.fixed = copies * sum(size for follows, size in sizes if not follows)

    def fitting_rows(self, room: int) -> int:
        """How many rows probably fit into `room` bytes; 0 if not even one does."""
        return max(0, int((SAFETY * room - self.fixed) // max(1, self.per_row)))


@contextmanager
def explained(devices: Sequence[Device], need: Need | None = None) -> Iterator[None]:
    """While inside, turn cupy's errors into a DeviceError: for lack of memory, or a GPU that does not answer.

    With `need`, an error for lack of memory names a batch size that would probably fit.
    """
    cuda = devices[0].xp.cuda
    try:
        yield
    except cuda.memory.OutOfMemoryError as error:
        raise out_of_memory(devices, getattr(error, "_size", 0), need) from error
    except (cuda.runtime.CUDARuntimeError, cuda.driver.CUDADriverError) as error:
        raise DeviceError(
            f"{' and '.join(map(str, devices))}: {error}",
            remedy="`nvidia-smi` shows whether the GPU still answers, and dmesg why not; a process that has lost "
            "its GPU must be restarted, and can continue from a checkpoint with begin_epoch",
        ) from error


def out_of_memory(devices: Sequence[Device], asked: int, need: Need | None) -> DeviceError:
    """The error to raise when `asked` bytes could not be allocated (0: cupy does not say how many)."""
    # All GPUs have equal parts unless loads differ; the one with the least free memory decides what fits.
    free, used = min((device.free_bytes(), device.used_bytes()) for device in devices)
    remedy = "Use a smaller batch_size, or more GPUs"
    if need is not None and need.rows:
        each = need.fitting_rows(free + used)  # all that this process could have if it began again
        fits = each * len(devices) * need.global_rows // need.rows  # batch_size is that of the whole job
        remedy = f"batch_size={fits} would probably fit" if each else "Not even one row fits: use a larger GPU"
    return DeviceError(
        f"{' and '.join(map(str, devices))}: out of memory",
        expected=f"{_mib(asked)} more" if asked else None,
        got=f"{_mib(free)} free; weights, gradients, data and values of this process take {_mib(used)}",
        remedy=remedy,
    )


def _mib(size: int) -> str:
    return f"{size / (1 << 20):.0f} MiB"
