"""BatchNorm's loops over the places of a run: what is added up, and what is written, from the lines of a table."""

from __future__ import annotations

from .run_loops import mapped_runs, summed_runs
from .values import Value

# The lines of a table. A gradient needs all of them; in a forward the fourth is the least number of the output.
CENTRE, SCALE, SHIFT, SLOPE, REST, LINES = range(6)
LEAST = SLOPE


def _normalised(x: Value, centre: Value, scale: Value, shift: Value) -> Value:
    # The difference first: x * scale + (shift - centre * scale) would cancel where the mean is large.
    return (x - centre) * scale + shift


def _at_least(x: Value, centre: Value, scale: Value, shift: Value, least: Value) -> Value:
    return _normalised(x, centre, scale, shift).at_least(least)


def _behind_relu(x: Value, head: Value, centre: Value, scale: Value, shift: Value) -> Value:
    """The gradient of what `_normalised` gives, from the head gradient of its relu; the bits of the plain relu's."""
    out = _normalised(x, centre, scale, shift).at_least(0.0)
    return (out > 0.0).choose(head, (head * out).magnitude())


def _add_moments(sums: list[Value], x: Value, pivot: Value) -> tuple[Value, Value]:
    distance = x.double() - pivot.double()
    return sums[0] + distance, distance.fma(distance, sums[1])


def _add_products(sums: list[Value], x: Value, head: Value, centre: Value) -> tuple[Value, Value]:
    value = head.double()
    return sums[0] + value, value.fma((x - centre).double(), sums[1])


def _add_relu_products(
    sums: list[Value], x: Value, head: Value, centre: Value, scale: Value, shift: Value
) -> tuple[Value, Value]:
    return _add_products(sums, x, _behind_relu(x, head, centre, scale, shift), centre)


def _gradient(x: Value, head: Value, centre: Value, scale: Value, shift: Value, slope: Value, rest: Value) -> Value:
    return head * scale - (x - centre) * slope - rest


def _relu_gradient(
    x: Value, head: Value, centre: Value, scale: Value, shift: Value, slope: Value, rest: Value
) -> Value:
    behind = _behind_relu(x, head, centre, scale, shift)
    return _gradient(x, behind, centre, scale, shift, slope, rest)


moment_sums = summed_runs(_add_moments, 2)
head_sums = summed_runs(_add_products, 2)
relu_head_sums = summed_runs(_add_relu_products, 2)
write_normalised = mapped_runs(_at_least)
write_gradient = mapped_runs(_gradient)
write_relu_gradient = mapped_runs(_relu_gradient)
