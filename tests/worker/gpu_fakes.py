"""A machine that can train on GPUs, of which tests take away what they like."""

from pushgrad.worker.devices.gpu_questions import Absent, Gpu


def installed(cuda):
    """What the extra for that CUDA brings."""
    return {
        f"cupy-cuda{cuda}x": "14.2.0",
        "nvidia-cudnn-frontend": "1.28.0",
        f"nvidia-cudnn-cu{cuda}": "9.28.0.42",
        f"nvidia-nccl-cu{cuda}": "2.32.3",
    }


ANSWERS = {
    "driver": (12040, "550.54.14"),
    "installed": installed(12),
    "cupy": ("14.2.0", 12090),
    "nvrtc": 12090,
    "cublas": None,
    "headers": "/cuda/include",
    "gpus": [Gpu("NVIDIA H100 80GB HBM3", (9, 0), 80 << 30)],
    "free_memory": 79 << 30,
    "visible": None,
    "cudnn": 92800,
    "nccl": 23203,
}


class FakeMachine:
    """Each answer is a value, or a text that begins with "absent": that is raised. `asked` holds what was asked."""

    def __init__(self, **changed):
        self.asked, self.answers = [], {**ANSWERS, **changed}

    def __getattr__(self, name):
        found = self.answers[name]

        def answer(*_):
            self.asked.append(name)
            if isinstance(found, str) and found.startswith("absent "):
                raise Absent(found.removeprefix("absent "))
            return found

        return answer
