"""Reading the examples' csv files."""

import csv
from pathlib import Path

import numpy as np

DATA = Path(__file__).parent / "data"


def read_table(path):
    """The column names, and the rows as lists of strings."""
    with Path(path).open(newline="") as file:
        names, *rows = csv.reader(file)
    return names, rows


def sonar():
    """Features (208, 60) and classes (208,), float32: 0 for mines (M), 1 for rocks (R)."""
    _, rows = read_table(DATA / "sonar.csv")
    X = np.array([row[:60] for row in rows], np.float32)
    return X, np.array([row[60] == "R" for row in rows], np.float32)


def boston_housing():
    """Features (506, 13) and median values (506,), float32."""
    names, rows = read_table(DATA / "boston_housing.csv")
    table = np.array(rows, np.float32)
    table[:, names.index("chas")] += 1  # R's data.matrix numbers the levels of this factor from 1
    return table[:, :13], table[:, 13]
