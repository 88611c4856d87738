"""What a row of the GPU's benchmark has beside programs and targets."""

from dataclasses import dataclass, field

from side_by_side import Row

PRECISIONS = {"float32": "float32", "tf32": "TF32", "float16": "fp16"}


@dataclass(frozen=True)
class GpuRow(Row):
    """A row whose targets may also be figures that are `quoted`, in seconds per unit, as limits set beforehand.

    examples: of a unit, for a throughput. accuracy: what each program must have learned. most_rounds: for turns that
    take long.
    """

    quoted: dict[str, float] = field(default_factory=dict)
    examples: int = 0
    accuracy: float | None = None
    most_rounds: int = 1000


@dataclass(frozen=True)
class GpuSizes:
    """Work of a turn, and whether it is done on the `gpu` or, to see that the programs run, on the `cpu`."""

    on: str = "gpu"
    digits: int = 42_000
    epochs: int = 5
    pictures: int = 1280
    steps: int = 20  # of pictures
