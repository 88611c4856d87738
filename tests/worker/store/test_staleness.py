"""How far workers get ahead of each other, with real servers.

Weights count: element r is how many steps of worker r the server has applied, as the pulled value itself says. The last
worker is slow: it is held until the others have come as far as they can, so that nothing here depends on time.
"""

import json
import os

import pytest
from long_after import long_after

STEPS = 8
CASES = {
    2: [("dist_ssp", 0), ("dist_ssp", 2), ("dist_sync", 0)],
    3: [("dist_ssp", 1), ("dist_ssp", 3), ("dist_sync", 0)],
}
HELD = """
    import json, sys
    import numpy as np
    import pushgrad as mx

    def train(kind, staleness, steps):
        kv = mx.kv.create(kind, staleness=staleness)
        kv.set_optimizer(mx.optimizer.create("test"))
        others, slow = kv.num_workers - 1, kv.rank == kv.num_workers - 1
        mine, out, seen = np.eye(kv.num_workers, dtype=np.float32)[kv.rank], np.zeros(kv.num_workers, np.float32), []
        kv.init("w", out)
        before = kv.stats()[0].pushes  # those of the stores before this one
        kv.barrier()
        for n in range(1, steps + 1):
            if slow:  # its step n - 1 lets each of the others push up to number n + staleness, and not further
                limit = (*[min(n + staleness, steps)] * others, n - 1)
                while (pushes := tuple(np.subtract(kv.stats()[0].pushes, before))) != limit:
                    assert all(pushed <= most for pushed, most in zip(pushes, limit)), (pushes, limit)
            kv.push("w", mine)
            kv.pull("w", out=out)
            seen.append(out.astype(int).tolist())
        kv.barrier()
        kv.close()
        return seen

    for case in json.loads(sys.argv[1]):
        print(json.dumps([case, train(*case, int(sys.argv[2]))]), flush=True)
"""


def seen_by_all(job):
    """Of each worker, what it printed: the counts that it saw after each of its steps."""
    job.succeed()
    return [[json.loads(line) for line in job.out(f"worker{rank}").splitlines()] for rank in range(job.workers)]


@pytest.fixture(scope="module")
def seen(new_shared_job):
    """The counts that each worker saw. All cases of so many workers share a job, in one store after the other."""
    jobs = {}

    def ask(workers, kind, staleness):
        if workers not in jobs:
            jobs[workers] = new_shared_job(workers, 1).start(HELD, json.dumps(CASES[workers]), STEPS)
            jobs[workers].wait()
        found = [{(*case,): each for case, each in lines} for lines in seen_by_all(jobs[workers])]
        return [of_rank[kind, staleness] for of_rank in found]

    return ask


@pytest.mark.parametrize(("workers", "staleness"), long_after(1, [(2, 0), (2, 2), (3, 1), (3, 3)]))
def test_ssp_lets_a_worker_get_so_far_ahead_and_no_further(seen, workers, staleness):
    *others, slow = seen(workers, "dist_ssp", staleness)
    for each in others:
        of_slow = [counts[-1] for counts in each]
        assert of_slow[:-1] == [max(0, n - staleness) for n in range(1, STEPS)]
        assert of_slow[-1] >= STEPS - staleness
        assert all(n - min(counts) <= staleness for n, counts in enumerate(each, 1))
    for n, counts in enumerate(slow, 1):  # it never waits, and has the others' steps that were there before its own
        assert counts[-1] == n
        assert all(min(n + staleness, STEPS) <= count <= min(n + staleness + 1, STEPS) for count in counts[:-1])


@pytest.mark.parametrize("workers", long_after(1, [2, 3]))
def test_sync_is_in_lock_step(seen, workers):
    for each in seen(workers, "dist_sync", 0):
        assert each == [[n] * workers for n in range(1, STEPS + 1)]


FREE = """
    import json, sys
    import numpy as np
    import pushgrad as mx

    kv = mx.kv.create("dist_async")
    kv.set_optimizer(mx.optimizer.create("test"))
    others, slow = kv.num_workers - 1, kv.rank == kv.num_workers - 1
    mine, out, seen = np.eye(kv.num_workers, dtype=np.float32)[kv.rank], np.zeros(kv.num_workers, np.float32), []
    kv.init("w", out)
    for rank in range(others if slow else 0):
        open(f"done{rank}").read()  # a named pipe: opens when worker `rank` has taken its last step
    for n in range(int(sys.argv[1])):
        kv.push("w", mine)
        kv.pull("w", out=out)
        seen.append(out.astype(int).tolist())
    if not slow:
        open(f"done{kv.rank}", "w").close()
    kv.barrier()
    print(json.dumps(seen))
"""


@pytest.mark.long
def test_async_waits_for_nobody(new_job):
    job = new_job(3, 1)
    for rank in range(2):
        os.mkfifo(job.folder / f"done{rank}")
    *others, slow = [each for (each,) in seen_by_all(job.start(FREE, STEPS))]
    for rank, each in enumerate(others):
        assert [counts[rank] for counts in each] == list(range(1, STEPS + 1))
        assert [counts[-1] for counts in each] == [0] * STEPS
    assert slow == [[STEPS, STEPS, n] for n in range(1, STEPS + 1)]
