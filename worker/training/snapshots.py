"""Takes the snapshots of one fit: decides when, and has a thread copy its state at a step (capture.py) and write it.

Rank 0 writes all that the workers of a job have in common, which is nearly everything: it has the weights, and fetches
the optimizer's states from the servers, which keep them until they have its gradients of the next step. What one worker
alone has it writes itself, into the same folder, and rank 0 makes the snapshot appear once all parts are there.
"""

from __future__ import annotations

import json
import threading
import time
from typing import Any

from ...common.snapshot_interval import Interval
from .. import output_marks
from ..files import snapshot
from ..files.state_tree import copied
from ..store.session import Session
from .announced import Announced
from .capture import Capture, Held
from .engine import Engine, FitSetup
from .fit_callbacks import FitCallbacks
from .fit_state import FitState
from .script_run import Identity, ScriptRun
from .turns import Turns
from .whole_snapshot import write_whole


class Snapshots:
    """The snapshots of fit `fit` of a run, of which `step` steps are done."""

    def __init__(
        self, run: ScriptRun, interval: Interval, fit: int, step: int, identity: Identity, session: Session
    ) -> None:
        """Raises ParameterError if another training writes snapshots in the folder, and what `heed` of `run` does."""
        self.run, self._fit, self._step, self._session = run, fit, step, session
        if session.rank == 0:
            run.lock()
        run.heed()
        self._head = run.head(fit, identity)
        self._turns = Turns(interval)
        self._capture = Capture(Held())  # the last one
        self._announced = Announced(session)
        self._passed = threading.Event()  # whether all workers have done all there is to do after the last one's step

    def begin(self, engine: Engine, epoch: int, batch: int) -> None:
        """The engine has started: `batch` batches of `epoch` (from 0) are done. `launch` is told what a death costs."""
        output_marks.begin(self._fit, self._step)
        self._session.resumable(fit=self._fit, epoch=epoch + 1, batch=batch, step=self._step)
        if self._session.rank == 0:
            self.run.write(engine.reserve)
        if engine.is_exact:
            self._announced.begin()
        else:
            self.say_once("updates are applied as they come: snapshots are taken at the ends of epochs alone")

    def after_step(self, setup: FitSetup, engine: Engine, epoch: int, batch: int, callbacks: FitCallbacks) -> None:
        """Take a snapshot if one is due. `batch` batches of `epoch` (from 0) are done.

        Every worker calls it after every step. Raises what the engine, the callbacks and `heed` of the run do.
        """
        self._step += 1
        self._passed.set()  # all have handed in their gradients of another step
        output_marks.at(self._fit, self._step)
        self.run.heed()
        ends = self._announced.ends  # read first: what follows must be this step's snapshot
        if self._announced.snapshot:
            self._announced.snapshot = False
            self._turns.hurry()
            self.run.finish_writing()
        shared = self._shared(engine)
        comes = self._turns.comes(self._step - 1, self._step, shared)
        wanted = comes and engine.is_exact and self._wanted(shared)  # elsewhere it stays due until the epoch ends
        if wanted:
            self._take(setup, engine, epoch, batch, callbacks)
        if ends and (wanted or self._session.rank > 0):
            self._passed.set()
            self.run.finish_writing()
            self._announced.end()

    def after_epoch(self, setup: FitSetup, engine: Engine, epoch: int, batch: int, callbacks: FitCallbacks) -> None:
        """Take one that is due where updates are applied as they come: only now, when all workers have done as many
        steps and wait for each other, is there a state that all agree on.
        """
        if not engine.is_exact and self._wanted(shared=True):
            self._take(setup, engine, epoch, batch, callbacks)
            self._capture.finish()  # on rank 0 from the servers, to which nobody pushes until then
            self._session.barrier()
            self._passed.set()

    def close(self) -> None:
        """No more steps will come."""
        self._passed.set()
        self._announced.close(self.run.finish_writing)

    def at_stop(self, setup: FitSetup, engine: Engine, epoch: int, batch: int, callbacks: FitCallbacks) -> None:
        """Take a snapshot of a fit that stops there. Every worker calls it; arguments and errors as of `after_step`."""
        self._passed.set()  # all workers know that they stop here
        self._turns.settle(taken=True)
        self._take(setup, engine, epoch, batch, callbacks)
        self._passed.set()

    def after_fit(self, setup: FitSetup, callbacks: FitCallbacks) -> None:
        """Have the result of the fit written: what the model has, which a callback may have changed at its end."""
        output_marks.at(self._fit + 1, 0)
        if self._session.rank == 0:
            model = setup.model
            # Copied at once: the model is the script's again.
            arrays = copied([model.arg_params, model.aux_params, model.optimizer_states], "model")
            self._capture = Capture(Held(*arrays))
            state = FitState.now(setup, callbacks, self._step, model.begin_epoch, 0, self._capture.arrays, {})
            self._begin(f"fit{self._fit}-end", state, range(0), done=True)
            if self.run.stops:
                self.run.finish_writing()
                self.run.heed()

    def say_once(self, text: str) -> None:
        """Say it on rank 0, once in the script's run."""
        if self._session.rank == 0:
            self.run.say_once(text)

    def _wanted(self, shared: bool) -> bool:
        """Whether to take one now: never while one is being written. With `shared` rank 0 says so, to all workers."""
        due = self._turns.due()
        said = [due and not self.run.writing, due, self._turns.next()]
        if shared:
            said = json.loads(self._session.gather(json.dumps(said).encode(), "snapshot")[0])
        taken, due, calls = bool(said[0]), bool(said[1]), int(said[2])
        self._turns.settle(taken, due and not taken, calls)
        return taken

    def _shared(self, engine: Engine) -> bool:
        """Whether every worker has a part of a snapshot, so that rank 0 must say when."""
        return self._session.num_workers > 1 and bool(engine.residuals())

    def _take(self, setup: FitSetup, engine: Engine, epoch: int, batch: int, callbacks: FitCallbacks) -> None:
        first, shared = self._session.rank == 0, self._shared(engine)
        self.run.finish_writing()  # on rank 0 it has ended; on others the copies may still be read
        engine.look()
        name = f"fit{self._fit}-step{self._step}"
        if first:
            own = engine.own_state()
            self._capture = engine.capture(whole=True)
            state = FitState.now(setup, callbacks, self._step, epoch, batch, self._capture.arrays, own)
            self._begin(name, state, range(1, self._session.num_workers if shared else 1))
        elif shared:
            self._capture = engine.capture(whole=False)
            self._begin_part(name, self._capture)

    def _begin_part(self, name: str, capture: Capture) -> None:
        """Have written what another worker than rank 0 has alone."""

        def work() -> None:
            capture.finish()
            tree = {"residuals": capture.arrays.residuals}
            snapshot.write(self.run.folder.aside(name), snapshot.part(self._session.rank), self._head, tree)

        self.run.write(work)

    def _begin(self, name: str, state: FitState, ranks: range, done: bool = False) -> None:
        """Have the state written, as a snapshot that appears when the parts of `ranks` are there as well."""
        capture, blocked = self._capture, self._turns.blocked()
        head = {**self._head, "step": state.step, "epoch": state.epoch + 1, "batch": state.batch, "done": done}
        head["parts"] = list(ranks)
        if self._session.num_workers > 1 and not done:
            self._passed.clear()

        def work() -> None:
            began = time.monotonic()
            capture.finish()
            copying, cpu = time.monotonic() - began, time.thread_time()
            self._write(name, head, state)
            self._turns.cost = blocked + capture.held + copying + time.thread_time() - cpu

        self.run.write(work)

    def _write(self, name: str, head: dict[str, Any], state: FitState) -> None:
        # Another worker may still have to print a line of this step, which nobody would do again.
        numbered = write_whole(self.run, name, head, state.tree(), self._session, self._passed.wait)
        if head["done"]:
            self.run.results[self._fit] = numbered
            self._session.resumable(fit=self._fit + 1, epoch=1, batch=0, step=0)
        else:
            self._session.resumable(fit=self._fit, epoch=state.epoch + 1, batch=state.batch, step=state.step)
        self.run.folder.prune(self.run.id)
