import ast
import importlib
import subprocess
import sys
import types
from pathlib import Path

import pytest

import pushgrad as mx

STUB = Path(mx.__file__).with_name("__init__.pyi")


def declared():
    """Public name -> (module, attribute or None for a module), as the stub's imports say it."""
    found = {}
    for node in ast.parse(STUB.read_text()).body:
        if isinstance(node, ast.ImportFrom):
            assert node.level == 1, "the stub imports from the package itself only"
            for item in node.names:
                whole = (STUB.parent / node.module.replace(".", "/") / item.name).with_suffix(".py").exists()
                whole |= (STUB.parent / node.module.replace(".", "/") / item.name / "__init__.py").exists()
                found[item.asname or item.name] = (
                    (f".{node.module}.{item.name}", None) if whole else (f".{node.module}", item.name)
                )
    return found


def test_stub_and_lazy_face_name_the_same_things():
    assert declared() == mx._FACE


def test_stub_exports_everything():
    tree = ast.parse(STUB.read_text())
    assigned = {node.targets[0].id: node.value for node in tree.body if isinstance(node, ast.Assign)}
    assert sorted(ast.literal_eval(assigned["__all__"])) == sorted(mx.__all__)
    assert any(isinstance(node, ast.AnnAssign) and node.target.id == "__version__" for node in tree.body)


@pytest.mark.parametrize("name", sorted(mx._FACE))
def test_every_name_is_what_the_face_says(name):
    module, attribute = mx._FACE[name]
    place = importlib.import_module(module, "pushgrad")
    assert getattr(mx, name) is (place if attribute is None else getattr(place, attribute))
    assert isinstance(getattr(mx, name), types.ModuleType) == (attribute is None)


def test_dir_lists_the_public_names_and_nothing_else():
    assert dir(mx) == sorted([*mx._FACE, "__version__"])
    assert mx.symbol is mx.sym


def test_unknown_name():
    with pytest.raises(AttributeError, match="module 'pushgrad' has no attribute 'symbl'"):
        _ = mx.symbl
    with pytest.raises(ImportError, match="cannot import name 'Module'"):
        from pushgrad import Module  # noqa: F401


def loaded_by(statement):
    """Top-level names of the modules that a fresh interpreter has loaded after `statement`."""
    code = f"{statement}\nimport sys\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    answer = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return set(answer.stdout.split())


HEAVY = {"numpy", "numba", "llvmlite", "zmq", "msgpack", "cupy", "matplotlib"}


def test_importing_the_package_loads_nothing_heavy():
    assert not loaded_by("import pushgrad as mx; dir(mx); mx.__version__") & (HEAVY | {"click", "rich"})


def test_stores_and_symbols_load_no_compiler():
    """It is most of what a process costs that only exchanges small arrays."""
    loaded = loaded_by("import pushgrad as mx; mx.kv.create('local').init('w', 1.0); mx.sym.Variable('data')")
    assert "numpy" in loaded and not loaded & {"numba", "llvmlite"}


def test_launch_loads_no_numerics():
    assert not loaded_by("import pushgrad.launch.cli, pushgrad.launch.run, pushgrad.launch.notebook") & HEAVY
