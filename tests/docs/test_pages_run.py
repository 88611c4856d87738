"""Every block of Python on these pages runs when it is pasted, and prints what the page says."""

import pytest
from pages import ROOT, assert_alike, run_page

DOCS = ROOT / "docs"
LONG = ("pictures.md", "fine-tuning.md")  # convolutions: kernels that few other tests compile
PAGES = [
    ROOT / "README.md",
    DOCS / "quickstart.md",
    DOCS / "kvstore.md",
    *DOCS.glob("tutorials/*.md"),
    *DOCS.glob("how-to/*.md"),
]


def marked(path):
    marks = [pytest.mark.long] if path.name in LONG else []
    return pytest.param(path, id=str(path.relative_to(ROOT)), marks=marks)


@pytest.mark.parametrize("path", [marked(path) for path in sorted(PAGES)])
def test_page(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_page(path)


def test_what_a_page_shows_is_compared():
    assert_alike("accuracy: 0.91\n", "accuracy: 0.92\n")
    for shown in ("accuracy: 0.80\n", "rmse: 0.91\n", "accuracy: 0.91\nmore\n"):
        with pytest.raises(AssertionError):
            assert_alike("accuracy: 0.91\n", shown)
