"""Names and attributes that nodes get automatically: counters per operator, prefixes, attribute scopes.

The innermost `with` block decides. It is kept in context variables, so that threads do not see each other's blocks.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextvars import ContextVar, Token
from types import TracebackType

from ...common.errors import GraphError

# Attributes that MXNet keeps under `__key__` and shows under both spellings.
HIDDEN_KEYS = ("ctx_group", "lr_mult", "wd_mult", "force_mirroring", "mirror_stage")


class NameManager:
    """Gives a node without a name the lower-case name of its operator and a number: `convolution0`, `convolution1`.

    `with NameManager():` counts anew inside. Thread safe.
    """

    def __init__(self) -> None:
        self._counters: dict[str, int] = {}
        self._lock = threading.Lock()  # the manager outside all blocks is shared by all threads
        self._tokens: list[Token[NameManager]] = []  # a stack: the same object may be entered again inside itself

    def get(self, name: str | None, operator: str) -> str:
        """`name` itself, or the next automatic name for `operator`, the name or alias that the user called."""
        if name is not None:
            return name
        hint = operator.lower()
        with self._lock:
            number = self._counters.get(hint, 0)
            self._counters[hint] = number + 1
        return f"{hint}{number}"

    def reset(self) -> None:
        """Count from 0 again, as a fresh process would."""
        with self._lock:
            self._counters.clear()

    def __enter__(self) -> NameManager:
        self._tokens.append(_manager.set(self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _manager.reset(self._tokens.pop())


class Prefix(NameManager):
    """`with mx.name.Prefix("stage1_"):` puts the prefix before the names of operators, given or automatic; automatic
    numbers begin at 0 again.
    """

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self._prefix = prefix

    def get(self, name: str | None, operator: str) -> str:
        """The given or automatic name with the prefix before it."""
        return self._prefix + super().get(name, operator)


class AttrScope:
    """`with AttrScope(ctx_group="dev1"):` gives these attributes to every node made inside; inner scopes win.

    Raises GraphError unless all values are strings.
    """

    def __init__(self, **attributes: str) -> None:
        self._attributes = attributes_of(attributes, "AttrScope")
        self._tokens: list[Token[Mapping[str, str]]] = []

    def __enter__(self) -> AttrScope:
        self._tokens.append(_attributes.set({**_attributes.get(), **self._attributes}))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _attributes.reset(self._tokens.pop())


# Applies outside all blocks; as the default of the context variable it is the same object in every thread.
_global_names = NameManager()
_manager: ContextVar[NameManager] = ContextVar("pushgrad_names", default=_global_names)
_attributes: ContextVar[Mapping[str, str]] = ContextVar("pushgrad_attributes", default={})  # noqa: B039 - never written


def node_name(name: str | None, operator: str) -> str:
    """The name of a new node, from the innermost NameManager. Raises GraphError unless `name` is None or a string that
    is not empty.
    """
    if name is not None and (not isinstance(name, str) or not name):
        raise GraphError(f"{operator}: name", expected="a string that is not empty", got=repr(name))
    return _manager.get().get(name, operator)


def node_attributes(given: Mapping[str, str] | None, where: str) -> dict[str, str]:
    """The attributes of a new node: the `given` ones, and those of the scopes around it that these do not override.

    Raises GraphError, naming `where`, unless keys and values are strings.
    """
    return {**_attributes.get(), **attributes_of(given or {}, where)}


def attributes_of(given: Mapping[str, str], where: str) -> dict[str, str]:
    """`given` with HIDDEN_KEYS spelled `__key__`. Raises GraphError, naming `where`, unless keys and values are
    strings.
    """
    for key, value in given.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise GraphError(f"{where}: attribute {key!r}", expected="strings as key and value", got=repr(value))
    return {f"__{key}__" if key in HIDDEN_KEYS else key: value for key, value in given.items()}


def both_spellings(attributes: Mapping[str, str]) -> dict[str, str]:
    """`attributes` in which a hidden key such as `__lr_mult__` is also found as `lr_mult`."""
    shown = dict(attributes)
    for key in HIDDEN_KEYS:
        if f"__{key}__" in attributes:
            shown[key] = attributes[f"__{key}__"]
    return shown


def reset() -> None:
    """Let the numbers of automatic names outside any `with` block start from 0 again."""
    _global_names.reset()
