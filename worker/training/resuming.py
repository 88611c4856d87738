"""Where a fit begins: at its beginning, or where a snapshot says. And whether it takes snapshots itself."""

from __future__ import annotations

from dataclasses import dataclass

from .. import output_marks
from ..data.data_iter import DataIter
from ..log import note
from ..store.session import Session
from . import script_run
from .agreement import fingerprint
from .fit_callbacks import FitCallbacks
from .fit_state import FitState
from .metrics.base import Metric
from .model import Model
from .script_run import Identity
from .snapshot_options import SnapshotOptions
from .snapshots import Snapshots


@dataclass(frozen=True)
class Start:
    """`state` is where the fit goes on, None if it begins; `is_over` tells that it has ended and `state` is its result.

    `snapshots` takes those of this fit, None if there are to be none.
    """

    state: FitState | None = None
    is_over: bool = False
    snapshots: Snapshots | None = None


def start(
    model: Model,
    iterator: DataIter,
    metric: Metric,
    callbacks: FitCallbacks,
    options: SnapshotOptions,
    session: Session,
) -> Start:
    """Find where this fit of the script begins. Every worker of a job calls it for every fit.

    Raises FileFormatError if it is to go on from a snapshot and cannot, ParameterError if another training writes
    snapshots in the same folder, JobError if nobody can and that is to end the training.
    """
    fit = script_run.next_fit()
    if options.interval is None and options.source is None:
        return Start()
    run = script_run.run_in(options.folder)
    run.stops = options.stops
    identity = _identity(model, iterator, metric)
    found = run.found(options.source, fit, identity, session) if options.source else None
    state = FitState.of(found, session) if found else None
    # A training that had ended goes on if it is now to have more epochs.
    is_over = found is not None and state is not None and found.done and model.num_epoch <= state.num_epoch
    if state is not None:
        output_marks.go_on_from(*((fit + 1, 0) if is_over else (fit, state.step)))
    if found and session.rank == 0:
        note(f"fit {fit} {'has its result' if is_over else 'goes on'} from {found.path}")
    snapshots = None
    if options.interval is not None:
        snapshots = Snapshots(run, options.interval, fit, state.step if state else 0, identity, session)
        for name in callbacks.without_state():
            snapshots.say_once(f"snapshots do not hold what callback {name} keeps: it has no methods state and restore")
    return Start(state, is_over, snapshots)


def say_what_differs(state: FitState, slices: int, session: Session) -> None:
    """Say on rank 0 why the bits from here on cannot be those of a training that nobody disturbed, if they cannot.

    `slices`: into how many each batch is now cut.
    """
    reasons = []
    if slices != state.slices:
        reasons.append(f"each batch is cut into {slices} slices instead of {state.slices}")
    if session.num_workers != state.workers and (state.aux_params or state.residuals):
        what = "BatchNorm's statistics and the like" if state.aux_params else "what compressed gradients leave out"
        reasons.append(f"{what} are those of {session.num_workers} workers instead of {state.workers}")
    if reasons and session.rank == 0:
        note(f"the bits are not those of an undisturbed training: {', and '.join(reasons)}")


def _identity(model: Model, iterator: DataIter, metric: Metric) -> Identity:
    """What must be the same for a snapshot to be of this fit, under the names that an error gives them."""
    return {
        **fingerprint(model.symbol, iterator),
        "number of parts of the data": getattr(iterator, "num_parts", 1),
        # For any batch: how it is scaled by default is no choice of the user's.
        "optimizer": model.make_optimizer(1).description(),
        "compression": dict(model.compression_params or {}),
        "slices": model.slices,
        "metrics": [leaf.name for leaf in metric.leaves()],
    }
