"""What a real server refuses of a client that does not check it: the server goes on, and other fits with it."""

import pytest

CLIENT = """
    import numpy as np
    import pushgrad as mx

    kv = mx.kv.create("dist_sync")
    kv.init("n", np.zeros(3, np.int32))
    kv.init("w", np.ones(3, np.float32))
    info = kv.keys["w"]
    kv._submit(kv._requests.init((info, np.full(3, 9, np.float32), 1.0, 1.0), blank=False))
    kv.wait()
    kv.pull("w", out := np.empty(3, np.float32))
    assert (out == 1).all(), out  # the repeated init has changed nothing
    kv.set_optimizer("sgd")
    kv.optimizer = None  # as in a client that knows nothing of optimizers
    try:
        kv.push("n", np.ones(3, np.int32))
        kv.wait()
    except mx.PushgradError as error:
        print(type(error).__name__, error)
    other = mx.kv.create("dist_sync")
    other.init("n", np.zeros(3, np.int32))
    other.push("n", np.full(3, 4, np.int32))
    other.pull("n", out := np.empty(3, np.int32))
    assert (out == 4 * other.num_workers).all()
    other.close()
"""


@pytest.mark.long
def test_whole_numbers_under_an_optimizer_and_a_second_init(new_job):
    job = new_job(1).start(CLIENT)
    job.succeed()
    said = job.out("worker0")
    assert said.startswith(
        "RemoteError key 'n': an optimizer needs float values: expected float32 or float64, got int32"
    )
