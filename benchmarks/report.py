"""What a run of the benchmarks shows: a table per row, one of all targets, and a JSON file."""

import json
import platform
from datetime import date
from pathlib import Path
from statistics import median

from rich.markup import escape
from rich.table import Table
from side_by_side import CORES

from pushgrad.worker.cpu.vectors import WIDTH


def row_table(outcome):
    """The programs of one row: seconds, their range, and what share of each ours takes."""
    table = Table("program", f"{outcome.row.unit} (median)", "min .. max", "pushgrad takes", title=outcome.row.title)
    for program in outcome.row.programs:
        label = program.label
        if label in outcome.absent:
            table.add_row(label, "-", "-", escape(f"not measured: {outcome.absent[label]}"))
            continue
        times, ratio = outcome.seconds[label], outcome.ratio(label)
        share = "-" if ratio is None else f"{ratio:.2f} of it"
        table.add_row(label, clock(median(times)), f"{clock(min(times))} .. {clock(max(times))}", share)
    return table


def clock(seconds):
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.3g} ms"


def targets_table(outcomes):
    """Every target with what was measured."""
    table = Table("row", "against", "target", "measured", "", title="pushgrad's time as a share of theirs")
    for outcome in outcomes:
        for target, best, ratio, verdict in outcome.judged():
            against = f"{target.against} ({best})" if best and len(target.programs) > 1 else target.against
            measured = "-" if ratio is None else f"{ratio:.2f}"
            style = {"met": "green", "missed": "red"}.get(verdict, "yellow")
            table.add_row(outcome.row.name, against, target.text(), measured, f"[{style}]{verdict}[/]")
    return table


def summary(outcomes):
    """How many targets are met, and which are not."""
    judged = [(o.row.name, target.against, verdict) for o in outcomes for target, _, _, verdict in o.judged()]
    lines = [f"{sum(verdict == 'met' for *_, verdict in judged)} of {len(judged)} targets met"]
    for word in ("missed", "not measured"):
        which = [f"{name} against {against}" for name, against, verdict in judged if verdict == word]
        lines += [f"{word}: {', '.join(which)}"] if which else []
    return "\n".join(lines)


def write_json(path, outcomes, rounds):
    """All figures, with the date and the hardware they belong to."""
    report = {
        "date": date.today().isoformat(),
        "processor": processor(),
        "cores": CORES,
        "vector width": f"{32 * WIDTH} bits",
        "rounds": rounds,
        "versions": versions(outcomes),
        "rows": [as_json(outcome) for outcome in outcomes],
    }
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n")


def as_json(outcome):
    """One row: seconds per unit of every round, ratios, targets."""
    row = outcome.row
    return {
        "row": row.name,
        "title": row.title,
        "unit": row.unit,
        "seconds": outcome.seconds,
        "medians": {label: median(times) for label, times in outcome.seconds.items()},
        "ratios": {label: rounded(outcome.ratio(label)) for label in outcome.seconds},
        "not measured": outcome.absent,
        "targets": [
            {
                "against": target.against,
                "program": best,
                "target": target.text(),
                "measured": rounded(ratio),
                "verdict": verdict,
            }
            for target, best, ratio, verdict in outcome.judged()
        ],
    }


def rounded(ratio):
    return None if ratio is None else round(ratio, 3)


def versions(outcomes):
    """The version of each library: {"pushgrad": "0.1.0", "torch": ...}, and Python's."""
    found = dict(version.split(" ", 1) for outcome in outcomes for version in outcome.versions.values())
    return {**found, "python": platform.python_version()}


def processor():
    """The processor's name."""
    model = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), "")
    return model.partition(":")[2].strip() or platform.processor()
