"""Parameters of which a few run in every `make test`, and the others, each a job or much compiling, in test-long."""

from collections.abc import Iterable
from typing import Any

import pytest


def long_after(count: int, values: Iterable[Any]) -> list[Any]:
    """The values of a parametrize, all but the first `count` marked as long; a tuple is several parameters."""
    values = list(values)
    rest = [
        pytest.param(*(value if isinstance(value, tuple) else (value,)), marks=pytest.mark.long)
        for value in values[count:]
    ]
    return [*values[:count], *rest]
