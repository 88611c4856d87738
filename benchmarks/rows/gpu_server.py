"""One worker with a parameter server on the same host, and without: does the exchange hide behind the computing?"""

from side_by_side import Program, Target

from .gpu_images import picture_task, steps
from .gpu_row import PRECISIONS, GpuRow

BATCH = 64
ALONE = "the same without a server"


def rows(sizes):
    for precision in ("tf32", "float32"):
        yield _row(sizes, precision)


def _row(sizes, precision):
    gpus = "0" if sizes.on == "gpu" else "cpu"
    launch = ("-m", "pushgrad.launch", "--workers", "1", "--servers", "1", "--gpus", gpus)
    programs = (
        Program("pushgrad with a server", "pushgrad", "pushgrad_gpu_training.py", launch),
        Program(ALONE, "pushgrad", "pushgrad_gpu_training.py"),
    )
    return GpuRow(
        f"server-{precision}",
        f"ResNet-50, batch {BATCH}, {PRECISIONS[precision]}, one worker and a server on the same host",
        programs,
        (Target("throughput without a server", (ALONE,), 0.9, at_least=True),),
        picture_task(sizes, "resnet50", precision, BATCH),
        "training step",
        steps(sizes, BATCH),
        examples=BATCH,
    )
