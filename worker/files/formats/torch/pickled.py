"""Reading the pickles in torch files without the module pickle: nothing that a file names is ever imported or called.

The standard library's disassembler, pickletools, takes the stream apart. A small stack machine follows the few
instructions that saved tensors need, and refuses every other one. The only "calls" are those in `CALLS`, which make
dictionaries and records.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from .....common.errors import FileFormatError

_MARK = object()  # on the stack, where a list of items of unknown length begins
_KEYS = (str, int)  # what may be a key of a dictionary: hashing a deeply nested tuple could exhaust the C stack


@dataclass(frozen=True, slots=True)
class Global:
    """A name of a class or function that the file mentions. It is only compared, never looked up."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(frozen=True, slots=True)
class Storage:
    """A reference to the memory of tensors: class of the element type, key in the file, number of elements."""

    kind: Global
    key: str
    count: int


@dataclass(frozen=True, slots=True)
class View:
    """A tensor of that shape: a part of a storage, its numbers with the other sign if it is `negative`.

    Offset and strides count elements, and nothing is checked yet.
    """

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    negative: bool = False


def read_pickle(stream: Any, where: str) -> Any:
    """The next object of the stream, made of None, bool, int, float, str, tuple, list, dict, Global, Storage and View.

    `stream` has read, readline and tell, and must allocate no more than what it holds (see BoundedFile), since
    pickletools believes the lengths in it. Raises FileFormatError, whose text begins with `where`, if the pickle is
    damaged or has an instruction that is not allowed.
    """
    machine = _Machine(where)
    try:
        for opcode, argument, _ in pickletools.genops(stream):
            machine.run(opcode.name, argument)
    except FileFormatError:
        raise
    except Exception as error:  # pickletools raises many classes on damaged streams
        raise FileFormatError(f"{where}: damaged, or not a pickle ({str(error)[:100]})") from None
    if len(machine.stack) != 1:
        machine.refuse(f"a pickle that leaves {len(machine.stack)} objects")
    return machine.stack[0]


class _Machine:
    """The stack and the memo of an unpickler, and its instructions. Each one raises FileFormatError on a bad stack."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def refuse(self, what: str) -> NoReturn:
        """Raise the error for something that is not allowed."""
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
        """Take the top of the stack, which must not be a mark."""
        value = self.stack.pop()
        if value is _MARK:
            self.refuse("a pickle with an unexpected mark")
        return value

    def since_mark(self) -> list[Any]:
        """Take everything that was pushed since the last mark, and the mark itself."""
        items: list[Any] = []
        while (value := self.stack.pop()) is not _MARK:
            items.append(value)
        return items[::-1]

    def keep(self, index: int | None) -> None:
        """Remember the top of the stack under `index`, or, as MEMOIZE does, under the next free number."""
        self.memo[len(self.memo) if index is None else index] = self.stack[-1]

    def recall(self, index: int) -> None:
        """Push what was remembered under `index`."""
        self.stack.append(self.memo[index])

    def tuple_of(self, count: int) -> None:
        """Replace the top `count` objects by a tuple of them."""
        items = [self.pop() for _ in range(count)]
        self.stack.append(tuple(reversed(items)))

    def extend_list(self, items: list[Any]) -> None:
        """Append items to the list on top of the stack."""
        if not isinstance(self.stack[-1], list):
            self.refuse("a pickle that appends to something other than a list")
        self.stack[-1].extend(items)

    def extend_dict(self, items: list[Any]) -> None:
        """Set keys and values, which alternate in `items`, in the dictionary on top of the stack."""
        if not isinstance(self.stack[-1], dict) or len(items) % 2:
            self.refuse("a pickle that sets items of something other than a dictionary")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, _KEYS):
                self.refuse(f"a dictionary key of type {type(key).__name__}")
            self.stack[-1][key] = value

    def global_name(self, argument: str) -> None:
        """GLOBAL: push a name given as "module name"."""
        # Cut to 80 characters, as it may end up in an error; the names that are allowed are shorter.
        module, _, name = argument.partition(" ")
        self.stack.append(self.known(Global(module[:80], name[:80])))

    def stack_global(self) -> None:
        """STACK_GLOBAL: push a name whose module and name are on the stack."""
        name, module = self.pop(), self.pop()
        self.stack.append(self.known(Global(str(module)[:80], str(name)[:80])))

    def known(self, name: Global) -> Global:
        """`name` if it is allowed: one of `CALLS`, or in torch, as a storage's class is. Those are only compared."""
        if name not in CALLS and name.module != "torch":
            self.refuse(f"it names {name}, which is not allowed")
        return name

    def call(self) -> None:
        """REDUCE: replace a name and a tuple of arguments by what the entry of `CALLS` makes of them."""
        arguments, function = self.pop(), self.pop()
        if not isinstance(function, Global) or function not in CALLS or not isinstance(arguments, tuple):
            self.refuse(f"it calls {function if isinstance(function, Global) else 'something'}, which is not allowed")
        self.stack.append(CALLS[function](self, arguments))

    def set_state(self) -> None:
        """BUILD: drop the attributes of a dictionary, such as a state_dict's _metadata."""
        self.pop()
        if not isinstance(self.stack[-1], dict):
            self.refuse("a pickle that sets attributes")

    def storage(self) -> None:
        """BINPERSID: push the storage of an id ("storage", class, key, device, elements), with None in old files."""
        match self.pop():
            case ("storage", Global() as kind, str(key), str(), int(count), *rest) if not any(rest) and count >= 0:
                self.stack.append(Storage(kind, key, count))
            case _:
                self.refuse("a reference to something other than a storage of tensors")


def _make_dict(machine: _Machine, arguments: tuple[Any, ...]) -> dict[Any, Any]:
    """OrderedDict(), whose items follow as SETITEMS; dictionaries of Python keep their order, too."""
    if arguments:
        machine.refuse("an OrderedDict with arguments")
    return {}


def _make_view(machine: _Machine, arguments: tuple[Any, ...]) -> View:
    """_rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks[, metadata]) as a View."""
    made: View | None = None
    match arguments:
        case (Storage() as storage, int(offset), tuple(shape), tuple(strides), bool(), *_):
            made = View(storage, offset, shape, strides)
    # type(...) is int, because True is an instance of int, too.
    if made is None or not all(type(number) is int for number in (made.offset, *made.shape, *made.strides)):
        machine.refuse("a tensor that is not described as torch describes it")
    return replace(made, negative=_is_negative(machine, arguments[6:]))


def _is_negative(machine: _Machine, metadata: tuple[Any, ...]) -> bool:
    """Whether the numbers count with the other sign, as those of `x.conj().imag` do: torch notes that as metadata."""
    flags = metadata[0] if metadata and metadata[0] is not None else {}
    if not isinstance(flags, dict) or any(value is not False and name != "neg" for name, value in flags.items()):
        machine.refuse("a tensor with metadata other than the sign, such as conj")
    return flags.get("neg", False) is True


def _make_parameter(machine: _Machine, arguments: tuple[Any, ...]) -> View:
    """_rebuild_parameter(tensor, requires_grad, hooks[, state]), which is how nn.Parameter is saved, as its tensor."""
    if not arguments or not isinstance(arguments[0], View):
        machine.refuse("a parameter of something other than a tensor")
    return arguments[0]


CALLS: dict[Global, Callable[[_Machine, tuple[Any, ...]], Any]] = {
    Global("collections", "OrderedDict"): _make_dict,
    Global("torch._utils", "_rebuild_tensor_v2"): _make_view,
    Global("torch._utils", "_rebuild_parameter"): _make_parameter,
    Global("torch._utils", "_rebuild_parameter_with_state"): _make_parameter,
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
