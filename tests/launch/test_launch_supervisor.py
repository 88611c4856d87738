"""The supervisor alone: events in, actions out, on a clock of its own."""

import signal
from pathlib import Path

import pytest

from pushgrad.launch.clusters.local import Local
from pushgrad.launch.ending import DUMP_WAIT, FINISH_WAIT, KILL_WAIT, Action
from pushgrad.launch.job import Job
from pushgrad.launch.supervisor import PEER_WAIT, Supervisor

START, TERM, REST, KILL = [Action.START], [Action.TERM], [Action.TERM_REST], [Action.KILL]


class Story:
    """A job whose processes do what the test says."""

    def __init__(self, workers=2, servers=1, timeout=None, grace=30.0):
        job = Job(("train",), workers, servers, "j", Path("/x"), Path("/x/logs"))
        self.now = 100.0
        specs = Local().plan(job).specs
        self.supervisor = Supervisor(specs, self.now, timeout, grace, start_timeout=60.0)
        self.supervisor.started("sched", 1)
        self.names = [spec.name for spec in specs]

    def running(self, joined=True):
        assert self.says("listening", port=5) == START
        for pid, name in enumerate(self.names[1:], 2):
            self.supervisor.started(name, pid)
        if joined:
            for rank in range(len(self.supervisor.workers)):
                assert self.says("joined", rank=rank) == []
        return self

    def says(self, event, **fields):
        role = {} if event == "listening" else {"role": "worker"}
        return self.supervisor.status({"event": event, **role, **fields}, self.now)

    def exits(self, name, code):
        return self.supervisor.exited(name, code, self.now)

    def signal(self, signum):
        return self.supervisor.signalled(signum, self.now)

    def later(self, seconds):
        self.now += seconds
        return self.supervisor.tick(self.now)

    def end(self):
        for name, member in self.supervisor.members.items():
            if member.running:
                self.exits(name, -15)
        assert self.supervisor.over
        return self.supervisor

    def blamed(self):
        cause = self.end().cause
        return cause.member and cause.member.spec.name, cause.code


def test_all_well():
    story = Story().running()
    for rank in (0, 1):
        story.says("left", rank=rank)
        assert story.exits(f"w{rank}", 0) == []
    assert story.exits("ps0", 0) == [] and not story.supervisor.over
    assert story.exits("sched", 0) == [] and story.supervisor.over
    assert story.supervisor.cause is None


def test_servers_may_end_before_a_worker_that_has_left():
    story = Story(workers=1).running()
    story.says("left", rank=0)
    assert story.exits("ps0", 0) == [] and story.exits("sched", 0) == []
    assert story.exits("w0", 0) == [] and story.supervisor.over and story.supervisor.cause is None


def test_lingering_servers_get_time_then_term():
    story = Story(workers=1).running()
    story.says("left", rank=0)
    assert story.exits("w0", 0) == []
    assert story.later(FINISH_WAIT - 0.1) == [] and story.later(0.2) == REST
    assert story.end().cause is None


def test_a_server_that_fails_at_the_very_end_is_an_error():
    story = Story(workers=1).running()
    story.says("left", rank=0)
    story.exits("w0", 0)
    assert story.exits("ps0", -11) == REST
    assert story.blamed() == ("ps0", 139)


def test_workers_that_never_join():
    story = Story().running(joined=False)
    assert story.exits("w0", 0) == [] and story.exits("w1", 0) == REST
    assert story.end().cause is None


@pytest.mark.parametrize("code, shown", [(1, 1), (3, 3), (-9, 137), (-15, 143), (255, 255)])
def test_first_failure(code, shown):
    story = Story().running()
    assert story.exits("w1", code) == TERM
    assert story.exits("w0", 1) == REST, "servers end when the last worker has gone"
    assert story.blamed() == ("w1", shown)


def test_zero_before_the_end():
    story = Story().running()
    story.says("left", rank=0)
    assert story.exits("w0", 0) == [] and story.exits("w1", 0) == REST
    assert story.blamed() == ("w1", 1)


def test_joining_twice():
    story = Story(workers=1).running()
    story.says("left", rank=0)
    story.says("joined", rank=0)
    assert story.exits("w0", 0) == REST


@pytest.mark.parametrize("late", [False, True])
def test_zero_without_joining(late):
    story = Story().running(joined=False)
    if late:
        assert story.exits("w1", 0) == [] and story.says("joined", rank=0) == TERM
    else:
        assert story.says("joined", rank=0) == [] and story.exits("w1", 0) == TERM
    assert story.blamed() == ("w1", 1)


@pytest.mark.parametrize("name", ["sched", "ps0"])
def test_a_server_that_ends_early(name):
    story = Story().running()
    assert story.exits(name, 0) == [], "it may have lost the scheduler, which is not known to have died yet"
    assert story.later(PEER_WAIT) == TERM and story.blamed() == (name, 1)


def test_servers_that_end_because_the_scheduler_was_killed():
    story = Story(servers=2).running()
    assert story.exits("ps1", 0) == [] and story.exits("ps0", 0) == []
    assert story.exits("sched", -9) == TERM and story.blamed() == ("sched", 137)


def test_the_real_cause_comes_after_those_who_gave_up():
    story = Story(workers=3).running()
    assert story.exits("w0", 75) == [] and story.exits("w2", 75) == []
    assert story.later(PEER_WAIT / 2) == [] and story.exits("ps0", -9) == TERM
    assert story.blamed() == ("ps0", 137)


def test_nobody_but_those_who_gave_up():
    story = Story().running()
    story.exits("w0", 75)
    assert story.later(PEER_WAIT) == TERM and story.blamed() == ("w0", 1)


def test_a_scheduler_that_stands_still_is_blamed_once_all_others_gave_up():
    story = Story().running()
    for name in ("w0", "ps0", "w1"):
        assert story.exits(name, 75) == []
    assert story.later(PEER_WAIT) == REST and story.blamed() == ("sched", 1)
    assert "no sign of life" in story.supervisor.cause.text


def test_all_gave_up():
    story = Story(workers=1).running()
    for name in ("w0", "ps0"):
        assert story.exits(name, 75) == []
    assert story.exits("sched", 75) == REST and story.supervisor.over and story.supervisor.cause.code == 1


def test_the_scheduler_knows_who_was_first():
    story = Story().running()
    story.says("aborted", rank=1, reason="NaN in fc1_weight")
    assert story.exits("w0", 1) == [], "the accused may still end by itself"
    assert story.exits("w1", 1) == REST
    assert "NaN in fc1_weight" in story.supervisor.cause.reason and story.blamed() == ("w1", 1)


def test_a_worker_that_leaves_with_an_error_was_first():
    story = Story().running()
    story.says("left", rank=1)
    story.says("aborted", rank=0, reason="worker 1 left before step 2")
    assert story.exits("w0", 1) == [] and story.exits("ps0", 75) == [] and story.exits("sched", 1) == []
    assert story.exits("w1", 3) == REST
    assert story.blamed() == ("w1", 3)


def test_a_worker_that_leaves_well_is_not_to_blame():
    story = Story().running()
    story.says("left", rank=1)
    story.says("aborted", rank=0, reason="worker 1 left before step 2")
    assert story.exits("w0", 1) == [] and story.exits("w1", 0) == REST
    assert story.blamed() == ("w0", 1)


def test_a_worker_that_has_left_and_works_on_is_not_waited_for_long():
    story = Story().running()
    story.says("left", rank=1)
    assert story.exits("w0", 1) == [] and story.later(PEER_WAIT) == TERM
    assert story.blamed() == ("w0", 1)


def test_the_accused_hangs():
    story = Story().running()
    story.says("aborted", rank=1, reason="lease")
    assert story.exits("w0", 75) == [] and story.later(PEER_WAIT) == TERM
    assert story.supervisor.cause.reason == "lease" and story.blamed() == ("w1", 1)


def test_the_scheduler_that_ends_the_job_is_not_to_blame():
    story = Story().running()
    story.says("aborted", rank=1, reason="lease")
    assert story.exits("sched", 1) == [] and story.exits("w1", 75) == []
    assert story.later(PEER_WAIT) == TERM and story.blamed() == ("w1", 1)


def test_the_scheduler_blames_itself():
    story = Story().running(joined=False)
    event = {"event": "aborted", "role": "scheduler", "rank": None, "reason": "worker 1 did not come within 60 s"}
    assert story.supervisor.status(event, story.now) == []
    assert story.exits("sched", 1) == TERM and story.blamed() == ("sched", 1)
    assert "worker 1 did not come" in story.supervisor.cause.reason


def test_arriving_is_enough_to_need_the_others():
    story = Story().running(joined=False)
    assert story.says("arrived", rank=0) == [] and story.exits("w1", 0) == TERM
    assert story.blamed() == ("w1", 1)


def test_the_accused_gave_up_itself_after_another_failure():
    story = Story().running()
    story.says("aborted", rank=1, reason="lease")
    assert story.exits("w0", 5) == [] and story.exits("w1", 75) == REST
    assert story.blamed() == ("w0", 5)


def test_timeout():
    story = Story(timeout=10.0).running()
    assert story.supervisor.deadline() == 110.0
    assert story.later(9.9) == [] and story.later(0.2) == [Action.DUMP]
    assert story.later(DUMP_WAIT) == TERM
    assert "w0 joined" in story.supervisor.cause.remedy and story.blamed() == (None, 124)


def test_no_timeout_once_the_workers_are_done():
    story = Story(workers=1, timeout=10.0).running()
    story.says("left", rank=0)
    story.now += 9.9
    story.exits("w0", 0)
    assert story.later(0.2) == [] and story.supervisor.cause is None


def test_the_scheduler_never_listens():
    story = Story()
    assert story.later(60.0) == REST and story.blamed() == ("sched", 1)


def test_the_scheduler_fails_before_the_others_start():
    story = Story()
    assert story.exits("sched", 2) == REST and story.supervisor.over and story.supervisor.cause.code == 2


def test_a_late_word_of_the_scheduler_starts_nothing():
    story = Story()
    assert story.signal(signal.SIGTERM) == REST and story.says("listening", port=5) == []
    assert story.blamed() == (None, 143)


def test_grace_then_kill():
    story = Story(grace=7.0).running()
    story.exits("w0", 1)
    assert story.later(6.9) == [] and story.later(0.2) == [Action.KILL_WORKERS, Action.TERM_REST]
    assert story.later(FINISH_WAIT) == KILL and not story.supervisor.over
    assert story.later(KILL_WAIT) == [] and story.supervisor.over, "what cannot be killed is left"


def test_servers_wait_for_the_workers_last_words():
    story = Story().running()
    assert story.signal(signal.SIGTERM) == TERM and story.exits("w1", 0) == [] and story.exits("w0", 0) == REST
    assert story.blamed() == (None, 143)


def test_ctrl_c_is_an_interrupt_first():
    story = Story(grace=7.0).running()
    assert story.signal(signal.SIGINT) == [Action.INTERRUPT]
    assert story.later(6.9) == [] and story.later(0.2) == TERM
    assert story.later(FINISH_WAIT) == [Action.KILL_WORKERS, Action.TERM_REST]


def test_time_stands_still_with_the_job():
    story = Story(grace=7.0, timeout=10.0).running()
    story.now += 1000.0
    story.supervisor.stood_still(1000.0)
    assert story.later(9.0) == [] and story.signal(signal.SIGTERM) == TERM
    story.now += 1000.0
    story.supervisor.stood_still(1000.0)
    assert story.later(6.9) == [] and story.later(0.2) == [Action.KILL_WORKERS, Action.TERM_REST]


def test_sigquit_asks_where_everybody_stands():
    story = Story().running()
    assert story.signal(signal.SIGQUIT) == [Action.DUMP] and story.later(DUMP_WAIT) == TERM
    assert story.blamed() == (None, 131)


@pytest.mark.parametrize("how", ["no member", "left", "said so"])
def test_a_scripts_own_75(how):
    story = Story().running(joined=how != "no member")
    if how == "left":
        story.says("left", rank=0)
    if how == "said so":
        story.says("aborted", rank=0, reason="exited with code 75")
    assert story.exits("w0", 75) == TERM and story.blamed() == ("w0", 75)


def test_a_wrapper_that_hides_exit_codes_turns_no_blame_to_the_innocent():
    story = Story().running()
    story.says("aborted", rank=1, reason="ValueError: labels")
    assert story.exits("w0", 0) == [], "it gave up because of worker 1, and a shell in front of it ended with 0"
    assert story.exits("w1", 0) == REST
    assert "labels" in story.supervisor.cause.reason and "pipefail" in story.supervisor.cause.remedy
    assert story.blamed() == ("w1", 1)


def test_ctrl_c_twice():
    story = Story().running()
    assert story.signal(signal.SIGINT) == [Action.INTERRUPT] and story.signal(signal.SIGTERM) == []
    assert story.signal(signal.SIGINT) == KILL and story.blamed() == (None, 130)


def test_ctrl_c_during_the_end_of_a_failure_keeps_the_cause():
    story = Story().running()
    story.exits("w0", 9)
    assert story.signal(signal.SIGINT) == KILL and story.blamed() == ("w0", 9)


def test_junk_from_the_scheduler_is_no_harm():
    story = Story().running()
    for event in ({"event": "joined", "role": [1], "rank": {}}, {"event": "?"}, {"event": "left", "rank": 99}):
        assert story.supervisor.status(event, story.now) == []
    assert story.says("listening", port="x") == [] and story.says("listening", port=6) == []


def test_states_for_the_view():
    story = Story()
    member = story.supervisor.workers[0]
    assert member.state == "waiting"
    story.running(joined=False)
    assert member.state == "starting"
    story.says("joined", rank=0)
    assert member.state == "joined"
    story.says("progress", rank=0, epoch=2, step=10)
    assert member.state == "training"
    story.says("left", rank=0)
    assert member.state == "left"
    story.exits("w0", -9)
    assert member.state == "SIGKILL"
