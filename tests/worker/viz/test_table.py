import io
import itertools

from rich.console import Console

import pushgrad as mx


def printed(symbol, shape=None):
    stream = io.StringIO()
    mx.viz.print_summary(symbol, shape, console=Console(file=stream, width=120))
    head, *lines = [line for line in stream.getvalue().splitlines() if line.strip() and "─" not in line]
    starts = [*map(head.index, ("layer", "output shape", "parameters", "inputs")), None]
    return [[line[first:end].strip() for first, end in itertools.pairwise(starts)] for line in lines]


def network():
    weight = mx.sym.Variable("w")
    first = mx.sym.FullyConnected(mx.sym.Variable("data"), weight, num_hidden=4, no_bias=True, name="fc1")
    second = mx.sym.FullyConnected(first, weight, num_hidden=4, name="fc[2]")
    return mx.sym.SoftmaxOutput(second, name="softmax")


def test_summary_counts_a_shared_parameter_once():
    assert printed(network(), {"data": (5, 4)}) == [
        ["data (input)", "(5, 4)", "0", ""],
        ["fc1 (FullyConnected)", "(5, 4)", "16", "data"],
        ["fc[2] (FullyConnected)", "(5, 4)", "4", "fc1"],
        ["softmax_label (input)", "(5,)", "0", ""],
        ["softmax (SoftmaxOutput)", "(5, 4)", "0", "fc[2], softmax_label"],
        ["total", "", "20", ""],
    ]


def test_summary_leaves_blank_what_it_cannot_tell():
    rows = printed(network())
    assert rows[1] == ["fc1 (FullyConnected)", "", "", "data"]
    assert rows[-1] == ["total", "", "", ""]


def test_a_summary_fits_a_terminal_of_80_characters():
    stream = io.StringIO()
    mx.viz.print_summary(mx.models.inception_bn_28_small(), {"data": (1, 3, 28, 28)}, Console(file=stream, width=80))
    lines = stream.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert any("conv_in3a_3x3 (Convolution)" in line for line in lines)
