"""FeedForward: a network and its parameters, with fit, predict, score, save and load in one object."""

from __future__ import annotations

from typing import Any, Unpack

from ...common.errors import ParameterError
from .. import random
from ..files import checkpoint
from ..store.joining import current_session, serve_if_role
from ..symbols.symbol import Symbol
from .agreement import agree
from .array_layout import check_layout, evaluation_iterator, prediction_iterator, training_iterator
from .fit_callbacks import FitCallbacks, callback_list
from .fit_checks import announce, check_epochs_left, check_fit_options, seek_epoch
from .metrics import metric
from .model import Model
from .options import (
    CALL_DEFAULTS,
    CREATE_DEFAULTS,
    FIT_DEFAULTS,
    MODEL_DEFAULTS,
    CallOptions,
    CreateOptions,
    ModelOptions,
    spelled_out,
)
from .prediction import evaluate, predict
from .trainer import Trainer


class FeedForward(Model):
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
    Raises ParameterError if an option is wrong.
    """

    symbol: Symbol

    @spelled_out(MODEL_DEFAULTS)
    def __init__(self, symbol: Symbol, ctx: Any = None, num_epoch: int = 10, **options: Unpack[ModelOptions]) -> None:
        serve_if_role()
        if not isinstance(symbol, Symbol):
            raise ParameterError("FeedForward: symbol", expected="a Symbol", got=type(symbol).__name__)
        super().__init__(symbol, ctx, num_epoch, options)

    @classmethod
    @spelled_out(CREATE_DEFAULTS)
    def create(
        cls,
        symbol: Symbol,
        X: Any,
        y: Any = None,
        ctx: Any = None,
        num_epoch: int = 10,
        **options: Unpack[CreateOptions],
    ) -> FeedForward:
        """Make a network and train it: the constructor and `fit` in one call, with the options and errors of both."""
        for_fit = {name: value for name, value in options.items() if name in FIT_DEFAULTS}
        for_model = {name: value for name, value in options.items() if name not in FIT_DEFAULTS}
        model = cls(symbol, ctx, num_epoch, **for_model)  # type: ignore[arg-type]
        return model.fit(X, y, **for_fit)  # type: ignore[arg-type]

    @spelled_out(CALL_DEFAULTS, open_ended=False)
    def fit(
        self,
        X: Any,
        y: Any = None,
        eval_data: Any = None,
        eval_metric: Any = "accuracy",
        **options: Unpack[CallOptions],
    ) -> FeedForward:
        """Train for the epochs from begin_epoch + 1 to num_epoch; returns the model itself.

        X: an array, examples first (a matrix may have them last, see array_layout), or a DataIter. Under `launch`
        every worker runs this with the same data, and the workers share each batch. Errors: DataError, ShapeError,
        ParameterError, PeerLost.
        """
        chosen: CallOptions = {**CALL_DEFAULTS, **options}
        check_fit_options(chosen)
        check_epochs_left(self.begin_epoch, self.num_epoch)
        notes: list[str] = []
        measured = metric.create(eval_metric)
        iterator = training_iterator(self.symbol, X, y, self.batch_size, self.array_layout, chosen["shuffle"], notes)
        evaluation = None
        if eval_data is not None:
            evaluation = evaluation_iterator(self.symbol, eval_data, self.batch_size, self.array_layout)
        callbacks = FitCallbacks(
            evaluation,
            metric.create(eval_metric) if isinstance(eval_metric, str) else measured,
            callback_list(chosen["epoch_end_callback"]),
            callback_list(chosen["batch_end_callback"]),
            chosen["verbose"],
        )
        seek_epoch(iterator, self.begin_epoch)
        session = current_session()
        with session.running("fit"):
            self.training = self.training or random.next_training()
            gpus = self.placement().identities() if session.num_workers > 1 else []
            shares = agree(session, self.symbol, iterator, self.slices, random.current_seed(), self.training, gpus)
            self.training = shares.training
            trainer = Trainer(self, iterator, shares, session, chosen["kvstore"], measured)
            if chosen["verbose"] and session.rank == 0:
                notes += [trainer.parameters.note] if trainer.parameters.note else []
                announce(self.ctx, shares, session, notes)
            trainer.run(range(self.begin_epoch, self.num_epoch), callbacks)
        self.begin_epoch = self.num_epoch
        return self

    def predict(self, X: Any, batch_size: int | None = None, array_layout: str | None = None) -> Any:
        """The outputs for X, examples first: (examples, classes); a list of arrays if the network has several outputs.

        Every worker of a job computes all of it.
        """
        layout = check_layout(array_layout or self.array_layout)
        found = predict(
            self.learned(),
            prediction_iterator(
                self.symbol, X, batch_size or self.batch_size, layout, {**self.arg_params, **self.aux_params}
            ),
        )
        return found[0] if len(found) == 1 else found

    def score(self, X: Any, y: Any = None, eval_metric: Any = "accuracy", batch_size: int | None = None) -> Any:
        """The metric's value over X and y; a dict by name if several metrics were given."""
        chosen = metric.create(eval_metric)
        pair = X if y is None else (X, y)
        iterator = evaluation_iterator(self.symbol, pair, batch_size or self.batch_size, self.array_layout)
        evaluate(self.learned(), iterator, chosen, current_session())
        values = dict(leaf.get() for leaf in chosen.leaves())
        return next(iter(values.values())) if len(values) == 1 else values

    def save(self, prefix: str, epoch: int | None = None) -> None:
        """Write prefix-symbol.json, prefix-0001.params and prefix-0001.states; on rank 0 only, elsewhere nothing."""
        if current_session().rank == 0:
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
