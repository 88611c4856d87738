"""From before the import to the end of the first training step of LeNet, in a fresh process."""

from side_by_side import Program, Target

from .gpu_row import GpuRow

LIMITS = {"warm": 5.0, "cold": 30.0}  # seconds


def rows(sizes):
    for cache, limit in LIMITS.items():
        yield _row(sizes, cache, limit)


def _row(sizes, cache, limit):
    named = f"{limit:.0f} s"
    programs = (
        Program("pushgrad", "pushgrad", "gpu_start.py", options={"script": "pushgrad_gpu_first_step.py"}),
        Program("PyTorch eager", "torch", "gpu_start.py", options={"script": "torch_gpu_first_step.py"}),
    )
    return GpuRow(
        f"start-{cache}",
        f"first step of LeNet after import, kernel cache {cache}",
        programs,
        (Target(named, (named,), 1.0),),
        {"on": sizes.on, "cold": cache == "cold"},
        "start",
        quoted={named: limit},
        most_rounds=5 if cache == "warm" else 3,
    )
