"""Workers that wait for each other in different places: the job ends in seconds and says where each of them stands."""

import time

import pytest

pytestmark = pytest.mark.long

FIT = """
    import sys
    import numpy as np
    import pushgrad as mx

    rng = np.random.default_rng(1)
    X, y = rng.standard_normal((60, 5), np.float32), rng.standard_normal(60, np.float32)
    net = mx.sym.LinearRegressionOutput(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=1))

    class Some(mx.io.NDArrayIter):  # as an iterator over unequal parts of the data
        def __init__(self, batches):
            super().__init__(X, y, 10, data_name="data", label_name="linearregressionoutput0_label")
            self.wanted, self.given = batches, 0
        def next(self):
            if self.given == self.wanted:
                raise StopIteration
            self.given += 1
            return super().next()
        def reset(self):
            self.given = 0
            super().reset()

    rank = mx.rank()
    options = dict(learning_rate=0.1, eval_metric="rmse", verbose=False)
"""


def code(text):
    return FIT + "".join(f"    {line}\n" for line in text.splitlines())


def ends(job, *texts, within=20):
    """All end with an error within so many seconds of the workers' joining, and say all of `texts`."""
    job.event("joined", role="worker", rank=1)
    begin = time.monotonic()
    codes = job.wait(within)
    print("seconds:", round(time.monotonic() - begin, 1))
    assert set(codes.values()) == {1}
    said = "".join(job.err(name) for name in codes)
    for text in texts:
        assert text in said, (text, said)


@pytest.mark.parametrize("more", ["", ", epoch_end_callback=lambda *_: True", ", kvstore='dist_async'"])
def test_batches_that_differ_in_number_end_the_fit_at_the_epoch_s_end(new_job, more):
    job = new_job(2, 2, lease=30).start(
        code(f"mx.FeedForward.create(net, Some(4 + rank), num_epoch=3, **options{more})")
    )
    ends(
        job,
        "workers wait for each other",
        'worker 0 waits in "end of epoch 1: after 4 batches" (worker0.py:',
        "worker 1 waits in step 5 of key-value store 2"
        if "async" in more
        else "worker 1 waits in step 5 of key-value store",
        "as many batches in each epoch",
    )


def test_a_collective_against_a_step(new_job):
    job = new_job(2, 1).start(
        code(
            "kv = mx.kv.create('dist_sync')\n"
            "kv.init('w', np.zeros(3, np.float32))\n"
            "if rank == 0:\n"
            "    kv.set_optimizer(mx.optimizer.SGD(0.1))\n"
            "kv.push('w', np.ones(3, np.float32))\n"
            "kv.pull('w', np.ones(3, np.float32))"
        )
    )
    ends(
        job,
        'worker 0 waits in "key-value store: optimizer of store 1" (worker0.py:',
        "worker 1 waits in step 1 of key-value store 1 (worker1.py:",
    )


def test_steps_of_two_keys_in_another_order(new_job):
    job = new_job(2, 2).start(
        code(
            "kv = mx.kv.create('dist_sync')\n"
            "kv.init(['a', 'b'], [np.zeros(3, np.float32)] * 2)\n"
            "for key in ('ab' if rank else 'ba'):\n"
            "    kv.push(key, np.ones(3, np.float32))\n"
            "    kv.pull(key, np.ones(3, np.float32))"
        )
    )
    ends(job, "worker 0 waits in step 1 of key-value store 1", "worker 1 waits in step 1 of key-value store 1")


def test_a_barrier_against_a_worker_that_is_too_far_ahead(new_job):
    job = new_job(2, 1).start(
        code(
            "kv = mx.kv.create('dist_ssp', staleness=1)\n"
            "kv.set_optimizer(mx.optimizer.SGD(0.1))\n"
            "kv.init('w', np.zeros(3, np.float32))\n"
            "for _ in range(1 if rank else 5):\n"
            "    kv.push('w', np.ones(3, np.float32))\n"
            "    kv.pull('w', np.ones(3, np.float32))\n"
            "kv.barrier()"
        )
    )
    ends(job, 'worker 1 waits in "barrier"', "worker 0 waits in step 3 of key-value store 1")


def test_who_only_waits_long_is_left_alone(new_job):
    """Worker 1 waits in a barrier for worker 0, which waits for a step that another thread of worker 1 will push."""
    job = new_job(2, 1).start(
        code(
            "import threading, time\n"
            "kv = mx.kv.create('dist_sync')\n"
            "kv.init('w', np.zeros(3, np.float32))\n"
            "def late():\n"
            "    kv.push('w', np.ones(3, np.float32))\n"
            "    kv.pull('w', np.ones(3, np.float32))\n"
            "    time.sleep(6)  # far longer than it takes to find workers that wait for each other\n"
            "    kv.push('w', np.ones(3, np.float32))\n"
            "if rank:\n"
            "    thread = threading.Thread(target=late)\n"
            "    thread.start()\n"
            "else:\n"
            "    late.__code__ = (lambda: None).__code__\n"
            "    for _ in range(2):\n"
            "        kv.push('w', np.ones(3, np.float32))\n"
            "        kv.pull('w', np.ones(3, np.float32))\n"
            "kv.session.barrier()\n"
            "print('done')"
        )
    )
    job.succeed()
    assert job.out("worker0") == job.out("worker1") == "done\n"


@pytest.mark.parametrize(
    ("zero", "one", "texts"),
    [
        ("model.score(X, y)", "model.fit(X, y)", ['worker 0 in "score"', 'worker 1 in "start of fit"']),
        ("kv.barrier()", "model.fit(X, y)", ['worker 0 in "barrier"', 'worker 1 in "start of fit"']),
        ("kv.barrier()", "mx.kv.create('dist_sync')", ['worker 0 in "barrier"', 'worker 1 in "key-value store']),
        ("model.score(X, y)", "pass", ['worker 1 left the job before "score"']),
    ],
    ids=["score-fit", "barrier-fit", "barrier-store", "score-end"],
)
def test_a_call_of_some_workers_is_refused_by_name(new_job, zero, one, texts):
    job = new_job(2, 1).start(
        code(
            "model = mx.FeedForward.create(net, X, y, num_epoch=1, **options)\n"
            "model.num_epoch = 2\n"
            "kv = mx.kv.create('dist_sync')\n"
            f"if rank == 0:\n    {zero}\nelse:\n    {one}"
        )
    )
    ends_somehow(job, texts)


def ends_somehow(job, texts):
    codes = job.wait(30)
    assert codes["worker0"] == 1
    said = "".join(job.err(name) for name in codes)
    assert "JSONDecodeError" not in said
    for text in texts:
        assert text in said, said


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ("n = 40 + rank; model.score(X[:n], y[:n], batch_size=10)", "evaluate different things: number of examples"),
        ("model.score(X + rank, y)", "evaluate different things: data checksum"),
        ("model.arg_params['fullyconnected0_bias'] += rank; model.score(X, y)", "different things: parameters"),
        ("model.fit(X, y, eval_data=(X, y + rank))", "evaluate different things: data checksum"),
        ("model.score(X + rank, y, eval_metric=lambda label, out: 1.0)", "evaluate different things: data checksum"),
    ],
    ids=["examples", "values", "parameters", "fit", "custom"],
)
def test_evaluation_data_are_compared(new_job, call, text):
    job = new_job(2, 1).start(
        code(
            "model = mx.FeedForward.create(net, X, y, num_epoch=1, **options)\n"
            "assert model.score(X, y, eval_metric='rmse') > 0\n"
            f"model.num_epoch = 2\n{call}"
        )
    )
    ends_somehow(job, [text])
