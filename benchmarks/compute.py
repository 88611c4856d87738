"""As fast as the machine? Every program here beside its peers, on the cores of one machine, in one run.

make bench                                         all rows, about 15 minutes
python benchmarks/compute.py --rows lenet,resnet18-training --rounds 5 --json out/lenet.json
python benchmarks/compute.py --quick               a little of each: does everything run?
"""

from dataclasses import dataclass

from rows import every
from runner import command, run


@dataclass(frozen=True)
class Sizes:
    """Work of a turn: digits of an epoch, steps with eight pictures, digits to predict."""

    digits: int = 42_000
    steps: int = 4
    predicted: int = 10_000


QUICK = Sizes(digits=2_000, steps=1, predicted=1_000)


@command
def main(quick, **options):
    """Time pushgrad beside its peers and say which targets it misses; peers that are not installed are left out."""
    run(every(QUICK if quick else Sizes()), quick=quick, **options)


if __name__ == "__main__":
    main()
