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
from pushgrad.worker.cpu.plane_lanes import LANES
from pushgrad.worker.cpu.tile_product import PANELS, ROWS, list_rows, multiply
from pushgrad.worker.graphs.operation_counts import operations

DEPTH, TILES = 256, 200_000
THREADS = int(os.environ["OMP_NUM_THREADS"])


@kernel
def repeat(a: int, rows: int, offsets: int, b: int, c: int, times: int) -> None:
    list_rows(DEPTH, ROWS, rows)
    left, strides, panel = (a, rows, offsets, 1, DEPTH, 1), (LANES, ROWS * LANES), (LANES, DEPTH * LANES)
    for _ in range(times):
        multiply(left, b, panel, c, strides, c, strides, (ROWS, PANELS * LANES), np.float32(-np.inf))


def loop(_):
    shapes = (ROWS, DEPTH), (PANELS, DEPTH, LANES), (PANELS, ROWS, LANES)
    a, b, c = (np.ones(shape, np.float32) for shape in shapes)
    rows, offsets = np.empty(ROWS + LANES, np.int64), np.zeros(1, np.int64)
    repeat(*(array.ctypes.data for array in (a, rows, offsets, b, c)), TILES)


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
        rate = THREADS * TILES * 2 * ROWS * PANELS * LANES * DEPTH / (time.perf_counter() - started)
        turns.send(flop / rate)
