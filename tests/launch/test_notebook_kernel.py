"""mx.run in a real kernel: examples/notebook.ipynb, a failing cell, and the stop button."""

import re
from pathlib import Path

import pytest

import pushgrad

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore::DeprecationWarning:jupyter_client")]
EXAMPLE = Path(pushgrad.__file__).parent / "examples" / "notebook.ipynb"


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """Executes cells; returns their outputs."""
    for needed in ("cloudpickle", "ipykernel"):
        pytest.importorskip(needed, reason=f"needs {needed}")
    jupyter_client = pytest.importorskip("jupyter_client", reason="needs jupyter_client")
    monkeypatch.setenv("PUSHGRAD_RUNS", str(tmp_path / "runs"))
    manager, client = jupyter_client.manager.start_new_kernel(cwd=tmp_path)

    def execute(code, when=None):
        """`when` is a text; as soon as it is output the kernel is interrupted."""
        outputs = []

        def take(message):
            if message["msg_type"] not in ("status", "execute_input"):
                outputs.append((message["msg_type"], message["content"]))
            if when and when in message["content"].get("text", ""):
                manager.interrupt_kernel()

        client.execute_interactive(code, output_hook=take, timeout=100)
        return outputs

    yield execute
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def text(outputs, stream="stdout"):
    return "".join(content["text"] for kind, content in outputs if kind == "stream" and content["name"] == stream)


def test_the_example(tmp_path, monkeypatch):
    nbformat = pytest.importorskip("nbformat", reason="needs nbformat")
    nbclient = pytest.importorskip("nbclient", reason="needs nbclient")
    pytest.importorskip("cloudpickle", reason="needs cloudpickle")
    monkeypatch.setenv("PUSHGRAD_RUNS", str(tmp_path / "runs"))
    notebook = nbformat.read(EXAMPLE, as_version=4)
    nbclient.NotebookClient(notebook, timeout=100, kernel_name="python3").execute()
    _, trained, looked, failed = (cell.outputs for cell in notebook.cells if cell.cell_type == "code")
    lines = "".join(output.text for output in trained if output.output_type == "stream").splitlines()
    assert sum(re.match(r"w0 \| \[10\] Train-accuracy=0\.9", line) is not None for line in lines) == 1
    assert lines[0].startswith("launch | job ") and lines[-1].startswith("launch | done in ")
    (table,) = (output.data for output in trained if output.output_type == "display_data")
    assert re.search(r">w1<.*?>done<.*?>10/10<", table["text/html"]) and "accuracy=0.9" in table["text/plain"]
    assert float(trained[-1].data["text/plain"]) > 0.9
    assert "(16, 2)" in looked[0].text
    assert looked[-1].data["text/plain"] == "True", "both workers have the same weights"
    said = next(output.text for output in failed if output.output_type == "stream" and output.name == "stdout")
    assert said.startswith("w1 Traceback (most recent call last):") and said.rstrip().endswith("ValueError: no data")


def test_errors_and_the_stop_button(kernel, left_behind, tmp_path):
    assert not kernel("import os, signal, threading, pushgrad as mx\ndef check(n):\n    raise ValueError(n)")
    assert not kernel(
        "def train():\n    if mx.rank() == 1:\n        check('no data')\n    mx.kv.create('dist').barrier()"
    )
    outputs = kernel("mx.run(train, workers=2)")
    assert "w1 | ValueError: no data" in text(outputs, "stderr")
    (error,) = (content for kind, content in outputs if kind == "error")
    assert error["ename"] == "JobFailed" and error["evalue"].startswith("worker 1 exited with code 1")
    shown = "\n".join(error["traceback"])
    assert "  Cell In[2], line 3, in train\n    check('no data')\n  Cell In[1], line 3, in check" in shown
    assert str(Path(pushgrad.__file__).parent) not in shown, "none of our frames"

    outputs = kernel(
        "def wait():\n    print('ready', flush=True)\n    signal.pause()\nmx.run(wait, workers=2)", "ready"
    )
    (error,) = (content for kind, content in outputs if kind == "error")
    assert error["ename"] == "KeyboardInterrupt"
    assert [left_behind(folder.name) for folder in (tmp_path / "runs").iterdir()] == [[], []]

    outputs = kernel("mx.run(lambda: mx.rank(), workers=2).values")
    assert [content["data"]["text/plain"] for kind, content in outputs if kind == "execute_result"] == ["[0, 1]"]
    outputs = kernel("print(threading.active_count())")
    again = kernel("mx.run(mx.rank)\nprint(threading.active_count())")
    assert text(again).endswith(text(outputs)), "no thread is left"
