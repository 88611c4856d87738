"""How batches get to the GPUs: gathered from a data set that lies there, or copied in during the step before.

In both cases the network's input arrays stay the same, since a recorded step reads from fixed addresses.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ...array import Array
from ...cuda.device import Device
from ...data.contract import batches
from ...data.data_iter import DataBatch, DataIter
from ...data.iterators import NDArrayIter
from ...execution.gpu.replicas import Replicas
from ..engine import FitSetup
from ..feeding import InputNames, misfit

SHARE_OF_MEMORY = 0.5  # of what is free: how much of a GPU's memory a data set may take
Labels = Mapping[str, Array]  # of one global batch, on the host, by argument


class Inputs(ABC):
    """Where the batches of a fit come from."""

    @abstractmethod
    def epoch(self) -> Iterator[tuple[int, Labels]]:
        """Number (from 0) and labels of each batch of the next epoch.

        When one is yielded, the step that is queued next finds it in place. Raises ShapeError if a batch does not fit
        the network, DataError if it has another number of rows than batch_size.
        """

    @abstractmethod
    def queue(self, index: int) -> None:
        """Queue the step's own part in having the rows of GPU `index` in place; it is recorded with the step."""


def inputs_for(replicas: Replicas, setup: FitSetup) -> Inputs:
    """ResidentInputs if the iterator is over arrays and every GPU has room for all of them, else StagedInputs.

    Raises ShapeError if the data do not fit the network.
    """
    iterator = setup.iterator
    # A subclass that makes its batches in another way must be asked for them.
    if isinstance(iterator, NDArrayIter) and type(iterator).next is NDArrayIter.next:
        size = sum(array.nbytes for arrays in iterator.arrays() for array in arrays)
        if all(size <= SHARE_OF_MEMORY * device.free_bytes() for device in replicas.devices):
            return ResidentInputs(replicas, iterator, setup.names)
    return StagedInputs(replicas, iterator, setup.names)


class ResidentInputs(Inputs):
    """The whole data set on every GPU: a batch is a list of row numbers, and those of an epoch are copied at its start.

    The step itself gathers the rows; it finds its part of the list by the batch's number, which lies in `step.now`.
    """

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
        """Copy the order of the epoch's rows to every GPU, then yield each batch as its step may be queued."""
        rows = self._iterator.upcoming()
        # On the main stream, behind the last epoch's steps, which read what is overwritten here.
        for device, order in zip(self._replicas.devices, self._orders, strict=True):
            with device.lock, device.active():
                order[: rows.size].set(rows.reshape(-1).astype(np.int32))  # type: ignore[attr-defined]
        for number, chosen in enumerate(rows):
            self._iterator.skip()
            # Gathering labels on the host takes time that only losses which count labels are worth.
            yield number, {n: array[chosen] for n, array in self._labels.items()} if self._counting else {}

    def queue(self, index: int) -> None:
        """Queue the gathering of the GPU's rows into the network's inputs."""
        replica, (first, last) = self._replicas.replicas[index], self._replicas.parts[index]
        module = self._replicas.devices[index].module("gather")
        for name, source in self._here[index].items():
            target = replica.binding.arguments[name]
            figures = (self._iterator.batch_size, first, last - first, target.size // max(1, last - first))
            args = target, source, self._orders[index], replica.step.now, *map(np.int64, figures)
            module.over("gather", target.size, args)


def _sent(device: Device, array: Array) -> Array:
    """A float32 copy on the device. By `set`: `asarray` would keep page-locked memory of that size for good."""
    there: Any = device.empty(array.shape)
    there.set(np.ascontiguousarray(array, np.float32))
    return there  # type: ignore[no-any-return]


class StagedInputs(Inputs):
    """Batches are copied in while the one before is trained on: two buffers in pinned host memory and two on the GPU
    take turns.
    """

    def __init__(self, replicas: Replicas, iterator: DataIter, names: InputNames) -> None:
        self._replicas, self._iterator, self._names = replicas, iterator, names
        self._stages = [
            [_Stage(device, self._targets(index)) for index, device in enumerate(replicas.devices)] for _ in range(2)
        ]

    def epoch(self) -> Iterator[tuple[int, Labels]]:
        """Send each batch of the iterator to the GPUs, then yield it."""
        for number, batch in enumerate(batches(self._iterator)):
            self._send(batch, self._stages[number % 2])
            yield number, dict(zip(self._names.label, batch.label, strict=False))

    def queue(self, index: int) -> None:
        """Do nothing: the batch was put in place before the step."""

    def _targets(self, index: int) -> dict[str, Array]:
        arguments = self._replicas.replicas[index].binding.arguments
        return {name: arguments[name] for name in (*self._names.data, *self._names.label) if name in arguments}

    def _send(self, batch: DataBatch, stages: list[_Stage]) -> None:
        given = dict(zip((*self._names.data, *self._names.label), (*batch.data, *batch.label), strict=False))
        for stage, (first, last) in zip(stages, self._replicas.parts, strict=True):
            stage.send({name: array[first:last] for name, array in given.items() if name in stage.targets})


class _Stage:
    """One batch's rows on their way to one GPU: host array -> pinned buffer -> GPU buffer -> the network's input.

    The two buffers are what lets the copy run beside the step before: the input itself is read until that has ended.
    """

    def __init__(self, device: Device, targets: dict[str, Array]) -> None:
        self._device, self.targets = device, targets
        self._pinned = {name: device.pinned(array.shape) for name, array in targets.items()}
        with device.active():
            self._there = {name: device.empty(array.shape) for name, array in targets.items()}
        self._sent: Any = None  # the event after which the pinned buffers may be written again
        self._taken: Any = None  # the event after which the GPU's buffers may

    def send(self, rows: Mapping[str, Array]) -> None:
        """Have `rows`, of the inputs' shapes, in place for what is queued on the main stream next.

        May wait until the batch before the last has been copied in. Raises ShapeError if a row has another size.
        """
        if self._sent is not None:
            # The host writes the pinned buffers, so it is the host that waits; the GPU's are written by a stream.
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
                self.targets[name][...] = self._there[name]  # within the GPU, in order with the steps before and after
        self._taken = device.mark()


def _check_rows(name: str, target: Array, array: Array) -> None:
    """ShapeError unless rows have the target's shape, or at least its size: labels (n, 1) fit (n,) and vice versa."""
    if target.shape[1:] != array.shape[1:] and target.size * len(array) != array.size * len(target):
        raise misfit(name, target.shape, (len(target), *array.shape[1:]))
