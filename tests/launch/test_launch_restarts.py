"""Which deaths let a job begin again, how often, and from where: without processes."""

import signal
from dataclasses import replace
from pathlib import Path

import pytest

from pushgrad.common.errors import EXIT_PEER_LOST
from pushgrad.launch.clusters.local import Local
from pushgrad.launch.ending import Action
from pushgrad.launch.job import Job
from pushgrad.launch.restarts import DEFAULT, GOOD_RUN, Restarts
from pushgrad.launch.supervisor import PEER_WAIT, Supervisor

JOB = Job(("train",), 2, 1, "j", Path("/x"), Path("/x/logs"))
PLACE = {"event": "resumable", "rank": 0, "fit": 2, "epoch": 3, "batch": 4, "step": 54, "obstacle": ""}


def supervised(restarts, now=100.0, **more):
    """A supervisor of a job in which all have joined."""
    supervisor = Supervisor(Local().plan(JOB).specs, now, None, 30.0, 60.0, restarts=restarts, **more)
    supervisor.started("sched", 1)
    assert supervisor.status({"event": "listening", "port": 5}, now) == [Action.START]
    for pid, name in enumerate(("ps0", "w0", "w1"), 2):
        supervisor.started(name, pid)
    for rank in (0, 1):
        supervisor.status({"event": "joined", "role": "worker", "rank": rank}, now)
    return supervisor


def able(asked=None):
    restarts = Restarts(asked)
    restarts.told(PLACE)
    return restarts


@pytest.mark.parametrize("name", ["sched", "ps0", "w0", "w1"])
def test_whoever_is_killed_costs_a_restart_and_all_are_killed_at_once(name):
    restarts = able()
    supervisor = supervised(restarts)
    assert supervisor.exited(name, -9, 101.0) == [Action.KILL]
    assert supervisor.again and restarts.generation == 2 and restarts.left(101.0) == DEFAULT - 1
    for other in supervisor.members:
        if other != name:
            supervisor.exited(other, -9, 101.0)
    assert supervisor.over and supervisor.cause.member.spec.name == name


def test_a_host_that_is_lost_and_a_lease_that_has_run_out_count_as_deaths():
    supervisor = supervised(able())
    assert supervisor.lost(["ps0", "w1"], "host there: cut", 101.0) == [Action.KILL] and supervisor.again
    supervisor = supervised(able())
    said = {"event": "aborted", "role": "worker", "rank": 1, "reason": "no sign of life for 3 s", "lost": True}
    assert supervisor.status(said, 101.0) == [Action.KILL] and supervisor.again
    assert supervisor.cause.member.spec.name == "w1"


def test_who_misses_a_scheduler_that_goes_on_later_counts_as_lost():
    """The others have not noticed that it stood still for longer than a lease."""
    supervisor = supervised(able())
    assert supervisor.exited("ps0", EXIT_PEER_LOST, 101.0) == []
    assert supervisor.tick(101.0 + PEER_WAIT) == [Action.KILL] and supervisor.again
    assert supervisor.cause.text == "gave up because of another process, but none has failed"


def test_a_scheduler_that_does_not_answer_a_worker_that_leaves_counts_as_lost():
    """It stands still for longer than a lease just when the training ends: the worker then ends well by itself."""
    supervisor = supervised(able())
    assert supervisor.exited("w1", 0, 101.0, left=True) == [Action.KILL] and supervisor.again
    assert (supervisor.cause.member.spec.name, supervisor.cause.text) == ("sched", "gave no sign of life when w1 left")
    supervisor = supervised(able())
    assert supervisor.exited("w1", 0, 101.0) == [Action.TERM] and not supervisor.again, "its script has ended early"


def test_an_error_of_the_script_is_no_death():
    supervisor = supervised(able(9))
    assert supervisor.exited("w1", 1, 101.0) == [Action.TERM] and not supervisor.again
    supervisor = supervised(able(9))
    supervisor.status({"event": "aborted", "role": "worker", "rank": 1, "reason": "ValueError"}, 101.0)
    assert supervisor.exited("w1", 1, 101.0) == [Action.TERM] and not supervisor.again


def test_a_signal_to_launch_takes_a_restart_back():
    supervisor = supervised(able())
    supervisor.exited("w1", -9, 101.0)
    assert supervisor.signalled(signal.SIGTERM, 101.0) == []
    assert not supervisor.again and supervisor.cause.code == 143


def test_the_time_limit_counts_from_the_first_generation():
    specs = Local().plan(JOB).specs
    supervisor = Supervisor(specs, 500.0, 60.0, 30.0, 60.0, restarts=able(), began=450.0)
    assert supervisor.deadline() == 510.0


def test_an_hour_without_a_death_gives_all_restarts_back():
    restarts = able()
    assert [restarts.take(now) for now in (0.0, 10.0, 20.0, 30.0)] == [True, True, True, False]
    assert restarts.take(20.0 + GOOD_RUN) and restarts.left(20.0 + GOOD_RUN) == DEFAULT - 1
    assert restarts.generation == 5


def test_who_may_restart():
    assert not Restarts(None).take(0.0), "nobody has said that the job can go on"
    assert not able(0).take(0.0) and Restarts(2).take(0.0)
    restarts = Restarts(5, possible=False)
    restarts.told(PLACE)
    assert not restarts.take(0.0)
    restarts = able()
    assert restarts.told({"event": "resumable", "obstacle": "its own loop"}), "to be said"
    assert not restarts.told({"event": "resumable", "obstacle": "its own loop"}) and not restarts.take(0.0)
    assert not restarts.told(PLACE) and restarts.take(0.0)


def test_from_where_a_job_goes_on():
    restarts = Restarts(None)
    assert restarts.place == {} and restarts.where == "from its beginning, as there is no snapshot yet"
    restarts.told({**PLACE, "fit": 1, "step": 0})
    assert restarts.place == {}
    restarts.told({**PLACE, "step": 0})
    assert restarts.where == "from the beginning of fit 2"
    restarts.told(PLACE)
    assert restarts.where == "from step 54 of fit 2 (epoch 3, batch 4)"


def test_a_generation_has_places_and_marks_of_its_own():
    again = JOB.again(5)
    assert again.job_dir != JOB.job_dir and set(again.marks) & set(JOB.marks) == {"PUSHGRAD_JOB_ID=j"}
    assert all(spec.env["DMLC_PS_ROOT_PORT"] == "5" for spec in Local().plan(again).specs)
    assert {spec.env["PUSHGRAD_GENERATION"] for spec in Local().plan(again).specs} == {"2"}
    assert replace(again, generation=1, job_dir=JOB.job_dir, root_port=None) == JOB
