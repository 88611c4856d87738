"""A small perceptron, whose steps are mostly overhead."""

from side_by_side import Program, Row, Target


def rows(sizes):
    programs = (
        Program("pushgrad", "pushgrad", "pushgrad_training.py"),
        Program("PyTorch eager", "torch", "torch_training.py"),
    )
    target = Target("PyTorch eager", ("PyTorch eager",), 0.5)
    task = {"network": "mlp", "batch": 100, "count": sizes.digits}
    title = "MLP 784-128-64-10, training step, batch 100"
    yield Row("mlp", title, programs, (target,), task, "training step", sizes.digits // 100)
