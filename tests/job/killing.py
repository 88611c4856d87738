"""Killing processes of jobs that `launch --verbose` tells of."""

import os
import re
import signal
import threading


def kill(job, *names, signum=signal.SIGKILL):
    """Send a signal to these processes of the latest generation, such as w0, ps1 or sched."""
    for name in names:
        os.kill(int(re.findall(rf"\b{name} is pid (\d+)", job.text)[-1]), signum)


def lines_of(job):
    """What each of two workers printed; between workers there is no order."""
    return {name: [line for line in job.lines if line.startswith(name)] for name in ("w0", "w1")}


def kill_at_moments(job, draw, most):
    """Kill any process of a job of 2 workers and 2 servers, or two at once, `most` times: while it trains, writes
    snapshots, or starts. How often it was before the job had ended.
    """
    for generation in range(1, most + 1):
        names = draw.sample(["w0", "w1", "ps0", "ps1", "sched"], draw.choice([1, 1, 1, 2]))
        for name in names:
            job.wait_for(f"{name} is pid", times=generation)
        if generation == 1 or draw.random() < 0.7:
            job.wait_for("event=resumable", times=job.text.count("event=resumable") + draw.randrange(1, 6))
        threading.Event().wait(0.3 * draw.random())
        try:
            kill(job, *names)
        except ProcessLookupError:
            return generation - 1
    return most
