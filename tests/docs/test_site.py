"""The site is built as `make site` does it, strictly: a link that leads nowhere is an error. It fetches nothing."""

import os
import re
import subprocess
import sys

import pytest
from pages import ROOT

pytest.importorskip("mkdocs")
pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", folder]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_every_page_of_docs_is_there(site):
    for path in (ROOT / "docs").rglob("*.md"):
        assert (site / path.relative_to(ROOT / "docs")).with_suffix(".html").exists()


def test_pages_load_nothing_from_elsewhere(site):
    for path in site.rglob("*.html"):
        loaded = re.findall(
            r'(?:<(?:script|img|iframe)[^>]*src|<link[^>]*rel="stylesheet"[^>]*href)="([^"]+)"', path.read_text()
        )
        assert not [address for address in loaded if "//" in address]


def test_pictures_follow_the_theme_and_lists_are_lists(site):
    assert "<svg" in (site / "concepts.html").read_text()
    for path in site.rglob("*.html"):
        assert not re.search(r"<p>[^<]*\n- ", path.read_text()), path
    assert "row_sparse_pull" in (site / "reference" / "kv.html").read_text()
