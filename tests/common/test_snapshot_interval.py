import pytest

from pushgrad.common.errors import ParameterError
from pushgrad.common.snapshot_interval import Interval


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30s", Interval(seconds=30)), ("0.5s", Interval(seconds=0.5)), ("200steps", Interval(steps=200)),
        ("1step", Interval(steps=1)), ("10m", Interval(seconds=600)), ("1.5h", Interval(seconds=5400)),
        ("auto", Interval()), ("off", None), ("", None),
    ],
)  # fmt: skip
def test_intervals(text, expected):
    assert Interval.parse(text, "here") == expected


@pytest.mark.parametrize("text", ["30", "0s", "0steps", "1.5steps", "-3s", "often", "1e3s", "s", "1d"])
def test_what_is_no_interval_is_named(text):
    with pytest.raises(ParameterError, match="here: expected such as 30s, 10m, 1h, 200steps, auto or off, got"):
        Interval.parse(text, "here")


def test_pauses():
    assert Interval(seconds=2).pause(0.5) == 2
    # at most a hundredth of the time, and not more often than every 10 s
    assert Interval().pause(0.001) == 10
    assert Interval().pause(0.5) == 50
