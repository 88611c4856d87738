"""FeedForward: a network and its parameters, with fit, predict, score, save and load in one object.

What these methods do is in the files around this one; here are their order and the options that users see.
"""

from __future__ import annotations

from typing import Any, Unpack

from ...common.errors import ParameterError
from .. import random
from ..data.data_iter import DataIter
from ..files import checkpoint
from ..files.latest_checkpoint import chosen_epoch
from ..log import brief, note_once
from ..store.joining import current_session, serve_if_role
from ..store.kv import is_local
from ..store.kvstore import KVStore
from ..store.session import Session
from ..symbols.symbol import Symbol
from .agreement import agree, agree_on_evaluation
from .array_layout import check_layout, evaluation_iterator, prediction_iterator, training_iterator
from .callback_list import callback_list
from .default_metric import chosen_metric
from .fit_callbacks import FitCallbacks
from .fit_checks import announce, begin_at, check_epochs_left, check_verbose
from .metrics.base import Metric, current_values
from .model import Model
from .nan_policy import chosen_policy
from .option_names import check_fit_options
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
from .progress_bar import TerminalBar
from .resuming import Start, say_what_differs, start
from .snapshot_options import SnapshotOptions
from .trainer import Trainer
from .which_bar import wanted


class FeedForward(Model):
    """A trainable network.

    symbol: its graph, ending in an output that is a loss. ctx: a context or a list of them. num_epoch: the last epoch
    that `fit` trains. Keywords that are not options go to the optimizer, e.g. learning_rate=0.1, momentum=0.9, wd=1e-4.
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
        # The optimizer's keywords are open-ended, so what is not for fit is for the constructor.
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
        eval_metric: Any = None,
        **options: Unpack[CallOptions],
    ) -> FeedForward:
        """Train for the epochs from begin_epoch + 1 to num_epoch, unless a callback ends it; returns the model itself.

        X (examples, ...) and y (examples, ...) are arrays, where a matrix X may have its examples last (see
        array_layout); or X is a DataIter, read from its start, and y None. eval_data: (X, y) or a DataIter.
        eval_metric: what `mx.metric.create` takes; by default the loss decides, see `default_metric`. Under `launch`
        every worker calls this with the same data, and the workers share each batch. Raises DataError, ShapeError,
        GraphError or ParameterError if data, network and options do not fit together, FileFormatError if arg_params do
        not fit, DeviceError if a context cannot be used, and in a job JobError, RemoteError or PeerLost.
        """
        chosen: CallOptions = {**CALL_DEFAULTS, **options}
        check_fit_options(chosen, self.optimizer_parameters())
        snapshots = SnapshotOptions.of(chosen["snapshot"], chosen["resume"])
        on_nan = chosen_policy(chosen["on_nan"])
        check_epochs_left(self.begin_epoch, self.num_epoch)
        notes: list[str] = []
        measured = chosen_metric(self.symbol, eval_metric)
        iterator = training_iterator(self.symbol, X, y, self.batch_size, self.array_layout, chosen["shuffle"], notes)
        callbacks = self._callbacks(eval_data, eval_metric, measured, chosen)
        begin_at(iterator, self.begin_epoch)
        # Joining the job waits for all other processes, so the data and options of this one are checked before.
        session = current_session(is_local(chosen["kvstore"]))
        with session.running("fit"):
            begin = start(self, iterator, measured, callbacks, snapshots, session)
            if begin.state is not None:
                begin.state.give(self, iterator)
            if begin.is_over:
                if begin.state is not None:
                    callbacks.restore(begin.state.callbacks)
                    begin.state.give_metric(measured)
            else:
                # None is MXNet's for updates without a store: here, where one process has its own.
                kind = "local" if chosen["kvstore"] is None else chosen["kvstore"]
                self._train(session, iterator, measured, kind, callbacks, notes, begin, on_nan)
        return self

    def predict(self, X: Any, batch_size: int | None = None, array_layout: str | None = None) -> Any:
        """The outputs for X (examples, ...): float32, (examples, classes) or as the network's head has it.

        A list of arrays if the network has several outputs. Every worker of a job computes all examples. Raises
        ParameterError if the model has no parameters, DataError or ShapeError if X does not fit the network.
        """
        layout = check_layout(array_layout or self.array_layout)
        params = {**self.arg_params, **self.aux_params}
        learned = self.learned()
        iterator = prediction_iterator(self.symbol, X, batch_size or self.batch_size, layout, params)
        found = predict(learned, iterator)
        return found[0] if len(found) == 1 else found

    def score(self, X: Any, y: Any = None, eval_metric: Any = None, batch_size: int | None = None) -> Any:
        """The metric's value over X (examples, ...) and y (examples, ...), or over a DataIter from its beginning.

        It is the value of all examples together, whatever the batch size, and padding does not count. A dict by name if
        there are several metrics. In a job every worker calls it, each computes its rows, and all get the same value.
        Errors as of `predict`; DataError if labels are missing or workers have different data or parameters,
        ParameterError if the metric is unknown, RemoteError if another worker makes another call instead.
        """
        chosen = chosen_metric(self.symbol, eval_metric)
        pair = X if y is None else (X, y)
        where = "score: X without y"
        iterator = evaluation_iterator(self.symbol, pair, batch_size or self.batch_size, self.array_layout, where)
        learned, session = self.learned(), current_session()
        if session.num_workers > 1:
            agree_on_evaluation(session, self.symbol, iterator, learned.checksum(), "score")
        evaluate(learned, iterator, chosen, session, "score")
        values = current_values(chosen)
        return next(iter(values.values())) if len(values) == 1 else values

    def save(self, prefix: str, epoch: int | None = None) -> None:
        """Write prefix-symbol.json, prefix-0001.params and prefix-0001.states, and checksums in prefix-0001.sha256.

        The number is `epoch`'s, by default begin_epoch, the number of epochs that are done. Rank 0 writes; other ranks
        do nothing. Raises ParameterError unless `epoch` is a whole number of 0 or more, OSError if a file cannot be
        written.
        """
        if current_session().rank == 0:
            epoch = self.begin_epoch if epoch is None else epoch
            checkpoint.save(prefix, epoch, self.symbol, self.arg_params, self.aux_params, self.training_state())

    @classmethod
    def load(
        cls,
        prefix: str,
        epoch: int | str | None = None,
        ctx: Any = None,
        allow_extra_params: bool = False,
        pooling_convention: str | None = None,
        **options: Any,
    ) -> FeedForward:
        """The model as saved; `options` are the constructor's. A later fit continues after that epoch.

        `epoch` None or "latest" is the highest one whose files match their checksums; others are named. With
        `allow_extra_params`, arrays that the network does not use are left out with a note. `pooling_convention` says
        how poolings of files of 2016 round that do not state it: "full" up, "valid" down. Raises FileFormatError if a
        file is missing, damaged or belongs to another network. Without the .states file momentum and learning rate
        schedule start over.
        """
        epoch = chosen_epoch(prefix, epoch)
        found = checkpoint.load(
            prefix, epoch, allow_extra_params=allow_extra_params, pooling_convention=pooling_convention
        )
        given = {"begin_epoch": epoch, "num_epoch": epoch, "allow_extra_params": allow_extra_params, **options}
        model = cls(found.symbol, ctx, **given)
        model.go_on_from(found)
        return model

    def _callbacks(self, eval_data: Any, eval_metric: Any, measured: Metric, chosen: CallOptions) -> FitCallbacks:
        """What to evaluate on and what to call, from the arguments of `fit`; `measured` is the training's metric."""
        evaluation = None
        if eval_data is not None:
            evaluation = evaluation_iterator(self.symbol, eval_data, self.batch_size, self.array_layout)
        return FitCallbacks(
            evaluation,
            # A name makes a second metric; an object cannot be copied safely, and so is used for both.
            chosen_metric(self.symbol, eval_metric)
            if eval_metric is None or isinstance(eval_metric, str)
            else measured,
            callback_list(chosen["epoch_end_callback"], "epoch_end_callback"),
            callback_list(chosen["batch_end_callback"], "batch_end_callback"),
            check_verbose(chosen["verbose"]),
        )

    def _train(
        self,
        session: Session,
        iterator: DataIter,
        measured: Metric,
        kind: str | KVStore,
        callbacks: FitCallbacks,
        notes: list[str],
        begin: Start,
        on_nan: str,
    ) -> None:
        """Agree with the other ranks, log how training starts, then run the epochs."""
        slices = self.slices
        if begin.state is not None:
            check_epochs_left(self.begin_epoch, self.num_epoch)
            slices = begin.state.slices
        # A model keeps its number over several fits and over save and load: what Dropout drops goes on with it.
        self.training = self.training or random.next_training()
        gpus = self.placement().identities() if session.num_workers > 1 else []
        shares = agree(session, self.symbol, iterator, slices, random.current_seed(), self.training, gpus)
        self.training = shares.training
        if begin.state is not None:
            say_what_differs(begin.state, shares.total_slices, session)
        bar = wanted(callbacks, session)
        trainer = Trainer(self, iterator, shares, session, kind, measured, on_nan, begin.state, begin.snapshots, bar)
        with brief(bar is TerminalBar):
            # What is said at the start has been said by whoever began the training.
            if callbacks.verbose and session.rank == 0 and begin.state is None:
                notes += [trainer.parameters.note] if trainer.parameters.note else []
                announce(self.ctx, shares, session, notes)
                if rate := self.unchosen_rate():
                    note_once(f"learning rate {rate:g}, the optimizer's default: learning_rate=... chooses another")
            trainer.run(range(self.begin_epoch, self.num_epoch), callbacks)
