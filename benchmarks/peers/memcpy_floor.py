"""Seconds that a copy of all keys takes, on one core."""

import time

import numpy as np
from turns import Turns, task

todo = task()
source = np.ones(todo.keys * todo.elements, np.float32)
target = np.empty_like(source)
turns = Turns()
turns.send(f"ready numpy {np.__version__}")
while turns.wait():
    np.copyto(target, source)
    started = time.perf_counter()
    for _ in range(todo.steps):
        np.copyto(target, source)
    turns.send(time.perf_counter() - started)
