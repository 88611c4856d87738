"""Seconds that the arithmetic of a LeNet epoch takes at the rate of this machine's sgemm, with all its cores."""

import time

import numpy as np
from turns import Turns, task

SIZE, CALLS = 2048, 12
# Multiplications and additions of one digit in the two convolutions and the two fully connected layers. Backward takes
# as many for the weights and as many for the data, of which the first layer computes none.
LAYERS = (2 * 24 * 24 * 20 * 25, 2 * 8 * 8 * 50 * 500, 2 * 800 * 500, 2 * 500 * 10)
FLOP_PER_DIGIT = 3 * sum(LAYERS) - LAYERS[0]

a = np.random.RandomState(0).standard_normal((SIZE, SIZE)).astype(np.float32)
out = a @ a
turns = Turns()
turns.send(f"ready numpy {np.__version__}")
while turns.wait():
    started = time.perf_counter()
    for _ in range(CALLS):
        np.matmul(a, a, out=out)
    rate = CALLS * 2 * SIZE**3 / (time.perf_counter() - started)
    turns.send(task().count * FLOP_PER_DIGIT / rate)
