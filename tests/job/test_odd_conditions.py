"""Jobs under odd conditions: only IPv6, clocks that jump, few file descriptors, arrays of odd and huge sizes."""

import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.long

ROLE = [sys.executable, "-P", "-m", "pushgrad.ps"]
LAUNCH = [sys.executable, "-m", "pushgrad.launch"]

_spec = importlib.util.spec_from_file_location("two_hosts", Path(__file__).with_name("test_two_hosts.py"))
_two_hosts = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_two_hosts)
hosts, keys = _two_hosts.hosts, _two_hosts.keys

JUMPS = """
    import sys, time
    from pathlib import Path
    import numpy as np
    import pushgrad as mx

    def steps(kv, seconds):
        # Both workers stop after the same step: worker 1 looks at a clock, and the sum tells both.
        end, out = time.monotonic() + seconds, np.zeros(1, np.float32)
        while out[0] == 0:
            kv.push("over", np.full(1, kv.rank == 1 and time.monotonic() > end, np.float32))
            kv.pull("over", out)

    kv = mx.kv.create("dist_sync")
    kv.init("over", np.zeros(1, np.float32))
    for shift in ("+3600", "-3600"):
        if kv.rank == 1:
            Path("next").write_text(shift)
            Path("next").rename("clock")  # at once: others read it
        steps(kv, seconds=4.0)
        print(time.time())
"""


@pytest.mark.netns
def test_two_hosts_that_have_only_ipv6(hosts, new_job, keys, tmp_path):
    one, two = hosts
    for host, interface, address in ((one, "eth7", "fd00:77::1"), (two, "eth8", "fd00:77::2")):
        host.run("ip", "address", "flush", "dev", interface)
        host.run("ip", "address", "add", f"{address}/64", "dev", interface, "nodad")
    job = new_job(workers=2, servers=2, ipc=False, DMLC_PS_ROOT_URI="fd00:77::1", PUSHGRAD_KEYS=keys)
    (job.folder / "train.py").write_text(_two_hosts.TRAIN)
    train = (sys.executable, "train.py")
    job.start_scheduler(one.inside(*train))
    job.spawn("server0", one.inside(*train), "server", DMLC_INTERFACE="eth7")
    job.spawn("server1", two.inside(*train), "server", DMLC_NODE_HOST="fd00:77::2")
    job.spawn("worker0", one.inside(*train), "worker")
    job.spawn("worker1", two.inside(*train), "worker")
    job.succeed()
    with np.load(job.folder / "0.npz") as first, np.load(job.folder / "1.npz") as second:
        assert all(first[name].tobytes() == second[name].tobytes() for name in first)


# Python imports it before anything else. ZeroMQ and Python's own waits use the monotonic clock of the system, so what
# could be misled is what asks for the time of day.
SITECUSTOMIZE = """
import time
from pathlib import Path

real = time.time_ns
time.time_ns = lambda: real() + int(Path("clock").read_text()) * 10**9
time.time = lambda: time.time_ns() / 1e9
"""


@pytest.mark.parametrize("role", ["scheduler", "server0", "worker1"])
def test_a_clock_that_jumps_by_an_hour_changes_nothing(new_job, role):
    """Forth by one and back by two while steps go on, each for longer than a lease, in one process of the job."""
    job = new_job(workers=2, lease=3)
    (job.folder / "sitecustomize.py").write_text(SITECUSTOMIZE)
    (job.folder / "clock").write_text("+0")
    jumpy = {role: {"PYTHONPATH": str(job.folder)}}
    job.start_scheduler(**jumpy.get("scheduler", {}))
    job.spawn("server0", ROLE, "server", 0, **jumpy.get("server0", {}))
    for rank in range(2):
        job.start_worker(rank, JUMPS, **jumpy.get(f"worker{rank}", {}))
    job.succeed()
    forth, back = map(float, job.out("worker1").split())
    assert round((forth - back) / 3600) == (2 if role == "worker1" else 0)


def test_sixty_four_file_descriptors(launch, script):
    job = launch(argv=["prlimit", "--nofile=64", *LAUNCH, "--workers", "4", "--servers", "2", script(_two_hosts.TRAIN)])
    assert job.finish() == 0, job.text


def test_arrays_without_axes_and_without_elements(new_job):
    new_job(workers=2, servers=2).start(
        """
        import numpy as np
        import pushgrad as mx

        kv = mx.kv.create("dist_sync")
        values = {"scalar": np.float32(1), "none": np.zeros((0, 3), np.float32), "w": np.ones(3, np.float32)}
        for key, value in values.items():
            kv.init(key, np.zeros_like(value))
            kv.push(key, value)
            kv.pull(key, out := np.full_like(value, 7))
            assert out.shape == np.shape(value) and (out == 2).all(), (key, out)
        """
    ).succeed()


def available():
    """Memory that is free, in GiB."""
    found = re.search(r"^MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return int(found[1]) / 2**20


@pytest.mark.huge
@pytest.mark.timeout(600)
@pytest.mark.skipif(available() < 18, reason="needs 18 GiB of memory")
def test_an_array_of_five_gigabytes(new_job):
    """More elements than 2**30, more bytes than 2**32, over two servers; the last element counts as the first does."""
    new_job(workers=1, servers=2).start(
        """
        import numpy as np
        import pushgrad as mx

        kv = mx.kv.create("dist_sync")
        value = np.zeros(1_342_177_280, np.float32)
        kv.init("w", value)
        value[[0, 2**30, -1]] = 1, 2, 3
        kv.push("w", value)
        value[:] = 0
        kv.pull("w", value)
        assert value[[0, 1, 2**30, -2, -1]].tolist() == [1, 0, 2, 0, 3]
        """
    ).succeed(timeout=590)
