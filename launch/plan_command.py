"""`pushgrad plan`: say how many servers a job needs, by the model of exchange_time.py."""

from __future__ import annotations

from dataclasses import replace

import click
from rich.console import Console
from rich.table import Table

from .exchange_time import PAYLOAD, SERVER_RATE, ExchangeModel, parse_count, parse_rate

ITEM_BYTES = 4  # float32


@click.command()
@click.option("--workers", type=click.IntRange(1, 100_000), required=True, help="Workers of the job.")
@click.option("--params", required=True, metavar="COUNT", help="Parameters of the network: 25.6M, 1.5G.")
@click.option("--link", required=True, metavar="RATE", help="Each host's link, full duplex: 25Gb, 100Mbit/s.")
@click.option(
    "--latency", type=click.FloatRange(0), default=0.1, show_default=True, help="Milliseconds from host to host."
)
@click.option(
    "--compute", type=click.FloatRange(0), default=0.0, help="Seconds that a worker computes per step, if known."
)
@click.option(
    "--server-rate", type=click.FloatRange(0, min_open=True), default=SERVER_RATE / 1e9, show_default=True,
    help="GB of gradients per second that one server can handle.",
)  # fmt: skip
def plan(workers: int, params: str, link: str, latency: float, compute: float, server_rate: float) -> None:
    """Say how many servers a job needs so that they do not hold its workers up.

    It is arithmetic, not a measurement; docs/scale.md derives it and shows how near it comes.
    """
    count, rate = parse_count(params), parse_rate(link)
    asked = ExchangeModel(workers, 1, ITEM_BYTES * count, rate, latency / 1000, server_rate * 1e9)
    chosen = asked.enough_servers(compute)
    click.echo(
        f"{workers} workers exchange {asked.nbytes / 1e6:,.0f} MB each per step; "
        f"a link moves {rate * PAYLOAD / 1e6:,.0f} MB of it a second each way"
    )
    Console().print(_table(chosen, compute))
    click.echo(_advice(chosen, compute))


def _table(chosen: ExchangeModel, compute: float) -> Table:
    table = Table("servers", "exchange", "held up by")
    if compute:
        table.add_column("step", justify="right")
        table.add_column("efficiency", justify="right")
    around = {1, *(max(1, round(chosen.servers * share)) for share in (0.25, 0.5, 1, 2))}
    for servers in sorted(around):
        exchange = replace(chosen, servers=servers)
        step = max(compute, exchange.seconds)
        more = [f"{step:.3g} s", f"{compute / step:.0%}"] if compute else []
        style = "bold" if servers == chosen.servers else None
        table.add_row(f"{servers}", f"{exchange.seconds:.3g} s", exchange.bottleneck, *more, style=style)
    return table


def _advice(chosen: ExchangeModel, compute: float) -> str:
    noun = "server" if chosen.servers == 1 else "servers"
    told = f"Start {chosen.servers} {noun}: a step's exchange takes {chosen.seconds:.3g} s"
    if not compute:
        return f"{told}; more would gain less than a tenth"
    if chosen.seconds <= compute:
        return f"{told}, which can hide behind {compute:g} s of computing"
    return f"{told}, longer than the computing, whatever the number of servers: faster links or larger batches help"
