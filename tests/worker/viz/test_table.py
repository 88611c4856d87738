import io

from rich.console import Console

import pushgrad as mx


def printed(symbol, shape=None):
    stream = io.StringIO()
    mx.viz.print_summary(symbol, shape, console=Console(file=stream, width=120))
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in stream.getvalue().splitlines() if "│" in line]


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
