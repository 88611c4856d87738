"""Bytes per second of servers and workers."""

from pushgrad.launch.runs.rates import Exchange


def test_rates():
    exchange = Exchange()
    assert exchange.rates(overall=False) == {}
    exchange.note("ps0", 10.0, [0, 0], [0, 0])
    assert exchange.rates(overall=False) == {}, "one report has no rate"
    exchange.note("ps0", 11.0, [10, 30], [20, 20])
    exchange.note("ps0", 14.0, [10, 90], [20, 50])
    exchange.note("ps1", 10.0, [0, 0], [0, 0])
    exchange.note("ps1", 14.0, [4, 4], [8, 8])
    # ps0 in the last 3 s: received 60 from w1, sent 30 to it; ps1 in 4 s: 1 and 2 a second with each worker.
    assert exchange.rates(overall=False) == {
        "ps0": (20.0, 10.0),
        "ps1": (2.0, 4.0),
        "w0": (0.0 + 2.0, 0.0 + 1.0),
        "w1": (10.0 + 2.0, 20.0 + 1.0),
    }
    assert exchange.rates(overall=True)["ps0"] == ((10 + 90) / 4, (20 + 50) / 4)
