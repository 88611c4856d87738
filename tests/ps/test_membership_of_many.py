"""What the scheduler does for each of many processes does not grow with their number. Counted, not timed."""

import sys

import pytest

from pushgrad.common.codec import encode
from pushgrad.common.messages import Gather, Hello, Leave, Standing
from pushgrad.ps.actions import End, Send
from pushgrad.ps.membership import Membership
from pushgrad.ps.roster import Roster

SERVERS = 2


class Job:
    """The scheduler's state machine and the life of a job with `workers` workers."""

    def __init__(self, workers):
        self.now, self.workers = 0.0, [f"w{rank:04}".encode() for rank in range(workers)]
        self.machine = Membership(Roster("j", workers, SERVERS, "home"), 30.0, 60.0, self.now)

    def hello(self, identity, role, rank):
        return self.say(
            identity,
            Hello(
                job="j", role=role, rank=rank, incarnation=identity.decode(), host="h", pid=1,
                endpoint="ipc://s" if role == "server" else None, workers=len(self.workers), servers=SERVERS,
            ),
        )  # fmt: skip

    def say(self, identity, message):
        return self.machine.handle(identity, message, self.now)

    def join(self):
        actions = [action for rank in range(SERVERS) for action in self.hello(b"s%d" % rank, "server", rank)]
        return actions + [a for rank, name in enumerate(self.workers) for a in self.hello(name, "worker", rank)]

    def barrier(self, names):
        return [action for name in names for action in self.say(name, Gather(n=1, what="barrier", frames=(b"",)))]

    def meet(self):
        return self.barrier(self.workers)

    def wait(self):
        """All but one wait in a barrier and say so; then two seconds pass."""
        self.barrier(self.workers[1:])
        for name in self.workers[1:]:
            self.say(name, Standing(where="barrier", waits=True, collective=True))
        for _ in range(20):
            self.now += 0.1
            assert self.machine.tick(self.now) == []

    def leave(self):
        actions = [action for name in self.workers for action in self.say(name, Leave())]
        return actions + [action for rank in range(SERVERS) for action in self.say(b"s%d" % rank, Leave())]


def sent(actions):
    return [action for action in actions if isinstance(action, Send)]


def to_workers(actions):
    """The bytes of the headers that one worker gets."""
    return sum(len(encode(action.message)[0]) for action in sent(actions) if action.identity == b"w0000")


def calls(work):
    """How many calls of Python functions that takes: seconds would depend on the machine."""
    count = 0

    def see(frame, event, argument):
        nonlocal count
        count += event == "call"

    sys.setprofile(see)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def test_messages_of_joining_meeting_and_leaving_are_a_few_for_each_process():
    job = Job(400)
    assert len(sent(job.join())) == 2 * (400 + SERVERS)
    assert len(sent(job.meet())) == 400
    actions = job.leave()
    assert len(sent(actions)) == 400 * (1 + SERVERS) + 2 * SERVERS
    assert actions[-1] == End(0)


def test_a_worker_is_told_no_more_in_a_job_of_many():
    small, large = Job(10), Job(400)
    assert to_workers(large.join()) < to_workers(small.join()) + 8


@pytest.mark.parametrize("phase", ["join", "meet", "wait", "leave"])
def test_four_times_the_workers_are_four_times_the_work(phase):
    found = []
    for workers in (100, 400):
        job = Job(workers)
        work = {"join": job.join, "meet": job.meet, "wait": job.wait, "leave": job.leave}
        if phase != "join":
            job.join()
        found.append(calls(work[phase]))
    assert found[1] < 5 * found[0]
