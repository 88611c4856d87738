"""The pickles of torch files, read without the module pickle: nothing named in a file is ever imported or called.

The standard library's disassembler takes the stream apart; the few instructions that saved tensors need are followed
here, and every other one is refused. The only "calls" are those in `CALLS`, which make dictionaries and records.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from .....common.errors import FileFormatError

_MARK = object()
_KEYS = (str, int)  # hashing anything nested could exhaust the stack


@dataclass(frozen=True, slots=True)
class Global:
    """A name that the file mentions; only ever compared."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(frozen=True, slots=True)
class Storage:
    """A reference to the memory of tensors: element type's class, key in the file, number of elements."""

    kind: Global
    key: str
    count: int


@dataclass(frozen=True, slots=True)
class View:
    """A tensor: a part of a storage. Offset and strides are in elements, and not checked yet."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_pickle(stream: Any, where: str) -> Any:
    """The next object of the stream, made of None, bool, int, float, str, tuple, list, dict, Global, Storage and View.

    `stream` has read, readline and tell, and holds no less than what is to be read, so that no length in it is
    believed. `where` begins the messages of FileFormatError.
    """
    machine = _Machine(where)
    try:
        for opcode, argument, _ in pickletools.genops(stream):
            machine.run(opcode.name, argument)
    except FileFormatError:
        raise
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise FileFormatError(f"{where}: damaged, or no pickle ({str(error)[:100]})") from None
    if len(machine.stack) != 1:
        machine.refuse(f"a pickle that leaves {len(machine.stack)} objects")
    return machine.stack[0]


class _Machine:
    """The stack and the memo of an unpickler."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def refuse(self, what: str) -> NoReturn:
        raise FileFormatError(
            f"{self.where}: {what}", remedy="Only dictionaries of tensors (a state_dict) are read; nothing is executed"
        )

    def run(self, name: str, argument: Any) -> None:
        """Follow one instruction."""
        if name in _LITERALS:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name]())
        elif name in _ACTIONS:
            _ACTIONS[name](self, argument)
        elif name not in _IGNORED:
            self.refuse(f"the pickle instruction {name} is not allowed")

    def pop(self) -> Any:
        value = self.stack.pop()
        if value is _MARK:
            self.refuse("a pickle with an unexpected mark")
        return value

    def since_mark(self) -> list[Any]:
        """What was pushed since the last mark, which goes too."""
        items: list[Any] = []
        while (value := self.stack.pop()) is not _MARK:
            items.append(value)
        return items[::-1]

    def keep(self, index: int | None) -> None:
        self.memo[len(self.memo) if index is None else index] = self.stack[-1]

    def recall(self, index: int) -> None:
        self.stack.append(self.memo[index])

    def tuple_of(self, count: int) -> None:
        items = [self.pop() for _ in range(count)]
        self.stack.append(tuple(reversed(items)))

    def extend_list(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            self.refuse("a pickle that appends to something else than a list")
        self.stack[-1].extend(items)

    def extend_dict(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], dict) or len(items) % 2:
            self.refuse("a pickle that sets items of something else than a dictionary")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, _KEYS):
                self.refuse(f"a dictionary key of type {type(key).__name__}")
            self.stack[-1][key] = value

    def global_name(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self.stack.append(self.known(Global(module[:80], name[:80])))

    def stack_global(self) -> None:
        name, module = self.pop(), self.pop()
        self.stack.append(self.known(Global(str(module)[:80], str(name)[:80])))

    def known(self, name: Global) -> Global:
        if name not in CALLS and name.module != "torch":
            self.refuse(f"it names {name}, which is not allowed")
        return name

    def call(self) -> None:
        arguments, function = self.pop(), self.pop()
        if not isinstance(function, Global) or function not in CALLS or not isinstance(arguments, tuple):
            self.refuse(f"it calls {function if isinstance(function, Global) else 'something'}, which is not allowed")
        self.stack.append(CALLS[function](self, arguments))

    def set_state(self) -> None:
        """Attributes of a dictionary, such as a state_dict's _metadata: left out."""
        self.pop()
        if not isinstance(self.stack[-1], dict):
            self.refuse("a pickle that sets attributes")

    def storage(self) -> None:
        """A persistent id: ("storage", class, key, device, elements) and, in old files, None."""
        match self.pop():
            case ("storage", Global() as kind, str(key), str(), int(count), *rest) if not any(rest) and count >= 0:
                self.stack.append(Storage(kind, key, count))
            case _:
                self.refuse("a reference to something else than a storage of tensors")


def _make_dict(machine: _Machine, arguments: tuple[Any, ...]) -> dict[Any, Any]:
    if arguments:
        machine.refuse("an OrderedDict that is made from something")
    return {}


def _make_view(machine: _Machine, arguments: tuple[Any, ...]) -> View:
    """_rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks[, metadata])."""
    made: View | None = None
    match arguments:
        case (Storage() as storage, int(offset), tuple(shape), tuple(strides), bool(), *_):
            made = View(storage, offset, shape, strides)
    if made is None or not all(type(number) is int for number in (made.offset, *made.shape, *made.strides)):
        machine.refuse("a tensor that is described in another way than torch does")
    return made


CALLS: dict[Global, Callable[[_Machine, tuple[Any, ...]], Any]] = {
    Global("collections", "OrderedDict"): _make_dict,
    Global("torch._utils", "_rebuild_tensor_v2"): _make_view,
}
_LITERALS = {"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE"}
_IGNORED = {"PROTO", "FRAME", "STOP"}
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "MARK": lambda: _MARK,
}
_ACTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "BINPUT": _Machine.keep,
    "LONG_BINPUT": _Machine.keep,
    "MEMOIZE": _Machine.keep,
    "BINGET": _Machine.recall,
    "LONG_BINGET": _Machine.recall,
    "TUPLE": lambda machine, _: machine.stack.append(tuple(machine.since_mark())),
    "TUPLE1": lambda machine, _: machine.tuple_of(1),
    "TUPLE2": lambda machine, _: machine.tuple_of(2),
    "TUPLE3": lambda machine, _: machine.tuple_of(3),
    "APPEND": lambda machine, _: machine.extend_list([machine.pop()]),
    "APPENDS": lambda machine, _: machine.extend_list(machine.since_mark()),
    "SETITEM": lambda machine, _: machine.extend_dict([machine.pop(), machine.pop()][::-1]),
    "SETITEMS": lambda machine, _: machine.extend_dict(machine.since_mark()),
    "GLOBAL": _Machine.global_name,
    "STACK_GLOBAL": lambda machine, _: machine.stack_global(),
    "REDUCE": lambda machine, _: machine.call(),
    "BUILD": lambda machine, _: machine.set_state(),
    "BINPERSID": lambda machine, _: machine.storage(),
}
