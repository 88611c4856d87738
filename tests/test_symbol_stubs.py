"""worker/symbols/sym.pyi is what the operators make of it, and names what `mx.sym` has."""

import ast
import importlib.util
import re
import subprocess
import sys
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


SCRIPT = """
import pushgrad as mx

data = mx.sym.Variable("data")
conv = mx.sym.Convolution(data, kernel=(5, 5), num_filter=20, name="c")
net = mx.sym.FullyConnected(mx.sym.Flatten(mx.sym.Activation(conv, act_type="tanh")), num_hidden=10)
model = mx.FeedForward(mx.sym.SoftmaxOutput(net), num_epoch=1, learning_rate=0.1)
reveal_type(mx.sym.expand_dims(net, 1))
mx.sym.Convolution(data, kernel=5, num_filter=20, strid=2)
mx.sym.Convolutoin(data)
"""


@pytest.mark.long
def test_a_type_checker_reads_a_script(tmp_path):
    """mypy reads all of the package once; what it says is about the last three lines."""
    (tmp_path / "pushgrad").symlink_to(DOCS.parent)
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "mypy", "--config-file", "pushgrad/pyproject.toml", "script.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    said = re.findall(r"^script.py:(\d+): (?!note: \"Convolution\" defined)(.*)$", done.stdout, re.MULTILINE)
    assert [line for line, _ in said] == ["8", "9", "10"], done.stdout
    assert 'Revealed type is "pushgrad.worker.symbols.symbol.Symbol"' in said[0][1]
    assert 'Unexpected keyword argument "strid" for "Convolution"' in said[1][1]
    assert 'has no attribute "Convolutoin"' in said[2][1]
