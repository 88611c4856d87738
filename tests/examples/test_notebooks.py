"""The notebooks of examples/ run from top to bottom."""

from pathlib import Path

import pytest

import pushgrad

EXAMPLES = Path(pushgrad.__file__).parent / "examples"
pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore::DeprecationWarning:jupyter_client")]


@pytest.mark.parametrize("name", ["quickstart", "notebook"])
def test_notebook(name, tmp_path, monkeypatch):
    nbclient = pytest.importorskip("nbclient", reason="needs nbclient")
    pytest.importorskip("ipykernel", reason="needs ipykernel")
    nbformat = pytest.importorskip("nbformat", reason="needs nbformat")
    monkeypatch.setenv("PUSHGRAD_RUNS", str(tmp_path / "runs"))
    notebook = nbformat.read(EXAMPLES / f"{name}.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, timeout=100, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert outputs and not [output for output in outputs if output.output_type == "error"]
    if name == "quickstart":
        assert "accuracy on unseen points: 1.00" in "".join(output.get("text", "") for output in outputs)
