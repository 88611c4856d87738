"""Networks for photographs of 224 x 224: training steps against PyTorch in channels_last, where cuDNN has chosen."""

from side_by_side import Program, Target

from .gpu_row import PRECISIONS, GpuRow

NETWORKS = {"resnet50": "ResNet-50", "inception_bn": "Inception-BN"}
PEER, TUNED = "PyTorch channels_last", "pushgrad, engines timed"


def rows(sizes):
    for network in NETWORKS:
        for precision in ("tf32", "float16", "float32"):
            for batch in (64, 256):
                yield _row(sizes, network, precision, batch)


def _row(sizes, network, precision, batch):
    programs = (
        Program("pushgrad", "pushgrad", "pushgrad_gpu_training.py"),
        Program(TUNED, "pushgrad", "pushgrad_gpu_training.py", environ={"MXNET_CUDNN_AUTOTUNE_DEFAULT": "1"}),
        Program(PEER, "torch", "torch_gpu_training.py", options={"mode": "channels_last"}),
    )
    return GpuRow(
        f"images-{network.replace('_', '-')}-{batch}-{precision}",
        f"{NETWORKS[network]} 224 x 224, training step, batch {batch}, {PRECISIONS[precision]}",
        programs,
        (Target(PEER, (PEER,), 1.1),),
        picture_task(sizes, network, precision, batch),
        "training step",
        steps(sizes, batch),
        examples=batch,
    )


def picture_task(sizes, network, precision, batch):
    """As many pictures for small batches as for large ones, which take more epochs for as many steps."""
    count = max(1, sizes.pictures // batch) * batch
    return {
        "on": sizes.on, "network": network, "precision": precision, "batch": batch, "count": count, "rate": 0.01,
        "epochs": -(-sizes.steps * batch // count), "shuffle": False, "whole": False,
    }  # fmt: skip


def steps(sizes, batch):
    """Steps of a turn."""
    task = picture_task(sizes, "", "", batch)
    return task["epochs"] * task["count"] // batch
