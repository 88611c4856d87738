"""docs/reliability.md: the tests that it names exist."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reliability.md"


def test_the_tests_that_the_page_names_exist():
    files = list((ROOT / "tests").rglob("*.py"))
    known = {path.stem for path in files} | {
        name for path in files for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)
    }
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ") and "what happens" not in line]
    assert len(rows) > 80
    named = {name.rstrip("_") for row in rows for name in re.findall(r"\btest_\w+", row)}
    # A name that ends in "..." stands for those that begin so.
    assert not [name for name in named if not any(one.startswith(name) for one in known)]
