"""What a fit does about gradients that are NaN or infinite: `on_nan`, or PUSHGRAD_ON_NAN (`launch --on-nan`).

error    the training ends with an error; the default
skip     the step is left out: on all workers, of all parameters, auxiliary states and metrics
stop     the training ends as after its last epoch, with the model as before that step
allow    nothing is looked at
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from ...common.errors import ParameterError
from ...common.suggestion import suggestion

POLICIES = ("error", "skip", "stop", "allow")


def chosen_policy(given: str | None, env: Mapping[str, str] = os.environ) -> str:
    """`given`, or else what the environment says. Raises ParameterError if it is none of POLICIES."""
    where = "PUSHGRAD_ON_NAN" if given is None else "fit: on_nan"
    name = (env.get("PUSHGRAD_ON_NAN") or "error") if given is None else given
    if name not in POLICIES:
        raise ParameterError(f"{where}: no {name!r}{suggestion(str(name), POLICIES, 'known:')}")
    return name
