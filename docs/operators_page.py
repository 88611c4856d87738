"""Write operators.md from the operators themselves: python docs/operators_page.py (or `make docs`).

Names, inputs, parameters and what an operator computes come from its class; the recorded cases that hold it come from
tests/conformance. A test fails while the page on disk is another than this makes.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator
from operator import methodcaller
from pathlib import Path
from typing import Any

from pushgrad import PushgradError
from pushgrad.worker.ops.operator import REGISTRY, Operator
from pushgrad.worker.ops.parameters import Bool, Choice, Float, Int, Parameter, declared

PAGE = Path(__file__).with_name("operators.md")
CASES = Path(__file__).parent.parent / "tests" / "conformance" / "cases.json"
Listed = Callable[[Operator], tuple[str, ...]]
CHAPTERS = {
    "Layers with weights": "fully_connected convolution deconvolution embedding rnn",
    "Activations": "activation leaky_relu softmax softmax_activation dropout",
    "Normalisation": "batch_norm instance_norm l2_normalization lrn",
    "Images": "pooling upsampling roi_pooling crop pad",
    "Losses": "softmax_output regression_output svm_output make_loss smooth_l1",
    "Shapes, slicing and joining": "reshape view axes slicing slice_channel concat stack stretch indexing sequence",
    "Arithmetic": "elementwise broadcast pairs scalar element_wise_sum unary clip",
    "Sums, extremes and products": "reduction argmax matrix",
}
OTHERS = "Others"
NEEDED = {"kernel": "(1, 1)", "pad_width": "(0, 0, 0, 0, 1, 1, 1, 1)", "h_w": "(1, 1)", "dtype": "float32"}
HEAD = """# Operators

`make docs` generates this page from the operators. [symbols.md](symbols.md) is written by hand and explains how symbols
are made, named, saved and loaded, and where they differ from MXNet. `help(mx.sym.Convolution)` shows the same text.

There are {operators} operators under {names} names, with MXNet's parameters, defaults and formulas. For {held} of them,
{cases} recorded cases of MXNet 1.9.1 (`tests/conformance`) check names, shapes, outputs, gradients and states.
"""


def page() -> str:
    """The whole page."""
    names = [name for name, kind in REGISTRY.items() if kind.__module__.startswith("pushgrad.")]
    kinds = list(dict.fromkeys(REGISTRY[name] for name in names))
    recorded = cases_of()
    held = sum(kind.op_name() in recorded for kind in kinds)
    number = len(json.loads(CASES.read_text()))
    parts = [HEAD.format(operators=len(kinds), names=len(names), held=held, cases=number)]
    for title in (*CHAPTERS, OTHERS):
        parts.append(f"## {title}\n")
        parts += _chapter([kind for kind in kinds if _title(kind) == title], recorded)
    return "\n".join(parts)


def cases_of() -> dict[str, list[str]]:
    """The recorded cases in which each operator takes part, by its canonical name."""
    found: dict[str, list[str]] = {}
    for case, facts in json.loads(CASES.read_text()).items():
        names = {node["op"] for node in json.loads(facts["symbol"])["nodes"]} - {"null"}
        for name in {REGISTRY[name].op_name() for name in names}:
            found.setdefault(name, []).append(case)
    return found


def _title(kind: type[Operator]) -> str:
    module = kind.__module__.rpartition(".")[2]
    return next((title for title, modules in CHAPTERS.items() if module in modules.split()), OTHERS)


def _chapter(kinds: list[type[Operator]], recorded: dict[str, list[str]]) -> Iterator[str]:
    """Operators with three parameters or more one by one, then a table of the simple ones."""
    simple = [kind for kind in kinds if len(declared(kind)) <= 2]
    for kind in kinds:
        if kind not in simple:
            yield from _described(kind, recorded.get(kind.op_name(), []))
    if simple:
        yield "| operator | other names | takes | computes | cases |\n|---|---|---|---|---|"
        for kind in simple:
            yield _row(kind, recorded.get(kind.op_name(), []))
        yield ""


def _described(kind: type[Operator], cases: list[str]) -> Iterator[str]:
    yield f"### {kind.op_name()}\n\n{_paragraph(kind)}\n"
    facts = {"Other names": _code(_aliases(kind)), "Inputs": _inputs(kind)}
    facts |= {"States": _names(kind, methodcaller("auxiliaries")), "Outputs": _names(kind, methodcaller("outputs"))}
    yield " · ".join(f"{key}: {text}" for key, text in facts.items() if text) + "\n"
    yield "| parameter | is | default |\n|---|---|---|"
    for name, item in declared(kind).items():
        yield f"| {name} | {_cell(item.kind)} | {'required' if item.required else _cell(repr(item.default))} |"
    yield f"\n{_cases(cases)}\n"


def _row(kind: type[Operator], cases: list[str]) -> str:
    parameters = [f"`{name}`: {_parameter(item)}" for name, item in declared(kind).items()]
    takes = ", ".join([part for part in (_inputs(kind), *parameters) if part])
    cells = (
        kind.op_name(),
        _code(_aliases(kind)),
        takes,
        _paragraph(kind),
        f"{len(cases)}{': ' * bool(cases)}{', '.join(cases)}",
    )
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _parameter(item: Parameter[Any]) -> str:
    return item.kind + ("" if item.required else f", by default {item.default!r}")


def _cases(cases: list[str]) -> str:
    return f"{len(cases)} recorded case{'s' * (len(cases) != 1)}{': ' * bool(cases)}{', '.join(cases)}"


def _paragraph(kind: type[Operator]) -> str:
    """The first paragraph of the class's documentation, on one line."""
    return " ".join((inspect.getdoc(kind) or "").partition("\n\n")[0].split())


def _aliases(kind: type[Operator]) -> list[str]:
    return [name for name, found in REGISTRY.items() if found is kind and name != kind.op_name()]


def _inputs(kind: type[Operator]) -> str:
    return "any number" if kind.variadic else _names(kind, methodcaller("arguments"))


def _names(kind: type[Operator], listed: Listed) -> str:
    """The names that an operator has by default, and those that one parameter alone adds to them."""
    given = {name: NEEDED.get(name) or _example(item) for name, item in declared(kind).items() if _is_needed(item)}
    try:
        usual = listed(kind(**given))
    except PushgradError:
        return "its own"  # Custom: what the user's class says
    more = dict.fromkeys(usual, "")
    for name, item in declared(kind).items():
        for value in _values(item):
            extra = _variant(kind, {**given, name: value}, listed)
            more = {**dict.fromkeys(extra, f" (with `{name}={value}`)"), **more}
    return ", ".join(f"{name}{why}" for name, why in sorted(more.items(), key=lambda pair: bool(pair[1])))


def _variant(kind: type[Operator], given: dict[str, str], listed: Listed) -> tuple[str, ...]:
    """The names with these parameters; none if they do not fit together."""
    try:
        return listed(kind(**given))
    except PushgradError:
        return ()


def _is_needed(item: Parameter[Any]) -> bool:
    return item.required or item.name in NEEDED


def _values(item: Parameter[Any]) -> tuple[str, ...]:
    if isinstance(item, Choice):
        return item.choices
    return ("True", "False") if isinstance(item, Bool) else ()


def _example(item: Parameter[Any]) -> str:
    if isinstance(item, Choice):
        return item.choices[0]
    return "1" if isinstance(item, Int | Float) else "(1, 1)"


def _code(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page())
