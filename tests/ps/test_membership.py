import pytest

from pushgrad.common.messages import (
    Abort,
    Error,
    Fail,
    Gather,
    Gathered,
    Gone,
    Hello,
    Leave,
    Left,
    Ping,
    Progress,
    Registered,
    Report,
    Stop,
    Traffic,
    Unreachable,
    Welcome,
    mark_of,
)
from pushgrad.ps.actions import End, Send, Tell
from pushgrad.ps.membership import Membership
from pushgrad.ps.roster import Roster

LEASE, START = 30.0, 60.0


class World:
    """A scheduler's state machine and its clock."""

    def __init__(self, workers=2, servers=1):
        self.now, self.pids = 100.0, 0
        self.machine = Membership(Roster("j", workers, servers, "home"), LEASE, START, self.now)

    def hello(self, name, role="worker", **changes):
        self.pids += 1
        fields = {
            "job": "j",
            "role": role,
            "rank": None,
            "incarnation": name,
            "host": "h",
            "pid": self.pids,
            "endpoint": f"ipc://{name}" if role == "server" else None,
            "workers": self.machine.roster.wanted["worker"],
            "servers": self.machine.roster.wanted["server"],
        }
        return self.say(name, Hello(**{**fields, **changes}))

    def say(self, name, message):
        return self.machine.handle(name.encode(), message, self.now)

    def after(self, seconds, alive=()):
        """What happens in that time, if these processes send their pings back every second."""
        actions = []
        for _ in range(int(seconds)):
            self.now += 1.0
            for name in alive:
                self.machine.heard(name.encode(), self.now)
            actions += self.machine.tick(self.now)
        return actions

    def start(self):
        names = [f"s{i}" for i in range(self.machine.roster.wanted["server"])]
        for name in names:
            self.hello(name, "server")
        for i in range(self.machine.roster.wanted["worker"]):
            names.append(f"w{i}")
            actions = self.hello(f"w{i}")
        return actions


def sent(actions, kind):
    """Who was sent a message of that kind."""
    return [action.identity.decode() for action in actions if isinstance(action, Send) and type(action.message) is kind]


def messages(actions, kind):
    return [action.message for action in actions if isinstance(action, Send) and type(action.message) is kind]


def told(actions):
    return [(action.event, action.fields) for action in actions if isinstance(action, Tell)]


def ends(actions):
    return [action for action in actions if isinstance(action, End)]


def test_everyone_is_welcomed_when_all_are_there():
    world = World(workers=2, servers=1)
    assert world.hello("a") == [
        Tell("arrived", {"role": "worker", "rank": None, "pid": 1, "host": "h"}),
        Send(b"a", Registered(lease=LEASE)),
    ]
    world.hello("s", "server")
    actions = world.hello("b")
    assert sorted(sent(actions, Welcome)) == ["a", "b", "s"]
    by_name = {
        action.identity: action.message
        for action in actions
        if isinstance(action, Send) and isinstance(action.message, Welcome)
    }
    assert [by_name[name].rank for name in (b"a", b"b", b"s")] == [0, 1, 0]
    assert by_name[b"s"].marks == (mark_of("a"), mark_of("b"))  # never the incarnations
    assert (by_name[b"a"].workers, by_name[b"a"].marks) == (2, ())
    assert by_name[b"a"].servers == (("ipc://s", "h"),)
    assert [fields["role"] for event, fields in told(actions) if event == "joined"] == ["server", "worker", "worker"]


def test_wanted_ranks_are_given_and_the_others_fill_the_gaps():
    world = World(workers=3)
    world.hello("s", "server")
    world.hello("x")
    world.hello("y", rank=0)
    actions = world.hello("z")
    assert messages(actions, Welcome)[0].marks == tuple(map(mark_of, "yxz"))


@pytest.mark.parametrize(
    ("changes", "code", "text"),
    [
        ({"job": "other"}, "job", "job id (PUSHGRAD_JOB_ID): expected 'j', got 'other'"),
        (
            {"generation": 2},
            "generation",
            "is of generation 2 of this job, of which this is generation 1: generation 1 has",
        ),
        ({"workers": 5}, "numbers", "DMLC_NUM_WORKER: expected 2 as the scheduler has it, got 5"),
        ({"servers": 5}, "numbers", "DMLC_NUM_SERVER: expected 1"),
        ({"rank": 7}, "rank", "worker rank: expected 0 to 1, got 7"),
        ({"rank": 0}, "rank", "worker rank 0 is taken: expected only h, pid 1, got also g, pid 2"),
        ({"role": "server", "endpoint": None}, "malformed", "a server must say its endpoint"),
    ],
)
def test_a_hello_that_does_not_fit_is_refused_by_field(changes, code, text):
    world = World()
    world.hello("first", rank=0)
    (action,) = world.hello("second", **{"host": "g", **changes})
    error = action.message
    assert (type(error), error.code) == (Error, code)
    whole = f"{error.text}: expected {error.expected}, got {error.got}"
    assert text in whole
    assert len(world.machine.roster.members) == 1


def test_more_workers_than_wanted_are_refused_with_all_addresses():
    world = World()
    world.start()
    (error,) = messages(world.hello("w9"), Error)
    assert error.code == "too_many"
    assert (error.expected, error.got) == ("2: h, pid 2; h, pid 3", "also h, pid 4")


def test_a_repeated_hello_gets_the_same_answers():
    world = World()
    world.start()
    actions = world.hello("w0")
    assert sent(actions, Registered) == sent(actions, Welcome) == ["w0"]
    assert messages(actions, Welcome)[0].rank == 0


def test_a_second_process_in_the_place_of_one_that_has_left_is_told_so():
    world = World()
    world.start()
    world.say("w0", Leave())
    ((code, text, remedy),) = [(e.code, e.text, e.remedy) for e in messages(world.hello("again", rank=0), Error)]
    assert (code, text) == ("rank", "worker 0 has been in this job already and left it")
    assert remedy == "There is one script per job: start the second one as a job of its own"


def test_whoever_is_missing_at_the_start_is_named():
    world = World(workers=3, servers=2)
    world.hello("s", "server", rank=1)
    world.hello("w", rank=0)
    said = told(world.after(START - 1, alive=["s", "w"]))
    assert said == [("waiting", {"text": "the job waits for worker 1, 2 and server 0 to come"})], "once"
    actions = world.after(2, alive=["s", "w"])
    ((event, fields),) = told(actions)
    assert event == "aborted"
    assert (fields["role"], fields["rank"], fields["host"]) == ("worker", 1, "")
    assert fields["reason"].startswith("worker 1, 2 and server 0 did not come within 60 s of the start. ")
    assert "launch --start-timeout" in fields["reason"]
    assert sorted(sent(actions, Abort)) == ["s", "w"]


def test_missing_peers_without_ranks_are_counted():
    world = World(workers=3, servers=1)
    world.hello("w")
    (abort,) = messages(world.after(START + 1, alive=["w"]), Abort)
    assert abort.reason.startswith("2 of 3 workers and 1 of 1 server did not come")


def test_a_silent_process_ends_the_job():
    world = World()
    world.start()
    assert world.after(3 * LEASE, alive=["s0", "w0", "w1"]) == []
    actions = world.after(LEASE + 1, alive=["s0", "w1"])
    (abort, *_) = messages(actions, Abort)
    assert (abort.role, abort.rank, abort.host) == ("worker", 0, "h, pid 2")
    assert abort.reason == "no sign of life for 30 s"
    assert sorted(sent(actions, Abort)) == ["s0", "w1"]
    assert told(actions)[0][0] == "aborted"


def test_a_scheduler_that_stood_still_blames_nobody():
    world = World()
    world.start()
    world.after(10, alive=["s0", "w0", "w1"])
    world.now += 10 * LEASE
    assert world.machine.tick(world.now) == []
    assert world.after(LEASE - 1) == []
    assert told(world.after(2))[0][0] == "aborted"


def test_a_standstill_is_not_counted_twice():
    world = World()
    world.start()
    world.after(10, alive=["s0", "w0", "w1"])
    world.now += 10 * LEASE
    for name in ("s0", "w0", "w1"):  # what came meanwhile is read before the clock is looked at
        world.machine.heard(name.encode(), world.now)
    assert world.machine.tick(world.now) == []
    assert world.after(LEASE, alive=["s0", "w0"]) == []
    (aborted,) = told(world.after(2, alive=["s0", "w0"]))
    assert (aborted[0], aborted[1]["rank"]) == ("aborted", 1)


def test_a_worker_that_cannot_reach_a_living_server_is_blamed():
    world = World()
    world.start()
    world.after(10, alive=["s0", "w0", "w1"])
    actions = world.say("w1", Unreachable(server=0))
    assert told(actions)[0][1]["lost"], "no error of the script: the job may start again"
    (abort, *_) = messages(actions, Abort)
    assert (abort.role, abort.rank) == ("worker", 1)
    assert "worker 1 cannot reach server 0 at ipc://s0 (on h). PUSHGRAD_JOB_DIR" in abort.reason


def test_a_silent_server_is_blamed_itself_and_not_who_cannot_reach_it():
    world = World()
    world.start()
    alive = ["w0", "w1"]
    assert told(world.after(LEASE / 2, alive)) == []
    assert world.say("w1", Unreachable(server=0)) == []
    assert world.say("w1", Unreachable(server=7)) == []
    ((kind, fields),) = told(world.after(LEASE / 2 + 1, alive))
    assert (kind, fields["role"], fields["rank"]) == ("aborted", "server", 0)


def test_a_process_of_an_earlier_scheduler_is_refused():
    world = World()
    (error,) = messages(world.hello("w0", scheduler="another"), Error)
    assert error.code == "restarted"
    assert world.machine.roster.missing() == "2 of 2 workers and 1 of 1 server"


def test_a_failure_reaches_everyone_before_the_scheduler_ends():
    world = World()
    world.start()
    actions = world.say("w1", Fail(reason="ValueError: no"))
    assert sorted(sent(actions, Abort)) == ["s0", "w0", "w1"]
    assert told(actions) == [("aborted", {"role": "worker", "rank": 1, "host": "h, pid 3", "reason": "ValueError: no"})]
    assert not ends(actions)
    assert sent(world.say("w0", Ping(n=4)), Abort) == ["w0"]  # did not hear it the first time
    for name in ("w0", "w1", "s0"):
        assert not ends(world.machine.tick(world.now))
        world.say(name, Leave())
    (end,) = ends(world.machine.tick(world.now))
    assert end.code == 1
    assert end.text == "the job ends because of worker 1 on h, pid 3: ValueError: no"


def test_the_scheduler_does_not_wait_long_for_the_dead():
    world = World()
    world.start()
    world.say("w1", Fail(reason="x"))
    assert not ends(world.after(2))
    assert ends(world.after(1))


def test_gather_gives_everyone_everything_in_rank_order():
    world = World()
    world.start()
    assert world.say("w1", Gather(n=1, frames=(b"one",))) == []
    assert world.say("w1", Gather(n=1, frames=(b"again",))) == []
    actions = world.say("w0", Gather(n=1, frames=(b"zero",)))
    assert sent(actions, Gathered) == ["w0", "w1"]
    assert {message.parts() for message in messages(actions, Gathered)} == {(b"zero", b"one")}
    again = world.say("w1", Gather(n=1, frames=(b"again",)))  # the answer was lost
    assert [(action.identity, action.message.parts()) for action in again] == [(b"w1", (b"zero", b"one"))]


def test_gather_out_of_order_is_refused():
    world = World()
    world.start()
    assert messages(world.say("w0", Gather(n=2, frames=(b"",))), Error)[0].code == "order"
    assert messages(world.say("s0", Gather(n=1, frames=(b"",))), Error)[0].code == "role"


def test_a_barrier_says_who_it_waits_for():
    world = World(workers=3)
    world.start()
    alive = ["s0", "w0", "w1", "w2"]
    world.say("w1", Gather(n=1, frames=(b"",)))
    found = told(world.after(25, alive))
    assert found == [
        ("waiting", {"text": "barrier 1 waits for worker 0, 2 (10 s)"}),
        ("waiting", {"text": "barrier 1 waits for worker 0, 2 (20 s)"}),
    ]


def test_a_collective_without_a_worker_that_left_fails_at_once():
    world = World(workers=3)
    world.start()
    world.say("w0", Gather(n=1, frames=(b"",)))
    actions = world.say("w2", Leave())
    (error,) = messages(actions, Error)
    assert sent(actions, Error) == ["w0"]
    assert (error.code, error.n) == ("left", 1)
    assert "worker 2 left the job" in error.text
    assert messages(world.say("w1", Gather(n=1, frames=(b"",))), Error)[0].code == "left"
    assert sent(actions, Gone) == ["s0"]


def test_the_job_is_done_when_workers_then_servers_have_left():
    world = World(workers=2, servers=2)
    world.start()
    actions = world.say("w1", Leave())
    assert isinstance(actions[0], Tell)  # before the answer, so that the launcher knows when the worker ends
    assert actions[0] == Tell("left", {"role": "worker", "rank": 1})
    assert sent(actions, Left) == ["w1"]
    assert sent(world.say("w1", Leave()), Left) == ["w1"]
    actions = world.say("w0", Leave())
    assert sorted(sent(actions, Stop)) == ["s0", "s1"]
    assert not ends(world.say("s1", Leave()))
    assert ends(world.say("s0", Leave())) == [End(0)]


def test_workers_that_left_owe_no_sign_of_life():
    world = World()
    world.start()
    world.say("w0", Leave())
    assert world.after(5 * LEASE, alive=["s0", "w1"]) == []


def test_a_server_that_connects_anew_learns_what_it_missed():
    world = World()
    world.start()
    world.say("w0", Leave())
    assert [message.rank for message in messages(world.hello("s0", "server"), Gone)] == [0]
    world.say("w1", Leave())
    assert messages(world.hello("s0", "server"), Stop) == [Stop()]


def test_a_server_must_not_leave_early():
    world = World()
    world.start()
    (abort, *_) = messages(world.say("s0", Leave()), Abort)
    assert (abort.role, abort.reason) == ("server", "left while workers still need it")


def test_progress_and_reports_reach_the_launcher():
    world = World()
    world.start()
    progress = Progress(fit=1, epoch=2, step=3, samples_per_second=4.0, metric="accuracy=1")
    ((event, fields),) = told(world.say("w1", progress))
    assert event == "progress"
    assert fields == {
        "rank": 1,
        "fit": 1,
        "epoch": 2,
        "step": 3,
        "samples_per_second": 4.0,
        "metric": "accuracy=1",
        "epochs": 0,
        "steps": 0,
        "seconds_left": 0.0,
    }
    found = told(world.say("s0", Report(text="fit 1 step 2 waits for worker 0, 10 s")))
    assert found == [("waiting", {"text": "server 0: fit 1 step 2 waits for worker 0, 10 s"})]
    traffic = Traffic(received=(1, 2), sent=(3, 4))
    assert told(world.say("s0", traffic)) == [
        ("traffic", {"role": "server", "rank": 0, "received": (1, 2), "sent": (3, 4)})
    ]
    assert told(world.say("w1", traffic)) == [], "only servers have any"


def test_strangers_are_told_to_say_hello():
    world = World()
    assert messages(world.say("who", Leave()), Error)[0].code == "unknown_process"
    world.start()
    assert messages(world.say("w0", Stop()), Error)[0].code == "unknown_op"


def test_pings_go_to_everyone_who_is_here():
    world = World()
    world.start()
    world.say("w0", Leave())
    assert [(action.identity, action.message) for action in world.machine.ping(7)] == [
        (b"s0", Ping(n=7)),
        (b"w1", Ping(n=7)),
    ]
