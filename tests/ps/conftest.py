"""A service and the workers that speak to it, without sockets."""

import numpy as np
import pytest

from pushgrad.common.messages import mark_of
from pushgrad.common.requests import Init, Pull, Push, Setup
from pushgrad.common.tensor import Tensor
from pushgrad.common.wire import WireError
from pushgrad.ps.service import Service

TENSOR = Tensor("w", "float32", (4,), 0, 4)


class Client:
    """Speaks to a service as `workers` workers; keeps the replies per worker."""

    def __init__(self, workers=2, mode="sync", staleness=0, optimizer=None):
        self.service = Service("j", [mark_of(f"i{rank}") for rank in range(workers)])
        self.now = 0.0
        self.ask(0, Setup, seq=1, mode=mode, staleness=staleness, optimizer=optimizer)

    def ask(self, who, kind, **fields):
        me = {"job": "j", "rank": who, "incarnation": f"i{who}", "fit": 1}
        return self.service.handle(kind(**{**me, **fields}), self.now)

    def init(self, value=1.0, rank=0, tensor=TENSOR, **fields):
        data = np.full(tensor.hi - tensor.lo, value, tensor.dtype).tobytes()
        fields = {"part": "weight", "lr_mult": 1.0, "wd_mult": 1.0, **fields}
        return self.ask(rank, Init, tensors=(tensor,), frames=() if fields.get("blank") else (data,), **fields)

    def push(self, who, n, value=1.0, lr=0.5, tensor=TENSOR, **fields):
        data = np.full(tensor.hi - tensor.lo, value, tensor.dtype).tobytes()
        return self.ask(who, Push, n=n, lr=lr, tensors=(tensor,), frames=(data,), **fields)

    def pull(self, rank, n, part="weight", tensor=TENSOR):
        return self.ask(rank, Pull, n=n, part=part, tensors=(tensor,))

    def weight(self, part="weight"):
        return self.service.fits[1].store.entries["w", 0].part(part)


@pytest.fixture
def new_client():
    """Makes clients of services of their own."""
    return Client


@pytest.fixture
def refused():
    """The error that a refused request raises."""

    def ask(call):
        with pytest.raises(WireError) as caught:
            call()
        return caught.value

    return ask
