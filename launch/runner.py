"""One generation of a planned job: starts processes, hands events to the supervisor, and does what it decides.

Everything is decided and done in one thread. Signal handlers only leave a note and wake it through a pipe (it may be
waiting in select); output.py has a thread of its own.
"""

from __future__ import annotations

import os
import selectors
import signal
import time
from collections.abc import Sequence

from ..common.left_files import NETWORK, result_file
from .children import NOT_TOLD_YET, Children, Ended, Failed, Lost, News, Started, Unusable
from .display import Row, View
from .ending import FINISH_WAIT, Action
from .folders import keep
from .job import Job
from .keeper import Keeper
from .local_children import LocalChildren
from .orphans import Orphans
from .passing_on import PassingOn
from .process_plan import Plan, ProcessSpec, inherited
from .signals import PASSED_ON, stop_here
from .stage import Stage
from .state import Cause
from .status_reader import StatusReader
from .supervisor import Supervisor

VIEW_PERIOD = 0.25  # seconds between two views for the display
# Seconds after which a generation has the next one prepared: that takes half a second of a core, which its own start
# needs more, and a short job would not gain by it. If a process dies before, it is done then.
SETTLED = 10.0
SIGNALS = {
    Action.INTERRUPT: signal.SIGINT,
    Action.TERM: signal.SIGTERM,
    Action.TERM_REST: signal.SIGTERM,
    Action.KILL_WORKERS: signal.SIGKILL,
    Action.KILL: signal.SIGKILL,
}


class Runner:
    """One generation of a job, from its first process to the end of its last."""

    def __init__(self, job: Job, plan: Plan, stage: Stage) -> None:
        specs, mailbox = plan.specs, stage.mailbox
        self._job, self._specs, self._mailbox, self._quiet = job, specs, mailbox, stage.quiet
        self._record, self._output, self._narration = stage.record, stage.output, stage.narration
        self._restarts, self._began = stage.restarts, time.monotonic()
        self._supervisor = Supervisor(
            specs,
            time.monotonic(),
            job.timeout,
            job.grace_period,
            job.start_timeout,
            plan.partial,
            stage.restarts,
            stage.began,
        )
        self._hurry = False
        self._next_view = 0.0
        self._status = StatusReader()
        self._selector = selectors.DefaultSelector()
        self._selector.register(mailbox.wake.read, selectors.EVENT_READ)
        self._selector.register(self._status.fd, selectors.EVENT_READ)
        environ = inherited(os.environ)
        # The keeper before any other process, so that none is ever unguarded.
        keeper = Keeper(job.marks, job.job_dir, environ)
        self._children: Children
        if plan.sites:
            from .clusters.remote_children import RemoteChildren

            self._children = RemoteChildren(job, plan, keeper, self._selector)
        else:
            orphans = Orphans(mailbox.ours)
            self._children = LocalChildren(environ, job.job_dir, keeper, orphans, self._selector, stage.spare)
        self._passing_on = PassingOn(specs, self._supervisor.members, self._children, self._narration)

    @property
    def again(self) -> bool:
        """Whether the job is to begin anew, as one of its processes has died."""
        return self._supervisor.again

    @property
    def port(self) -> int | None:
        """Where the scheduler listened, if it came so far."""
        return self._supervisor.port

    def run(self) -> Cause | None:
        """Start, supervise and clear up; returns why the job has failed, None if it has not."""
        try:
            self._take_signals()
            self._await_preparations()
            if not self._supervisor.stopping:
                self._spawn_first()
            while not self._supervisor.over:
                self._once()
            self._show()
        except BaseException:  # of our own: nothing may be left behind, and no grace is due
            self._hurry = True
            raise
        finally:
            self._clear_up()
        return self._supervisor.cause

    def _once(self) -> None:
        """Wait for something to happen and deal with it."""
        now = time.monotonic()
        self._obey(self._supervisor.tick(now))
        due = self._supervisor.deadline()
        # Never longer than VIEW_PERIOD, so that the table's seconds go on.
        self._selector.select(VIEW_PERIOD if due is None else max(0.0, min(due - now, VIEW_PERIOD)))
        self._mailbox.wake.drain()
        self._take_signals()
        self._take_status()
        while (news := self._children.next_news(whole=self._supervisor.stopping and not self._hurry)) is not None:
            # Again, before each end: what a process told the scheduler before it ended (that it leaves, say) decides
            # how its end is judged, and must not be read after it.
            self._take_status()
            self._take_news(news)
        self._take_status()  # what came from another host, with the news
        if self._children.opening:
            self._supervisor.not_begun(time.monotonic())
        self._now_and_then()

    def _take_news(self, news: News) -> None:
        now = time.monotonic()
        match news:
            case Started(name, pid, host):
                self._supervisor.started(name, pid, host)
                where = self._supervisor.members[name].spec.host
                self._record.note("started", process=name, pid=pid, host=where)
                self._narration.detail(f"{name} is pid {pid} on {where}")
            case Failed(name, why):
                self._record.note("not_started", process=name, text=why)
                self._obey(self._supervisor.failed_to_start(name, why, now))
            case Ended(name, code, left):
                self._record.note("exited", process=name, code=code)
                self._narration.detail(f"{name} ended with {code}")
                keep(self._job, result_file(name))
                keep(self._job, NETWORK)  # of a training that was over in a moment
                self._obey(self._supervisor.exited(name, code, now, left))
            case Lost(names, why):
                for name in names:
                    self._record.note("lost", process=name, text=why)
                self._obey(self._supervisor.lost(names, why, now))
            case Unusable(why):
                self._obey(self._supervisor.unusable(why, now))

    def _take_signals(self) -> None:
        while self._mailbox.received:
            signum = self._mailbox.received.popleft()
            self._record.note("signal", signal=signal.Signals(signum).name)
            if signum == signal.SIGTSTP:
                self._stand_still()
            elif signum not in PASSED_ON or not self._passing_on.take(signum):
                self._obey(self._supervisor.signalled(signum, time.monotonic()))

    def _names(self, *roles: str) -> list[str]:
        return [spec.name for spec in self._specs if not roles or spec.role in roles]

    def _stand_still(self) -> None:
        """Ctrl-Z: stop the job and launch until `fg` or `bg`. The scheduler first: it must not miss the others."""
        began = time.monotonic()
        self._narration.say("stopped (Ctrl-Z); `fg` lets the job go on")
        self._children.signal(signal.SIGSTOP, self._names())
        self._output.pause()
        stop_here()
        self._output.resume()
        self._children.signal(signal.SIGCONT, self._names())
        self._record.note("signal", signal="SIGCONT")
        self._supervisor.stood_still(time.monotonic() - began)

    def _take_status(self) -> None:
        events = self._status.read()
        # A pipe that has ended is always readable: select would return at once, for ever.
        if not self._status.open and self._status.fd in self._selector.get_map():
            self._selector.unregister(self._status.fd)
        for event in events:
            if self._narration.event(event):
                self._record.said(event)
            if event["event"] == "resumable" and self._restarts.told(event):
                self._narration.say(f"a death ends this job: {self._restarts.obstacle}")
            self._obey(self._supervisor.status(event, time.monotonic()))

    def _obey(self, actions: list[Action]) -> None:
        for action in actions:
            if action is Action.START:
                self._start_rest()
            elif action is Action.DUMP:
                self._passing_on.ask()
            else:
                self._hurry = self._hurry or action is Action.KILL  # `_clear_up` must not grant another grace period
                if action is Action.TERM and (cause := self._supervisor.cause) is not None and cause.died:
                    self._children.tell_of_death()
                only_workers = action in (Action.INTERRUPT, Action.TERM, Action.KILL_WORKERS)
                roles = ("worker",) if only_workers else () if action is Action.KILL else ("server", "scheduler")
                self._children.signal(SIGNALS[action], self._names(*roles))
        if self._supervisor.again:
            self._prepare_next()

    def _prepare_next(self) -> None:
        self._children.prepare(self._job.generation + 1, self._specs[-1])

    def _await_preparations(self) -> None:
        """All processes are there sooner than if each had to do by itself what is being done once for all of them."""
        while not self._supervisor.stopping and self._children.preparing(VIEW_PERIOD):
            self._take_signals()

    def _spawn_first(self) -> None:
        """Start the scheduler, whose port the others need; all processes if it is elsewhere, or has its port again."""
        has_port = self._job.generation > 1 and self._specs[0].env["DMLC_PS_ROOT_PORT"] != "0"
        if self._specs[0].role == "scheduler" and not has_port:
            self._spawn(self._specs[0])
        else:
            self._spawn_all(self._specs)

    def _start_rest(self) -> None:
        port = self._supervisor.port
        assert port is not None
        members = self._supervisor.members
        self._spawn_all([spec.with_port(port) for spec in self._specs[1:] if members[spec.name].pid is None])

    def _spawn_all(self, specs: Sequence[ProcessSpec]) -> None:
        for spec in specs:
            self._take_signals()  # a job of many processes takes a while to start
            if not self._supervisor.stopping:  # it is, after a signal or the first that could not be started
                self._spawn(spec)

    def _spawn(self, spec: ProcessSpec) -> None:
        try:
            pid, out, err = self._children.start(spec, self._status)
        except OSError as error:
            why = f"{spec.argv[0]}: {error.strerror}"
            self._record.note("not_started", process=spec.name, text=why)
            self._obey(self._supervisor.failed_to_start(spec.name, why, time.monotonic()))
            return
        finally:
            self._status.close_write_end()  # the scheduler is the first to be started and has it now
        self._supervisor.started(spec.name, pid)
        self._output.attach(spec.name, out, err)
        if pid != NOT_TOLD_YET:
            self._record.note("started", process=spec.name, pid=pid, host=spec.host)
            self._narration.detail(f"{spec.name} is pid {pid}")

    def _now_and_then(self) -> None:
        now = time.monotonic()
        if now < self._next_view:
            return
        self._next_view = now + VIEW_PERIOD
        self._children.tend()
        if now - self._began >= SETTLED and not self._supervisor.stopping and self._restarts.possible(now):
            self._prepare_next()
        keep(self._job, NETWORK)
        self._passing_on.again()
        if "sched" in self._supervisor.members:  # who does not hear the scheduler cannot tell
            self._narration.waits(self._supervisor, now)
        if trouble := self._record.trouble:
            self._narration.say(trouble)
        self._show()

    def _show(self) -> None:
        if not self._quiet:
            rows = [Row.of(member) for member in self._supervisor.members.values()]
            self._output.show(View(rows, self._narration.seconds, self._supervisor.waiting))

    def _impatient(self) -> bool:
        """Whether Ctrl-C was pressed since the job has begun to end."""
        self._hurry = self._hurry or signal.SIGINT in self._mailbox.received
        return self._hurry

    def _clear_up(self) -> None:
        left = self._children.clear_up(self._job.marks, min(self._job.grace_period, FINISH_WAIT), self._impatient)
        for what in left:
            self._output.say(f"{what} cannot be ended from here and is left behind")
        self._selector.close()
        self._status.close()
