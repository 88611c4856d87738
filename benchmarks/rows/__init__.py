"""The rows of the benchmark, a file per family; `every` makes them all."""

from . import distributed, images, lenet, lstm, mlp, predict


def every(sizes):
    """All rows in the order of the report, with the amount of work that `sizes` says."""
    return [row for family in (lenet, distributed, images, mlp, lstm, predict) for row in family.rows(sizes)]


def chosen(rows, wanted):
    """Those rows whose name is in the list `a,b` or begins with one of its parts; ValueError names what fits none."""
    parts = [part.strip() for part in wanted.split(",")]
    fits = {part: [row for row in rows if row.name == part or row.name.startswith(f"{part}-")] for part in parts}
    unknown = [part for part, found in fits.items() if not found]
    if unknown:
        raise ValueError(f"no row {', '.join(unknown)}; there are {', '.join(row.name for row in rows)}")
    return [row for row in rows if any(row in found for found in fits.values())]
