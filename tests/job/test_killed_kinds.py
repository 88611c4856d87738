"""Trainings of many kinds whose processes are killed go on with the bits and the lines of one that nobody disturbs.

tests/job/test_restarts.py does this with BatchNorm, Dropout, momentum and a shuffle that rolls over.
"""

import json
import random
import sys
from pathlib import Path

import numpy as np
import pytest
from killing import kill_at_moments, lines_of

import pushgrad as mx

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]

TRAINS = Path(__file__).with_name("kinds_of_training.py").read_text()

# The same by mx.run, with a function.
RUNS = """
import json, sys
import pushgrad as mx
from train import main

kind, pause, options = json.loads(sys.argv[1])
mx.run(main, kind, pause, workers=2, servers=2, verbose=True, **options)
"""


@pytest.fixture
def pictures(tmp_path):
    """96 small ones of two kinds."""
    draw = np.random.default_rng(1)
    with mx.recordio.MXRecordIO(tmp_path / "few.rec", "w") as file:
        for i in range(96):
            pixels = (draw.random((16, 16, 3)) * 128 + 127 * (i % 2)).astype(np.uint8)
            file.write(mx.recordio.pack_img((0, i % 2, i, 0), pixels, 3, ".png"))


@pytest.fixture
def start(launch, script, pictures):
    """Starts a training of that kind with 2 workers and 2 servers, by `launch` or by mx.run."""

    def run(kind, by, pause=0.0, **options):
        train, env = script(TRAINS), {"OMP_NUM_THREADS": "1"}
        if by == "mx.run":
            driver = script(RUNS, "driver.py")
            return launch(argv=[sys.executable, driver, json.dumps([kind, pause, options])], env=env)
        given = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", value)]
        size = ["--verbose", "--workers", 2, "--servers", 2]
        return launch(*size, *given, train, json.dumps([kind, pause]), real=True, env=env)

    return run


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    ("kind", "by"), [("adam", "launch"), ("pictures", "launch"), ("lstm", "launch"), ("adam", "mx.run")]
)
def test_jobs_whose_processes_are_killed_at_seeded_moments(start, left_behind, kind, by, seed):
    whole = start(kind, by, snapshot="off")
    assert whole.finish() == 0, whole.text
    job = start(kind, by, pause=0.05, snapshot="1steps" if kind == "lstm" else "0.01s", max_restarts=99)
    kills = kill_at_moments(job, random.Random(seed), 4)
    assert job.finish() == 0, job.text
    assert lines_of(job) == lines_of(whole) and lines_of(job)["w1"]
    assert kills >= 3 and job.text.count("the job goes on") >= kills and left_behind(job.job_id) == []
