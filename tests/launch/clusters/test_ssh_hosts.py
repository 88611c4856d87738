"""`launch --cluster ssh` with real sshds on three hosts."""

import os
import shutil
import subprocess
import sys
import sysconfig
import textwrap
import time
import venv
from pathlib import Path

import cluster_scripts
import numpy as np
import pytest

pytestmark = [pytest.mark.engines, pytest.mark.netns]

TRAIN = f"""{cluster_scripts.TRAIN}\
print("rank", mx.rank(), "of", mx.num_workers(), sys.argv[2:])
"""
# Trains for as long as nobody ends it.
ENDLESS = """
import numpy as np
import pushgrad as mx
store = mx.kv.create("dist_sync")
store.init("a", np.zeros(1000, np.float32))
print("ready", flush=True)
ones, out = np.ones(1000, np.float32), np.zeros(1000, np.float32)
while True:
    store.push("a", ones)
    store.pull("a", out)
"""
# A clock that is CLOCK_AHEAD hours ahead. (libfaketime also changes how long threads wait for each other.)
CLOCK = """
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t which, struct timespec *now) {
    int failed = syscall(SYS_clock_gettime, which, now);
    if (which == CLOCK_REALTIME) now->tv_sec += 3600 * atoi(getenv("CLOCK_AHEAD"));
    return failed;
}
"""
SOURCES = Path(__file__).parents[3]
LEASE = 6  # seconds, where a host is lost: it is seen soon


@pytest.fixture
def start(network, launch, script, tmp_path):
    """Starts `launch` on the host `here`, for the hosts that `lines` name."""

    def start(text, *arguments, lines=("node1", "node2", "node3"), options=(), lease=30):
        (tmp_path / "hosts").write_text("\n".join(lines) + "\n")
        path = os.pathsep.join([str(network.path), os.environ["PATH"]])
        mine = {"PATH": path, "PUSHGRAD_LEASE": str(lease), "TMPDIR": str(network.here.temporary)}
        # Entering the namespace leads to its root.
        command = network.here.inside("env", "--chdir", tmp_path, sys.executable, "-m", "pushgrad.launch")
        command += ["--cluster", "ssh", "--hostfile", "hosts"]
        told = ["--env", f"PUSHGRAD_LEASE={lease}", *options, script(text), *map(str, arguments)]
        return launch(argv=[*command, *told], env=mine)

    yield start
    network.knows()


@pytest.fixture
def clean(network):
    """Whether nothing is left on any host, at the latest when a lease has passed."""
    everywhere = (*network.hosts, network.here)
    return lambda seconds=LEASE + 8: all(host.is_clean_within(seconds) for host in everywhere)


def test_bits_are_those_of_a_local_job(start, launch, clean, tmp_path):
    job = start(TRAIN, "ssh", "a b", "$HOME", lines=["node1 slots=2", "node2", "node3  # the last"])
    assert job.finish() == 0, job.text
    assert "w3 | rank 3 of 4 ['a b', '$HOME']" in job.lines
    assert any(line.startswith("w0 | [3] Train-accuracy=") for line in job.lines)
    assert clean(0)
    local = launch("--workers", 4, "train.py", "local", real=True)
    assert local.finish() == 0, local.text
    with np.load(tmp_path / "local-0.npz") as expected, np.load(tmp_path / "ssh-3.npz") as found:
        assert sorted(found) == sorted(expected)
        assert all(found[name].tobytes() == expected[name].tobytes() for name in expected)


def test_a_worker_s_code_and_last_words(start, clean):
    text = (
        "import os, sys, pushgrad as mx\nmx.rank()\nif os.environ['RANK'] == '2': sys.exit('no such luck')\n" + ENDLESS
    )
    job = start(text)
    assert job.finish() == 1, job.text
    assert "worker 2 exited with code 1 (host node3, pid" in job.errors[-2]
    assert "launch |     no such luck" in job.errors
    assert clean(2)


def test_a_killed_worker_costs_a_restart(start, network, launch, script, clean, tmp_path):
    """All begin again, by agents that are reached anew, from the last snapshot."""
    job = start(cluster_scripts.INTERRUPTED, "restarted", options=["--snapshot", "2steps"], lines=["node1", "node2"])
    job.wait_for("| halted")
    network.hosts[1].run("pkill", "-KILL", "-f", "train.py")
    assert job.finish() == 0, job.text
    assert "the job goes on" in job.text and "as generation 2" in job.text, job.text
    assert clean(2)
    undisturbed = launch("-n", "2", "--snapshot", "off", script(cluster_scripts.TRAIN), "undisturbed", real=True)
    assert undisturbed.finish() == 0, undisturbed.text
    with np.load(tmp_path / "undisturbed-0.npz") as expected, np.load(tmp_path / "restarted-1.npz") as found:
        assert all(found[name].tobytes() == expected[name].tobytes() for name in expected)


def test_sshd_killed(start, network, clean):
    job = start(ENDLESS, lease=LEASE)
    job.wait_for("| ready", 3)
    with network.hosts[1].sshd_killed():
        assert job.finish() == 1, job.text
        assert "worker 1 was lost: node2: " in job.errors[-2], job.text
        assert clean()


def test_link_cut(start, network, clean):
    job = start(ENDLESS, lease=LEASE)
    job.wait_for("| ready", 3)
    network.cut(network.hosts[2])
    try:
        assert job.finish() == 1, job.text
        # The scheduler and `launch` notice it independently.
        assert "(host node3, " in job.errors[-2], job.text  # of its worker or its server, whoever is missed first
        assert clean()
    finally:
        network.cut(network.hosts[2], "up")


def test_hosts_that_cannot_be_used_are_all_named(start, network, clean):
    network.knows(node2="wrongkey")
    with network.hosts[2].sshd_killed():
        job = start(TRAIN, "never")
        assert job.finish() == 1, job.text
        assert "2 of 3 hosts cannot be used: node2: " in job.errors[-2]
        assert "Permission denied (publickey" in job.errors[-2] and "Connection refused" in job.errors[-2]
        assert not job.lines and clean(2)


def test_launch_killed(start, network, clean):
    job = start(ENDLESS, lease=LEASE)
    job.wait_for("| ready", 3)
    network.here.run("pkill", "-KILL", "-f", "pushgrad.launch --cluster ssh")
    job.finish()
    assert clean(8)


def test_ctrl_c(start, network, clean):
    text = f"try:\n{textwrap.indent(ENDLESS, '    ')}\nexcept KeyboardInterrupt:\n    print('saved')"
    job = start(text)
    job.wait_for("| ready", 3)
    network.here.run("pkill", "-INT", "-f", "pushgrad.launch --cluster ssh")
    assert job.finish() == 130, job.text
    assert sorted(line for line in job.lines if "saved" in line) == ["w0 | saved", "w1 | saved", "w2 | saved"]
    assert clean(2)


def test_sync_copies_the_folder(start, network, tmp_path, clean):
    (tmp_path / "helper.py").write_text("WORD = 'copied'")
    there = network.folder / "elsewhere" / "deep er"
    text = "import os, helper, pushgrad as mx; print(helper.WORD, os.getcwd(), mx.num_workers())"
    job = start(text, options=["--sync", "--workdir", str(there)], lines=["node1", "node2"])
    assert job.finish() == 0, job.text
    assert sorted(job.lines) == [f"w{rank} | copied {there} 2" for rank in (0, 1)]
    assert clean(0)


def test_hosts_without_the_sources(start, network, clean):
    """`--python` has pushgrad installed; where the tests' own sources are, the hosts have an empty folder."""
    packages, there = network.folder / "packages", network.folder / "installed"
    packages.mkdir()
    venv.create(there, symlinks=True)
    own = next(there.glob("lib/python*/site-packages"))
    (own / "others.pth").write_text(f"{packages}\n")
    beside = shutil.ignore_patterns(".*", "tests", "docs", "examples", "benchmarks", "out", "__pycache__")
    shutil.copytree(SOURCES, own / "pushgrad", ignore=beside)
    for host in network.hosts:
        host.run("mount", "--bind", sysconfig.get_path("purelib"), packages)
        host.run("mount", "-t", "tmpfs", "tmpfs", SOURCES)
    try:
        text = f"{cluster_scripts.SUM}print(mx.__file__)\n"
        job = start(text, options=["--python", there / "bin" / "python"])
        assert job.finish() == 0, job.text
        assert [line.partition("| ")[2] for line in job.lines if "| /" in line] == [f"{own}/pushgrad/__init__.py"] * 3
        assert clean()
    finally:
        for host in network.hosts:
            host.run("umount", "--lazy", SOURCES)


def test_a_worker_whose_disk_is_full(start, network, clean, tmp_path):
    there = network.folder / "small"
    there.mkdir()
    text = f"import os, pushgrad as mx\nmx.rank()\nopen('{there}/out' + os.environ['RANK'], 'wb').write(bytes(99999))\n"
    with network.hosts[1].full(there):
        job = start(text + ENDLESS)
        assert job.finish() == 1, job.text
        assert "worker 1 exited with code 1 (host node2, pid" in job.text
        assert any("No space left on device" in line for line in job.errors[-6:]), job.text
        assert clean()


def test_a_host_that_comes_late(start, network, clean):
    network.cut(network.hosts[1])
    job = start(cluster_scripts.SUM)
    # The first try to connect is lost; ssh's kernel repeats it.
    wait_until(lambda: "SYN-SENT" in network.here.run("ss", "-tn", "dst", network.hosts[1].address))
    network.cut(network.hosts[1], "up")
    assert job.finish() == 0, job.text
    assert [line.partition("| ")[2] for line in job.lines] == ["sum [3. 3.] of 3"] * 3
    assert clean()


def test_a_host_that_never_comes(start, network, clean):
    network.cut(network.hosts[2])
    try:
        job = start(cluster_scripts.SUM)
        assert job.finish() == 1, job.text
        assert "1 of 3 hosts cannot be used: node3: " in job.errors[-2], job.text
        assert not job.lines and clean()
    finally:
        network.cut(network.hosts[2], "up")


def test_two_hosts_of_one_name(start, network, clean):
    network.hosts[2].run("hostname", "node2")
    try:
        job = start(cluster_scripts.SUM)
        assert job.finish() == 0, job.text
        assert [line.partition("| ")[2] for line in job.lines] == ["sum [3. 3.] of 3"] * 3
        assert clean()
    finally:
        network.hosts[2].run("hostname", "node3")


@pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc")
def test_clocks_apart(start, clean, tmp_path):
    """A day behind on one host, an hour ahead on another: agents, scheduler, server and workers."""
    (tmp_path / "clock.c").write_text(CLOCK)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", "clock.so", "clock.c"], cwd=tmp_path, check=True)
    python = tmp_path / "python"
    python.write_text(
        "#!/bin/sh\ncase $(hostname) in node1) hours=-24;; node2) hours=1;; *) hours=0;; esac\n"
        f'CLOCK_AHEAD=$hours LD_PRELOAD={tmp_path}/clock.so exec {sys.executable} "$@"\n'
    )
    python.chmod(0o755)
    job = start("import time\n" + cluster_scripts.SUM + "print('time', time.time())\n", options=["--python", python])
    assert job.finish() == 0, job.text
    times = [float(line.rpartition(" ")[2]) for line in sorted(job.lines) if "| time" in line]
    assert [round((when - times[2]) / 3600) for when in times] == [-24, 1, 0]
    assert clean()


@pytest.mark.long
def test_hosts_that_have_only_ipv6(start, network, clean):
    with network.only_ipv6():
        job = start(cluster_scripts.SUM)
        assert job.finish() == 0, job.text
        assert [line.partition("| ")[2] for line in job.lines] == ["sum [3. 3.] of 3"] * 3
        assert clean()


def wait_until(ready, seconds=30):
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end
        time.sleep(0.05)
