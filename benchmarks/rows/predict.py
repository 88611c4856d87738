"""FeedForward.predict with the article's LeNet, the whole call, against PyTorch under inference_mode."""

from side_by_side import Program, Row, Target

MODES = ("eager", "channels_last")


def rows(sizes):
    torch = tuple(Program(f"PyTorch {mode}", "torch", "torch_inference.py", options={"mode": mode}) for mode in MODES)
    ours = Program("pushgrad", "pushgrad", "pushgrad_inference.py")
    target = Target("best PyTorch mode", tuple(program.label for program in torch), 0.7)
    task = {"network": "lenet", "batch": 100, "count": sizes.predicted}
    title = f"FeedForward.predict, LeNet, {sizes.predicted} images"
    yield Row("predict", title, (ours, *torch), (target,), task, "all images")
