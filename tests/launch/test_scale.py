"""The model of a step's exchange: what it says of simple clusters, of measured ones, and on the command line."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from pushgrad.cli import command
from pushgrad.common.errors import ParameterError
from pushgrad.launch.exchange_time import PAYLOAD, ExchangeModel, parse_count, parse_rate

GIGABIT = 125e6
MEASURED = Path(__file__).parents[2] / "docs" / "benchmarks" / "scale.json"


def test_a_worker_and_a_server_need_what_the_link_needs_and_the_first_range_twice():
    exchange = ExchangeModel(1, 1, 100e6, GIGABIT, latency=0.001)
    assert exchange.best == pytest.approx(100e6 / (GIGABIT * PAYLOAD))
    assert exchange.seconds == pytest.approx(exchange.best * (1 + 4194304 / 100e6) + 0.002)
    assert exchange.bottleneck == "the workers' links"


@pytest.mark.parametrize(
    ("change", "bottleneck", "times"),
    [
        ({"workers": 8}, "the servers' links", 8),
        ({"workers": 8, "servers": 2}, "the servers' links", 4),
        ({"workers": 8, "servers": 16}, "the workers' links", 1),
        ({"workers": 8, "server_rate": GIGABIT / 10}, "the servers' processors", 80 * PAYLOAD),
    ],
    ids=["8-to-1", "8-to-2", "8-to-16", "slow-server"],
)
def test_the_slowest_resource_sets_the_pace(change, bottleneck, times):
    one = ExchangeModel(1, 1, 1e9, GIGABIT)
    exchange = replace(one, **change)
    assert exchange.bottleneck == bottleneck
    assert max(exchange.costs.values()) == pytest.approx(times * one.best)


def test_enough_servers_are_the_fewest_that_keep_within_the_limit():
    exchange = ExchangeModel(64, 1, 4e8, 100 * GIGABIT)
    chosen = exchange.enough_servers(0.5)
    assert chosen.seconds <= 0.5 < replace(chosen, servers=chosen.servers - 1).seconds
    freely = exchange.enough_servers()
    assert freely.servers > chosen.servers
    assert all(replace(exchange, servers=count).seconds * 1.1 >= freely.seconds for count in range(1, 257))


def test_the_model_foretells_what_was_measured():
    report = json.loads(MEASURED.read_text())
    assert len(report["rows"]) >= 3
    for row in report["rows"]:
        exchange = ExchangeModel(row["workers"], row["servers"], row["bytes"], GIGABIT, report["latency in ms"] / 1000)
        assert exchange.seconds == pytest.approx(row["median"], rel=0.15), row


@pytest.mark.parametrize(
    ("text", "rate"), [("25Gb", 3.125e9), ("1gbit", 125e6), ("100 Mbit/s", 12.5e6), ("2.5Gbps", 312.5e6), ("8b", 1.0)]
)
def test_rates(text, rate):
    assert parse_rate(text) == pytest.approx(rate)


@pytest.mark.parametrize("text", ["", "25", "25GB", "fast", "-1Gb", "0Gb", "1..5Gb"])
def test_what_is_no_rate(text):
    with pytest.raises(ParameterError, match="link: expected bits per second such as 25Gb"):
        parse_rate(text)


def test_counts():
    assert [parse_count(text) for text in ("100M", "1.5g", "25600000", "7 k")] == [1e8, 1.5e9, 25.6e6, 7000]
    with pytest.raises(ParameterError, match="params: expected a number such as 100M"):
        parse_count("100MB")


def test_plan_answers_with_a_number_of_servers():
    done = CliRunner().invoke(command, ["plan", "--workers", "256", "--params", "100M", "--link", "25Gb"])
    assert done.exit_code == 0
    assert done.output.startswith("256 workers exchange 400 MB each per step; a link moves 2,989 MB of it a second")
    chosen = ExchangeModel(256, 1, 4e8, 25 * GIGABIT, 1e-4).enough_servers()
    assert f"Start {chosen.servers} servers: a step's exchange takes {chosen.seconds:.3g} s" in done.output
    assert "the servers' processors" in done.output


def test_plan_with_computing_to_hide_behind():
    hidden = ["--workers", "4", "--params", "25.6M", "--link", "10Gb", "--compute", "1"]
    done = CliRunner().invoke(command, ["plan", *hidden])
    assert "Start 1 server:" in done.output
    assert "which can hide behind 1 s of computing" in done.output
    assert "100%" in done.output
    exposed = CliRunner().invoke(command, ["plan", *hidden[:-1], "0.001"])
    assert "longer than the computing, whatever the number of servers" in exposed.output
