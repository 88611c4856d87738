"""Networks for photographs of 224 x 224: training steps and inference against PyTorch in channels_last."""

from side_by_side import Program, Row, Target

NETWORKS = {
    "inception_bn": "Inception-BN",
    "resnet18": "ResNet-18",
    "mobilenet": "MobileNet",
    "efficientnet_lite0": "EfficientNet-Lite0",
}
WORK = {  # name: what a unit is, its program here and in PyTorch, batches of a turn as a multiple of `sizes.steps`
    "training": ("training step", "pushgrad_training.py", "torch_training.py", 1),
    "inference": ("inference", "pushgrad_inference.py", "torch_inference.py", 2),
}
# network, work, batches, at most this share of PyTorch's time
COMPARED = (
    ("inception_bn", "training", (8, 32), 0.8),
    ("inception_bn", "inference", (8, 32), 0.7),
    ("resnet18", "training", (8, 32), 0.7),
    ("resnet18", "inference", (8, 32), 0.7),
    ("mobilenet", "training", (8,), 0.7),
    ("efficientnet_lite0", "inference", (1,), 0.7),
)


def rows(sizes):
    for network, work, batches, limit in COMPARED:
        unit, ours, theirs, multiple = WORK[work]
        for batch in batches:
            steps = max(1, sizes.steps * multiple * 8 // batch)
            programs = [
                Program("pushgrad", "pushgrad", ours),
                Program("PyTorch channels_last", "torch", theirs, options={"mode": "channels_last"}),
            ]
            targets = [Target("PyTorch channels_last", ("PyTorch channels_last",), limit)]
            if (network, work, batch) == ("resnet18", "training", 32):
                programs.append(Program("FMA floor", "pushgrad", "fma_floor.py"))
                targets.append(Target("share of the FMA peak", ("FMA floor",), 0.6, at_least=True))
            task = {"network": network, "batch": batch, "shape": (3, 224, 224), "count": steps * batch}
            name = f"{network.replace('_', '-')}-{work}-{batch}"
            title = f"{NETWORKS[network]} 224 x 224, {unit}, batch {batch}"
            yield Row(name, title, tuple(programs), tuple(targets), task, unit, steps)
