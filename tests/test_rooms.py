"""How files import each other: import-linter holds the order of the rooms, and here no file goes in a circle."""

import graphlib
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def imports():
    """File -> the files that it imports, those inside functions and under TYPE_CHECKING included."""
    graph = grimp.build_graph("pushgrad", cache_dir=None)
    return {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}


def test_no_circles(imports):
    assert len(imports) > 300
    graphlib.TopologicalSorter(imports).prepare()  # CycleError names the files


def test_a_circle_would_show(imports):
    closed = {**imports, "pushgrad.worker.array": {"pushgrad.worker.symbols.symbol"}}
    with pytest.raises(graphlib.CycleError):
        graphlib.TopologicalSorter(closed).prepare()


def test_iterators_load_no_pictures(imports):
    """mx.io is loaded on first use, and with it the readers of pictures; an iterator alone needs none of them."""
    waiting, seen = ["pushgrad.worker.data.iterators"], set()
    while waiting:
        module = waiting.pop()
        if module not in seen:
            seen.add(module)
            waiting += imports[module]
    assert not [module for module in seen if ".images" in module]
