"""The product's own scheduler, servers, links and transports under simulated networks and clocks: what must be true of
every schedule, and that schedules find bugs.
"""

import os
import subprocess
import sys
from unittest import mock

import numpy as np
import pytest
from run import failure
from schedules import Schedule
from simulated_job import LEASE, Job, World, simulated
from simulated_network import Line

from pushgrad.common.link import Link
from pushgrad.ps.collectives import Collectives
from pushgrad.ps.ledger import Ledger
from pushgrad.ps.membership import Membership
from pushgrad.worker.store.distributed_store import KVStoreDist
from pushgrad.worker.store.outbox import Outbox
from pushgrad.worker.store.requests import Request


def test_invariants_hold_in_schedules_of_all_kinds():
    assert [text for text in map(failure, range(150)) if text] == []


@pytest.mark.long
def test_invariants_hold_in_a_thousand_schedules():
    assert [text for text in map(failure, range(1000, 2000)) if text] == []


def test_a_seed_decides_everything():
    code = "from schedules import Schedule; s = Schedule(9); s.run(); print(s.world.now, s.world.random.random())"
    env = {**os.environ, "PYTHONPATH": os.path.dirname(__file__)}
    commands = [
        subprocess.run(
            [sys.executable, "-c", code], env={**env, "PYTHONHASHSEED": seed}, capture_output=True, timeout=60
        )
        for seed in "12"
    ]
    schedule = Schedule(9)
    schedule.run()
    expected = f"{schedule.world.now} {schedule.world.random.random()}"
    assert [done.stdout.decode().strip() for done in commands] == [expected] * 2


def test_the_answer_to_leave_may_go_with_the_scheduler():
    world = World(1)
    with simulated():
        Job(world, 1, 1, lambda worker, store: None)
        scheduler, _, worker = world.processes
        line = worker.link.connection

        def take(frames):  # nothing that the scheduler says from then on
            if worker.link.welcome is None or not worker.transport._asked_to_leave:
                Line.take(line, frames)

        line.take = take
        assert world.run(world.now + 30)
    assert [process.ended for process in world.processes] == ["well"] * 3
    assert worker.when - scheduler.when > LEASE / 2, "it has waited for the answer"


def written_over(self, info, total):
    """Without asking whether the last push has been read."""
    info.staging = np.empty(info.shape, info.dtype) if info.staging is None else info.staging
    np.copyto(info.staging, total)
    return info.staging


def answered_once(self, rank, n, *rest, real=Collectives.contribute):
    return None if n == self.done else real(self, rank, n, *rest)


def nobody_is_missed(self, now, real=Membership.tick):
    for member in self.roster.members.values():
        member.heard = now
    return real(self, now)


def acknowledged_at_once(self, rank, n, lr, now, real=Ledger.enter):
    real(self, rank, n, lr, now)
    return True


BUGS = {
    "what comes twice counts twice": (Ledger, "accept", lambda self, *push: True),
    "steps are complete with any push": (Ledger, "enter", acknowledged_at_once),
    "no bound of staleness": (Ledger, "_too_far_ahead", lambda self, n, gone: False),
    "pushes overtake each other": (Request, "may_join", lambda self, unanswered: True),
    "nothing is said again to servers": (Outbox, "again", lambda self: None),
    "hello is not said again": (Link, "_greet", lambda self, real=Link._greet: self.registered or real(self)),
    "a collective is answered once": (Collectives, "contribute", answered_once),
    "gradients are written over while they travel": (KVStoreDist, "_own", written_over),
    "no lease of members": (Membership, "tick", nobody_is_missed),
    "no lease of the scheduler": (Link, "check", lambda self: None),
}


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_found(name):
    with mock.patch.object(*BUGS[name]):
        assert any(map(failure, range(100)))
