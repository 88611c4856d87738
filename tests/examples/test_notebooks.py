"""examples/quickstart.ipynb runs from top to bottom (test_notebook_kernel.py runs the notebook with a job)."""

from pathlib import Path

import pytest

import pushgrad

QUICKSTART = Path(pushgrad.__file__).parent / "examples" / "quickstart.ipynb"
pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore::DeprecationWarning:jupyter_client")]


def test_quickstart(tmp_path):
    nbclient = pytest.importorskip("nbclient", reason="needs nbclient")
    nbformat = pytest.importorskip("nbformat", reason="needs nbformat")
    notebook = nbformat.read(QUICKSTART, as_version=4)
    nbclient.NotebookClient(notebook, timeout=100, resources={"metadata": {"path": str(tmp_path)}}).execute()
    _, _, printed, shown = (cell.outputs for cell in notebook.cells if cell.cell_type == "code")
    assert printed[0].text == "accuracy on unseen points: 1.00\n"
    assert "'fullyconnected0_weight': (32, 2)" in shown[0].data["text/plain"]
