"""What servers say of their traffic."""

from pushgrad.common.messages import Traffic
from pushgrad.common.requests import Ok, Pull, Push, Values
from pushgrad.common.tensor import Tensor
from pushgrad.ps.traffic import Counter

ME = {"job": "j", "rank": 1, "incarnation": "i" * 32, "fit": 1}
HALF = (Tensor("w", "float32", (4, 3), 0, 6),)


def test_what_travels_and_what_is_read_in_place():
    counter = Counter(2)
    counter.gave(1, Ok(seq=1))
    assert counter.report() is None
    counter.took(Push(**ME, n=1, lr=0.1, tensors=HALF, frames=(b"x" * 24,)))
    counter.took(Pull(**ME, n=1, part="weight", tensors=HALF))
    counter.gave(1, Values(fit=1, n=1, part="weight", version=1, tensors=HALF, frames=(memoryview(b"x" * 24),)))
    counter.gave(0, Values(fit=1, n=1, part="weight", version=1, tensors=HALF, frames=(b"x" * 24,)))
    assert counter.report() == Traffic(received=(0, 24), sent=(24, 24))
    counter.took(Push(**ME, n=2, lr=0.1, shared=True, tensors=HALF))
    assert counter.report() == Traffic(received=(0, 48), sent=(24, 48)), "in shared memory"
