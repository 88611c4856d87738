"""What a key-value store can do, in one process or in a job: `KVStore`, of which `mx.kv.create` makes one.

All of it is written once, in terms of a few methods of store_kind.py that the two kinds of store fill in.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import numpy as np

from ...common.call_table import Row
from ...common.errors import ParameterError, ShapeError
from ...common.slices import tree_reduce
from ...ps.optimizer import create as make_optimizer
from ...ps.row_sparse import RowGradient
from ..array import WHOLE, Array, aligned_empty
from .compression import Compressor, make_coding
from .keeper import Keepable
from .keys import First, KeyInfo, check, deliver, fitting, for_each, landing_place, lone, pairs, several, to_numpy
from .row_ids import row_gradient, rows_of, some_rows
from .store_kind import StoreKind


class KVStore(Keepable, StoreKind):
    """A mapping of keys to arrays that all workers share.

    A key is an int or a str. Where a method takes `key` and an array it also takes a list of keys and a list of
    arrays. Arrays are numpy's or anything else that supports DLPack, of the key's shape where no other is given; dtype
    float32 or float64 (int32 and int64 can be summed, but no optimizer takes them); others are converted to the key's.

    Methods raise ParameterError for a key that is invalid or not initialised, ShapeError for an array of another shape,
    or of a dtype whose numbers the key cannot hold; in a job RemoteError if a server has refused something, PeerLost or
    JobError if the job is over.
    """

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
        """Wait until every worker is here and all pushes and pulls of this one are done."""
        self.wait()
        self.session.barrier()

    def init(self, key: Any, value: Any, lr_mult: Any = 1.0, wd_mult: Any = 1.0, row_sparse: Any = False) -> None:
        """Give keys their first value: rank 0's, whatever the others pass. Every worker calls it, in the same order.

        `lr_mult` and `wd_mult` scale the optimizer's learning rate and weight decay for these keys. `row_sparse` ones
        (axis 0 counts the rows) can be pushed and pulled by rows. Each of the three holds for all keys, or is a list
        with one for each. Raises ParameterError if a key is there already or cannot be kept, DataError if another
        worker initialises something else.
        """
        found = [(name, np.asarray(to_numpy(lone(name, array)), order="C")) for name, array in pairs(key, value)]
        rates, decays, by_rows = (for_each(key, one) for one in (lr_mult, wd_mult, row_sparse))
        self._init(
            [
                First(self.keys.new(name, array, sparse), array, rate, decay)
                for (name, array), rate, decay, sparse in zip(found, rates, decays, by_rows, strict=True)
            ]
        )

    def push(self, key: Any, value: Any, priority: int = 0) -> None:
        """Add this worker's gradient (or value); a list of arrays for one key is summed first. The caller may reuse
        its arrays at once. Keys of higher `priority` are sent first. DataError if a value is NaN or infinite.
        """
        with self.together():  # keys that are pushed in a list share messages
            for name, item in pairs(key, value):
                info = self.keys[name]
                total = tree_reduce([fitting(info, one) for one in several(item)], np.add)
                self._push(info, self._own(info, total), info.n + 1, self._rate(info), priority)

    def pull(self, key: Any, out: Any = None, priority: int = 0) -> Any:
        """Fill `out` with the value after this worker's last push, and return it; without it, a new array. A list of
        arrays for one key gets the value in each.

        It waits for these keys alone: threads that push and pull different keys do not wait for each other.
        """
        if out is None:
            out = [self._new(one) for one in key] if isinstance(key, list | tuple) else self._new(key)
        fetched, leg = [], self._leg()
        with self.together():
            for name, item in pairs(key, out):
                info, targets = self.keys[name], several(item)
                found = self.value(name)
                if found is None:
                    found = landing_place(info, targets[0])  # the first target itself, if it can be: no copy then
                self._pull(info, found, "weight", priority, leg)  # a value in reach only waits for its push
                fetched.append((info, found, targets))
        self._wait_for(leg)
        for info, found, targets in fetched:
            for target in targets:
                deliver(info, found, target)
        return out

    def pushpull(self, key: Any, value: Any, out: Any = None, priority: int = 0) -> None:
        """Push, then pull into `out` (into `value` if None). Errors as of `push` and `pull`."""
        self.push(key, value, priority)
        self.pull(key, value if out is None else out, priority)

    def row_sparse_push(self, key: Any, value: Any, row_ids: Any, priority: int = 0) -> None:
        """Push gradients of some rows: value[i] is that of row row_ids[i], and those of one row are added up.

        This is the worker's push of the step: one that has no rows must push none of them. Optimizers touch only the
        pushed rows: the others see no weight decay and keep their momentum. Raises ParameterError if the key is not
        row-sparse or an id is not a row of it, DataError if a value is NaN or infinite.
        """
        with self.together():
            for (name, rows), (_, ids) in zip(pairs(key, value), pairs(key, row_ids), strict=True):
                info = self.keys[name]
                self._push_rows(info, row_gradient(info, ids, rows), info.n + 1, self._rate(info), priority)

    def row_sparse_pull(self, key: Any, out: Any, row_ids: Any, priority: int = 0) -> None:
        """out[i] = row row_ids[i] of the key's value; of a row-sparse key only these rows travel, each once.

        Raises ParameterError if an id is not a row of the key.
        """
        fetched, leg = [], self._leg()
        for (name, target), (_, given) in zip(pairs(key, out), pairs(key, row_ids), strict=True):
            info = self.keys[name]
            # Each row is fetched once, in the order in which ranges hold them, and dealt out afterwards.
            ids, places = np.unique(rows_of(info, given), return_inverse=True)
            rows = np.empty((ids.size, *info.shape[1:]), info.dtype)
            # Not together with others: of a key that is not row-sparse, this waits for the value.
            self._pull_rows(info, ids, rows, priority, leg)
            fetched.append((some_rows(info, places.size), rows, places, target))
        self._wait_for(leg)
        for picked, rows, places, target in fetched:
            deliver(picked, rows[places.reshape(-1)], target)

    def set_optimizer(self, optimizer: Any) -> None:
        """Let the store update values by `optimizer` (an object or a name) instead of keeping the pushed sum.

        Every worker calls it. Learning rate and schedule stay on the workers, which must agree on every step's rate.
        Raises ParameterError if there is no such optimizer, DataError if workers give different ones.
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
        self.compression_params = compression_params
        self._agree_on_compression(coding)

    def residuals(self) -> dict[str, Array]:
        """What this worker's compressed gradients have left out so far, by key as text: flat arrays, changed by pushes.

        Empty without compression, and with a coding that leaves nothing out.
        """
        return self._compressor.residuals() if self._compressor else {}

    def restore_residuals(self, residuals: Mapping[str, Array]) -> None:
        """Let the next pushes add these, which `residuals` returned; after `set_gradient_compression`."""
        if self._compressor:
            self._compressor.restore(residuals)

    def compression_stats(self) -> dict[str, int]:
        """Bytes of this worker's compressed gradients so far: `plain`, what they would have been, and `sent`."""
        plain, sent = self._compressor.sizes() if self._compressor else (0, 0)
        return {"plain": plain, "sent": sent}

    def empty(self, key: Any) -> Array:
        """A new uninitialised array of the key's shape and dtype to make gradients in.

        In a job on one host, the first one for a key is where the server reads it: push does not copy then, and the
        array must not change until a pull or `wait` has returned.
        """
        info = self.keys[key]
        return aligned_empty(info.shape, info.dtype)

    def value(self, key: Any) -> Array | None:
        """The key's value itself (*shape of the key), to be read only, if this process can read it where it lies.

        After a step has ended it is the new one, without a pull. None if it lies elsewhere, or may change while it is
        read.
        """
        return None

    def _rate(self, info: KeyInfo) -> float:
        """The learning rate of the key's next push."""
        if self.keeper and not info.n:
            self.keeper.first_push()
        return self.optimizer.rate(self.optimizer.begin_num_update + info.before + info.n) if self.optimizer else 0.0

    def _new(self, key: Any) -> Array:
        """An array of the key's shape and dtype that is the caller's alone."""
        info = self.keys[key]
        return np.empty(info.shape, info.dtype)

    @abstractmethod
    def close(self) -> None:
        """Wait for pending requests and free the keys. Every worker calls it; the job continues."""

    # ---- what fit calls

    def init_states(self, states: Mapping[Any, Mapping[str, Any]]) -> None:
        """Give the optimizer's states of initialised keys their first values, rank 0's: by key, then by the state's
        name, arrays of the key's shape.

        Every worker calls it. Raises ParameterError or RemoteError if the optimizer has no such state.
        """
        infos = [(self.keys[key], given) for key, given in states.items()]
        parts = [(info, name, fitting(info, value)) for info, given in infos for name, value in given.items()]
        if parts:
            self._give(parts)

    def push_gradient(self, key: Any, array: Array, n: int, lr: float, priority: int = 0) -> None:
        """Hand in the gradient `array`, of the key's shape, of step `n` (from 1, without gaps) and return.

        `lr` is the step's learning rate. `array` must not change until `wait` has returned. Raises ParameterError if
        `n` is not the next step, DataError naming rank, key and step if a value is NaN or infinite.
        """
        info = self.keys[key]
        check(info, array)
        self._push(info, array if array.flags.c_contiguous else np.ascontiguousarray(array), n, lr, priority)

    def push_row_gradient(self, key: Any, gradient: RowGradient, n: int, lr: float, priority: int = 0) -> None:
        """As push_gradient, for some rows of a row-sparse key; there may be none."""
        self._push_rows(self.keys[key], gradient, n, lr, priority)

    def update_rows(self, key: Any, gradient: Array, part: slice = WHOLE) -> list[Row] | None:
        """What pushes a `part` of `gradient`, which is of the key's shape and taken as flat, as rows of a table of
        calls; None if only `push_gradient` can.

        A step in which they run lies between `begin_rows` and `end_rows`. They raise what `push_gradient` does.
        """
        return None

    def begin_rows(self, lr: float) -> None:
        """The next step has this learning rate."""

    def end_rows(self, n: int, lr: float) -> None:
        """Step `n` (from 1, without gaps) of the rows is over; what was pushed instead counts already."""

    def pull_weight(self, key: Any, out: Array, priority: int = 0) -> None:
        """Have the value after the last push written to `out`, and return; it is there when `wait` returns.

        `out` is contiguous and writable, of the key's shape and dtype; raises ShapeError if it is not.
        """
        info = self.keys[key]
        check(info, out)
        if not (out.flags.c_contiguous and out.flags.writeable):
            raise ShapeError(f"key {key!r}: out", expected="a contiguous writable array", got=f"strides {out.strides}")
        self._pull(info, out, "weight", priority)

    def together(self) -> AbstractContextManager[None]:
        """A context: what is pushed and pulled inside leaves in as few messages as possible, by its end."""
        return nullcontext()

    @abstractmethod
    def wait(self) -> None:
        """Block until every push and pull is done. Raises RemoteError, PeerLost or JobError if one of them failed."""

    def states(self, keys: Sequence[Any]) -> list[dict[str, Array]]:
        """The optimizer's states of keys after this worker's last push, by name: new arrays of each key's shape."""
        found = [{name: self._new(key) for name in self._state_names()} for key in keys]
        with self.together():
            waits = [self.begin_parts(key, arrays) for key, arrays in zip(keys, found, strict=True)]
        for wait in waits:
            wait()
        return found

    def begin_parts(self, key: Any, out: Mapping[str, Array]) -> Callable[[], None]:
        """Have the value ("weight") and the optimizer's states after this worker's last push written to `out`.

        These are arrays of the key's shape, by name, filled when what this returns, a function, has been called and has
        returned. A push of the key that comes later in the same thread changes nothing in them.
        """
        info, leg = self.keys[key], self._leg()
        for part, array in out.items():
            self._pull(info, array, part, 0, leg)
        return partial(self._wait_for, leg)
