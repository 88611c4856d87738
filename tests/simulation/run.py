"""Simulates jobs under faults, one schedule for each seed:

    python tests/simulation/run.py --schedules 100000
    python tests/simulation/run.py --seed 4711          tells what happens in one

The exit code is 1 if an invariant did not hold in one of them.
"""

import argparse
import gc
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from schedules import Broken, Schedule

CHUNK = 100


def tried(seed):
    """A schedule that has run, and what is wrong with it, None if nothing is."""
    schedule = Schedule(seed)
    try:
        schedule.run()
    except Broken as error:
        return schedule, str(error)
    return schedule, None


def failure(seed):
    """What is wrong with a schedule, and how to see it again; None if nothing is."""
    schedule, wrong = tried(seed)
    return wrong and _told(schedule, wrong)


def _told(schedule, wrong):
    again = f"again by: python tests/simulation/run.py --seed {schedule.seed}"
    return f"seed {schedule.seed}: {wrong}\n{schedule.story()}\n{again}"


def chunk(seeds):
    """The failures among these schedules, how often each kind of fault came, and the processor's seconds for them."""
    begun, texts, faults = time.process_time(), [], Counter()
    gc.disable()  # a chunk needs a few MB, and looking for garbage a tenth of the time
    for seed in seeds:
        schedule, wrong = tried(seed)
        faults += schedule.faults
        if wrong:
            texts.append(_told(schedule, wrong))
    gc.enable()
    gc.collect()
    return texts, faults, time.process_time() - begun


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--schedules", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="only this one, with its story")
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    if options.seed is not None:
        schedule, wrong = tried(options.seed)
        print(schedule.story() if wrong is None else f"{schedule.story()}\n{wrong}")
        return int(wrong is not None)
    begun, found, faults, spent = time.monotonic(), 0, Counter(), 0.0
    end = options.first + options.schedules
    chunks = [range(low, min(low + CHUNK, end)) for low in range(options.first, end, CHUNK)]
    with ProcessPoolExecutor(options.processes) as pool:
        for texts, more, seconds in pool.map(chunk, chunks):
            found, faults, spent = found + len(texts), faults + more, spent + seconds
            for text in texts:
                print(text, end="\n\n", flush=True)
    print(", ".join(f"{count} x {kind}" for kind, count in faults.most_common()))
    seconds = time.monotonic() - begun
    print(f"{options.schedules} schedules, {found} failures, {seconds:.0f} s, {spent:.0f} s of processors")
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main())
