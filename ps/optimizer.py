"""mx.optimizer: optimizers have a name and plain parameters, so that a server can build one from its description.

To add one: a dataclass in ps/optimizers with `name`, fields for its parameters, `state_names` and a kernel; the
decorator `register` makes it known to `create` and `from_description`. The learning rate is not part of an optimizer's
description: the workers compute it from the schedule and send it with each push. The server checks that they agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from ..common.errors import ParameterError
from ..common.suggestion import suggestion
from .optimizers.adam import Adam, Adamax, AdamW, Nadam
from .optimizers.adaptive import AdaDelta, AdaGrad, Ftrl, RMSProp
from .optimizers.base import KNOWN, Optimizer
from .optimizers.langevin import SGLD
from .optimizers.momentum import NAG, SGD, Signum
from .optimizers.whole_keys import LAMB, LARS

__all__ = [
    "LAMB",
    "LARS",
    "NAG",
    "SGD",
    "SGLD",
    "AdaDelta",
    "AdaGrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Ftrl",
    "Nadam",
    "Optimizer",
    "RMSProp",
    "Signum",
    "create",
]


def _offered() -> list[str]:
    """The names that users are shown, in alphabetical order."""
    return sorted(name for name, cls in KNOWN.items() if cls.listed)


def create(name: str | Optimizer, **parameters: Any) -> Optimizer:
    """The optimizer of that name (in any case) with these parameters; an Optimizer is returned as it is.

    Raises ParameterError if the name or a parameter is unknown (it names the nearest known one), a value is out of
    range, or parameters are given along with an Optimizer.
    """
    if isinstance(name, Optimizer):
        if parameters:
            raise ParameterError(
                f"optimizer {name.name} has been made already; it takes no more parameters", got=", ".join(parameters)
            )
        return name
    cls, known = _class_of(name), parameters_of(name)
    for item in parameters:
        if item not in known:
            raise ParameterError(
                f"optimizer {cls.name}: no parameter {item}{suggestion(item, sorted(known), 'known:')}"
            )
    return cls(**parameters)


def parameters_of(name: str) -> list[str]:
    """The parameters that `create` takes for the optimizer of that name. Raises ParameterError if there is none."""
    return [item.name for item in fields(_class_of(name)) if item.init]


def _class_of(name: object) -> type[Optimizer]:
    cls = KNOWN.get(name.lower()) if isinstance(name, str) else None
    if cls is None:
        raise ParameterError(f"no optimizer {name!r}{suggestion(str(name), _offered(), 'known:')}")
    return cls


def from_description(description: Mapping[str, Any]) -> Optimizer:
    """An optimizer equal to the one that `description` came from, except for its learning rate, which is the default.

    Raises ParameterError if the name or an entry is unknown or a value is out of range.
    """
    values = dict(description)
    cls = _class_of(values.pop("name", None))
    known = list(cls().description())  # the wire must not set __init__'s other parameters, such as lr_scheduler
    for item in values:
        if item not in known:
            raise ParameterError(
                f"optimizer {cls.name}: no {item} in a description{suggestion(item, sorted(known), 'known:')}"
            )
    return cls(**values)
