"""The processes of a job on other hosts, which agents start, watch and end."""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import IO, Any

from ...common.curve import make_keys
from ...common.job import lease
from ...common.left_files import NETWORK, result_file
from ..children import NOT_TOLD_YET, Ended, Failed, Lost, News, Started, Unusable
from ..job import Job
from ..keeper import Keeper
from ..process_plan import FREE_PORT_THERE, Plan, ProcessSpec
from ..processes import KILL_WAIT
from ..status_reader import StatusReader
from .host_agent import DRAIN, LAST_WORDS
from .inlet import Inlet
from .link import Message
from .station import Station
from .stations import Stations

ANSWER = 2.0  # seconds that agents have to answer a question


class RemoteChildren:
    """Starts processes through the agents of a plan's sites, as soon as all of these have been reached.

    What is said to the sites of a job never waits for any of them.
    """

    def __init__(self, job: Job, plan: Plan, keeper: Keeper, selector: selectors.BaseSelector) -> None:
        self._plan, self._keeper, self._selector = plan, keeper, selector
        self._run_dir = job.run_dir
        self._stations = Stations(job, plan, lease({**os.environ, **job.env}), _keys(job), keeper, selector)
        self._home = {spec.name: self._stations.all[spec.site] for spec in plan.specs}
        self._running: set[str] = set()
        self._inlets: dict[tuple[str, bool], Inlet] = {}
        self._waiting: list[ProcessSpec] = []  # to be started when all sites are there
        self._status: StatusReader | None = None
        self._news: deque[News] = deque()
        self._held: deque[tuple[int, Ended]] = deque()  # ends about which the scheduler's host is asked first
        self._number = 0  # of questions
        self._answers: dict[int, list[Any]] = {}
        self._seats: dict[str, dict[str, str]] = {}  # variables of workers that follow from where they are
        self._whole = False
        self._missed: set[Station] = set()  # those whose end has been dealt with
        self.opening = True

    # What Children asks for.

    def start(self, spec: ProcessSpec, status: StatusReader) -> tuple[int, IO[bytes], IO[bytes]]:
        """Have a process started, now or as soon as all sites are there."""
        self._status = status
        inlets = [Inlet(self._selector), Inlet(self._selector)]
        self._inlets |= {(spec.name, False): inlets[0], (spec.name, True): inlets[1]}
        if self.opening:
            self._waiting.append(spec)
        else:
            self._start(spec)
        return NOT_TOLD_YET, inlets[0].outlet, inlets[1].outlet

    def next_news(self, whole: bool) -> News | None:
        """What has happened next."""
        if whole != self._whole:
            self._whole = whole
            self._stations.tell("whole", whole=whole)
        if not self._news:
            self._pump()
        return self._news.popleft() if self._news else None

    def signal(self, signum: int, names: Iterable[str]) -> None:
        """Have a signal sent to the process groups of those of `names` that have not ended."""
        for station, those in self._at(names).items():
            station.send("signal", signum=int(signum), names=those)

    def handle(self, names: Iterable[str], signum: int) -> bool:
        """Whether each of `names` that runs handles or ignores a signal; False if none runs."""
        return all(self._ask("handle", names, int(signum)) or [False])

    def pass_on(self, names: Iterable[str], signum: int) -> set[str]:
        """Have a signal sent to those processes that handle it."""
        return {name for found in self._ask("pass_on", names, int(signum)) for name in found}

    def ask(self, names: Iterable[str]) -> list[str]:
        """Let everybody print its Python frames."""
        return [line for lines in self._ask("ask", names) for line in lines]

    def tend(self) -> None:
        """Keep up the connections."""
        self._stations.tend()

    def tell_of_death(self) -> None:
        """Have the workers told that it is a death that ends the job."""
        self._stations.tell("death")

    def prepare(self, generation: int, spec: ProcessSpec) -> None:
        """Agents start all processes in the same way."""

    def preparing(self, seconds: float) -> bool:
        """Never."""
        return False

    def clear_up(self, marks: Sequence[str], patience: float, hurry: Callable[[], bool]) -> list[str]:
        """Have every agent end what is left on its host, and wait for that and for the rest of the output."""
        self._stations.tell("end", patience=patience)
        limit = time.monotonic() + patience + KILL_WAIT + DRAIN + LAST_WORDS
        hurried = False
        while any(station.there for station in self._stations.all) and time.monotonic() < limit:
            if not hurried and hurry():
                hurried = True
                self._stations.tell("hurry")
            self._wait()
        while any(inlet.waits for inlet in self._inlets.values()) and not hurry():
            self._wait()
        left = self._stations.close()
        for inlet in self._inlets.values():
            inlet.close()
        self._keeper.close()
        return left

    def _wait(self) -> None:
        self._selector.select(0.05)
        self._pump()
        self.tend()

    # What happens.

    def _pump(self) -> None:
        for station, message in self._stations.pump():
            getattr(self, f"_on_{message['do']}", _ignore)(station, message)
        if self.opening:
            self._open()
        for station in self._stations.all:
            if (station.failure or station.over) and station not in self._missed:
                self._miss(station)
        if not self._scheduler.there:  # nobody is left to be asked. That it is lost may be why others have ended
            self._release(self._number)
        for (name, _), inlet in self._inlets.items():
            if shown := inlet.push():
                self._home[name].send("shown", bytes=shown)

    def _open(self) -> None:
        if self._stations.failure:
            self.opening = False
            self._news.append(Unusable(self._stations.failure))
        elif self._stations.open:
            self.opening = False
            self._seat()
            for spec in self._waiting:
                self._start(spec)

    def _miss(self, station: Station) -> None:
        """Its agent has gone: what ran there is lost."""
        self._missed.add(station)
        names = tuple(name for name in self._home if name in self._running and self._home[name] is station)
        self._running -= set(names)
        if names:
            self._news.append(Lost(names, f"{station.name}: {station.failure or 'its agent has ended'}"))

    @property
    def _scheduler(self) -> Station:
        return self._home["sched"]

    def _start(self, spec: ProcessSpec) -> None:
        self._running.add(spec.name)
        env = dict(spec.env) | {"DMLC_PS_ROOT_URI": self._scheduler.address}
        if env.get("MASTER_PORT") == FREE_PORT_THERE:
            master = self._home["w0"]
            env |= {"MASTER_ADDR": master.address, "MASTER_PORT": str(master.port)}
        env |= self._seats.get(spec.name, {})
        self._home[spec.name].send("start", role=spec.role, rank=spec.rank, argv=list(spec.argv), env=env)

    def _seat(self) -> None:
        """Number the workers of each host, if the starter has chosen the hosts."""
        for those in self._stations.places().values() if self._plan.starter else ():
            names = [name for name, station in self._home.items() if name.startswith("w") and station in those]
            for local, name in enumerate(names):
                self._seats[name] = {"LOCAL_RANK": str(local), "LOCAL_WORLD_SIZE": str(len(names))}

    def _at(self, names: Iterable[str]) -> dict[Station, list[str]]:
        """The running ones of `names`, by where they are."""
        found: dict[Station, list[str]] = {}
        for name in names:
            if name in self._running:
                found.setdefault(self._home[name], []).append(name)
        return found

    def _ask(self, what: str, names: Iterable[str], *more: Any) -> list[Any]:
        """What the agents of `names` answer within ANSWER seconds."""
        self._number += 1
        answers = self._answers[self._number] = []
        asked = self._at(names)
        for station, those in asked.items():
            station.send("question", number=self._number, what=what, of=[those, *more])
        end = time.monotonic() + ANSWER
        while len(answers) < sum(station.there for station in asked) and time.monotonic() < end:
            self._wait()
        return self._answers.pop(self._number)

    # What an agent may say, by `do`.

    def _on_started(self, station: Station, message: Message) -> None:
        host = station.host if self._plan.starter else None
        self._news.append(Started(message["name"], message["pid"], host))

    def _on_failed(self, station: Station, message: Message) -> None:
        self._running.discard(message["name"])
        self._news.append(Failed(message["name"], message["why"]))

    def _on_ended(self, station: Station, message: Message) -> None:
        """What the process told the scheduler before comes by another way if that is on another host: ask for it."""
        self._running.discard(message["name"])
        ended = Ended(message["name"], message["code"], message["left"])
        if station is self._scheduler:
            self._news.append(ended)
            return
        self._number += 1
        self._held.append((self._number, ended))
        self._scheduler.send("flush", number=self._number)

    def _on_flushed(self, station: Station, message: Message) -> None:
        self._release(message["number"])

    def _release(self, number: int) -> None:
        while self._held and self._held[0][0] <= number:
            self._news.append(self._held.popleft()[1])

    def _on_status(self, station: Station, message: Message) -> None:
        if self._status is not None:
            self._status.feed(message["data"])

    def _on_output(self, station: Station, message: Message) -> None:
        self._inlets[message["name"], message["error"]].put(message["data"])

    def _on_left(self, station: Station, message: Message) -> None:
        """A piece of a file that a worker has left."""
        if message["name"] in {NETWORK, *map(result_file, self._home)}:
            mode = "wb" if message["first"] else "ab"
            path = self._run_dir / message["name"]
            with contextlib.suppress(OSError), open(path, mode, opener=_private) as file:  # a full disk costs no job
                file.write(message["data"])

    def _on_closed(self, station: Station, message: Message) -> None:
        self._inlets[message["name"], message["error"]].end()

    def _on_answer(self, station: Station, message: Message) -> None:
        if message["number"] in self._answers:  # and not too late
            self._answers[message["number"]].append(message["answer"])


def _ignore(station: Station, message: Message) -> None:
    """What needs no answer: a beat, or what the station itself has taken note of."""


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _keys(job: Job) -> dict[str, bytes]:
    """The job's keys, made anew, as files by name. They stay in memory here."""
    folder = job.job_dir / "keys"
    make_keys(folder)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    shutil.rmtree(folder)
    return files
