"""How objects that users make by name and options show themselves."""

from __future__ import annotations

import inspect


class ShowsOptions:
    """Base of classes that keep the options of their constructor under the same names.

    Their text is the call that makes such an object, without options that have their defaults:
    FactorScheduler(step=100, factor=0.5).
    """

    def __repr__(self) -> str:
        options = inspect.signature(type(self)).parameters.values()
        values = ((one, getattr(self, one.name, one.default)) for one in options)
        shown = (f"{one.name}={value!r}" for one, value in values if value is not one.default and value != one.default)
        return f"{type(self).__name__}({', '.join(shown)})"
