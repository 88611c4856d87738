"""Simulates jobs under faults, one schedule for each seed:

    python tests/simulation/run.py --schedules 100000
    python tests/simulation/run.py --seed 4711          tells what happens in one

The exit code is 1 if an invariant did not hold in one of them.
"""

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from schedules import Broken, Schedule

CHUNK = 100


def story(seed):
    """What happens in a schedule, and what is wrong with it, None if nothing is."""
    schedule = Schedule(seed)
    try:
        schedule.run()
    except Broken as error:
        return schedule.story(), str(error)
    return schedule.story(), None


def failure(seed):
    """What is wrong with a schedule, and how to see it again; None if nothing is."""
    text, wrong = story(seed)
    return wrong and f"seed {seed}: {wrong}\n{text}\nagain by: python tests/simulation/run.py --seed {seed}"


def failures(seeds):
    return [text for text in map(failure, seeds) if text]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--schedules", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="only this one, with its story")
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    if options.seed is not None:
        text, wrong = story(options.seed)
        print(text if wrong is None else f"{text}\n{wrong}")
        return int(wrong is not None)
    begun, found = time.monotonic(), 0
    end = options.first + options.schedules
    chunks = [range(low, min(low + CHUNK, end)) for low in range(options.first, end, CHUNK)]
    with ProcessPoolExecutor(options.processes) as pool:
        for texts in pool.map(failures, chunks):
            found += len(texts)
            for text in texts:
                print(text, end="\n\n", flush=True)
    print(f"{options.schedules} schedules, {found} failures, {time.monotonic() - begun:.0f} s")
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main())
