"""Errors of pushgrad: what they say, and in which order."""

from pushgrad.common.errors import ShapeError


def test_places_come_first_and_the_outermost_before_all():
    error = ShapeError("data", expected="2 axes", got=3, remedy="Cut it.")
    error.locate("node 4 (conv)")
    error.locate("net.json")
    assert str(error) == "net.json: node 4 (conv): data: expected 2 axes, got 3. Cut it."
    assert (error.places, error.text) == (("net.json", "node 4 (conv)"), "data")
