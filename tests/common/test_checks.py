"""What counts as a whole number, and what is said of a name that there is not."""

import pytest

from pushgrad.common.checks import is_whole_number, whole_number, whole_number_in
from pushgrad.common.errors import ParameterError
from pushgrad.common.suggestion import suggestion
from pushgrad.worker.compute_threads import thread_count


def test_a_whole_number():
    assert whole_number("period", 3, 1) == 3
    assert is_whole_number(0, 0)


@pytest.mark.parametrize("value", [0, -1, 1.0, "2", True, None])
def test_none(value):
    assert not is_whole_number(value, 1)
    with pytest.raises(ParameterError) as caught:
        whole_number("period", value, 1)
    assert str(caught.value) == f"period: expected a whole number of 1 or more, got {value!r}"


@pytest.mark.parametrize(
    ("text", "number"), [("1", 1), ("012", 12), ("0", None), ("-1", None), ("", None), ("²", None)]
)
def test_in_a_text(text, number):
    assert whole_number_in(text, 1) == number


@pytest.mark.parametrize("text", ["0", "two", "²"])
def test_the_number_of_threads(monkeypatch, text):
    monkeypatch.setenv("OMP_NUM_THREADS", text)
    with pytest.raises(ParameterError, match="OMP_NUM_THREADS: expected a whole number of at least 1, got"):
        thread_count()


def test_suggestions():
    assert suggestion("con1", ["fc1", "conv1"]) == ". Did you mean conv1?"
    assert suggestion("x" * 10**6, ["fc1", "conv1"]) == "; it has fc1, conv1"
    assert suggestion("x", [], "known are") == "; known are none"
    assert suggestion("x", ["fc1"], otherwise="") == ""
