"""The article's LeNet in one process: against PyTorch's modes, MXNet, and the time of its arithmetic alone.

And in more slices than cores.
"""

from side_by_side import Program, Row, Target

MODES = ("eager", "channels_last", "compile")
TASK = {"network": "lenet", "batch": 100, "shape": (1, 28, 28)}


def rows(sizes):
    ours = Program("pushgrad", "pushgrad", "pushgrad_training.py")
    torch = tuple(Program(f"PyTorch {mode}", "torch", "torch_training.py", options={"mode": mode}) for mode in MODES)
    peers = (Program("MXNet", "mxnet", "mxnet_training.py"), Program("FMA floor", "pushgrad", "fma_floor.py"))
    targets = (
        Target("best PyTorch mode", tuple(program.label for program in torch), 0.55),
        Target("MXNet", ("MXNet",), 0.4),
        Target("share of the FMA peak", ("FMA floor",), 0.6, at_least=True),
    )
    task = {**TASK, "count": sizes.digits}
    yield Row(
        "lenet", f"LeNet, epoch of {sizes.digits} digits, batch 100", (ours, *torch, *peers), targets, task, "epoch"
    )
    sliced = [
        Program(f"pushgrad, {count} slices", "pushgrad", "pushgrad_training.py", options={"slices": count})
        for count in (2, 4, 8, 16)
    ]
    for program in sliced[1:]:
        count = program.options["slices"]
        target = Target("2 slices", (sliced[0].label,), 1.05)
        title = f"LeNet, epoch of {sizes.digits} digits, {count} slices"
        yield Row(f"slices-{count}", title, (program, sliced[0]), (target,), task, "epoch")
