"""Errors of pushgrad: what they say, in which order, and in another process."""

import copy
import pickle

import pytest

from pushgrad.common.errors import PeerLost, RemoteError, ShapeError
from pushgrad.common.wire import WireError


def test_places_come_first_and_the_outermost_before_all():
    error = ShapeError("data", expected="2 axes", got=3, remedy="Cut it.")
    error.locate("node 4 (conv)")
    error.locate("net.json")
    assert str(error) == "net.json: node 4 (conv): data: expected 2 axes, got 3. Cut it."
    assert (error.places, error.text) == (("net.json", "node 4 (conv)"), "data")


def test_a_question_ends_a_sentence():
    assert str(ShapeError("axis: no axs. Did you mean axis?", remedy="Or none")).endswith("mean axis? Or none")


@pytest.mark.parametrize("copied", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy])
@pytest.mark.parametrize(
    "error",
    [
        ShapeError("key a", expected="(2,)", got="(3,)", remedy="Reshape it"),
        RemoteError("stale", "a push of step 3", key="w", expected=4, got=3),
        WireError("malformed", "no message"),
        PeerLost("worker 1 is gone"),
    ],
)
def test_errors_travel_between_processes(error, copied):
    """A pool of processes pickles what its tasks raise."""
    again = copied(error)
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)
