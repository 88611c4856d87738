"""worker/symbols/sym.pyi is what the operators make of it, and names what `mx.sym` has."""

import ast
import importlib.util
from pathlib import Path

import pytest

import pushgrad as mx

DOCS = Path(__file__).parent.parent / "docs"


@pytest.fixture(scope="module")
def maker():
    spec = importlib.util.spec_from_file_location("symbol_stubs", DOCS / "symbol_stubs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def declared(maker):
    """The functions and other names of the stub."""
    body = ast.parse(maker.STUB.read_text()).body
    functions = {node.name: node.args for node in body if isinstance(node, ast.FunctionDef)}
    others = {node.targets[0].id for node in body if isinstance(node, ast.Assign)}
    imported = {item.asname for node in body if isinstance(node, ast.ImportFrom) for item in node.names if item.asname}
    return functions, others | imported


def test_the_stub_is_the_generated_one(maker):
    assert maker.STUB.read_text() == maker.stub(), "run `make docs`"


def test_it_names_what_there_is(declared):
    functions, others = declared
    assert functions.keys() | others == set(dir(mx.sym))
    assert all(hasattr(mx.sym, name) for name in others)


def test_a_convolution_as_an_editor_sees_it(declared):
    arguments = declared[0]["Convolution"]
    assert [argument.arg for argument in arguments.args] == ["data", "weight", "bias"]
    required = [
        a.arg for a, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if default is None
    ]
    assert required == ["kernel", "num_filter"]


def test_what_a_required_parameter_may_follow(declared):
    """`expand_dims(x, 1)` by position, as at run time."""
    assert [argument.arg for argument in declared[0]["expand_dims"].args] == ["data", "axis"]
    assert mx.sym.expand_dims(mx.sym.Variable("x"), 1).attr("axis") == "1"
