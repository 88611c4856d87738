"""The hostfile, and how many processes each host is given."""

import pytest

from pushgrad.common.errors import JobError
from pushgrad.launch.clusters.hosts import Host, parse_hosts, seats

TWO = (Host("a"), Host("b"))


def test_the_lines_of_a_file():
    text = "# all\nnode1 slots=4  # big\n\nme@node2:2222 gpus=0,2-3\n[fe80::1%eth0]:22 slots=0\n10.0.0.7\n"
    assert parse_hosts(text, "hosts") == (
        Host("node1", slots=4),
        Host("me@node2", 2222, gpus=("0", "2", "3")),
        Host("fe80::1%eth0", 22, slots=0),
        Host("10.0.0.7"),
    )


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("-oProxyCommand=x", "line 2: expected host[:port] [slots=n] [gpus=0,1], got '-oProxyCommand=x'"),
        ("a b", "line 2: expected host[:port] [slots=n] [gpus=0,1], got 'b'"),
        ("a:0", "line 2: port: expected 1 to 65535, got '0'"),
        ("a slots=many", "line 2: slots: expected 0 to 4096, got 'many'"),
        ("a gpus=all", "line 2: gpus=all: expected their numbers"),
        ("a gpus=0,1 slots=3", "--workers 3 with --gpus 0,1: more workers than GPUs"),
        ("first", "line 2: first is there already. One line with slots=n"),
        ("a;reboot", "got 'a;reboot'"),
    ],
)
def test_what_makes_no_sense_is_named(line, told):
    with pytest.raises(JobError) as error:
        parse_hosts(f"first\n{line}\n", "--hostfile f")
    assert told in str(error.value)


def test_a_file_without_hosts():
    with pytest.raises(JobError, match="names no host"):
        parse_hosts("# none\n", "--hostfile f")


def counts(hosts, **numbers):
    options = dict.fromkeys(("workers", "servers", "workers_per_host", "servers_per_host")) | numbers
    return [(seat.host.name, seat.workers, seat.servers) for seat in seats(hosts, **options)]


def test_without_numbers_slots_or_gpus_count():
    hosts = (Host("a", slots=3), Host("b", gpus=("0", "1")), Host("c"), Host("d", slots=0))
    assert counts(hosts) == [("a", 3, 1), ("b", 2, 1), ("c", 1, 1)]
    assert counts(hosts, workers=4) == [("a", 3, 1), ("b", 1, 1)]
    assert counts(hosts, servers=5) == [("a", 3, 2), ("b", 2, 1), ("c", 1, 1), ("d", 0, 1)]


def test_numbers_are_spread():
    assert counts(TWO, workers=5) == [("a", 2, 1), ("b", 3, 1)]
    assert counts(TWO, workers_per_host=3, servers_per_host=2) == [("a", 3, 2), ("b", 3, 2)]
    assert counts(TWO, workers=1, servers=1) == [("a", 0, 1), ("b", 1, 0)]


def test_numbers_that_contradict():
    with pytest.raises(JobError, match="--workers 3 and --workers-per-host 1 on 2 hosts contradict each other"):
        counts(TWO, workers=3, workers_per_host=1)
    with pytest.raises(JobError, match="--workers 9: the hosts have room for 5"):
        counts((Host("a", slots=4), Host("b")), workers=9)


def test_gpus_are_dealt_by_host():
    first, second = seats(
        (Host("a", gpus=("0", "1", "2", "3"), slots=2), Host("b", gpus=("5",))), None, None, None, None
    )
    assert first.hands == (("0", "1"), ("2", "3"))
    assert second.hands == (("5",),)
