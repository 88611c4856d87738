"""Devices by name: cpu(0), gpu(1). Naming one checks nothing; the room `devices` does when it is used."""

from __future__ import annotations

import operator
import re
import threading
from collections.abc import Callable, Sequence
from types import TracebackType

from ..common.errors import ParameterError
from ..common.job import dealt_devices

DEVICE_TYPES = ("cpu", "gpu")


class _Current(threading.local):
    """Each thread's own stack of contexts entered by `with`, so that threads can use different devices."""

    def __init__(self) -> None:
        self.stack: list[Context] = []


_current = _Current()


class Context:
    """A device: `device_type` is "cpu" or "gpu", `device_id` its index from 0. In `with` it is the block's default.

    All CPU contexts are the same processor; a list of them says into how many parts a batch is split. A context in
    place of `device_type` gives an equal one, whatever the index. Raises ParameterError if the type is neither of these
    or the index is not a whole number of 0 or more.
    """

    __slots__ = ("device_id", "device_type")

    device_type: str
    device_id: int

    def __init__(self, device_type: str | Context, device_id: int = 0) -> None:
        if isinstance(device_type, Context):
            self.device_type, self.device_id = device_type.device_type, device_type.device_id
            return
        if device_type not in DEVICE_TYPES:
            raise ParameterError("device type", expected=" or ".join(DEVICE_TYPES), got=repr(device_type))
        try:
            self.device_id = operator.index(device_id)
        except TypeError:
            self.device_id = -1
        if self.device_id < 0:  # which it also is, from above, if the index is not a whole number
            raise ParameterError(f"{device_type} index", expected="a whole number of 0 or more", got=repr(device_id))
        self.device_type = device_type

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Context):
            return NotImplemented
        return (self.device_type, self.device_id) == (other.device_type, other.device_id)

    def __hash__(self) -> int:
        return hash((self.device_type, self.device_id))

    def __repr__(self) -> str:
        return f"{self.device_type}({self.device_id})"

    def empty_cache(self) -> None:
        """Return GPU memory that no array uses to the driver, so that other processes can have it.

        Does nothing before this process has used the GPU. Raises ParameterError for the processor.
        """
        if self.device_type == "cpu":
            raise ParameterError(f"{self}.empty_cache", expected="a GPU", remedy="The processor keeps no cache")
        if self in _caches:
            _caches[self]()

    def __enter__(self) -> Context:
        _current.stack.append(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _current.stack.pop()


_caches: dict[Context, Callable[[], None]] = {}


def register_cache(ctx: Context, empty: Callable[[], None]) -> None:
    """Have `ctx.empty_cache()` call `empty`. Devices register themselves: contexts know none of them."""
    _caches[ctx] = empty


def cpu(device_id: int = 0) -> Context:
    """The processor; the index only serves to tell parts of a batch apart. Raises ParameterError if it is negative."""
    return Context("cpu", device_id)


def gpu(device_id: int = 0) -> Context:
    """The NVIDIA GPU of that index among the visible ones; whether it exists is checked when it is used.

    Raises ParameterError if the index is not a whole number of 0 or more.
    """
    return Context("gpu", device_id)


def current_context() -> Context:
    """The innermost `with` context of this thread, or else the first GPU that `launch` gave it, or else cpu(0)."""
    if _current.stack:
        return _current.stack[-1]
    dealt = _dealt()
    return next((one for one in dealt if one.device_type == "gpu"), dealt[0])


def as_list(ctx: Context | Sequence[Context] | None) -> list[Context]:
    """A `ctx` argument as a list; a single context becomes a list of one.

    None stands for the innermost `with` context of this thread; outside any `with`, for everything that
    `launch --gpus` dealt to this worker, or [cpu(0)]. Raises ParameterError for anything else, the empty list included.
    """
    if ctx is None:
        return [_current.stack[-1]] if _current.stack else _dealt()
    if isinstance(ctx, Context):
        return [ctx]
    contexts = list(ctx) if isinstance(ctx, list | tuple) else []
    if not contexts or not all(isinstance(one, Context) for one in contexts):
        named = re.fullmatch(r"['\"](cpu|gpu)[(:]?(\d*)\)?['\"]", repr(ctx))
        raise ParameterError(
            "ctx",
            expected="a context or a list of contexts, as in [mx.cpu(0), mx.cpu(1)]",
            got=repr(ctx),
            remedy=f"Write ctx=mx.{named[1]}({named[2]})" if named else None,
        )
    return contexts


def _dealt() -> list[Context]:
    """The devices that `launch` dealt to this worker, or [cpu(0)]."""
    return [Context(kind, index) for kind, index in dealt_devices()] or [cpu()]
