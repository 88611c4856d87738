"""A language model: an embedding, two layers of LSTM, and a classifier for each token."""

from side_by_side import Program, Row, Target

BATCH = 32


def rows(sizes):
    programs = (
        Program("pushgrad", "pushgrad", "pushgrad_training.py"),
        Program("PyTorch eager", "torch", "torch_training.py"),
    )
    steps = sizes.steps * 2
    task = {"network": "lstm", "batch": BATCH, "count": steps * BATCH}
    title = f"LSTM language model, 2 x 256, 32 steps, training step, batch {BATCH}"
    yield Row(
        "lstm", title, programs, (Target("PyTorch eager", ("PyTorch eager",), 0.7),), task, "training step", steps
    )
