"""Random arrays for the recorder: float32, small, and the same in every run."""

import zlib

import numpy as np

RANDOM = np.random.RandomState(7)


def restart(family):
    """Let the next draws depend on the family's name alone, so that a new case elsewhere changes nothing here."""
    RANDOM.seed(zlib.crc32(family.encode()))


def normal(*shape):
    return RANDOM.normal(size=shape).astype(np.float32)


def positive(*shape):
    return RANDOM.uniform(0.5, 2, shape).astype(np.float32)


def inside(*shape):
    """Numbers between -0.9 and 0.9."""
    return RANDOM.uniform(-0.9, 0.9, shape).astype(np.float32)


def classes(number, *shape):
    """Whole numbers below `number`."""
    return RANDOM.randint(0, number, shape).astype(np.float32)


def distinct(*shape):
    """No two numbers are equal, so that a maximum is where it is."""
    return (RANDOM.permutation(int(np.prod(shape))).reshape(shape).astype(np.float32) - 3) / 8


def parameter(name, shape):
    """A parameter, state or input of a network that keeps numbers of moderate size, the same for every caller."""
    random = np.random.RandomState(zlib.crc32(name.encode()))
    if name == "data":
        return random.randint(0, 5, shape).astype(np.float32)  # pixels, or places in a vocabulary
    numbers = random.normal(size=shape).astype(np.float32)
    if name.endswith("_weight"):
        return numbers * np.float32(np.sqrt(2 / max(1, numbers[0].size)))
    if name.endswith(("_gamma", "_var")):
        return 1 + np.abs(numbers) / 10
    return np.zeros(shape, np.float32) if name.endswith("label") else numbers / 10
