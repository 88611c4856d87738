"""By how much workers are behind each other."""

from pushgrad.launch.runs.positions import Positions


def lags(*reports):
    positions = Positions()
    for report in reports:
        positions.note(*report)
    return positions.lags()


def test_nobody():
    assert lags() == {}


def test_reports_at_different_times_are_no_lag():
    # Both do 10 steps a second.
    assert lags(("w0", 1.0, 0, 1, 10), ("w1", 1.5, 0, 1, 15), ("w0", 2.0, 0, 1, 20), ("w1", 2.5, 0, 1, 25)) == {
        "w0": 0,
        "w1": 0,
    }


def test_a_slower_worker_lags():
    assert lags(("w0", 1.0, 0, 1, 10), ("w1", 1.0, 0, 1, 5), ("w0", 2.0, 0, 1, 20), ("w1", 2.0, 0, 1, 10)) == {
        "w0": 0,
        "w1": 10,
    }


def test_a_worker_that_hangs_falls_behind():
    reports = [("w1", 0.0, 0, 1, 0), ("w1", 1.0, 0, 1, 10)]
    reports += [("w0", float(second), 0, 1, 10 * second) for second in range(11)]
    # At second 10 w0 has done 100 steps; w1 may have gone on to 20.
    assert lags(*reports) == {"w0": 0, "w1": 80}


def test_across_epochs_and_fits():
    assert lags(("w0", 1.0, 0, 1, 50), ("w0", 1.0, 0, 2, 3), ("w1", 1.0, 0, 1, 48))["w1"] == 5
    assert lags(("w0", 1.0, 0, 9, 50), ("w0", 1.0, 1, 1, 3), ("w1", 1.0, 0, 9, 48))["w1"] == 5
