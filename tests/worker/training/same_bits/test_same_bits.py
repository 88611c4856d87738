"""The bits of trainings are those in checksums.json, whatever processor the kernels are compiled for.

`python trainings.py` writes that file; it does not matter where. That is the claim.
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
# What LLVM is told of an x86-64: its name, its features, and how many floats a vector has. The first has vectors of 128
# bits and fused multiply-adds, as ARM's are; the third is laid out as for AVX-512, and LLVM halves the vectors.
KINDS = {
    "narrow": ("x86-64", ("fma",), 4),
    "haswell": ("haswell", HASWELL, 8),
    "halved": ("haswell", HASWELL, 16),
    "avx512": ("skylake-avx512", SKYLAKE, 16),
}


def made(*names, **environment):
    """Checksums of the trainings of these names, or of all, from a process of their own."""
    argv, variables = [sys.executable, TRAININGS, *names], {**os.environ, "OMP_NUM_THREADS": "2", **environment}
    done = subprocess.run(argv, env=variables, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_training_has_the_recorded_bits():
    assert made("functions")["functions"] == RECORDED["functions"]


@pytest.mark.long
def test_all_trainings_have_the_recorded_bits():
    assert made() == RECORDED


@pytest.mark.long
@pytest.mark.skipif(platform.machine() != "x86_64", reason="kinds of x86-64")
@pytest.mark.parametrize("kind", KINDS)
def test_trainings_for_another_processor_have_the_same_bits(kind, tmp_path):
    name, features, width = KINDS[kind]
    ours = llvmlite.binding.get_host_cpu_features()
    if not all(ours.get(feature) for feature in features):
        pytest.skip("this processor lacks some of its instructions")
    multiarray = np._core._multiarray_umath  # numpy has kernels for several processors, too, and OpenBLAS
    optional = [feature for feature in multiarray.__cpu_dispatch__ if multiarray.__cpu_features__[feature]]
    found = made(
        NUMBA_CPU_NAME=name,
        NUMBA_CPU_FEATURES=",".join(f"+{feature}" for feature in features),
        NUMBA_CACHE_DIR=str(tmp_path),
        NPY_DISABLE_CPU_FEATURES=" ".join(optional) if kind == "narrow" else "",
        OPENBLAS_CORETYPE="Nehalem" if kind == "narrow" else "Haswell",
        FLOATS_OF_VECTORS=str(width),
    )
    assert found == RECORDED
