"""Networks for photographs of 224 x 224: training steps and inference against PyTorch in channels_last."""

from side_by_side import Program, Row, Target

NETWORKS = {"inception_bn": "Inception-BN", "resnet18": "ResNet-18"}
WORK = {  # name: what a unit is, its program here and in PyTorch, batches of a turn as a multiple of `sizes.steps`
    "training": ("training step", "pushgrad_training.py", "torch_training.py", 1),
    "inference": ("inference", "pushgrad_inference.py", "torch_inference.py", 2),
}


def rows(sizes):
    for network, title in NETWORKS.items():
        for work, (unit, ours, theirs, multiple) in WORK.items():
            for batch in (8, 32):
                steps = max(1, sizes.steps * multiple * 8 // batch)
                programs = (
                    Program("pushgrad", "pushgrad", ours),
                    Program("PyTorch channels_last", "torch", theirs, options={"mode": "channels_last"}),
                )
                yield Row(
                    f"{network.replace('_', '-')}-{work}-{batch}",
                    f"{title} 224 x 224, {unit}, batch {batch}",
                    programs,
                    (Target("PyTorch channels_last", ("PyTorch channels_last",), 0.9),),
                    {"network": network, "batch": batch, "count": steps * batch},
                    unit,
                    steps,
                )
