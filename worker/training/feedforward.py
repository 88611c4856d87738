"""FeedForward: a network and its parameters, with fit, predict, score, save and load in one object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...common.checks import whole_number
from ...common.errors import ParameterError
from ...ps import optimizer
from .. import random
from ..array import Array
from ..devices.placement import Placement
from ..files import checkpoint
from ..store.session import Session, serve_if_role
from ..symbols.symbol import Symbol
from .agreement import agree
from .array_layout import check_layout, evaluation_iterator, prediction_iterator, training_iterator
from .fit_callbacks import FitOptions, callback_list
from .fit_checks import (
    announce,
    check_epochs_left,
    check_names,
    check_precision,
    chosen_initializer,
    seek_epoch,
)
from .metrics import metric
from .prediction import Learned, SpareExecutor, evaluate, predict
from .trainer import Trainer


class FeedForward:
    """A trainable network.

    symbol: its graph, ending in an output that is a loss. ctx: a context or a list of them. batch_size: examples per
    step over the whole job; by default 128, or all if there are fewer. `slices` fixes into how many parts a batch is
    cut (see docs/training.md); equal slices give equal bits on any number of workers that is a power of two.
    arg_params and aux_params are values to start from; the initializer draws the others. Parameters of another network
    among them are an error unless allow_extra_params. fixed_param_names are names or patterns such as "conv*" of
    parameters that training leaves as they are. Further keywords go to the optimizer, e.g. learning_rate=0.1,
    momentum=0.9, wd=1e-4. compression_params compress the gradients of a job, see KVStore.set_gradient_compression.
    work_load_list has a number per context: the share of the batch that it takes. precision is that of convolutions and
    matrix products on GPUs: "float32", "tf32", "float16" or "bfloat16"; weights and sums are float32 in each.
    """

    def __init__(
        self,
        symbol: Symbol,
        ctx: Any = None,
        num_epoch: int = 10,
        batch_size: int | None = None,
        optimizer: Any = "sgd",
        initializer: Any = None,
        arg_params: Mapping[str, Array] | None = None,
        aux_params: Mapping[str, Array] | None = None,
        begin_epoch: int = 0,
        array_layout: str = "auto",
        slices: int | None = None,
        allow_extra_params: bool = False,
        fixed_param_names: Sequence[str] | None = None,
        compression_params: Mapping[str, Any] | None = None,
        work_load_list: Sequence[float] | None = None,
        precision: str = "float32",
        **optimizer_params: Any,
    ) -> None:
        serve_if_role()
        if not isinstance(symbol, Symbol):
            raise ParameterError("FeedForward: symbol", expected="a Symbol", got=type(symbol).__name__)
        self.symbol, self.ctx, self.batch_size, self.slices = symbol, ctx, batch_size, slices
        self.num_epoch = whole_number("num_epoch", num_epoch, 0)
        self.begin_epoch = whole_number("begin_epoch", begin_epoch, 0)
        self.array_layout = check_layout(array_layout)
        self.initializer = chosen_initializer(initializer)
        self.allow_extra_params, self.fixed_param_names = allow_extra_params, check_names(fixed_param_names)
        self.arg_params: dict[str, Array] = dict(arg_params or {})
        self.aux_params: dict[str, Array] = dict(aux_params or {})
        self.compression_params = compression_params
        self.work_load_list, self.precision = work_load_list, check_precision(precision)
        self.optimizer_states: dict[str, dict[str, Array]] = {}
        self.num_update = 0
        self.training = 0  # which training since the seed was set: a key of its random numbers
        self._optimizer, self._optimizer_params = optimizer, optimizer_params
        self._spare = SpareExecutor()
        self.make_optimizer(1)  # so that a wrong name or parameter is an error here and not after the data are read

    @classmethod
    def create(
        cls,
        symbol: Symbol,
        X: Any,
        y: Any = None,
        ctx: Any = None,
        num_epoch: int = 10,
        batch_size: int | None = None,
        optimizer: Any = "sgd",
        initializer: Any = None,
        eval_data: Any = None,
        eval_metric: Any = "accuracy",
        epoch_end_callback: Any = None,
        batch_end_callback: Any = None,
        kvstore: str = "auto",
        begin_epoch: int = 0,
        array_layout: str = "auto",
        shuffle: bool = True,
        slices: int | None = None,
        verbose: bool = True,
        arg_params: Mapping[str, Array] | None = None,
        aux_params: Mapping[str, Array] | None = None,
        allow_extra_params: bool = False,
        fixed_param_names: Sequence[str] | None = None,
        compression_params: Mapping[str, Any] | None = None,
        work_load_list: Sequence[float] | None = None,
        precision: str = "float32",
        **optimizer_params: Any,
    ) -> FeedForward:
        """Make a network and train it: the constructor and `fit` in one call."""
        model = cls(
            symbol,
            ctx,
            num_epoch,
            batch_size,
            optimizer,
            initializer,
            arg_params,
            aux_params,
            begin_epoch,
            array_layout,
            slices,
            allow_extra_params,
            fixed_param_names,
            compression_params,
            work_load_list,
            precision,
            **optimizer_params,
        )
        return model.fit(
            X, y, eval_data, eval_metric, epoch_end_callback, batch_end_callback, kvstore, shuffle, verbose
        )

    def fit(
        self,
        X: Any,
        y: Any = None,
        eval_data: Any = None,
        eval_metric: Any = "accuracy",
        epoch_end_callback: Any = None,
        batch_end_callback: Any = None,
        kvstore: str = "auto",
        shuffle: bool = True,
        verbose: bool = True,
    ) -> FeedForward:
        """Train for the epochs from begin_epoch + 1 to num_epoch; returns the model itself.

        X: an array, examples first (a matrix may have them last, see array_layout), or a DataIter. Under `launch`
        every worker runs this with the same data, and the workers share each batch. Errors: DataError, ShapeError,
        ParameterError, PeerLost.
        """
        check_epochs_left(self.begin_epoch, self.num_epoch)
        notes: list[str] = []
        chosen = metric.create(eval_metric)
        iterator = training_iterator(self.symbol, X, y, self.batch_size, self.array_layout, shuffle, notes)
        evaluation = None
        if eval_data is not None:
            evaluation = evaluation_iterator(self.symbol, eval_data, self.batch_size, self.array_layout)
        options = FitOptions(
            evaluation,
            metric.create(eval_metric) if isinstance(eval_metric, str) else chosen,
            callback_list(epoch_end_callback),
            callback_list(batch_end_callback),
            verbose,
        )
        seek_epoch(iterator, self.begin_epoch)
        session = Session.current()
        with session.running("fit"):
            self.training = self.training or random.next_training()
            gpus = self.placement().identities() if session.num_workers > 1 else []
            shares = agree(session, self.symbol, iterator, self.slices, random.current_seed(), self.training, gpus)
            self.training = shares.training
            trainer = Trainer(self, iterator, shares, session, kvstore, chosen)
            if verbose and session.rank == 0:
                notes += [trainer.parameters.note] if trainer.parameters.note else []
                announce(self.ctx, shares, session, notes)
            trainer.run(range(self.begin_epoch, self.num_epoch), options)
        self.begin_epoch = self.num_epoch
        return self

    def predict(self, X: Any, batch_size: int | None = None, array_layout: str | None = None) -> Any:
        """The outputs for X, examples first: (examples, classes); a list of arrays if the network has several outputs.

        Every worker of a job computes all of it.
        """
        layout = check_layout(array_layout or self.array_layout)
        found = predict(
            self._learned(),
            prediction_iterator(self.symbol, X, batch_size or self.batch_size, layout, self._parameters()),
        )
        return found[0] if len(found) == 1 else found

    def score(self, X: Any, y: Any = None, eval_metric: Any = "accuracy", batch_size: int | None = None) -> Any:
        """The metric's value over X and y; a dict by name if several metrics were given."""
        chosen = metric.create(eval_metric)
        pair = X if y is None else (X, y)
        iterator = evaluation_iterator(self.symbol, pair, batch_size or self.batch_size, self.array_layout)
        evaluate(self._learned(), iterator, chosen, Session.current())
        values = dict(leaf.get() for leaf in chosen.leaves())
        return next(iter(values.values())) if len(values) == 1 else values

    def save(self, prefix: str, epoch: int | None = None) -> None:
        """Write prefix-symbol.json, prefix-0001.params and prefix-0001.states; on rank 0 only, elsewhere nothing."""
        if Session.current().rank == 0:
            epoch = self.num_epoch if epoch is None else epoch
            state = checkpoint.TrainingState(
                self.optimizer_states, {"step": self.num_update, "training": self.training}
            )
            checkpoint.save(prefix, epoch, self.symbol, self.arg_params, self.aux_params, state)

    @classmethod
    def load(
        cls, prefix: str, epoch: int, ctx: Any = None, allow_extra_params: bool = False, **options: Any
    ) -> FeedForward:
        """The model as saved; `options` are the constructor's. A following fit goes on after that epoch.

        With `allow_extra_params`, arrays that the network does not use are left out with a note. Raises
        FileFormatError if a file is missing, damaged or belongs to another network.
        """
        found = checkpoint.load(prefix, epoch, allow_extra_params=allow_extra_params)
        given = {"num_epoch": epoch, "allow_extra_params": allow_extra_params, **options}
        model = cls(found.symbol, ctx, begin_epoch=epoch, **given)
        model.arg_params, model.aux_params = found.arg_params, found.aux_params
        if found.state is not None:
            model.optimizer_states = found.state.slots
            model.num_update = found.state.numbers.get("step", 0)
            model.training = found.state.numbers.get("training", 0)
        return model

    def make_optimizer(self, global_batch: int) -> Any:
        """The optimizer of a training; gradients are scaled by 1 / global_batch unless rescale_grad was given."""
        if not isinstance(self._optimizer, str):
            if self._optimizer_params:
                raise ParameterError(
                    "optimizer parameters were given beside an optimizer object", got=", ".join(self._optimizer_params)
                )
            return self._optimizer
        return optimizer.create(self._optimizer, **{"rescale_grad": 1.0 / global_batch, **self._optimizer_params})

    def placement(self) -> Placement:
        """Where this model computes. DeviceError if a context is not there."""
        return Placement.of(self.ctx, self.work_load_list)

    def _learned(self) -> Learned:
        if not self.arg_params:
            raise ParameterError("the model has no parameters yet", remedy="Train it with fit, or load it.")
        return Learned(self.symbol, self.placement(), self.arg_params, self.aux_params, self._spare, self.precision)

    def _parameters(self) -> dict[str, Array]:
        return {**self.arg_params, **self.aux_params}
