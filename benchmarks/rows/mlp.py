"""A small perceptron, whose steps are mostly overhead, and a tiny one in a script of its own."""

from side_by_side import Program, Row, Target


def rows(sizes):
    programs = (
        Program("pushgrad", "pushgrad", "pushgrad_training.py"),
        Program("PyTorch eager", "torch", "torch_training.py"),
        Program("PyTorch compile", "torch", "torch_training.py", options={"mode": "compile"}),
    )
    targets = (
        Target("PyTorch eager", ("PyTorch eager",), 0.4),
        Target("PyTorch compile", ("PyTorch compile",), 0.7),
    )
    task = {"network": "mlp", "batch": 100, "count": sizes.digits}
    title = "MLP 784-128-64-10, training step, batch 100"
    yield Row("mlp", title, programs, targets, task, "training step", sizes.digits // 100)
    programs = Program("pushgrad", "pushgrad", "pushgrad_sonar.py"), Program("PyTorch", "torch", "torch_sonar.py")
    title = "mx.mlp on Sonar, 20 epochs, batch 15, whole script after import"
    yield Row("sonar", title, programs, (Target("PyTorch", ("PyTorch",), 0.25),), {}, "script")
