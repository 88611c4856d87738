"""docs/add-an-operator.md: the class that it shows is a working operator."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.worker.array import Array, Arrays
from pushgrad.worker.ops.elementwise import BaseElementwise
from pushgrad.worker.ops.operator import REGISTRY
from pushgrad.worker.ops.parameters import Float

PAGE = Path(__file__).parents[3] / "docs" / "add-an-operator.md"


@pytest.fixture
def shown():
    """The page's class, registered while the test runs."""
    code, *_ = re.findall(r"```python\n(class .*?)```", PAGE.read_text(), re.DOTALL)
    names = {"Any": Any, "Array": Array, "Arrays": Arrays, "BaseElementwise": BaseElementwise, "Float": Float}
    before = dict(REGISTRY)
    exec(code, names)
    yield next(name for name in REGISTRY if name not in before)
    REGISTRY.clear()
    REGISTRY.update(before)


def test_the_example_is_an_operator(shown, gradcheck):
    net = getattr(mx.sym, shown)(mx.sym.Variable("data"), slope_below=0.5)
    executor = net.simple_bind(mx.cpu(), data=(2, 3))
    data = np.array([[-2, -1, -0.5], [0.5, 1, 2]], np.float32)
    assert np.array_equal(executor.forward(data=data)[0], np.where(data > 0, data, 0.5 * data))
    gradcheck(REGISTRY[shown](slope_below=0.5), [np.random.default_rng(0).normal(size=(4, 5))])


def test_its_parameter_is_checked(shown):
    with pytest.raises(mx.PushgradError, match=r"slope_below.*0"):
        getattr(mx.sym, shown)(mx.sym.Variable("data"), slope_below=-1)
