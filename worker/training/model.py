"""Model: what a FeedForward holds, as far as training and prediction need it. What users call is in feedforward.py.

It is a class of its own so that the files which train need not import FeedForward, which imports them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...common.checks import whole_number
from ...common.errors import ParameterError
from ...ps import optimizer
from ..array import Array
from ..devices.placement import Placement
from ..files.checkpoint import Checkpoint, TrainingState
from ..graphs.graph import Graph
from .array_layout import check_layout
from .fit_checks import check_names, check_precision, chosen_initializer
from .given_parameters import by_kind
from .history import History
from .initializers.by_shape import Xavier
from .option_names import check_model_options
from .options import MODEL_DEFAULTS
from .prediction import Learned, SpareExecutor


class Model:
    """A network with its settings, its parameters, and the point that its training has reached.

    `arg_params` and `aux_params` are host arrays by name, each of its argument's or state's shape; `optimizer_states`
    are the optimizer's arrays by parameter, then by state, each of its parameter's shape; `num_update` counts the steps
    of all trainings, which learning rate schedules and random numbers go by, and `skipped_steps` those of them that
    were left out. `rate_factor` is what ReduceLROnPlateau has multiplied the learning rate by so far. `history` has the
    results of the epochs.
    """

    def __init__(self, symbol: Graph, ctx: Any, num_epoch: int, options: Mapping[str, Any]) -> None:
        """`options`: those of `ModelOptions`; all others are the optimizer's. Raises ParameterError if one is wrong."""
        chosen = {**MODEL_DEFAULTS, **options}
        self.symbol, self.ctx = symbol, ctx
        self.batch_size: int | None = chosen["batch_size"]
        self.slices: int | None = chosen["slices"]
        self.num_epoch = whole_number("num_epoch", num_epoch, 0)
        self.begin_epoch = whole_number("begin_epoch", chosen["begin_epoch"], 0)
        self.array_layout = check_layout(chosen["array_layout"])
        self.initializer = chosen_initializer(chosen["initializer"], symbol)
        # The default goes by the rectifiers around them, and the gates of recurrent layers are none.
        self.recurrent_initializer = self.initializer if chosen["initializer"] is not None else Xavier()
        self.allow_extra_params: bool = chosen["allow_extra_params"]
        self.fixed_param_names = check_names(chosen["fixed_param_names"])
        self.arg_params, self.aux_params = by_kind(chosen["arg_params"], chosen["aux_params"])
        self.compression_params: Mapping[str, Any] | None = chosen["compression_params"]
        self.work_load_list = chosen["work_load_list"]
        self.precision = check_precision(chosen["precision"])
        self.optimizer_states: dict[str, dict[str, Array]] = {}
        self.num_update = 0
        self.skipped_steps = 0
        self.rate_factor = 1.0
        self.history = History()
        self.training = 0  # which training since the seed was set: a key of its random numbers
        self._optimizer = chosen["optimizer"]
        self._optimizer_params = {name: value for name, value in options.items() if name not in MODEL_DEFAULTS}
        self._spare = SpareExecutor()
        check_model_options(options, self.optimizer_parameters())
        # Made for its errors alone: a wrong name or parameter is told here and not after the data have been read.
        self.make_optimizer(1)

    def __repr__(self) -> str:
        numbers = sum(array.size for array in self.arg_params.values())
        so_far = f"{numbers} parameters after {self.begin_epoch} epochs" if numbers else "no parameters yet"
        return f"<{type(self).__name__} {', '.join(self.symbol.list_outputs())}: {so_far}>"

    def settle_names(self) -> None:
        """Sort parameters and states by the prefixes of their names, which these lose: see `by_kind`."""
        self.arg_params, self.aux_params = by_kind(self.arg_params, self.aux_params)

    def optimizer_parameters(self) -> Sequence[str]:
        """The names of what the optimizer can be given; none if it is made already."""
        return optimizer.parameters_of(self._optimizer) if isinstance(self._optimizer, str) else []

    def make_optimizer(self, global_batch: int) -> Any:
        """The optimizer of a training; gradients are scaled by 1 / global_batch unless rescale_grad was given.

        `global_batch`: examples per step over the whole job. An optimizer object is returned as it is. Raises
        ParameterError if there is none of that name, or if it does not take these parameters.
        """
        if not isinstance(self._optimizer, str):
            if self._optimizer_params:
                raise ParameterError(
                    "optimizer parameters were given along with an optimizer object",
                    got=", ".join(self._optimizer_params),
                )
            return self._optimizer
        return optimizer.create(self._optimizer, **{"rescale_grad": 1.0 / global_batch, **self._optimizer_params})

    def unchosen_rate(self) -> float | None:
        """The learning rate if it is the optimizer's default; None if it or a schedule was given, or there is none."""
        parameters = self.optimizer_parameters()
        if "learning_rate" not in parameters or self._optimizer_params.keys() & {"learning_rate", "lr_scheduler"}:
            return None
        return float(self.make_optimizer(1).learning_rate)

    def training_state(self) -> TrainingState:
        """What a checkpoint holds besides the parameters."""
        return TrainingState.of(self.optimizer_states, self.num_update, self.training, self.rate_factor)

    def go_on_from(self, found: Checkpoint) -> None:
        """Have what a checkpoint holds; which epoch it is of, its file's name says."""
        self.arg_params, self.aux_params = found.arg_params, found.aux_params
        if found.state is not None:  # there was a .states file
            self.optimizer_states = found.state.slots
            self.num_update = found.state.numbers.get("step", 0)
            self.training = found.state.numbers.get("training", 0)
            self.rate_factor = found.state.numbers.get("rate_factor", 1.0)

    def placement(self) -> Placement:
        """The devices that this model computes on, and their shares.

        Raises DeviceError if a context is not there, ParameterError if one is named twice or work_load_list is wrong.
        """
        return Placement.of(self.ctx, self.work_load_list)

    def learned(self) -> Learned:
        """The network and its parameters, ready to be used.

        Raises DeviceError if a context is not there.
        """
        self.settle_names()
        return Learned(self.symbol, self.placement(), self.arg_params, self.aux_params, self._spare, self.precision)
