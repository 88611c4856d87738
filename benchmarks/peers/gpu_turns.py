"""How a program of the GPU's rows takes turns: as in turns.py, with answers in JSON that may hold more than seconds."""

import json
import time

import numpy as np
from data import DIGITS, digits
from turns import Turns

DIFFERENT = 64  # pictures that are made; more are the same again
LISTED = 15  # kernels in a profile


class GpuTurns(Turns):
    """The line to gpu.py. `begin` waits for a turn, `end` tells how it went."""

    def __init__(self, facts):
        super().__init__()
        self.send(f"ready {json.dumps(facts)}")
        self._started, self._kernels = 0.0, None

    def begin(self):
        """True when it is this program's turn, False when the benchmark is over."""
        asked = self._lines.readline().strip()
        self._kernels = Kernels() if asked == "profile" else None
        self._started = time.perf_counter()
        return bool(asked)

    def end(self, **more):
        """To be called when the device has done everything."""
        answer = {"seconds": time.perf_counter() - self._started, **more}
        if self._kernels:
            answer["kernels"] = self._kernels.stop()
        self.send(json.dumps(answer))


class Kernels:
    """What the device runs from now until `stop`. torch's profiler sees every kernel of the process, cupy's as well."""

    def __init__(self):
        from torch.profiler import ProfilerActivity, profile

        self._profile = profile(activities=[ProfilerActivity.CUDA])
        self._profile.start()

    def stop(self):
        """[name, seconds, launches] of those that took longest, and of all together."""
        self._profile.stop()
        found = [
            [event.key, event.self_device_time_total / 1e6, event.count]
            for event in self._profile.key_averages()
            if event.self_device_time_total > 0
        ]
        found.sort(key=lambda kernel: -kernel[1])
        total = ["all", sum(seconds for _, seconds, _ in found), sum(count for *_, count in found)]
        return [total, *found[:LISTED]]


def take_turns(facts, work):
    """Do `work()`, which waits for the device, whenever it is this program's turn; it has warmed up."""
    turns = GpuTurns(facts)
    while turns.begin():
        work()
        turns.end()


def gpu_data(task):
    """`task.count` examples and their labels, float32: digits, or noise in the shape of photographs."""
    if task.network in DIGITS:
        return digits(task.data, task.count)
    rng = np.random.default_rng(0)
    few = rng.standard_normal((min(DIFFERENT, task.count), 3, 224, 224), np.float32)
    rows = np.arange(task.count) % len(few)
    return few[rows], rng.integers(0, 1000, task.count).astype(np.float32)
