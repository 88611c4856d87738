"""A fit on the GPUs of one process: data, weights and optimizer stay there, and a step costs the host a launch or two.

The parts: Replicas (execution/gpu) compute and sum gradients, Inputs put batches in place, FlatUpdate is the optimizer,
Measures counts the metric, and a RecordedStep replays all of these as CUDA graphs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

from ....common.errors import DataError
from ....ps.optimizers.base import Step
from ...array import Array
from ...cuda.device import held
from ...cuda.loss_scale import LossScale
from ...cuda.step import Update
from ...execution.gpu.memory_blocks import Layout
from ...execution.gpu.recorded_step import RecordedStep
from ...execution.gpu.replica import Bucket, Pause
from ...execution.gpu.replicas import BUCKET, WHOLE, Replicas
from ...store.finite import REMEDY
from ...store.kv import fitting_kind
from ..capture import Capture, Held
from ..engine import Engine, FitSetup
from ..feeding import input_shapes
from ..sparse_embeddings import find_lookups
from .inputs import inputs_for
from .measures import Measures
from .update import FlatUpdate, handles, update_of
from .update_tables import Span

LOOK_EVERY = 256  # steps between two looks at what went wrong: each waits until the GPUs have done what is queued


class CudaEngine(Engine):
    """Every GPU holds all weights and computes some rows; gradients are summed over the GPUs, and each makes the same
    update. Nothing waits for a step except what asks for its results.
    """

    def __init__(self, setup: FitSetup) -> None:
        """Bind and copy everything to the GPUs. Raises ParameterError, GraphError, ShapeError or DeviceError."""
        self._setup, self._model, shares = setup, setup.model, setup.shares
        self._bad = setup.bad_steps
        # No store is made, but the name is checked and the ordinal taken as if one were.
        fitting_kind(setup.kind, setup.session)
        self.fit = setup.session.next_fit()
        shapes = input_shapes(self._model.symbol, setup.iterator, setup.names, shares.global_batch)
        requests = setup.requests(self._model.symbol.list_arguments())
        bucket = BUCKET if len(setup.placement.gpus) > 1 else WHOLE  # one GPU has nobody to send parts to
        self._replicas = replicas = Replicas(
            self._model.symbol, setup.placement, requests, shapes, self._model.precision, shares.global_batch, bucket
        )
        replicas.place(True, shares.position(0))
        with replicas.alone():
            self._prepare()

    def _prepare(self) -> None:
        """Make what lies on the GPUs besides the replicas, and copy the initial values there."""
        setup, replicas = self._setup, self._replicas
        self._spans = [
            Span(first, last - first, *setup.parameters.multipliers[name], name)
            for name, (first, last) in ((n, replicas.weight_layout.ranges[n]) for n in setup.learned)
        ]
        self._optimizer = setup.optimizer_going_on()
        self._last_rate = self._optimizer.last_lr
        self._first_step = self._model.num_update  # steps of earlier fits, which messages do not count
        self._states: list[dict[str, Array]] = []  # the optimizer's, per GPU
        self._before: list[Array] = []  # of each GPU, its auxiliary states before the step under way
        self._updates = [self._update(index) for index in range(len(replicas.devices))]
        for device, weights, states in zip(replicas.devices, replicas.weights, replicas.states, strict=True):
            replicas.weight_layout.send(device, weights, setup.parameters.arguments)
            replicas.state_layout.send(device, states, setup.parameters.states)
            if self._bad.leaves_out:
                with device.active():
                    self._before.append(states.copy())
        for device, scale in zip(replicas.devices, self._loss_scales(), strict=False):
            if setup.own_state:
                with device.active():
                    scale.restore(setup.own_state)
        self._inputs = inputs_for(replicas, setup)
        self._recorded_step = RecordedStep(replicas.devices, self._step, self._between, replicas.records)
        self._measures = Measures(replicas, setup.measured, setup.pairing)  # last, as it hooks the metric

    @staticmethod
    def handles(setup: FitSetup) -> bool:
        """Whether there are kernels for the optimizer, and no Embedding asks for an update of some rows only."""
        learned = set(setup.learned)
        return handles(setup.optimizer) and not find_lookups(setup.model.symbol, setup.names.data, learned)

    def start(self) -> None:
        """Do nothing: the initial values were copied when the engine was made, and there are no other ranks."""

    def epoch(self) -> Iterator[None]:
        """Queue a step for each batch of the iterator's next epoch; yields when it is queued, not when it is done.

        Raises DataError up to LOOK_EVERY steps after the one at fault, or at the end of the epoch. Where a step may be
        left out, the host waits for each.
        """
        counting = bool(self._replicas.replicas[0].binding.counting)
        for number, labels in self._inputs.epoch():
            update = self._next_update()
            counts = self._replicas.replicas[0].counts(labels) if counting else []
            with self._replicas.alone():
                self._keep_states()
                # A recorded step has no arguments: what changes from step to step it reads from memory set here.
                self._replicas.set_now(self._model.num_update, number, update, counts)
                self._recorded_step.run()
            # Outside of `alone`: now and then it waits for the GPUs, and takes their locks itself for that.
            if not self._bad.leaves_out or self._is_good():
                self._measures.count(number)
            self._model.num_update += 1
            if self._model.num_update % LOOK_EVERY == 0:
                self.look()
            yield
        self.look()  # before anything is logged, evaluated or saved

    def _next_update(self) -> Update:
        """What the optimizer is told in the next step."""
        done, last = self._model.num_update, self._last_rate
        t, self._last_rate = self._optimizer.begin_num_update + done - self._first_step + 1, self._setup.rate(done)
        return update_of(self._optimizer, Step(self._last_rate, t=t, last_lr=last))

    def weights(self) -> Mapping[str, Array]:
        """All parameters by name, each of its shape, copied from the first GPU. Waits for it."""
        found = self._fetch(self._replicas.weight_layout, self._replicas.weights[0])
        # One GPU is enough, as all make the same update. Its block also has other inputs that the batch does not cut.
        return {name: found[name] for name in self._setup.parameters.arguments}

    def states(self) -> Mapping[str, Array]:
        """The auxiliary states by name, each of its shape, copied from the first GPU. Waits for it."""
        return self._fetch(self._replicas.state_layout, self._replicas.states[0])

    def optimizer_states(self) -> dict[str, dict[str, Array]]:
        """The optimizer's states by parameter, then by state, each of its shape, copied from the first GPU."""
        layout = self._replicas.weight_layout
        found = {state: self._fetch(layout, block) for state, block in self._states[0].items()}
        return {name: {state: arrays[name] for state, arrays in found.items()} for name in self._setup.learned}

    def capture(self, whole: bool) -> Capture:
        """Copy everything from the first GPU at once. Waits for it."""
        return Capture(Held(self.weights(), self.states(), self.optimizer_states()) if whole else Held())

    def own_state(self) -> Mapping[str, Any]:
        """The scale of losses in float16, the same on all GPUs. Waits for the first."""
        scales = self._loss_scales()
        with self._replicas.alone(), self._replicas.devices[0].active():
            return scales[0].state() if scales else {}

    def _loss_scales(self) -> list[LossScale]:
        return [replica.loss_scale for replica in self._replicas.replicas if replica.loss_scale]

    def close(self) -> None:
        """Count the batches that are due and wait for all GPUs, so that nothing writes to memory that is freed."""
        # A stack, so that an error of one does not keep the others from being done.
        with held(self._replicas.devices), ExitStack() as stack:
            for device in self._replicas.devices:
                stack.callback(device.synchronize)
            stack.callback(self._measures.close)

    def _step(self, index: int) -> Iterator[Pause]:
        """Queue what one GPU does in a step; yields where gradients or states of all GPUs are to be summed."""
        self._inputs.queue(index)
        work = self._replicas.train(index)
        if self._replicas.collective is None:
            for _ in work:
                pass  # nobody waits for a part of the gradients, so that the step is recorded as one graph
        else:
            yield from work
        self._updates[index].run(self._replicas.replicas[index].step)
        self._measures.queue(index)

    def _between(self, bucket: Pause) -> None:
        """Queue the sum over GPUs of what `_step` yielded on each of them."""
        assert isinstance(bucket, Bucket), "weights never arrive from elsewhere"
        self._replicas.sum(bucket)
        # The last bucket is empty. What follows it, the update, must come after all sums, which run on other streams.
        if not bucket.names and self._replicas.collective is not None:
            self._replicas.collective.join()

    def _update(self, index: int) -> FlatUpdate:
        """The update of GPU `index`, whose optimizer states begin at zero or as an earlier fit left them."""
        replicas, optimizer = self._replicas, self._setup.optimizer
        device, layout = replicas.devices[index], replicas.weight_layout
        with device.active():
            states = {name: layout.zeros(device) for name in optimizer.state_names}
            self._states.append(states)
            update = FlatUpdate(
                device,
                optimizer,
                self._spans,
                replicas.weights[index],
                replicas.gradients[index],
                states,
                replicas.replicas[index].loss_scale,
                self._bad.policy == "allow",
            )
        kept = {name: self._setup.kept_states(name) for name in self._setup.learned}
        for state, block in states.items():
            values = {name: found[state] for name, found in kept.items() if state in found}
            if values:
                layout.send(device, block, values)
        return update

    def look(self) -> None:
        """Raise what went wrong on the GPUs since the last look. Waits for them."""
        with self._replicas.alone():
            self._replicas.look()
            with self._replicas.devices[0].active():
                found = self._updates[0].look()  # all GPUs see the same sums, so one is enough
        if found is not None:
            step, key = found  # counted over all fits; the message counts from 1 in this one
            raise DataError(
                f"the gradient of {self._setup.learned[key]} at step {step - self._first_step + 1} is NaN or infinite",
                remedy=REMEDY,
            )

    def _keep_states(self) -> None:
        """Queue copies of the auxiliary states, where the step may be left out."""
        for device, states, before in zip(self._replicas.devices, self._replicas.states, self._before, strict=False):
            with device.active():
                before[...] = states

    def _is_good(self) -> bool:
        """Whether the step that was queued last has made its update; otherwise it is made as if it had not been.

        Waits for the GPUs. Raises what `BadSteps.found` does.
        """
        replicas = self._replicas
        with replicas.alone(), replicas.devices[0].active():
            found = self._updates[0].look(any_scale=self._bad.policy == "skip")
        if found is None:
            return True
        self._measures.settle()  # the batches before: this one is not counted
        with replicas.alone():
            for device, states, before, update in zip(
                replicas.devices, replicas.states, self._before, self._updates, strict=True
            ):
                with device.active():
                    states[...] = before
                    update.forget()
        self._bad.found(self._setup.learned[found[1]], "NaN or an infinite value")
        return False

    def _fetch(self, layout: Layout, block: Array) -> dict[str, Array]:
        """A block of the first GPU as host arrays by name, views of one copy. Waits for it."""
        with self._replicas.alone(), self._replicas.devices[0].active():
            return layout.views(block.get())  # type: ignore[attr-defined]
