"""Which worker sees which GPU, found out without loading CUDA.

An *entry* is one item of --gpus: an index, a UUID, `cpu` or `all`. A *hand* is the entries that one worker is dealt. A
CUDA context of the launcher would take memory on the GPUs for as long as the job runs.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..common.errors import JobError
from ..common.job import MOST_MEMBERS

CPU, ALL = "cpu", "all"
DRIVER = Path("/proc/driver/nvidia/gpus")
NUMBERS = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?")
UUID = re.compile(r"(GPU|MIG)-[0-9A-Za-z/-]+")


@dataclass(frozen=True)
class Present:
    """The GPUs of this machine: how many, and the UUIDs of GPUs and of their MIG instances."""

    gpus: int
    uuids: tuple[str, ...]


def parse_gpus(text: str) -> list[str]:
    """The entries of `0,1`, `0-3`, `0,0`, `0,cpu`, `all` or UUIDs. Raises JobError if one is none of these."""
    entries: list[str] = []
    for entry in (part.strip() for part in text.split(",")):
        numbers = parse_range(entry)
        if numbers is not None:
            entries += map(str, numbers)  # 00 and 0 are one GPU
        elif entry in (CPU, ALL) or UUID.fullmatch(entry):
            entries.append(entry)
        else:
            expected = "indices, UUIDs or cpu between commas, such as 0,1 or 0-3, or all"
            raise JobError("--gpus", expected=expected, got=repr(text))
    return entries


def parse_range(text: str) -> range | None:
    """The numbers that `2` or `0-3` means, both ends included; None if it is neither or has more than MOST_MEMBERS."""
    match = NUMBERS.fullmatch(text)
    if match is None:
        return None
    first, last = int(match[1]), int(match[2] or match[1])
    return range(first, last + 1) if first <= last < first + MOST_MEMBERS else None


def all_gpus(entries: Sequence[str], environ: Mapping[str, str], present: Present) -> list[str]:
    """The entries with the indices of all GPUs in place of `all`, those that CUDA_VISIBLE_DEVICES leaves if it is set.

    Raises JobError if there are none.
    """
    allowed = _allowed(environ)
    number = present.gpus if allowed is None else len(allowed)
    if number == 0:
        shown = "" if allowed is None else f": CUDA_VISIBLE_DEVICES={environ['CUDA_VISIBLE_DEVICES']} leaves none"
        raise JobError(f"--gpus {','.join(entries)}: there is no GPU{shown}", remedy="Leave it out to train on the CPU")
    every = [str(index) for index in range(number)]
    return [found for entry in entries for found in (every if entry == ALL else [entry])]


def deal(entries: Sequence[str], workers: int) -> list[list[str]]:
    """Deal the entries in order, equally many to each worker; returns the hands by rank.

    Raises JobError if there are fewer entries than workers, some would be left over, or a worker would get one twice.
    """
    if workers > len(entries):
        raise JobError(
            f"--workers {workers} with --gpus {','.join(entries)}: more workers than GPUs",
            expected=f"at most {len(entries)} workers",
            remedy="Repeat an entry to share a GPU (--gpus 0,0), or name cpu for workers without one (--gpus 0,cpu)",
        )
    each, rest = divmod(len(entries), workers)
    if rest:
        raise JobError(
            f"--workers {workers} with --gpus {','.join(entries)}: {len(entries)} GPUs cannot be dealt evenly",
            expected=f"{each * workers} or {(each + 1) * workers} GPUs",
        )
    hands = [list(entries[rank * each : (rank + 1) * each]) for rank in range(workers)]
    for rank, hand in enumerate(hands):
        _refuse_twice(rank, [entry for entry in hand if entry != CPU])
    return hands


def share_a_gpu(hands: Sequence[Sequence[str]]) -> bool:
    """Whether one GPU has been dealt to several workers."""
    dealt = [entry for hand in hands for entry in hand if entry != CPU]
    return len(set(dealt)) < len(dealt)


def cuda_visible_devices(hand: Sequence[str]) -> str:
    """The value of CUDA_VISIBLE_DEVICES for a worker with that hand: its GPUs; empty, which hides all, without any."""
    return ",".join(entry for entry in hand if entry != CPU)


def pushgrad_devices(hand: Sequence[str]) -> str:
    """The hand as the worker itself names it: gpu0,gpu1 or gpu0,cpu0. GPUs are numbered among those that it sees."""
    names = [CPU if entry == CPU else "gpu" for entry in hand]
    return ",".join(f"{name}{names[:place].count(name)}" for place, name in enumerate(names))


def _refuse_twice(rank: int, gpus: list[str]) -> None:
    for gpu in gpus:
        if gpus.count(gpu) > 1:
            raise JobError(
                f"--gpus: worker {rank} would get GPU {gpu} twice",
                remedy="Sharing a GPU takes as many --workers as entries; one worker uses a GPU by naming it once",
            )


def visible_devices(entries: Sequence[str], environ: Mapping[str, str], present: Present) -> list[str]:
    """Each entry as CUDA_VISIBLE_DEVICES needs it; indices count within CUDA_VISIBLE_DEVICES if that is set already.

    Raises JobError naming the entries that do not exist.
    """
    allowed = _allowed(environ)
    names = {entry: _resolve(entry, allowed) for entry in entries if entry != CPU}
    missing = [entry for entry, name in names.items() if name is None or not _exists(name, present)]
    if missing:
        shown = environ.get("CUDA_VISIBLE_DEVICES")
        where = f" within CUDA_VISIBLE_DEVICES={shown}" if allowed is not None else ""
        raise JobError(
            f"--gpus {','.join(entries)}: no GPU {', '.join(missing)}{where}",
            expected=_have(present.gpus if allowed is None else len(allowed)),
            remedy="`nvidia-smi -L` lists the GPUs of this machine",
        )
    return [CPU if entry == CPU else names[entry] or "" for entry in entries]


def _have(number: int) -> str:
    return "no entry, as there is no GPU" if number == 0 else "0" if number == 1 else f"0 to {number - 1}"


def _allowed(environ: Mapping[str, str]) -> list[str] | None:
    """The devices that CUDA_VISIBLE_DEVICES leaves, or None if it is not set.

    As in CUDA, the first malformed entry hides itself and all that follow.
    """
    text = environ.get("CUDA_VISIBLE_DEVICES")
    if text is None:
        return None
    allowed: list[str] = []
    for entry in (part.strip() for part in text.split(",")):
        if not (entry.isdigit() or UUID.fullmatch(entry)):
            break
        allowed.append(entry)
    return allowed


def _resolve(entry: str, allowed: list[str] | None) -> str | None:
    if allowed is None:
        return entry
    if entry.isdigit():
        return allowed[int(entry)] if int(entry) < len(allowed) else None
    # Where the list has indices they cannot be compared with a UUID: let it pass, CUDA itself will judge. Otherwise
    # either may be an abbreviation of the other, which CUDA allows.
    by_index = any(name.isdigit() for name in allowed)
    return entry if by_index or any(name.startswith(entry) or entry.startswith(name) for name in allowed) else None


def _exists(name: str, present: Present) -> bool:
    if name.isdigit():
        return int(name) < present.gpus
    return not present.uuids or any(uuid.startswith(name) for uuid in present.uuids)  # unknown without nvidia-smi


def present_gpus() -> Present:
    """The GPUs of this machine, from `nvidia-smi -L` or else the driver's files. Raises JobError without a driver."""
    tool = shutil.which("nvidia-smi")
    listing = _ask(tool) if tool else None
    if listing is not None:
        return parse_listing(listing)
    # nvidia-smi is missing or broken (containers often lack it): the driver's files tell how many GPUs there are.
    if DRIVER.is_dir():
        return Present(len(list(DRIVER.iterdir())), ())
    raise JobError(
        f"--gpus: this machine has no NVIDIA driver (neither `nvidia-smi` nor {DRIVER} exists)",
        remedy="Install NVIDIA's driver (in a container: start it with GPUs), or leave --gpus out to train on the CPU",
    )


def parse_listing(listing: str) -> Present:
    """Read what `nvidia-smi -L` has printed: a line per GPU and an indented one per MIG instance."""
    gpus = [line for line in listing.splitlines() if re.match(r"GPU \d+:", line)]
    return Present(len(gpus), tuple(re.findall(r"UUID: ((?:GPU|MIG)-[^)\s]+)\)", listing)))


def _ask(tool: str) -> str | None:
    # The time limit is for drivers that hang: the launcher must not hang with them.
    try:
        done = subprocess.run([tool, "-L"], capture_output=True, text=True, errors="replace", timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
