"""The article's LeNet in one process: an epoch against PyTorch's modes, MXNet, and the time of its arithmetic alone."""

from side_by_side import Program, Row, Target

MODES = ("eager", "channels_last", "compile")


def rows(sizes):
    torch = tuple(Program(f"PyTorch {mode}", "torch", "torch_training.py", options={"mode": mode}) for mode in MODES)
    programs = (
        Program("pushgrad", "pushgrad", "pushgrad_training.py"),
        *torch,
        Program("MXNet", "mxnet", "mxnet_training.py"),
        Program("sgemm floor", "pushgrad", "sgemm_floor.py"),
    )
    targets = (
        Target("best PyTorch mode", tuple(program.label for program in torch), 0.65),
        Target("MXNet", ("MXNet",), 0.4),
        Target("share of the sgemm floor", ("sgemm floor",), 0.55, at_least=True),
    )
    task = {"network": "lenet", "batch": 100, "count": sizes.digits}
    yield Row("lenet", f"LeNet, epoch of {sizes.digits} digits, batch 100", programs, targets, task, "epoch")
