"""`pushgrad servers`."""

from click.testing import CliRunner

import pushgrad as mx
from pushgrad.cli import command


def run(*arguments):
    return CliRunner().invoke(command, ["servers", *map(str, arguments)], env={"COLUMNS": "100"})


def rows(output):
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in output.splitlines() if "│" in line]


def test_the_table_counts_keys_bytes_and_shares():
    found = rows(run("vgg16", "--shape", "data=1,3,224,224", "--servers", 3).output)
    assert [row[0] for row in found] == ["0", "1", "2"]
    assert abs(sum(float(row[2]) for row in found) - 4 * 138_357_544 / 1e6) < 0.02
    assert all(95 < float(row[3].rstrip("%")) < 105 for row in found)
    whole = rows(run("vgg16", "--shape", "data=1,3,224,224", "--servers", 3, "--bound", 10**9).output)
    assert sum(int(row[1]) for row in whole) == 32  # no key is split
    assert max(float(row[3].rstrip("%")) for row in whole) > 200


def test_shapes_are_needed(tmp_path):
    assert rows(run("vgg16", "--servers", 3).output), "those of mx.models are known"
    mx.models.lenet().save(tmp_path / "net.json")
    done = run(tmp_path / "net.json")
    assert done.exit_code != 0
    assert "--shape" in str(done.exception)
