"""By how much workers are behind each other."""

from pushgrad.launch.runs.positions import Positions


def lags(*reports):
    positions = Positions()
    for report in reports:
        positions.note(*report)
    return positions.lags()


def test_nobody():
    assert lags() == {}


def reports(name, speed, seconds, begin=0.0):
    """A report each second, of a worker that does `speed` steps a second."""
    return [(name, begin + second, 0, 1, round(speed * (begin + second))) for second in range(1, seconds + 1)]


def test_reports_at_different_times_are_no_lag():
    assert lags(*reports("w0", 10, 5), *reports("w1", 10, 5, begin=0.5), *reports("w2", 10, 5, begin=0.9)) == {
        **{"w0": 0, "w1": 0, "w2": 0}
    }


def test_a_slower_worker_lags():
    # Compared at second 3.5: 70 and 35 steps.
    assert lags(*reports("w0", 20, 5), *reports("w1", 10, 5)) == {"w0": 0, "w1": 35}


def test_a_worker_that_hangs_falls_behind():
    # Compared at second 8.5: w0 has done 85 steps.
    assert lags(*reports("w0", 10, 10), *reports("w1", 10, 2)) == {"w0": 0, "w1": 65}


def test_across_epochs_and_fits():
    assert lags(("w0", 1.0, 0, 1, 50), ("w0", 1.0, 0, 2, 3), ("w1", 1.0, 0, 1, 48))["w1"] == 5
    assert lags(("w0", 1.0, 0, 9, 50), ("w0", 1.0, 1, 1, 3), ("w1", 1.0, 0, 9, 48))["w1"] == 5
