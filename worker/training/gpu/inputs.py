"""How batches get to the GPUs: gathered from a data set that lies there, or copied in during the step before."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ....common.errors import ShapeError
from ...array import Array
from ...cuda.device import Device
from ...data.iterators import DataBatch, DataIter, NDArrayIter
from ...execution.gpu.replicas import Replicas
from ..engine import FitSetup, check_batch
from ..feeding import InputNames

SHARE_OF_MEMORY = 0.5  # of what is free: how much of a GPU's memory a data set may take
Labels = Mapping[str, Array]  # of one global batch, on the host, by argument


class Inputs(ABC):
    """Where the batches of a fit come from."""

    @abstractmethod
    def epoch(self) -> Iterator[tuple[int, Labels]]:
        """Number and labels of each batch; when one is yielded, the step that is queued next finds it in place."""

    @abstractmethod
    def queue(self, index: int) -> None:
        """Queue what the step itself does on GPU `index` to have its rows in place."""


def inputs_for(replicas: Replicas, setup: FitSetup) -> Inputs:
    """The data set on every GPU if it can be had as a whole and there is room, else a batch ahead."""
    iterator = setup.iterator
    if isinstance(iterator, NDArrayIter) and type(iterator).next is NDArrayIter.next:
        size = sum(array.nbytes for arrays in iterator.arrays() for array in arrays)
        if all(size <= SHARE_OF_MEMORY * device.free_bytes() for device in replicas.devices):
            return ResidentInputs(replicas, iterator, setup.names)
    return StagedInputs(replicas, iterator, setup.names)


class ResidentInputs(Inputs):
    """The whole data set on every GPU: a batch is a list of rows, and an epoch's lists are copied in at its start."""

    def __init__(self, replicas: Replicas, iterator: NDArrayIter, names: InputNames) -> None:
        self._replicas, self._iterator = replicas, iterator
        data, labels = iterator.arrays()
        arguments = replicas.replicas[0].binding.arguments
        pairs = zip((*names.data, *names.label), (*data, *labels), strict=False)
        host = {name: array for name, array in pairs if name in arguments}
        self._labels = {name: array for name, array in host.items() if name in names.label}
        self._counting = bool(replicas.replicas[0].binding.counting)
        for name, array in host.items():
            _check_rows(name, arguments[name], array)
        most = iterator.batches(iterator.epoch) + 1  # with roll_over some epochs have one batch more than others
        self._here, self._orders = [], []  # type: tuple[list[dict[str, Array]], list[Array]]
        for device in replicas.devices:
            with device.active():
                self._here.append({name: _sent(device, array) for name, array in host.items()})
                self._orders.append(device.zeros((most * iterator.batch_size,), np.int32))

    def epoch(self) -> Iterator[tuple[int, Labels]]:
        """See Inputs."""
        rows = self._iterator.upcoming()
        for device, order in zip(self._replicas.devices, self._orders, strict=True):
            with device.lock, device.active():
                order[: rows.size].set(rows.reshape(-1).astype(np.int32))  # type: ignore[attr-defined]
        for number, chosen in enumerate(rows):
            self._iterator.skip()
            yield number, {n: array[chosen] for n, array in self._labels.items()} if self._counting else {}

    def queue(self, index: int) -> None:
        """See Inputs."""
        replica, (first, last) = self._replicas.replicas[index], self._replicas.parts[index]
        module = self._replicas.devices[index].module("gather")
        for name, source in self._here[index].items():
            target = replica.binding.arguments[name]
            figures = (self._iterator.batch_size, first, last - first, target.size // max(1, last - first))
            args = target, source, self._orders[index], replica.step.now, *map(np.int64, figures)
            module.over("gather", target.size, args)


def _sent(device: Device, array: Array) -> Array:
    """A copy on the device; by `set`, as `asarray` would keep page-locked memory of that size for good."""
    there: Any = device.empty(array.shape)
    there.set(np.ascontiguousarray(array, np.float32))
    return there  # type: ignore[no-any-return]


class StagedInputs(Inputs):
    """Two buffers in pinned host memory and two on the GPU take turns, so that a batch is copied in while the last is
    trained on.
    """

    def __init__(self, replicas: Replicas, iterator: DataIter, names: InputNames) -> None:
        self._replicas, self._iterator, self._names = replicas, iterator, names
        self._stages = [
            [_Stage(device, self._targets(index)) for index, device in enumerate(replicas.devices)] for _ in range(2)
        ]

    def epoch(self) -> Iterator[tuple[int, Labels]]:
        """See Inputs."""
        for number, batch in enumerate(self._iterator):
            check_batch(self._iterator, batch)
            self._send(batch, self._stages[number % 2])
            yield number, dict(zip(self._names.label, batch.label, strict=False))

    def queue(self, index: int) -> None:
        """Nothing: the batch was put in place before the step."""

    def _targets(self, index: int) -> dict[str, Array]:
        arguments = self._replicas.replicas[index].binding.arguments
        return {name: arguments[name] for name in (*self._names.data, *self._names.label) if name in arguments}

    def _send(self, batch: DataBatch, stages: list[_Stage]) -> None:
        given = dict(zip((*self._names.data, *self._names.label), (*batch.data, *batch.label), strict=False))
        for stage, (first, last) in zip(stages, self._replicas.parts, strict=True):
            stage.send({name: array[first:last] for name, array in given.items() if name in stage.targets})


class _Stage:
    """One batch's rows on their way to one GPU."""

    def __init__(self, device: Device, targets: dict[str, Array]) -> None:
        self._device, self.targets = device, targets
        self._pinned = {name: device.pinned(array.shape) for name, array in targets.items()}
        with device.active():
            self._there = {name: device.empty(array.shape) for name, array in targets.items()}
        self._sent: Any = None  # when the pinned buffers may be written again
        self._taken: Any = None  # when the GPU's may

    def send(self, rows: Mapping[str, Array]) -> None:
        """Have `rows` in place for what is queued on the main stream next. May wait for the batch before the last."""
        if self._sent is not None:
            self._sent.synchronize()
        with self._device.lock:
            self._queue(rows)

    def _queue(self, rows: Mapping[str, Array]) -> None:
        device = self._device
        if self._taken is not None:
            device.inward.wait_event(self._taken)
        for name, array in rows.items():
            _check_rows(name, self.targets[name], array)
            target = self._pinned[name]
            np.copyto(target, array.reshape(target.shape), casting="same_kind" if array.dtype.kind == "f" else "unsafe")
            device.upload(self._there[name], target, device.inward)
        self._sent = device.mark(device.inward)
        device.stream.wait_event(self._sent)
        with device.active():
            for name in rows:
                self.targets[name][...] = self._there[name]
        self._taken = device.mark()


def _check_rows(name: str, target: Array, array: Array) -> None:
    """Labels as (n, 1) fit arguments of (n,) and back."""
    if target.shape[1:] != array.shape[1:] and target.size * len(array) != array.size * len(target):
        raise ShapeError(f"batch array for {name}", expected=f"rows of shape {target.shape[1:]}", got=array.shape[1:])
