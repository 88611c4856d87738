"""Nothing that is read or received is ever run: no eval, exec or shell in the product, and no pickle but that of
`mx.run(function)` (docs/security.md)."""

import ast
import re
from pathlib import Path

import pytest

import pushgrad

ROOT = Path(pushgrad.__file__).parent
FILES = [
    *sorted(ROOT.glob("*.py")),
    *(
        path
        for room in ("common", "ps", "launch", "worker", "examples")
        for path in sorted((ROOT / room).rglob("*.py"))
    ),
]

# pickletools only takes a stream apart; multiprocessing sends pickles; the others make pickles or run them.
MODULES = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "multiprocessing"}
NAMES = {"eval", "exec", "compile", "__import__"}
# A function that the user hands to a job of their own is code, as a training script is (docs/security.md), which is run
# as Python would run it.
ALLOWED = [
    re.compile(r"common/function_file\.py:\d+: import cloudpickle"),
    re.compile(r"launch/spare_process\.py:\d+: exec"),
    re.compile(r"launch/spare_process\.py:\d+: compile"),
]
METHODS = {
    ("os", "system"), ("os", "popen"), ("subprocess", "getoutput"), ("subprocess", "getstatusoutput"),
    ("asyncio", "create_subprocess_shell"), ("yaml", "load"), ("pty", "spawn"), ("code", "interact"),
    ("np", "load"), ("numpy", "load"), ("torch", "load"), ("builtins", "eval"), ("builtins", "exec"),
}  # fmt: skip


def dangers(source):
    """What in a piece of Python can run what it is given, with the line."""
    for node in ast.walk(ast.parse(source)):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""] if not node.level else []
        else:
            names = []
        yield from (f"{line}: import {name}" for name in names if name.partition(".")[0] in MODULES)
        if isinstance(node, ast.Name) and node.id in NAMES:
            yield f"{line}: {node.id}"
        if isinstance(node, ast.Attribute) and (getattr(node.value, "id", ""), node.attr) in METHODS:
            yield f"{line}: {ast.unparse(node)}"
        if (
            isinstance(node, ast.keyword)
            and node.arg in ("shell", "allow_pickle")
            and ast.unparse(node.value) != "False"
        ):
            yield f"{node.value.lineno}: {node.arg}="


def test_the_product_runs_nothing_that_it_is_given():
    assert len(FILES) > 300
    found = [f"{path.relative_to(ROOT)}:{danger}" for path in FILES for danger in dangers(path.read_text())]
    assert [danger for danger in found if not any(rule.fullmatch(danger) for rule in ALLOWED)] == []
    assert len(found) == len(ALLOWED), "at one place each"


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "import multiprocessing.shared_memory",
        "eval('1')",
        "run = exec",
        "subprocess.run(command, shell=True)",
        "subprocess.run(command, shell=flag)",
        "os.system('ls')",
        "np.load(file)",
        "numpy.lib.npyio.NpzFile(file, allow_pickle=True)",
    ],
)
def test_it_would_be_found(source):
    assert list(dangers(source))


@pytest.mark.parametrize(
    "source", ["network.eval()", "import pickletools", "run(command, shell=False)", "re.compile('x')"]
)
def test_the_harmless_is_not(source):
    assert not list(dangers(source))
