"""MXNet 1.9.1 reads what pushgrad writes: every recorded case and the networks of mx.models.

Needs an interpreter that has mxnet==1.9.1 and numpy<1.24 (`make peers` makes one), named by PUSHGRAD_MXNET.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
MXNET = os.environ.get("PUSHGRAD_MXNET", "")


@pytest.mark.mxnet
@pytest.mark.skipif(not MXNET, reason="PUSHGRAD_MXNET names no interpreter with mxnet 1.9.1")
@pytest.mark.timeout(300)
def test_names_shapes_and_outputs_agree(tmp_path):
    folder = tmp_path / "both"
    subprocess.run([sys.executable, HERE / "write_json.py", folder], check=True, timeout=150)
    checked = subprocess.run(
        [MXNET, "-W", "ignore", HERE / "check_in_mxnet.py", folder], capture_output=True, text=True, timeout=150
    )
    assert checked.returncode == 0, checked.stdout[-2000:] + checked.stderr[-2000:]
    assert " networks agree with MXNet 1.9.1" in checked.stdout
