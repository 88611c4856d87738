"""Schedules: what a job does and what befalls it, as a seed has it, and what must be true of how it ends.

Gradients are powers of two, each of one step of one worker, and the optimizer adds them up: so a value tells which
pushes it is made of, and how often each.
"""

from collections import Counter

import numpy as np
from simulated_job import LEASE, START_TIMEOUT, Job, World, simulated

import pushgrad as mx

STEPS = 5
# Seconds from a fault to the last process's end: a death is noticed within a lease and told for two seconds; who does
# not hear of it misses the scheduler after another lease.
GRACE = 2 * LEASE + 2.5
KEYS = {"a": (3,), "b": (2, 4)}  # with a bound of 6 elements, b is cut over the servers


class Broken(AssertionError):
    """An invariant does not hold."""


def gradient(rank, n):
    """Of step n: less than zero, as the optimizer subtracts it."""
    return -float(2 ** ((n - 1) + STEPS * rank))


def pushed(value, workers):
    """How many steps of each worker a value is made of. Broken if a push is missing, or there twice."""
    number = int(value)
    counts = []
    for rank in range(workers):
        bits = (number >> (STEPS * rank)) & (2**STEPS - 1)
        counts.append(bits.bit_length())
        if bits != 2 ** bits.bit_length() - 1:
            raise Broken(f"worker {rank}'s pushes are not applied once each and in order: {bits:0{STEPS}b}")
    if number != value or number >> (STEPS * workers):
        raise Broken(f"value {value} is no sum of pushes")
    return counts


class Plan:
    """What the workers do: steps of one store, by hand or as fit has them."""

    def __init__(self, random):
        self.workers, self.servers = random.choice((1, 2, 2, 3)), random.choice((1, 2))
        self.mode = random.choice(("dist_sync", "dist_sync", "dist_async", "dist_ssp"))
        self.staleness = random.randint(0, 3)
        self.shares_memory = self.mode == "dist_sync" and random.random() < 0.3
        self.as_fit_does, self.barriers = random.random() < 0.5, random.random() < 0.3
        self.pulls_every = 1 if self.as_fit_does else random.choice((1, 1, 2, 5))
        self.pace = [random.choice((0.0, 0.01, 0.2)) for _ in range(self.workers)]
        self.restarts = 3 if self.mode == "dist_sync" and random.random() < 0.5 else 0
        self.snapshot = 0, [np.zeros(shape) for shape in KEYS.values()]
        self.finished = set()

    def script(self, worker, store):
        """What every worker runs; Broken if a value is not what it must be."""
        worker.transport.shares_memory = self.shares_memory
        kv = store(self.mode, self.staleness)
        kv.set_optimizer(mx.optimizer.SGD(1.0))
        done, values = self.snapshot
        kv.init(list(KEYS), values)
        values = [np.full(shape, np.nan) for shape in KEYS.values()]
        gradients = (
            [kv.empty(key) for key in KEYS] if self.as_fit_does else [np.empty(shape) for shape in KEYS.values()]
        )
        for n in range(done + 1, STEPS + 1):
            worker.sleep(self.pace[kv.rank] * worker.world.random.random())
            for array in gradients:  # written anew where the last step's lay
                array[:] = gradient(kv.rank, n)
            if self.as_fit_does:
                self.fit_step(kv, n - done, gradients, values)
            else:
                kv.push(list(KEYS), gradients)
            if n % self.pulls_every == 0:
                kv.pull(list(KEYS), values)
                self.check(kv, n, values)
                self.save(kv, n, values)
            if self.barriers:
                kv.barrier()
        kv.pull(list(KEYS), values)
        self.check(kv, STEPS, values)
        kv.close()
        self.finished.add(kv.rank)

    def save(self, kv, n, values):
        """What a snapshot has."""
        if kv.rank == 0 and n > self.snapshot[0]:
            self.snapshot = n, [value.copy() for value in values]

    def fit_step(self, kv, n, gradients, values):
        for priority, key in enumerate(KEYS):
            kv.push_gradient(key, gradients[priority], n, 1.0, -priority)
            kv.pull_weight(key, values[priority], -priority)
        kv.wait()

    def check(self, kv, n, values):
        for value in np.concatenate([array.ravel() for array in values]):
            counts = pushed(value, self.workers)
            if counts[kv.rank] != n:
                raise Broken(f"worker {kv.rank} got a value with {counts[kv.rank]} of its own {n} pushes")
            if self.mode == "dist_sync" and set(counts) != {n}:
                raise Broken(f"steps {counts} are mixed in version {n}")
            if self.mode == "dist_ssp" and min(counts) < n - self.staleness:
                raise Broken(f"worker {kv.rank} is at step {n} with {counts}, the bound being {self.staleness}")


class Schedule:
    """One job under faults. `text` says what befell it, `faults` how often each kind did."""

    def __init__(self, seed):
        self.seed, self.world, self.text, self.faults = seed, World(seed), [], Counter()
        random = self.world.random
        self.plan = Plan(random)
        self.job = Job(self.world, self.plan.workers, self.plan.servers, self.plan.script)
        self.restarting = False
        if self.plan.restarts:
            self.world.ended = self._launch_again
        self.deadly = ""  # the process that a fault has ended or cut off for good
        self.until = self.world.now  # when the last fault is over
        span = random.choice((0.1, 0.3, 1.0))
        for _ in range(random.choice((0, 2, 6, 15))):
            self._later(random.random() * span, self._harmless)
        for _ in range(random.randint(0, 2) if self.plan.restarts else random.choice((0, 0, 0, 1))):
            self._later(random.random() * span, self._deadly)

    def _later(self, seconds, fault):
        self.until = max(self.until, self.world.now + seconds)
        self.world.at(self.world.now + seconds, fault)

    def _note(self, kind, text, seconds=0.0):
        self.faults[kind] += 1
        self.text.append(f"{self.world.now - 100:.3f} s: {text}")
        self.until = max(self.until, self.world.now + seconds)

    def _alive(self):
        return [process for process in self.world.processes if not process.ended]

    def _harmless(self):
        random = self.world.random
        lines = [line for line in self.world.lines if line.pipe is not None and not line.pipe.up.lost]
        if not lines or not self._alive():
            return
        busy = [line for line in lines if line.pipe.up.flying or line.pipe.down.flying]
        line = random.choice(busy or lines)
        kind = random.choice(("cut", "cut", "cut", "still", "stop"))
        if kind == "stop":
            process, seconds = random.choice(self._alive()), random.random() * LEASE / 4
            process.stop(seconds)
            self._note("short stop", f"{process.name} stands still for {seconds:.3f} s", seconds)
        elif kind == "cut":
            line.cut()
            self._note("cut", f"the connection of {line.owner.name} to {line.endpoint} is cut")
        else:
            seconds = random.random() * LEASE / 4
            line.stand_still(seconds)
            text = f"that of {line.owner.name} to {line.endpoint} stands still for {seconds:.3f} s"
            self._note("still connection", text, seconds)

    def _deadly(self):
        random = self.world.random
        if not self._alive():
            return
        process = random.choice(self._alive())
        self.deadly = process.name
        kind = random.choice(("is killed", "loses its host", "stands still for long", "is replaced"))
        if kind == "stands still for long":
            process.stop(LEASE * (1.5 + 2 * random.random()))
            seconds = process.stopped_until - self.world.now
            self._note("long stop", f"{process.name} stands still for {seconds:.3f} s", seconds)
            return
        self._note("lost host" if kind == "loses its host" else "kill", f"{process.name} {kind}")
        process.kill(kind == "loses its host")
        if kind == "is replaced" and not self.plan.restarts:
            self._later(random.random() * 2, lambda: self.job.replace(process))

    def _launch_again(self, process):
        """As `launch` does when a process has died. Another host's may be out of its reach, and live on."""
        if process.generation < self.world.generation or process.ended == "well" or self.restarting:
            return
        random = self.world.random
        spared = random.choice(self._alive()) if self._alive() and random.random() < 0.4 else None

        def again():
            self.restarting = True  # the deaths of the others are no reason
            self.job.start_anew(spared)
            self.restarting = False
            others = f", but for {spared.name}" if spared else ""
            text = f"all processes are killed{others}, and started again from step {self.plan.snapshot[0]}"
            self._note("restart beside one of the old generation" if spared else "restart", text)

        if self.plan.restarts:
            self.plan.restarts -= 1
            self.restarting = True
            self._later(0.3 * random.random(), again)

    def run(self):
        """Broken if an invariant does not hold."""
        with simulated():
            if not self.world.run(self.until + START_TIMEOUT + GRACE):
                raise Broken(f"these hang: {', '.join(process.name for process in self._alive())}")
        self._check_ends()

    def _check_ends(self):
        for process in self.world.processes:
            error = getattr(getattr(process, "thread", None), "error", None)
            if isinstance(error, Broken):
                raise error
            if process.ended not in ("well", "killed"):
                self._check_reason(process)
        must_finish = not self.deadly or self.plan.restarts or self.world.generation > 1
        if must_finish and self.plan.finished != set(range(self.plan.workers)):
            raise Broken(f"only workers {self.plan.finished} have finished")

    def _check_reason(self, process):
        text = process.ended
        if not self.deadly:
            raise Broken(f"{process.name} fails although nothing deadly happened: {text}")
        # Who has waited for another to come may have done so for the whole time that it is given.
        is_late = "did not come" in text or "no answer" in text
        if process.when > self.until + GRACE + START_TIMEOUT * is_late:
            raise Broken(f"{process.name} ends {process.when - self.until:.1f} s after the last fault")
        if process.generation < self.world.generation:
            return  # what it says is of no interest to anybody
        if self.world.generation > 1:
            raise Broken(f"{process.name} of generation {process.generation} fails: {text}")
        # A scheduler that stood still misses those who have given it up. And who stands still has lost the scheduler.
        named = {self.deadly, self.deadly.rpartition(" ")[0] or self.deadly, "scheduler"}
        if not (is_late or any(f"{name} " in text for name in named) or self.deadly == "scheduler"):
            raise Broken(f"{process.name} does not name {self.deadly}: {text}")

    def story(self):
        """What befell the job, and how its processes ended."""
        plan = self.plan
        what = f"{plan.workers} workers, {plan.servers} servers, {plan.mode} {plan.staleness}"
        ends = [
            f"{process.name} ({process.generation}): {process.ended} at {(process.when or 0) - 100:.3f} s"
            for process in self.world.processes
        ]
        return "\n".join([what, *self.text, *ends])
