"""The progress bar below a notebook's cell: with a stand-in for the shell, and in a real kernel."""

import re
from types import SimpleNamespace

import pytest

TRAINS = """
import numpy as np
import pushgrad as mx
X = np.random.default_rng(0).random((400, 4)).astype(np.float32)
y = (X[:, 0] > 0.5).astype(np.float32)
model = mx.mlp(X, y, hidden_node=4, out_node=2, num_epoch=2, batch_size=100, learning_rate=0.1, eval_data=(X, y))
"""
DONE = r"epoch 2/2 ━{30} step 4/4 loss=[\d.]+ accuracy=[\d.]+ [\d,]+ samples/s 0:00 left"


@pytest.fixture
def published(monkeypatch):
    """What the shell is asked to show."""
    calls = []
    kernel = SimpleNamespace(display_pub=SimpleNamespace(publish=lambda **message: calls.append(message)))
    for module in ("cell_bar", "which_bar"):
        monkeypatch.setattr(f"pushgrad.worker.training.{module}.shell", lambda: kernel)
    return calls


def test_one_output_that_changes(published, capsys):
    exec(TRAINS, {})
    first, *others = published
    assert not first["update"]
    assert all(one["update"] and one["transient"] == first["transient"] for one in others)
    texts = [one["data"]["text/plain"] for one in published]
    assert texts[0] == f"epoch 1/2 {'╌' * 30} step 0/4"
    assert any(re.fullmatch(DONE, text) for text in texts), texts
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"\[2\] Validation-accuracy=[\d.]+", lines[-1]), "lines stay as R's"
    assert "Start training with 1 devices" in lines


@pytest.mark.parametrize("verbose", [False, "r"])
def test_no_bar(published, verbose):
    exec(TRAINS.replace("eval_data", f"verbose={verbose!r}, eval_data"), {})
    assert not published


def test_two_trainings_have_two_outputs(published):
    exec(TRAINS + TRAINS, {})
    assert len({one["transient"]["display_id"] for one in published}) == 2


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::DeprecationWarning:jupyter_client")
def test_in_a_kernel(tmp_path):
    nbclient = pytest.importorskip("nbclient", reason="needs nbclient")
    nbformat = pytest.importorskip("nbformat", reason="needs nbformat")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(TRAINS)])
    nbclient.NotebookClient(notebook, timeout=100, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = notebook.cells[0].outputs
    (bar,) = (output.data["text/plain"] for output in outputs if output.output_type == "display_data")
    assert re.match("epoch 2/2 ━{30} ", bar), bar
    printed = "".join(output.text for output in outputs if output.output_type == "stream" and output.name == "stdout")
    assert re.search(r"^\[2\] Train-accuracy=0\.\d+\n\[2\] Validation-accuracy=0\.\d+\n\Z", printed, re.MULTILINE)
