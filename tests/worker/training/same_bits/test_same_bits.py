"""The bits of trainings are those in checksums.json, whatever processor the kernels are compiled for.

Written by `python trainings.py > checksums.json`, on any processor: that is the claim.
"""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import llvmlite.binding
import numpy as np
import pytest

TRAININGS = Path(__file__).with_name("trainings.py")
RECORDED = json.loads(TRAININGS.with_name("checksums.json").read_text())

HASWELL = ("sse3", "ssse3", "sse4.1", "sse4.2", "popcnt", "avx", "f16c", "fma", "avx2", "bmi", "bmi2", "lzcnt", "movbe")
SKYLAKE = (*HASWELL, "avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl")
# What LLVM is told of an x86-64: its name, its features, and the floats of its vectors. The first is a processor with
# vectors of 128 bits and fused multiply-adds, as ARM's are.
KINDS = {
    "narrow": ("x86-64", ("fma",), 4),
    "haswell": ("haswell", HASWELL, 8),
    "avx512": ("skylake-avx512", SKYLAKE, 16),
}


def made(*names, **environment):
    """Width of vectors and checksums of the trainings of these names, or of all, in a process of their own."""
    variables = {**os.environ, "OMP_NUM_THREADS": "2", **environment}
    argv = [sys.executable, TRAININGS, *names]
    done = subprocess.run(argv, env=variables, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_training_has_the_recorded_bits():
    assert made("functions")["functions"] == RECORDED["functions"]


@pytest.mark.long
@pytest.mark.skipif(platform.machine() != "x86_64", reason="kinds of x86-64")
@pytest.mark.parametrize("kind", KINDS)
def test_trainings_for_another_processor_have_the_same_bits(kind, tmp_path):
    name, features, width = KINDS[kind]
    ours = llvmlite.binding.get_host_cpu_features()
    if not all(ours.get(feature) for feature in features):
        pytest.skip("this processor lacks some of its instructions")
    multiarray = np._core._multiarray_umath  # numpy has kernels for several processors as well
    optional = [feature for feature in multiarray.__cpu_dispatch__ if multiarray.__cpu_features__[feature]]
    found = made(
        NUMBA_CPU_NAME=name,
        NUMBA_CPU_FEATURES=",".join(f"+{feature}" for feature in features),
        NUMBA_CACHE_DIR=str(tmp_path),
        NPY_DISABLE_CPU_FEATURES=" ".join(optional) if kind == "narrow" else "",
    )
    assert found.pop("width") == width
    assert found == {**here(), **RECORDED}


_HERE = {}


def here():
    """What this processor makes of those trainings whose products are BLAS's, and so of its kind."""
    if not _HERE:
        _HERE.update(made())
        del _HERE["width"]
    return _HERE
