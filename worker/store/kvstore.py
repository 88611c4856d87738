"""What a key-value store can do, in one process or in a job: `KVStore`, of which `mx.kv.create` makes one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from ...common.coding import Coding
from ...common.errors import DataError, ParameterError, ShapeError
from ...common.slices import tree_reduce
from ...ps.optimizer import Optimizer
from ...ps.optimizer import create as make_optimizer
from ...ps.row_sparse import RowGradient
from ...ps.update import all_finite
from ..array import Array, aligned_empty
from .compression import Compressor, make_coding
from .keys import KeyInfo, KeyTable, check, deliver, fitting, landing_place, pairs, several, to_numpy
from .row_ids import row_gradient, rows_of, some_rows
from .session import Session


class KVStore(ABC):
    """Keys to arrays that all workers share.

    A key is an int or a str. Where a method takes `key` and an array it also takes a list of keys and a list of
    arrays. Arrays are numpy's or anything else that speaks DLPack; dtype float32 or float64 (int32 and int64 can be
    summed, but no optimizer takes them).
    """

    is_distributed = False
    must_be_finite = True  # whether a push of NaN or infinity is refused

    def __init__(self, kind: str, session: Session) -> None:
        self.type, self.session = kind, session
        self.fit = session.next_fit()
        self.optimizer: Optimizer | None = None
        self.keys = KeyTable()
        self._compressor: Compressor | None = None

    # ---- what users call

    @property
    def rank(self) -> int:
        """This worker's rank."""
        return self.session.rank

    @property
    def num_workers(self) -> int:
        """Workers in the job."""
        return self.session.num_workers

    def barrier(self) -> None:
        """Wait until every worker is here."""
        self.wait()
        self.session.barrier()

    def init(self, key: Any, value: Any, lr_mult: float = 1.0, wd_mult: float = 1.0, row_sparse: bool = False) -> None:
        """Give keys their first value: rank 0's, whatever the others pass. Every worker calls it, in the same order.

        `lr_mult` and `wd_mult` scale the optimizer's learning rate and weight decay for these keys. `row_sparse` ones
        (axis 0 counts the rows) can be pushed and pulled by rows.
        """
        found = [(name, np.asarray(to_numpy(array), order="C")) for name, array in pairs(key, value)]
        items = [(self.keys.new(name, array, row_sparse), array) for name, array in found]
        self._init(items, lr_mult, wd_mult)

    def push(self, key: Any, value: Any, priority: int = 0) -> None:
        """Add this worker's gradient (or value); a list of arrays for one key is summed first. The caller may reuse
        its arrays at once. Keys of higher `priority` travel first. DataError if a value is NaN or infinite.
        """
        with self.together():
            for name, item in pairs(key, value):
                info = self.keys[name]
                total = tree_reduce([fitting(info, one) for one in several(item)], np.add)
                rate = self.optimizer.rate(info.n) if self.optimizer else 0.0
                self._push(info, self._own(info, total), info.n + 1, rate, priority)

    def pull(self, key: Any, out: Any, priority: int = 0) -> None:
        """Fill `out` with the value after this worker's last push; a list of arrays for one key gets it in each."""
        fetched = []
        for name, item in pairs(key, out):
            info, targets = self.keys[name], several(item)
            found = self.value(name)
            if found is None:
                found = landing_place(info, targets[0])
                self._pull(info, found, "weight", priority)
            fetched.append((info, found, targets))
        self.wait()
        for info, found, targets in fetched:
            for target in targets:
                deliver(info, found, target)

    def pushpull(self, key: Any, value: Any, out: Any = None, priority: int = 0) -> None:
        """Push, then pull into `out` (into `value` if None)."""
        self.push(key, value, priority)
        self.pull(key, value if out is None else out, priority)

    def row_sparse_push(self, key: Any, value: Any, row_ids: Any, priority: int = 0) -> None:
        """Push gradients of some rows: value[i] is that of row row_ids[i], and those of one row are added up.

        This is the worker's push of the step, so one of no rows may be due. Optimizers touch the pushed rows alone: the
        others see no weight decay and keep their momentum.
        """
        for (name, rows), (_, ids) in zip(pairs(key, value), pairs(key, row_ids), strict=True):
            info = self.keys[name]
            rate = self.optimizer.rate(info.n) if self.optimizer else 0.0
            self._push_rows(info, row_gradient(info, ids, rows), info.n + 1, rate, priority)

    def row_sparse_pull(self, key: Any, out: Any, row_ids: Any, priority: int = 0) -> None:
        """out[i] = row row_ids[i] of the key's value; of a row-sparse key only these rows travel."""
        fetched = []
        for (name, target), (_, given) in zip(pairs(key, out), pairs(key, row_ids), strict=True):
            info = self.keys[name]
            ids, places = np.unique(rows_of(info, given), return_inverse=True)
            rows = np.empty((ids.size, *info.shape[1:]), info.dtype)
            self._pull_rows(info, ids, rows, priority)
            fetched.append((some_rows(info, places.size), rows, places, target))
        self.wait()
        for picked, rows, places, target in fetched:
            deliver(picked, rows[places.reshape(-1)], target)

    def set_optimizer(self, optimizer: Any) -> None:
        """Let the store update values by `optimizer` (an object or a name) instead of keeping the pushed sum.

        Every worker calls it. Learning rate and schedule stay on the workers, which must agree on every step's rate.
        """
        self.optimizer = make_optimizer(optimizer)
        self._set_optimizer(self.optimizer)

    def set_gradient_compression(self, compression_params: Any) -> None:
        """Send codes of gradients: {"type": "fp16"}, {"type": "bf16"}, {"type": "2bit", "threshold": 0.5} (MXNet's;
        what it leaves out is added to the next gradient) or {"type": "topk", "ratio": 0.01} (the largest; likewise).

        Every worker calls it, before the first push. Values come back whole; gradients by rows are sent as they are.
        ParameterError if the parameters are wrong or the store is "local", where nothing is sent.
        """
        coding = make_coding(compression_params)
        if self.type == "local":
            raise ParameterError('gradient compression with kvstore "local"', remedy='Use "device" or a dist_ one')
        if self.keys.pushed:
            raise ParameterError("gradient compression must be set before the first push")
        self._compressor = Compressor(coding) if coding else None
        self._agree_on_compression(coding)

    def compression_stats(self) -> dict[str, int]:
        """Bytes of this worker's compressed gradients so far: `plain`, what they would have been, and `sent`."""
        plain, sent = self._compressor.sizes() if self._compressor else (0, 0)
        return {"plain": plain, "sent": sent}

    def empty(self, key: Any) -> Array:
        """An uninitialised array of the key's shape and dtype to make gradients in.

        In a job on one host, the first one for a key is where the server reads it: push does not copy then, and the
        array must stay as it is until a pull or `wait` has returned.
        """
        info = self.keys[key]
        return aligned_empty(info.shape, info.dtype)

    def value(self, key: Any) -> Array | None:
        """The key's value itself where it lies in this process's reach, to be read only: after a step has ended it is
        the new one without a pull. None if the value is elsewhere, or may change while it is read.
        """
        return None

    @abstractmethod
    def close(self) -> None:
        """Wait for what is under way and free the keys. Every worker calls it; the job goes on."""

    # ---- what fit calls

    def init_states(self, key: Any, states: dict[str, Any]) -> None:
        """Give the optimizer's states of an initialised key their first values: rank 0's. Every worker calls it."""
        info = self.keys[key]
        for name, value in states.items():
            self._init_state(info, name, fitting(info, value))

    def push_gradient(self, key: Any, array: Array, n: int, lr: float, priority: int = 0) -> None:
        """Hand in the gradient of step `n` (from 1, without gaps) and return; the step's learning rate is `lr`.

        `array` must stay as it is until `wait` has returned. DataError naming rank, key and step if it is not finite.
        """
        info = self.keys[key]
        check(info, array)
        self._push(info, array if array.flags.c_contiguous else np.ascontiguousarray(array), n, lr, priority)

    def push_row_gradient(self, key: Any, gradient: RowGradient, n: int, lr: float, priority: int = 0) -> None:
        """As push_gradient, for rows of a row-sparse key."""
        self._push_rows(self.keys[key], gradient, n, lr, priority)

    def pull_weight(self, key: Any, out: Array, priority: int = 0) -> None:
        """Have the value after the last push written to `out`, and return; it is there when `wait` returns."""
        info = self.keys[key]
        check(info, out)
        if not (out.flags.c_contiguous and out.flags.writeable):
            raise ShapeError(f"key {key!r}: out", expected="a contiguous writable array", got=f"strides {out.strides}")
        self._pull(info, out, "weight", priority)

    def together(self) -> AbstractContextManager[None]:
        """What is pushed and pulled inside leaves in as few messages as possible, by the end of the block."""
        return nullcontext()

    @abstractmethod
    def wait(self) -> None:
        """Until every push and pull is done. Raises RemoteError, PeerLost or JobError if one of them failed."""

    def states(self, key: Any) -> dict[str, Array]:
        """The optimizer's states of a key, by name, after this worker's last push."""
        info = self.keys[key]
        found = {name: np.empty(info.shape, info.dtype) for name in self._state_names()}
        for name, array in found.items():
            self._pull(info, array, name, 0)
        self.wait()
        return found

    # ---- what the two kinds of store do differently

    @abstractmethod
    def _init(self, items: list[tuple[KeyInfo, Array]], lr_mult: float, wd_mult: float) -> None: ...

    @abstractmethod
    def _init_state(self, info: KeyInfo, name: str, value: Array) -> None: ...

    @abstractmethod
    def _push(self, info: KeyInfo, array: Array, n: int, lr: float, priority: int) -> None: ...

    @abstractmethod
    def _pull(self, info: KeyInfo, out: Array, part: str, priority: int) -> None: ...

    @abstractmethod
    def _push_rows(self, info: KeyInfo, gradient: RowGradient, n: int, lr: float, priority: int) -> None: ...

    @abstractmethod
    def _pull_rows(self, info: KeyInfo, ids: Array, out: Array, priority: int) -> None: ...

    @abstractmethod
    def _agree_on_compression(self, coding: Coding | None) -> None: ...

    @abstractmethod
    def _set_optimizer(self, optimizer: Optimizer) -> None: ...

    def _own(self, info: KeyInfo, total: Array) -> Array:
        """`total` in memory that the caller does not write, so that the push may go on when this returns."""
        return total

    def _state_names(self) -> tuple[str, ...]:
        return self.optimizer.state_names if self.optimizer else ()

    def _check_push(self, info: KeyInfo, array: Array, n: int) -> None:
        """ParameterError if `n` is not the next step, DataError if a gradient is not finite. Counts nothing: a push
        that is refused, here or when it is encoded, leaves the key as it was, and the next one has the same number.
        """
        if n != info.n + 1:
            raise ParameterError(f"key {info.key!r}: step of a push", expected=info.n + 1, got=n)
        if array.dtype.kind != "f":
            if self.optimizer is not None:
                raise ParameterError(f"key {info.key!r}: an optimizer needs float values", got=array.dtype)
        elif self.must_be_finite and not all_finite(array):
            kind = "NaN" if np.isnan(array).any() else "an infinite value"
            raise DataError(
                f"worker {self.rank}: the gradient of key {info.key!r} at step {n} has {kind}",
                remedy="Lower the learning rate, clip gradients (clip_gradient), or look for bad values in the data",
            )
