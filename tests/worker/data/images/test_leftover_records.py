"""What a training on pictures leaves when it ends early: no threads, no open files, no noise."""

import gc
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import DataError


@pytest.fixture
def packed(tmp_path):
    with mx.recordio.MXRecordIO(tmp_path / "few.rec", "w") as file:
        for i in range(32):
            pixels = np.random.default_rng(i).integers(0, 256, (40, 40), np.uint8)
            content = mx.recordio.pack_img((0, i % 2, i, 0), pixels, 3, ".png")
            file.write(content if i != 30 else content[:99])
    return tmp_path / "few.rec"


def network():
    layer = mx.symbol.FullyConnected(mx.symbol.Variable("data"), num_hidden=2)
    return mx.symbol.SoftmaxOutput(layer, name="softmax")


def held():
    """Threads and open files of this process; compute threads are shared and stay."""
    gc.collect()
    threads = [thread.name for thread in threading.enumerate() if "compute" not in thread.name]
    return sorted(threads), len(os.listdir("/proc/self/fd"))


class Stop(Exception):
    pass


@pytest.mark.parametrize("error", [Stop, KeyboardInterrupt, DataError])
def test_a_fit_that_raises(packed, error):
    def at_third(param):
        if param.nbatch == 3 and error is not DataError:  # which comes by itself, with the eighth batch
            raise error

    before = held()
    with (
        pytest.raises(error),
        mx.io.ImageRecordIter(packed, (1, 8, 8), 4, rand_crop=True) as train,
        mx.io.ImageRecordIter(packed, (1, 8, 8), 4) as validation,
    ):
        options = {"num_epoch": 2, "verbose": False, "batch_end_callback": at_third}
        mx.FeedForward.create(network(), train, eval_data=validation, **options)
    assert held() == before


def test_many_iterators_that_nobody_closes(packed):
    before = held()
    for epoch in range(5):
        model = mx.FeedForward(network(), num_epoch=1)
        with pytest.raises(DataError, match="record 30"):
            model.fit(mx.io.ImageRecordIter(packed, (1, 8, 8), 4, seed=epoch), verbose=False)
    del model
    for thread in threading.enumerate():
        if "decode" in thread.name:
            gc.collect()
            thread.join(10)
    assert held() == before


ENDLESS = """
import signal, sys
import pushgrad as mx

signal.signal(signal.SIGINT, signal.default_int_handler)  # shells start background jobs that ignore it
pictures = mx.io.ImageRecordIter(sys.argv[1], (1, 400, 400), 8, resize=500, rand_crop=True)
while True:
    print(pictures.next().index, flush=True)
    pictures.seek(0, 0)
"""


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_process_that_is_told_to_end(packed, signum):
    argv = [sys.executable, "-c", ENDLESS, str(packed)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        process.send_signal(signum)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == -signum
    last = errors.splitlines()[-1:]
    assert last == (["KeyboardInterrupt"] if signum == signal.SIGINT else [])
    assert errors.count("Traceback") <= 1
