"""At memory speed? The exchange of parameters beside ps-lite, gloo and bare ZeroMQ, in one run on one machine.

make bench                                         these rows too, about 5 minutes
python benchmarks/exchange.py --rows exchange-100mb --json out/exchange.json
python benchmarks/exchange.py --quick              a little of each: does everything run?
"""

from rows import exchange
from runner import command, run


@command
def main(quick, **options):
    """Time push + momentum SGD + pull of two workers, and say which targets it misses."""
    run(list(exchange.rows(1 if quick else 10)), quick=quick, **options)


if __name__ == "__main__":
    main()
