"""What a server refuses, whatever the worker thought of it: nothing has been written, and the service goes on."""

import random

import numpy as np
import pytest

from pushgrad.common.coding import Coding
from pushgrad.common.requests import Attach, Drop, Init, Pull, Push, Setup, Stats
from pushgrad.common.tensor import Tensor
from pushgrad.common.wire import WireError
from pushgrad.ps.replies import Replies

SGD = {"name": "sgd", "momentum": 0.9, "wd": 0.1, "rescale_grad": 0.5, "clip_gradient": None}
WHOLE = Tensor("n", "int32", (4,), 0, 4)


@pytest.mark.parametrize("optimizer", [SGD, {"name": "sgd"}, {"name": "test", "rescale_grad": 0.5}])
@pytest.mark.parametrize("mode", ["sync", "async"])
def test_whole_numbers_under_an_optimizer(new_client, refused, optimizer, mode):
    client = new_client(mode=mode, optimizer=optimizer)
    client.init(tensor=WHOLE)
    client.init()
    both = (WHOLE, Tensor("w", "float32", (4,), 0, 4))
    error = refused(lambda: client.ask(0, Push, n=1, lr=0.5, tensors=both, frames=(bytes(16), bytes(16))))
    assert (error.code, error.key) == ("optimizer", "n")
    assert "expected float32 or float64, got int32" in str(error)
    for rank in (0, 1):
        client.push(rank, 1)  # the refused one has not counted for the other key


def test_an_optimizer_that_comes_after_whole_numbers(new_client, refused):
    client = new_client()
    client.init(tensor=WHOLE)
    client.push(0, 1, tensor=WHOLE)
    client.ask(0, Setup, seq=2, mode="sync", staleness=0, optimizer=SGD)
    assert refused(lambda: client.push(1, 1, tensor=WHOLE)).code == "optimizer"


def test_the_first_init_counts(new_client):
    client = new_client(optimizer=SGD)
    client.init(1.0)
    client.init(2.0)
    np.testing.assert_array_equal(client.weight(), 1.0)
    client.init(3.0, part="mom")
    client.init(4.0, part="mom")
    np.testing.assert_array_equal(client.weight("mom"), 3.0)
    client.ask(0, Setup, seq=2, mode="sync", staleness=0, optimizer={**SGD, "momentum": 0.5})
    np.testing.assert_array_equal(client.weight("mom"), 0.0)
    client.init(5.0, part="mom")  # of the new optimizer, this is the first
    np.testing.assert_array_equal(client.weight("mom"), 5.0)


# ---- anything that a worker could say

TENSORS = [
    Tensor("w", "float32", (4,), 0, 4),
    Tensor("d", "float64", (2, 3), 0, 6),
    WHOLE,
    Tensor("rows", "float32", (6, 2), 4, 12),
    Tensor("none", "float32", (0, 3), 0, 0),
    Tensor("scalar", "float32", (), 0, 1),
    Tensor("other", "int64", (1 << 40, 1 << 40), 1 << 39, (1 << 39) + 2),
]
CODINGS = [Coding("fp16"), Coding("bf16"), Coding("2bit", 0.5), Coding("topk", 0.5)]
OPTIMIZERS = [None, SGD, {"name": "sgd"}, {"name": "nag"}, {"name": "sgd", "wd": "a"}, {"lr": 1}, {"name": None}]


def some_tensors(generator):
    chosen = generator.sample(TENSORS, generator.randint(1, 3))
    rows = [generator.choice([None, None, 0, 1, 2]) for _ in chosen]
    return tuple(
        one._replace(rows=count) if count is not None and one.shape and count <= one.shape[0] and one.width < 9 else one
        for one, count in zip(chosen, rows, strict=True)
    )


def framed(generator, message):
    """The message with frames of the sizes that its header demands; rows are mostly rows of theirs, in order."""
    frames = []
    for low, _ in message.frame_sizes():
        rows = (np.arange(-(-low // 8), dtype="<i8") + generator.choice([0, 2, 2, 2, 5])).tobytes()[:low]
        frames.append(generator.choice([generator.randbytes(low), bytes(low), rows, rows]))
    return type(message)(**{**vars(message), "frames": tuple(frames)})


def anything(generator):
    me = {"job": "j", "rank": generator.choice([0, 0, 1]), "fit": generator.choice([1, 1, 1, 2])}
    me["incarnation"] = f"i{me['rank']}"
    n, part = generator.choice([1, 1, 2, 3]), generator.choice(["weight", "weight", "mom", "x"])
    tensors = some_tensors(generator)
    dense = tuple(one._replace(rows=None) for one in tensors)
    mode = generator.choice(["sync", "sync", "async"])
    segment = {"seq": 2, "pid": 1, "fd": generator.choice([0, 1 << 62]), "bytes": 1 << 62, "nonce": "0f"}
    kinds = [
        lambda: Setup(**me, seq=1, mode=mode, staleness=0, optimizer=generator.choice(OPTIMIZERS)),
        lambda: Init(**me, part=part, lr_mult=1e308, wd_mult=0.0, tensors=generator.choice([dense, tensors])),
        lambda: Push(**me, n=n, lr=generator.choice([0.5, 1e300]), tensors=tensors),
        lambda: Push(**me, n=n, lr=0.5, tensors=dense, coding=generator.choice(CODINGS)),
        lambda: Push(**me, n=n, lr=0.5, tensors=tensors, shared=True),
        lambda: Pull(**me, n=n, part=part, tensors=tensors),
        lambda: Attach(**me, **segment, places=(64,) * len(dense), tensors=dense),
        lambda: Stats(**me, seq=3),
        lambda: Drop(**me, seq=4),
    ]  # fmt: skip
    weights = [2, 8, 10, 3, 1, 8, 1, 1, 0.2]
    return framed(generator, generator.choices(kinds, weights)[0]())


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning", "ignore:invalid value:RuntimeWarning")
def test_whatever_comes_is_answered_or_refused(new_client, seed):
    generator = random.Random(seed)
    client = new_client(mode=generator.choice(["sync", "async"]), optimizer=generator.choice([None, SGD]))
    answers = [Replies(client.service) for _ in range(2)]
    outcomes = {"taken": 0, "refused": 0}
    for _ in range(600):
        message = anything(generator)
        try:
            for reply in client.service.handle(message, 1.0):
                answers[reply.rank].add(reply)
        except WireError as error:
            outcomes["refused"] += 1
            assert len(str(error)) < 1000
        else:
            outcomes["taken"] += 1
        for one in answers:
            one.flush(lambda message: message.frame_sizes() is not None)
    assert outcomes["taken"] > 30 and outcomes["refused"] > 100
