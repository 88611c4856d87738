"""Pictures of docs/ are what their scripts make of them."""

import importlib.util

from pages import ROOT


def script(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_concepts():
    maker = script("concept_pictures")
    assert {path.stem for path in maker.FOLDER.iterdir()} == {draw.__name__ for draw in maker.PICTURES}
    for draw in maker.PICTURES:
        assert (maker.FOLDER / f"{draw.__name__}.svg").read_text() == draw().svg(), "run `make docs`"


def test_bars_of_the_benchmarks():
    """A peer that took twice as long has a bar of 2; floors such as memcpy have none."""
    medians = {"pushgrad": 2.0, "MXNet": 4.0, "PyTorch eager": 1.0, "memcpy of as many bytes, once": 0.1}
    found = script("benchmark_plots").bars(
        [{"title": "LeNet", "medians": medians}, {"title": "alone", "medians": {"MXNet": 1}}]
    )
    assert [(label, ratio) for label, ratio, _ in found] == [("LeNet\nMXNet", 2.0), ("LeNet\nPyTorch eager", 0.5)]
