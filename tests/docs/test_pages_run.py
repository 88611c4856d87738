"""Every block of Python on these pages runs when it is pasted, and prints what the page says."""

import pytest
from pages import ROOT, assert_alike, run_page

DOCS = ROOT / "docs"
PAGES = [DOCS / "quickstart.md", DOCS / "kvstore.md", *DOCS.glob("tutorials/*.md"), *DOCS.glob("how-to/*.md")]


@pytest.mark.parametrize("path", [pytest.param(path, id=str(path.relative_to(DOCS))) for path in sorted(PAGES)])
def test_page(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_page(path)


def test_what_a_page_shows_is_compared():
    assert_alike("accuracy: 0.91\n", "accuracy: 0.92\n")
    for shown in ("accuracy: 0.80\n", "rmse: 0.91\n", "accuracy: 0.91\nmore\n"):
        with pytest.raises(AssertionError):
            assert_alike("accuracy: 0.91\n", shown)
