"""The list of a job's processes: who may join, and under which rank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..common.messages import Hello
from ..common.wire import WireError

ONE_SCRIPT = "There is one script per job: start the second one as a job of its own"


@dataclass
class Member:
    """One process of the job, by its ZeroMQ identity.

    `heard` is when it last gave a sign of life, `spoke` when its own loop last did, which needs Python to run there.
    """

    identity: bytes
    role: str
    rank: int | None
    incarnation: str
    host: str
    pid: int
    endpoint: str | None
    heard: float
    left: bool = False
    spoke: float = 0.0

    def __str__(self) -> str:
        return f"{self.host}, pid {self.pid}"


class Roster:
    """The members of job `job`, which has `workers` workers and `servers` servers.

    `host` is the scheduler's own, `name` what tells it from one that is started later for the same job. `generation`
    counts how often `launch` has started the job's processes.
    """

    def __init__(
        self, job: str, workers: int, servers: int, host: str = "", name: str | None = None, generation: int = 1
    ) -> None:
        self.job, self.host, self.name, self.generation = job, host, name, generation
        self.wanted = {"worker": workers, "server": servers}
        self.members: dict[bytes, Member] = {}
        self._peers: dict[str, list[Member]] = {role: [] for role in self.wanted}  # as they came, then by rank
        self._taken: dict[tuple[str, int], Member] = {}  # by the ranks that were asked for
        self._said = ""

    def admit(self, identity: bytes, hello: Hello, now: float) -> Member:
        """Add and return a new member. Raises WireError naming the field of `hello` that does not fit."""
        self._check_job(hello)
        self._check_place(hello)
        if hello.role == "server" and not (hello.endpoint or "").startswith(("tcp://", "ipc://")):
            raise WireError("malformed", "hello: a server must say its endpoint", got=hello.endpoint)
        member = Member(identity, hello.role, hello.rank, hello.incarnation, hello.host, hello.pid, hello.endpoint, now)
        member.spoke = now
        self.members[identity] = member
        self._peers[hello.role].append(member)
        if hello.rank is not None:
            self._taken[hello.role, hello.rank] = member
        return member

    def _check_job(self, hello: Hello) -> None:
        if hello.job != self.job:
            raise WireError("job", "job id (PUSHGRAD_JOB_ID)", expected=repr(self.job), got=repr(hello.job))
        if hello.generation != self.generation:
            ended = min(hello.generation, self.generation)
            raise WireError(
                "generation",
                f"{hello.role} on {hello.host}, pid {hello.pid}, is of generation {hello.generation} of this job, of "
                f"which this is generation {self.generation}: generation {ended} has ended",
                remedy="A process had died, and `launch` has started all of them again: end this one",
            )
        if hello.scheduler is not None and hello.scheduler != self.name:
            raise WireError(
                "restarted",
                f"this scheduler was started after {hello.role} on {hello.host}, pid {hello.pid}, got its rank, "
                "and does not know the job",
                remedy="A job cannot go on with another scheduler: start all of its processes again",
            )
        for role, said, variable in (
            ("worker", hello.workers, "DMLC_NUM_WORKER"),
            ("server", hello.servers, "DMLC_NUM_SERVER"),
        ):
            if said != self.wanted[role]:
                raise WireError("numbers", variable, expected=f"{self.wanted[role]} as the scheduler has it", got=said)

    def _check_place(self, hello: Hello) -> None:
        # Both processes are named: the user must find out which of the two should not be there.
        name = f"{hello.host}, pid {hello.pid}"
        peers = self._peers[hello.role]
        item = None if hello.rank is None else self._taken.get((hello.role, hello.rank))
        if item is not None and item.left:
            text = f"{hello.role} {hello.rank} has been in this job already and left it"
            raise WireError("rank", text, expected=f"only {item}", got=f"also {name}", remedy=ONE_SCRIPT)
        if item is not None:
            raise WireError(
                "rank", f"{hello.role} rank {hello.rank} is taken", expected=f"only {item}", got=f"also {name}"
            )
        wanted = self.wanted[hello.role]
        if hello.rank is not None and hello.rank >= wanted:
            raise WireError("rank", f"{hello.role} rank", expected=f"0 to {wanted - 1}", got=hello.rank)
        if len(peers) >= wanted:
            raise WireError(
                "too_many",
                f"the job has all of its {hello.role}s",
                expected=f"{wanted}: " + "; ".join(map(str, peers[:4])) + ("; ..." if wanted > 4 else ""),
                got=f"also {name}",
            )

    def complete(self) -> bool:
        """Whether all processes of the job have come, those that have left since included."""
        return len(self.members) == sum(self.wanted.values())

    def give_ranks(self) -> None:
        """Give ranks to those who did not ask for one, in the order in which they came.

        Only when all are there: until then a latecomer may still ask for any rank.
        """
        for role, peers in self._peers.items():
            free = (rank for rank in range(self.wanted[role]) if (role, rank) not in self._taken)
            for item in peers:
                if item.rank is None:
                    item.rank = next(free)
                    self._taken[role, item.rank] = item
            peers.sort(key=lambda item: item.rank or 0)

    def of(self, role: str) -> Sequence[Member]:
        """The members of a role in rank order (once ranks are given), including those who have left."""
        return self._peers[role]

    def ordered(self) -> list[Member]:
        """All members: the servers, then the workers, each in rank order."""
        return [*self.of("server"), *self.of("worker")]

    def present(self) -> list[Member]:
        """The members that have not left."""
        return [item for item in self.members.values() if not item.left]

    def first_missing(self) -> tuple[str, int | None]:
        """Role and rank of somebody who has not come yet; the rank is None where nobody has said which are taken."""
        for role, wanted in self.wanted.items():
            ranks = {item.rank for item in self._peers[role]}
            if len(self._peers[role]) < wanted:
                known = bool(ranks) and None not in ranks
                return role, next(rank for rank in range(wanted) if rank not in ranks) if known else None
        return "scheduler", None  # all are there: it is its own fault

    def missing(self) -> str:
        """Say who has not come yet: ranks where they are known, numbers elsewhere."""
        parts = []
        for role, wanted in self.wanted.items():
            peers = self._peers[role]
            if len(peers) < wanted:
                absent = wanted - len(peers)
                named = sorted(set(range(wanted)) - {item.rank for item in peers if item.rank is not None})
                # A peer without a rank may get any of the free ones, so these do not tell who is missing.
                if all(item.rank is not None for item in peers) and peers:
                    parts.append(f"{role} {', '.join(map(str, named))}")
                else:
                    parts.append(f"{absent} of {wanted} {role}{'s' if wanted > 1 else ''}")
        return " and ".join(parts)

    def news_of_missing(self) -> str | None:
        """A sentence about who has not come yet; None if the last call has returned the same."""
        said, self._said = self._said, f"the job waits for {self.missing()} to come"
        return None if said == self._said else self._said

    def late(self, seconds: float) -> str:
        """Why the job is given up if somebody has still not come after so many seconds."""
        more = "PUSHGRAD_START_TIMEOUT or `launch --start-timeout` gives them more seconds"
        return f"{self.missing()} did not come within {seconds:g} s of the start. {more}"


def cannot_reach(worker: Member, server: Member) -> str:
    """Say that a worker has no connection to a server that lives, and what to do about it."""
    text = f"worker {worker.rank} cannot reach server {server.rank} at {server.endpoint} (on {server.host})"
    if (server.endpoint or "").startswith("ipc://"):
        return f"{text}. PUSHGRAD_JOB_DIR must be a directory that all processes of one host share"
    return (
        f"{text}, which the scheduler does reach. Set DMLC_INTERFACE or DMLC_NODE_HOST of server {server.rank} to the "
        f"interface or address at which {worker.host} can reach it, and let firewalls pass its port"
    )
