"""Fill the cache of compiled kernels, so that no training has to wait for the compiler:

    python -m pushgrad.worker.commands.warm

Compiling happens when a kernel is first called with some types, so this trains tiny networks that call all of them, and
calls those that only some operators, optimizers and metrics need.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from ...common.call_table import Table
from ...common.counter import Counter
from ...common.desk import Desk
from ...common.jit import cache_folder
from ...ps import optimizer
from ...ps.optimizers.base import KNOWN
from ...ps.update import SMALL
from ..array import Shape
from ..context import cpu
from ..cpu.array_module import NUMPY
from ..cpu.claims import SharedStages, Stretch
from ..cpu.gathering import gather_row, tell
from ..cpu.row_scaling import scale_rows
from ..store import kv
from ..symbols import sym
from ..symbols.symbol import Symbol
from ..training.feedforward import FeedForward


def warm() -> float:
    """Train networks that use every kernel for a step or two; returns the seconds that it took."""
    started = time.perf_counter()
    for act_type in ("relu", "sigmoid", "tanh", "softrelu", "softsign"):
        _train(_network(act_type), (4, 1, 8, 8))
    for extent in (8, 24):  # planes of few and of many tiles
        _train(_many_channels(), (8, 8, extent, extent))
    _train(_large_windows(), (32, 8, 8, 8))
    _train(_single_channels(), (2, 4, 16, 16), {"slices": 2})  # which stay apart, so that gradients are added up
    for chosen in ({"optimizer": "nag", "momentum": 0.9}, {"optimizer": "adam"}, {"optimizer": "adamw"}):
        _train(_layers(), (4, 3), {**chosen, "slices": 2})
    for mode in ("rnn_relu", "rnn_tanh", "lstm", "gru"):
        _run(sym.RNN(sym.transpose(sym.Variable("data"), axes=(1, 0, 2)), state_size=4, num_layers=2, mode=mode, p=0.5))
    _run(sym.Convolution(sym.Variable("data"), kernel=(1, 1), num_filter=16), (4, 16, 7, 7), slices=2)
    _call_functions()
    _exchange()
    _update()
    return time.perf_counter() - started


def _network(act_type: str) -> Symbol:
    """A network with few channels and many, with fused pooling and separate, with overlapping windows and others."""
    layer = sym.Convolution(sym.Variable("data"), kernel=(3, 3), pad=(1, 1), num_filter=16)
    layer = sym.Pooling(sym.Activation(layer, act_type=act_type), kernel=(2, 2), stride=(2, 2), pool_type="max")
    layer = sym.Dropout(sym.Convolution(layer, kernel=(3, 3), pad=(1, 1), num_filter=4))
    layer = sym.Convolution(layer, kernel=(3, 3), pad=(1, 1), num_filter=4, num_group=4)
    layer = sym.Activation(sym.LRN(sym.BatchNorm(layer), nsize=3), act_type=act_type)
    for kind in ("leaky", "prelu", "elu", "gelu"):
        layer = sym.LeakyReLU(layer, act_type=kind)
    for pool_type in ("max", "avg"):
        layer = sym.Pooling(layer, kernel=(3, 3), pad=(1, 1), pool_type=pool_type)
    layer = sym.Pooling(sym.Convolution(layer, kernel=(3, 3), num_filter=8), kernel=(1, 1), pool_type="max")
    layer = sym.Pooling(sym.Convolution(layer, kernel=(2, 2), num_filter=2), kernel=(1, 1), pool_type="max")
    layer = sym.Activation(sym.FullyConnected(sym.Flatten(layer), num_hidden=4), act_type=act_type)
    return sym.SoftmaxOutput(layer)


def _many_channels() -> Symbol:
    """A network with enough channels for Winograd's algorithm, functions that numpy lacks, and an embedding."""
    layer = sym.Convolution(sym.Variable("data"), kernel=(3, 3), pad=(1, 1), num_filter=8)
    layer = sym.Convolution(layer, kernel=(3, 3), pad=(1, 1), num_filter=8)
    layer = sym.Activation(sym.clip(layer, a_min=0, a_max=1) + layer, act_type="relu")
    layer = sym.Pad(layer, mode="constant", pad_width=(0, 0, 0, 0, 1, 1, 1, 1))
    layer = sym.gammaln(sym.gamma(sym.exp(sym.erf(layer))) + 1)
    layer = sym.broadcast_add(layer, sym.Pooling(layer, global_pool=True, kernel=(1, 1), pool_type="avg"))
    rows = sym.Embedding(sym.zeros_like(sym.mean(layer, axis=(2, 3))), input_dim=2, output_dim=4)
    return sym.SoftmaxOutput(sym.FullyConnected(layer, num_hidden=4) + sym.sum(rows, axis=1))


def _large_windows() -> Symbol:
    """A network of 5x5 convolutions of many channels, and of one that is pooled."""
    layer = sym.Convolution(sym.Variable("data"), kernel=(5, 5), pad=(2, 2), num_filter=8)
    layer = sym.Convolution(layer, kernel=(5, 5), pad=(2, 2), num_filter=8)
    layer = sym.Pooling(sym.Activation(layer, act_type="relu"), kernel=(2, 2), stride=(2, 2), pool_type="max")
    return sym.SoftmaxOutput(sym.FullyConnected(layer, num_hidden=4))


def _single_channels() -> Symbol:
    """A network with convolutions of each channel by itself, with unrolled kernels and another, and a clip."""
    layer = sym.Variable("data")
    for extent, stride in ((3, 1), (3, 2), (5, 1), (5, 2), (2, 1), (2, 3)):
        kernel, strides = (extent, extent), (stride, stride)
        layer = sym.Convolution(layer, kernel=kernel, stride=strides, pad=(2, 2), num_filter=4, num_group=4)
    return sym.SoftmaxOutput(sym.FullyConnected(sym.clip(layer, a_min=0, a_max=6), num_hidden=2))


def _run(symbol: Symbol, shape: Shape = (2, 3, 64), slices: int | None = None) -> None:
    """A step of a part of a network."""
    executor = symbol.simple_bind(cpu(), data=shape, slices=slices)
    executor.forward(is_train=True)
    executor.backward([np.ones_like(output) for output in executor.outputs])


def _layers() -> Symbol:
    """A network whose steps are compiled from the first layer to the update."""
    return sym.SoftmaxOutput(sym.FullyConnected(sym.FullyConnected(sym.Variable("data"), num_hidden=4), num_hidden=2))


# The update is a kernel of its own with and without momentum.
def _train(symbol: Symbol, shape: Shape, *options: dict[str, Any]) -> None:
    X, y = np.random.default_rng(0).random(shape, np.float32), np.zeros(shape[0], np.float32)
    for chosen in options or ({"momentum": 0.0}, {"momentum": 0.9}):
        given: dict[str, Any] = {"batch_size": len(X), "kvstore": "local", "slices": 1, **chosen}
        FeedForward.create(symbol, X, y, num_epoch=1, verbose=False, **given)


def _call_functions() -> None:
    """Call the functions of arrays that are ours, in the types for which they are, and what these networks do without.

    They are too small for several threads, and are trained, where predictions have kernels of their own.
    """
    for dtype in (np.float32, np.float64):
        x = np.ones(3, dtype)
        for name in ("exp", "expm1", "log", "log1p", "erf", "tanh"):
            getattr(NUMPY, name)(x, np.empty_like(x))
        NUMPY.logaddexp(x, x)
        NUMPY.power(x, x)
    scale_rows(np.ones((2, 3), np.float32), np.ones(2), np.empty((2, 3), np.float32))
    told = np.zeros(2, np.int64)
    tell(told, 0, np.zeros(1, np.int64))
    gathers = gather_row(told, 0, np.zeros((1, 1), np.float32))
    table = Table([gathers, *SharedStages([Stretch([[]], [[[]]])]).rows[0]])
    Counter().watch(0)
    desk = Desk()
    desk.hand(table)
    desk.attend()
    desk.wait()
    desk.call_away()


def _exchange() -> None:
    """Exchange sums without an optimizer in both float types, as metrics and plain key-value stores do."""
    store = kv.create("local")
    for dtype in (np.float32, np.float64):
        value = np.zeros(SMALL + 1, dtype)  # smaller ones are left to numpy
        store.init(str(np.dtype(dtype)), value)
        store.pushpull(str(np.dtype(dtype)), value)
    store.close()


def _update() -> None:
    """Let every optimizer update a key once."""
    others = [
        *(optimizer.create("rmsprop", centered=True), optimizer.create("signum", momentum=0)),
        optimizer.create("nag", momentum=0.9),
    ]
    for chosen in (*(optimizer.create(name) for name, kind in KNOWN.items() if kind.listed), *others):
        store = kv.create("local")
        store.set_optimizer(chosen)
        store.init("weight", np.ones(3, np.float32))
        store.push("weight", np.ones(3, np.float32))
        store.close()


if __name__ == "__main__":
    print(f"Kernels compiled or found in {cache_folder()} ({warm():.1f} s)")
