"""What the workers of a job settle before they train: who computes which rows, and with whose seed.

Each rank sends a summary of its network, its data and its settings in one gather. All ranks then see the same list and
draw the same conclusions from it, errors included, so that nobody waits for a worker that has given up.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...common.checks import is_whole_number
from ...common.errors import DataError, JobError, ParameterError
from ...common.job import gpus_are_shared
from ...common.slices import round_up_slices, share, slices_of_worker
from ..array import Rows
from ..compute_threads import thread_count
from ..data.data_iter import DataIter
from ..graphs import json_text
from ..graphs.graph import Graph
from ..ops.batch_position import BatchPosition
from ..store.session import Session


@dataclass(frozen=True)
class Shares:
    """How one job cuts its global batch: this worker's rows of each batch of its iterator, and their slices.

    All ranges are half-open pairs (first, last) of row numbers. `global_batch` is the number of examples per step over
    the whole job, `rows` is a range of the iterator's batch, and each of `slices` a range that counts from the first of
    these rows. `first_row` is the place of that row in the global batch, `total_slices` the number of slices of all
    workers. `seed` and `training` are the keys of the job's random numbers, both rank 0's.
    """

    global_batch: int
    rows: Rows
    slices: list[Rows]
    first_row: int
    total_slices: int
    seed: int
    training: int

    def position(self, number: int) -> BatchPosition:
        """The position of this worker's rows in step `number` (from 0) of the training."""
        return BatchPosition(self.seed, self.training, number, self.first_row, self.global_batch)

    @property
    def local_rows(self) -> int:
        """Examples per step on this worker."""
        return self.rows[1] - self.rows[0]


def agree(
    session: Session,
    symbol: Graph,
    iterator: DataIter,
    slices: int | None,
    seed: int,
    training: int,
    gpus: Sequence[str] = (),
) -> Shares:
    """Compare what each rank brought and share out the batch. Every worker calls it; it waits for all of them.

    `slices` is the number over the whole job; None gives each compute thread of the job one. `gpus` are the identities
    of this worker's GPUs. An iterator that can be reseeded gets rank 0's seed, so all ranks shuffle alike.

    Raises ParameterError if `slices` is not a whole number of at least 1; on every rank DataError if networks or data
    differ or parts of the data do not make up a whole, and JobError if two workers use one GPU unknowingly; PeerLost or
    RemoteError if a worker does not take part.
    """
    if slices is not None and not is_whole_number(slices, 1):
        raise ParameterError("slices", expected="a whole number of at least 1", got=repr(slices))
    sharded = getattr(iterator, "num_parts", 1) > 1
    mine = {
        "threads": thread_count(),
        "keys": {"seed": seed, "training": training},
        "order": getattr(iterator, "seed", 0),  # the seed of its shuffle
        "batch": iterator.batch_size,
        "part": [getattr(iterator, "num_parts", 1), getattr(iterator, "part_index", 0)],
        "gpus": [] if gpus_are_shared() else list(gpus),
        # A worker on its own has nothing to compare, and a checksum reads the whole data set.
        "fingerprint": {"slices": slices, **fingerprint(symbol, iterator)} if session.num_workers > 1 else {},
    }
    everyone = [json.loads(payload) for payload in session.gather(json.dumps(mine).encode(), "start of fit")]
    # The checks see `everyone` alone, so that all ranks come to the same errors.
    _compare(everyone)
    _check_parts([one["part"] for one in everyone])
    _check_gpus([one["gpus"] for one in everyone])
    if hasattr(iterator, "reseed"):
        iterator.reseed(everyone[0]["order"])
    total = slices if slices is not None else sum(one["threads"] for one in everyone)
    # A worker owns whole slices, and as many as any other.
    total = round_up_slices(total, session.num_workers)
    sizes = [one["batch"] for one in everyone] if sharded else None
    return _shares(iterator.batch_size, sizes, total, session, everyone[0]["keys"])


def agree_on_evaluation(session: Session, symbol: Graph, iterator: DataIter, weights: int | None, what: str) -> None:
    """Compare what each rank evaluates before it does. Every worker calls it; `what` says for what, as of `gather`.

    `weights` is a checksum of the parameters, None if they need not be equal. Raises DataError on every rank if
    networks, parameters or data differ or parts of the data do not make up a whole; PeerLost or RemoteError if a worker
    does not take part.
    """
    if session.num_workers == 1:  # a checksum reads the whole data set
        return
    mine = {
        "part": [getattr(iterator, "num_parts", 1), getattr(iterator, "part_index", 0)],
        "fingerprint": {"parameters": weights, **fingerprint(symbol, iterator)},
    }
    everyone = [json.loads(payload) for payload in session.gather(json.dumps(mine).encode(), what)]
    _compare(everyone, "evaluate")
    _check_parts([one["part"] for one in everyone])


def check_equal_batches(session: Session, count: int, epoch: int) -> None:
    """Raise DataError on every rank unless all had `count` batches in `epoch`, counted from 0.

    One that has fewer mostly waits here while the others wait for its next step: the scheduler finds that out and ends
    the job with a message that has what is said here.
    """
    if session.num_workers == 1:
        return
    what = f"end of epoch {epoch + 1}: after {count} batch{'' if count == 1 else 'es'}"
    counts = [int(payload) for payload in session.gather(b"%d" % count, what)]
    if len(set(counts)) > 1:
        listed = ", ".join(f"{one} (rank {rank})" for rank, one in enumerate(counts[:8]))
        raise DataError(
            f"the workers have different numbers of batches in epoch {epoch + 1}",
            expected="as many on all ranks",
            got=listed + (", ..." if len(counts) > 8 else ""),
            remedy="Give all workers as many examples, or let iterators over parts leave out what is too much",
        )


def _shares(batch: int, sizes: list[int] | None, total: int, session: Session, keys: dict[str, int]) -> Shares:
    """This worker's share where its iterator yields batches of `batch` rows.

    `sizes` are those of all ranks where each iterator yields a part of the data, which is not cut again; None where
    every rank has the global batch.
    """
    if sizes is not None:
        each = total // session.num_workers
        parts = [share(batch, i, each) for i in range(each)]
        first = sum(sizes[: session.rank])
        return Shares(sum(sizes), (0, batch), parts, first, total, **keys)
    owned = slices_of_worker(batch, total, session.rank, session.num_workers)
    low, high = owned[0][0], owned[-1][1]
    local = [(first - low, last - low) for first, last in owned]
    return Shares(batch, (low, high), local, low, total, **keys)


def fingerprint(symbol: Graph, iterator: DataIter) -> dict[str, Any]:
    """What must be equal on all ranks, each part under the name that an error message gives it."""
    found: dict[str, Any] = {
        "network": hashlib.sha256(json_text.dumps(symbol).encode()).hexdigest()[:16],
        # Without the batch axis: iterators over parts of the data may have batches of different sizes.
        "data shapes": [[name, list(shape)[1:]] for name, shape in iterator.provide_data],
        "label shapes": [[name, list(shape)[1:]] for name, shape in iterator.provide_label],
    }
    if getattr(iterator, "num_parts", 1) == 1:  # that of parts may differ: the global batch is their sum
        found["batch size"] = iterator.batch_size
    return found | getattr(iterator, "fingerprint", dict)()


def _check_parts(parts: list[list[int]]) -> None:
    """DataError unless all iterators yield the whole data, or each of them a part of its own.

    `parts` are (num_parts, part_index) by rank.
    """
    if all(count == 1 for count, _ in parts):
        return
    if len({count for count, _ in parts}) > 1 or len({index for _, index in parts}) < len(parts):
        listed = ", ".join(f"{index} of {count} (rank {rank})" for rank, (count, index) in enumerate(parts[:8]))
        raise DataError(
            "the workers' parts of the data do not make up a whole",
            expected=f"num_parts={len(parts)} everywhere, and part_index equal to the rank",
            got=f"part {listed}" + (", ..." if len(parts) > 8 else ""),
            remedy="Pass num_parts=mx.num_workers(), part_index=mx.rank()",
        )


def _check_gpus(gpus: list[list[str]]) -> None:
    """JobError if two workers compute on one GPU without knowing it: they would compete for its memory and time.

    `gpus` are the identities of each rank's GPUs.
    """
    owner: dict[str, int] = {}
    for rank, names in enumerate(gpus):
        for name in names:
            if owner.setdefault(name, rank) != rank:
                raise JobError(
                    f"workers {owner[name]} and {rank} both compute on GPU {name}",
                    remedy="Deal GPUs out with `launch --gpus 0,1`, or share one knowingly with `launch --gpus 0,0` "
                    "(PUSHGRAD_SHARED_GPUS=1)",
                )


def _compare(everyone: list[dict[str, Any]], verb: str = "train on") -> None:
    """DataError if any rank differs from rank 0: it names all that do, in the first part where one does."""
    for part, value in everyone[0]["fingerprint"].items():
        found = {rank: one["fingerprint"].get(part) for rank, one in enumerate(everyone)}
        other = {rank: said for rank, said in found.items() if said != value}
        if other:
            listed = [f"{said} (rank {rank})" for rank, said in other.items()]
            raise DataError(
                f"ranks 0 and {', '.join(map(str, other))} {verb} different things: {part}",
                expected=f"{value} (rank 0)",
                got=", ".join(listed[:3]) + (", ..." if len(listed) > 3 else ""),  # readable with a thousand ranks, too
                remedy="All workers must run the same script on the same data (random data need a fixed seed); "
                "each batch is divided among them.",
            )
