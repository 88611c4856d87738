"""docs/operators.md is what the operators and the recorded cases make of it."""

import importlib.util
from pathlib import Path

import pytest

from pushgrad.worker.ops.operator import REGISTRY

DOCS = Path(__file__).parent.parent / "docs"


@pytest.fixture(scope="module")
def maker():
    spec = importlib.util.spec_from_file_location("operators_page", DOCS / "operators_page.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_the_generated_one(maker):
    assert maker.PAGE.read_text() == maker.page(), "run `make docs`"


def test_every_operator_is_on_it(maker):
    page = maker.page()
    for kind in REGISTRY.values():
        assert f"### {kind.op_name()}\n" in page or f"| {kind.op_name()} |" in page


def test_cases_are_counted_by_operator(maker):
    found = maker.cases_of()
    assert "residual_block" in found["BatchNorm"] and "alias_Softmax" in found["SoftmaxOutput"]
    assert found.keys() <= {kind.op_name() for kind in REGISTRY.values()}


def test_names_that_parameters_add(maker):
    page = maker.page()
    assert "Inputs: data, gamma (with `act_type=prelu`)" in page
    assert "States: moving_mean, moving_var" in page
