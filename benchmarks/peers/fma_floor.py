"""Seconds that a network's arithmetic takes at the highest rate of this machine's fused multiply-adds, on all cores.

The rate is that of a loop of register tiles whose operands stay in the first-level cache. What counts are the direct
multiplications: algorithms that need fewer, as Winograd's, may come to more than the whole.
"""

import os
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from pushgrad_networks import network
from turns import Turns, task

import pushgrad as mx
from pushgrad.common.jit import kernel
from pushgrad.worker.cpu.register_tile import register_tile
from pushgrad.worker.cpu.tile_product import LANES, ROWS
from pushgrad.worker.graphs.operation_counts import operations

DEPTH, TILES = 256, 200_000
THREADS = int(os.environ["OMP_NUM_THREADS"])
tile = register_tile(ROWS, LANES)


@kernel
def multiply(lines: int, b: int, start: int, c: int, times: int) -> None:
    for _ in range(times):
        tile(lines, 1, b, LANES, start, 0, c, LANES, ROWS, DEPTH, np.float32(-np.inf))


def loop(_):
    a, b, start, c = (np.ones(shape, np.float32) for shape in ((ROWS, DEPTH), (DEPTH, LANES), LANES, (ROWS, LANES)))
    lines = np.array([row.ctypes.data for row in a])
    multiply(lines.ctypes.data, b.ctypes.data, start.ctypes.data, c.ctypes.data, TILES)


def training_flop(symbol, shape):
    """Multiplications and additions of a training step, `shape` being the batch's.

    Backward takes as many for the weights as forward, and as many for the data, of which the first layer computes none.
    """
    shapes = symbol.infer_all(data=shape)
    forward = [
        operations(node.op, [shapes[entry] for entry in node.inputs], [shapes[node, 0]])
        for node in symbol.nodes()
        if node.op is not None
    ]
    products = [count for count in forward if count]
    return 3 * sum(products) - products[0]


todo = task()
flop = training_flop(network(todo.network), (todo.batch, *todo.shape)) * todo.count / todo.batch
turns = Turns()
with ThreadPoolExecutor(THREADS) as threads:
    list(threads.map(loop, range(THREADS)))  # compiled, and the threads are there
    turns.send(f"ready pushgrad {mx.__version__}")
    while turns.wait():
        started = time.perf_counter()
        list(threads.map(loop, range(THREADS)))
        rate = THREADS * TILES * 2 * ROWS * LANES * DEPTH / (time.perf_counter() - started)
        turns.send(flop / rate)
