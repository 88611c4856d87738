"""The lists of operators in docs/files.md are those of the tables; `python test_docs_files.py` writes them anew."""

import re
import textwrap
from pathlib import Path

PAGE = Path(__file__).parents[4] / "docs" / "files.md"


def lists():
    import pushgrad as mx
    from pushgrad.worker.files.formats.onnx.reader import IMPORTERS
    from pushgrad.worker.files.formats.onnx.writer import EXPORTERS

    assert mx.formats.export_onnx
    return {"exported": EXPORTERS, "imported": IMPORTERS}


def current(text):
    """The page with today's lists."""
    for name, table in lists().items():
        words = textwrap.fill(", ".join(sorted(table, key=str.lower)), 136)
        text = re.sub(
            rf"(<!-- {name} -->\n).*?(?=<!-- end -->)", lambda match, w=words: f"{match[1]}{w}\n", text, flags=re.DOTALL
        )
    return text


def test_the_lists_are_current():
    assert PAGE.read_text() == current(PAGE.read_text()), f"run python {Path(__file__).name}"


if __name__ == "__main__":
    PAGE.write_text(current(PAGE.read_text()))
