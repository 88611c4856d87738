"""Pictures of networks, and `pushgrad summary`."""

import itertools
import random
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner

import pushgrad as mx
from pushgrad.cli import command
from pushgrad.common.errors import ParameterError
from pushgrad.worker.viz.layers import GAP, arrange
from pushgrad.worker.viz.text_width import text_width

SVG = "{http://www.w3.org/2000/svg}"


def network():
    data = mx.sym.Variable("data")
    left = mx.sym.Convolution(data, kernel=(3, 3), stride=(2, 2), num_filter=8, name="conv")
    right = mx.sym.Pooling(data, kernel=(3, 3), stride=(2, 2), pool_type="max", name='po"ol<1>')
    net = mx.sym.Concat(mx.sym.BatchNorm(left, name="bn"), right, name="both")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, num_hidden=4, name="fc"), name="softmax")


SHAPE = {"data": (2, 3, 9, 9)}


def texts(svg):
    return [element.text for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_dot_has_boxes_arrows_and_shapes():
    lines = mx.viz.plot_network(network(), SHAPE, title="net").source.splitlines()
    assert lines[0] == 'digraph "net" {'
    assert lines[-1] == "}"
    assert '  n1 [label="conv\\nConvolution 3x3/2, 8 · 224 parameters" fillcolor="#f4b8ae"]' in lines
    assert '  n3 [label="po\\"ol<1>\\nPooling 3x3/2, max" fillcolor="#b3dbe8"]' in lines
    assert '  n0 -> n1 [label="3x9x9" fontsize=10]' in lines
    assert '  n2 -> n4 [label="8x4x4" fontsize=10]' in lines
    assert sum("->" in line for line in lines) == 8


def test_weights_are_shown_if_asked_for():
    source = mx.viz.plot_network(network(), SHAPE, hide_weights=False).source
    assert 'label="conv_weight"' in source
    assert 'label="bn_moving_var"' in source
    assert 'label="3x3x3"' in source  # conv_weight's arrow: all but the first extent
    assert "conv_weight" not in mx.viz.plot_network(network()).source


def test_svg_shows_the_same():
    plot = mx.viz.plot_network(network(), SHAPE)
    found = texts(plot._repr_svg_())
    assert {"data", "conv", "Convolution 3x3/2, 8 · 224 parameters", 'po"ol<1>', "softmax_label", "11x4x4"} <= set(
        found
    )
    assert len(list(ElementTree.fromstring(plot.svg).iter(f"{SVG}path"))) == 8 + 1  # and the arrow's head
    assert "9" not in "".join(texts(mx.viz.plot_network(network()).svg))  # no shapes without any known


def test_svg_scales_and_its_boxes_hold_their_texts():
    root = ElementTree.fromstring(mx.viz.plot_network(network(), SHAPE).svg)
    assert root.get("viewBox") == f"0 0 {root.get('width')} {root.get('height')}"
    boxes = {element.get("fill"): float(element.get("width")) for element in root.iter(f"{SVG}rect")}
    lengths = {element.text: float(element.get("textLength") or 0) for element in root.iter(f"{SVG}text")}
    assert boxes["#f4b8ae"] == pytest.approx(lengths["Convolution 3x3/2, 8 · 224 parameters"] + 16, abs=0.2)
    assert text_width("iiii") < text_width("mmmm") / 3 and text_width("Wien", bold=True) > text_width("Wien")


def test_a_plot_is_written_by_the_suffix(tmp_path, monkeypatch):
    plot = mx.viz.plot_network(network())
    assert plot.save(tmp_path / "net.svg").read_text() == plot.svg
    assert plot.render(str(tmp_path / "net.gv")).read_text() == plot.source
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ParameterError, match="install Graphviz"):
        plot.save(tmp_path / "net.pdf")
    with pytest.raises(ParameterError, match=r"ends in \.svg, \.dot or \.gv"):
        plot.save(tmp_path / "net")
    program = tmp_path / "dot"
    program.write_text('#!/bin/sh\nread first\necho "$1: $first"\n')
    program.chmod(0o755)
    assert plot.save(tmp_path / "net.png").read_text() == '-Tpng: digraph "network" {\n'
    program.write_text("#!/bin/sh\necho no such format >&2; exit 1\n")
    with pytest.raises(ParameterError, match="no such format"):
        plot.save(tmp_path / "net.xyz")


def graphs():
    """A few random graphs whose edges lead to higher numbers, and the ends of the range."""
    rng = random.Random(1)
    yield [], []
    yield [50.0], []
    yield [50.0, 60.0], []
    for count in (5, 20, 60):
        edges = {(rng.randrange(b), b) for b in range(1, count) for _ in range(rng.randrange(3))}
        yield [rng.uniform(20, 90) for _ in range(count)], sorted(edges)


@pytest.mark.parametrize(("widths", "edges"), list(graphs()), ids=lambda value: str(len(value)))
def test_boxes_of_a_layer_stand_apart_and_arrows_go_down(widths, edges):
    layout = arrange(widths, edges)
    for (source, target), route in zip(edges, layout.routes, strict=True):
        assert layout.layer[source] < layout.layer[target]
        assert [layer for _, layer in route] == list(range(layout.layer[source], layout.layer[target] + 1))
        assert (route[0][0], route[-1][0]) == (layout.x[source], layout.x[target])
    boxes = sorted(zip(layout.layer, layout.x, widths, strict=True))
    for (upper, a, first), (lower, b, second) in itertools.pairwise(boxes):
        assert upper < lower or b - a >= (first + second) / 2 + GAP - 1e-6
    for x, width in zip(layout.x, widths, strict=True):
        assert x - width / 2 >= -1e-6
        assert x + width / 2 <= layout.width + 1e-6


def test_a_chain_is_straight_and_a_fork_is_even():
    chain = arrange([30.0, 80.0, 50.0], [(0, 1), (1, 2)])
    assert chain.x == [40.0, 40.0, 40.0]
    fork = arrange([30.0, 40.0, 40.0, 30.0], [(0, 1), (0, 2), (1, 3), (2, 3)])
    assert fork.x[0] == fork.x[3] == pytest.approx(sum(fork.x[1:3]) / 2)


def run(*arguments):
    return CliRunner().invoke(command, ["summary", *map(str, arguments)], env={"COLUMNS": "100"})


def test_the_summary_command_reads_graphs_checkpoints_and_names(tmp_path):
    net = network()
    net.save(tmp_path / "net.json")
    done = run(tmp_path / "net.json", "--shape", "data=2,3,9,9", "--plot", tmp_path / "net.svg")
    assert done.exit_code == 0, done.output
    rows = [re.split(r" {3,}", line.strip()) for line in done.output.splitlines()]
    assert ["conv (Convolution)", "(2, 8, 4, 4)", "224", "data"] in rows
    assert ["total", f"{224 + 16 + 4 * 176 + 4:,}", "and 16 in auxiliary states"] in rows
    assert "--shape" not in done.output
    assert f"Wrote {tmp_path / 'net.svg'}" in done.output.replace("\n", "")
    assert "<svg" in (tmp_path / "net.svg").read_text()

    shapes, _, states = net.infer_shape(data=(2, 3, 9, 9))
    learned = {name: np.zeros(shape) for name, shape in zip(net.list_arguments(), shapes, strict=True)}
    moving = {name: np.zeros(shape) for name, shape in zip(net.list_auxiliary_states(), states, strict=True)}
    del learned["data"], learned["softmax_label"]
    mx.model.save_checkpoint(str(tmp_path / "net"), 3, net, learned, moving)
    told = run(f"{tmp_path / 'net'}:3").output
    assert "conv (Convolution)" in told and "numbers of parameters follow" in told and "--shape data=..." in told
    assert "431,080" in run("lenet").output, "the shapes of mx.models are known"
    assert "(1, 3, 240, 240)" in run("efficientnet_lite1").output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["lenet", "--shape", "x=3"], "lenet has no input x"),
        (["lenet", "--shape", "data=3,a"], "expected NAME=1,3,224,224"),
        (["lenet9.unknown"], "no known kind of file"),
        (["lenett"], "lenett is neither a file nor one of mx.models. Did you mean lenet?"),
    ],
)
def test_the_summary_command_says_what_is_wrong(arguments, told):
    done = run(*arguments)
    assert done.exit_code != 0
    assert told in done.output + str(done.exception)
