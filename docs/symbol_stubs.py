"""Write worker/symbols/sym.pyi: a typed signature of every operator, for editors and type checkers (`make docs`).

At run time `mx.sym` makes its functions from the operators' classes when they are first used; so does this file, once.
A test fails while the stub on disk is another than this makes.
"""

from __future__ import annotations

import inspect
import textwrap
from pathlib import Path
from typing import Any

from pushgrad import PushgradError
from pushgrad.worker.ops.operator import REGISTRY, Operator
from pushgrad.worker.ops.parameters import Bool, Choice, DType, Float, Int, Ints, Optional, Parameter, Text, declared

STUB = Path(__file__).parent.parent / "worker" / "symbols" / "sym.pyi"
HEAD = '''"""The names of `mx.sym` for type checkers and editors. `make docs` generates this file from the operators."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ..graphs.naming import AttrScope as AttrScope
from .functions import arange as arange
from .functions import full as full
from .functions import hypot as hypot
from .functions import maximum as maximum
from .functions import minimum as minimum
from .functions import ones as ones
from .functions import pow as pow
from .functions import power as power
from .functions import zeros as zeros
from .symbol import Symbol as Symbol
from .symbol import load as load
from .symbol import loads
from .variables import group, variable

Group = group
Variable = variable
var = variable
load_json = loads

'''
# What an operator needs for its inputs to be known; one that can do without gets nothing.
NEEDED = {"kernel": (1, 1), "pad_width": (0,) * 4 + (1,) * 4, "h_w": (1, 1), "dtype": "float32"}


def stub() -> str:
    """The whole file."""
    kinds: dict[type[Operator], list[str]] = {}
    for name, kind in REGISTRY.items():
        if kind.__module__.startswith("pushgrad."):
            kinds.setdefault(kind, []).append(name)
    return HEAD + "".join(_function(kind) + _aliases(kind, names) for kind, names in kinds.items()).rstrip() + "\n"


def _aliases(kind: type[Operator], names: list[str]) -> str:
    aliases = [f"{name} = {kind.op_name()}\n" for name in names if name != kind.op_name()]
    return "".join([*aliases, "\n"] if aliases else [])


def _function(kind: type[Operator]) -> str:
    items = [item for name, item in declared(kind).items() if not (kind.variadic and name == "num_args")]
    parameters = [f"{item.name}: {_type(item)}{_default(item)}" for item in items]
    inputs = _inputs(kind)
    # A parameter that is required after something that is not can only be given by name.
    optional = [" = " in line for line in (*inputs, *parameters)]
    by_name = kind.variadic or kind.open_parameters or optional != sorted(optional)
    if kind.variadic or kind.open_parameters:
        lines = ["*args: Symbol", *parameters]
    else:
        lines = [*inputs, *["*"] * (by_name and bool(items)), *parameters]
    lines += [*["*"] * (not by_name), "name: str | None = None", "attr: Mapping[str, str] | None = None"]
    lines += ["**keywords: Any"] * (kind.variadic or kind.open_parameters)
    signature = "".join(f"    {line},\n" for line in lines)
    return f"def {kind.op_name()}(\n{signature}) -> Symbol:\n{_documentation(kind)}\n\n"


def _inputs(kind: type[Operator]) -> list[str]:
    """Parameters of the function for the operator's inputs, in order, those that some parameter adds last."""
    if kind.variadic or kind.open_parameters:
        return []
    given = {n: NEEDED.get(n, _example(item)) for n, item in declared(kind).items() if item.required or n in NEEDED}
    names: dict[str, None] = {}
    for more in ({}, *({n: value} for n, item in declared(kind).items() for value in _values(item))):
        try:
            made = kind(**{**given, **more})
        except PushgradError:
            continue  # these parameters do not fit together
        names |= dict.fromkeys((*made.arguments(), *made.auxiliaries()))
    return [f"{name}: Symbol" + " | None = None" * bool(index) for index, name in enumerate(names)]


def _documentation(kind: type[Operator]) -> str:
    text = " ".join((inspect.getdoc(kind) or "").partition("\n\n")[0].split())
    return textwrap.fill(f'"""{text}"""', 116, initial_indent="    ", subsequent_indent="    ")


def _type(item: Parameter[Any]) -> str:
    if isinstance(item, Optional):
        return f"{_type(item.inner)} | None"
    if isinstance(item, Choice):
        # Editors offer the words; a str is allowed, too, as a caller's own parameter often is no more than that.
        return "Literal[" + ", ".join(f'"{choice}"' for choice in item.choices) + "] | str"
    types = {Bool: "bool", Int: "int", Float: "float", Text: "str", Ints: "int | Sequence[int]"}
    return next((name for kind, name in types.items() if isinstance(item, kind)), "Any")


def _default(item: Parameter[Any]) -> str:
    if item.required:
        return ""
    return " = " + (f'"{item.default}"' if isinstance(item.default, str) else repr(item.default))


def _values(item: Parameter[Any]) -> tuple[Any, ...]:
    if isinstance(item, Choice):
        return item.choices
    return (True, False) if isinstance(item, Bool) else ()


def _example(item: Parameter[Any]) -> Any:
    if isinstance(item, Choice):
        return item.choices[0]
    if isinstance(item, DType):
        return "float32"
    return 1 if isinstance(item, Int | Float) else (1, 1)


if __name__ == "__main__":
    STUB.write_text(stub())
