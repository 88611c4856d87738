"""The article's LeNet, 5 epochs: as one call from arrays in host memory, and the epochs alone."""

from side_by_side import Program, Target

from .gpu_row import PRECISIONS, GpuRow

EAGER, GRAPHS = "PyTorch eager", "PyTorch CUDA graphs"
LIMITS = {"0.35 s": 0.35}  # 20 times as fast as the article's GPU, which took 6.889 s in 2016


def rows(sizes):
    yield _row(sizes, "lenet", "float32", True, "from host memory")
    yield _row(sizes, "lenet-tf32", "tf32", True, "from host memory")
    yield _row(sizes, "lenet-epochs", "float32", False, "data on the GPU, set-up not counted")


def _row(sizes, name, precision, whole, what):
    programs = (
        Program("pushgrad", "pushgrad", "pushgrad_gpu_training.py"),
        Program(EAGER, "torch", "torch_gpu_training.py", options={"mode": "eager"}),
        Program(GRAPHS, "torch", "torch_gpu_training.py", options={"mode": "graph"}),
    )
    targets = (
        *(Target(limit, (limit,), 1.0) for limit in LIMITS),
        Target(EAGER, (EAGER,), 0.25),
        Target(GRAPHS, (GRAPHS,), 1.0),
    )
    task = {
        "on": sizes.on, "network": "lenet", "precision": precision, "batch": 100, "count": sizes.digits, "rate": 0.05,
        "epochs": sizes.epochs, "shuffle": True, "whole": whole,
    }  # fmt: skip
    title = f"LeNet, {sizes.digits} digits, batch 100, {sizes.epochs} epochs, {PRECISIONS[precision]}, {what}"
    return GpuRow(
        name, title, programs, targets, task, f"{sizes.epochs} epochs", quoted=LIMITS,
        examples=sizes.epochs * sizes.digits, accuracy=0.97 if whole else None,
    )  # fmt: skip
