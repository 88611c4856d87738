"""What the workers settle before a training, with peers that only exchange texts."""

import contextlib

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import DataError, JobError
from pushgrad.worker.store.session import Session
from pushgrad.worker.training.agreement import agree

NET = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3, name="fc"), name="softmax")


class Waiting(Exception):
    pass


class Peer(Session):
    """A worker that sees what the others have said, if all have."""

    def __init__(self, rank, said):
        super().__init__(rank, len(said), True)
        self.said = said

    def gather(self, payload, what=""):
        self.said[self.rank] = payload
        if None in self.said:
            raise Waiting
        return self.said


def settle(*arguments):
    """Each worker's share or DataError; `arguments` are its iterator, slices, seed and training."""
    said = [None] * len(arguments)
    for rank, own in enumerate(arguments):
        with contextlib.suppress(Waiting, DataError, JobError):
            agree(Peer(rank, said), NET, *own)
    outcomes = []
    for rank, own in enumerate(arguments):
        try:
            outcomes.append(agree(Peer(rank, said), NET, *own))
        except (DataError, JobError) as error:
            outcomes.append(error)
    return outcomes


def iterator(rows=40, batch_size=10, first=0.0, **options):
    X = np.zeros((rows, 4), np.float32)
    X[0] = first
    return mx.io.NDArrayIter(X, np.zeros(rows), batch_size=batch_size, **options)


@pytest.mark.parametrize(("workers", "batch"), [(1, 10), (2, 10), (3, 10), (4, 3)])
def test_rows_are_dealt_in_order_and_completely(workers, batch, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    shares = settle(*[(iterator(batch_size=batch), None, 0, 1)] * workers)
    ends = [0, *(share.rows[1] for share in shares)]
    assert [share.rows[0] for share in shares] == ends[:-1] and ends[-1] == batch
    assert ends == [rank * batch // workers for rank in range(workers + 1)]
    assert all(share.total_slices == 2 * workers and len(share.slices) == 2 for share in shares)
    for share in shares:
        assert share.global_batch == batch and share.first_row == share.rows[0]
        assert share.slices[0][0] == 0 and share.slices[-1][1] == share.local_rows


def test_slices_are_rounded_up_to_a_multiple_of_the_workers():
    shares = settle(*[(iterator(batch_size=12), 4, 0, 1)] * 3)
    assert [share.total_slices for share in shares] == [6, 6, 6]
    assert [share.slices for share in shares] == [[(0, 2), (2, 4)]] * 3


def test_seed_order_and_training_are_rank_0s():
    iterators = [iterator(shuffle=True, seed=seed) for seed in (5, 6)]
    shares = settle((iterators[0], None, 7, 1), (iterators[1], None, 8, 2))
    assert [(share.seed, share.training) for share in shares] == [(7, 1), (7, 1)]
    assert iterators[1].seed == 5


def test_parts_of_the_data_are_not_cut_again():
    parts = [iterator(batch_size=size) for size in (6, 4)]
    for rank, part in enumerate(parts):
        part.num_parts, part.part_index = 2, rank
    first, second = settle((parts[0], 4, 0, 1), (parts[1], 4, 0, 1))
    assert (first.rows, second.rows) == ((0, 6), (0, 4))
    assert (first.global_batch, second.global_batch) == (10, 10)
    assert (first.first_row, second.first_row) == (0, 6)


def test_every_rank_names_the_ranks_that_differ():
    outcomes = settle(*[(iterator(first=value), None, 0, 1) for value in (1, 1, 5, 7)])
    assert len({str(error) for error in outcomes}) == 1
    assert str(outcomes[1]).startswith("ranks 0 and 2, 3 train on different things: data checksum: expected [")
    assert "(rank 2)" in str(outcomes[1]) and "(rank 3)" in str(outcomes[1])


def test_many_ranks_that_differ_are_cut_short():
    outcomes = settle((iterator(), None, 0, 1), *[(iterator(rows=30), None, 0, 1)] * 6)
    assert str(outcomes[0]).count("(rank ") == 4  # rank 0 and three others
    assert "ranks 0 and 1, 2, 3, 4, 5, 6" in str(outcomes[0])


@pytest.mark.parametrize("parts", [[(2, 0), (2, 0)], [(2, 0), (3, 1)], [(2, 0), (1, 0)], [(1, 0), (2, 1)]])
def test_parts_that_do_not_make_up_a_whole(parts):
    iterators = [iterator() for _ in parts]
    for one, (num_parts, part_index) in zip(iterators, parts, strict=True):
        one.num_parts, one.part_index = num_parts, part_index
    outcomes = settle(*[(one, None, 0, 1) for one in iterators])
    assert len({str(error) for error in outcomes}) == 1
    assert "do not make up a whole" in str(outcomes[0]) or "train on different things" in str(outcomes[0])


class Own(mx.io.DataIter):
    """An iterator of a user's that says what must be equal, and does something at random."""

    batch_size, provide_data, provide_label = 4, [("data", (4, 3))], [("softmax_label", (4,))]

    def __init__(self, seed, made_of):
        self.seed, self.made_of = seed, made_of

    def reseed(self, seed):
        self.seed = seed

    def fingerprint(self):
        return {"made of": self.made_of}


def test_iterators_say_what_must_be_equal_and_take_rank_0s_seed():
    iterators = [Own(seed, "wood") for seed in (5, 6)]
    assert [share.rows for share in settle(*[(one, None, 0, 1) for one in iterators])] == [(0, 2), (2, 4)]
    assert iterators[1].seed == 5
    outcomes = settle((Own(5, "wood"), None, 0, 1), (Own(5, "iron"), None, 0, 1))
    assert "different things: made of: expected wood (rank 0), got iron (rank 1)" in str(outcomes[0])


def test_a_gpu_is_one_workers_unless_it_is_shared_knowingly(monkeypatch):
    first, second = [(iterator(), 2, 0, 1, gpus) for gpus in (["a", "b"], ["c", "b"])]
    for outcome in settle(first, second):
        assert "workers 0 and 1 both compute on GPU b" in str(outcome)
        assert "launch --gpus 0,0" in str(outcome)
    monkeypatch.setenv("PUSHGRAD_SHARED_GPUS", "1")
    assert [share.rows for share in settle(first, second)] == [(0, 5), (5, 10)]
