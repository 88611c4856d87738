"""What MkDocs needs to know of this repository (mkdocs.yml names this file among its hooks; `make site`).

The pages are also read in the repository: they link to files outside of docs/, and have lists right below a line of
text, as GitHub's Markdown allows. Both are translated here.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from pushgrad.worker.training.options import CREATE_DEFAULTS, EXPLAINED

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md")
LINK = re.compile(r"(?<=\]\()(?!\w+:|#|/)([^)#\s]+)")
PICTURE = re.compile(r"^!\[[^\]]*\]\((\S*images/concepts/\S+\.svg)\)$", re.MULTILINE)
ITEM = re.compile(r"\s*([-*]|\d+\.) ")


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add what pages link to outside of docs/: pages as they are, examples as pages that show them."""
    for name in PAGES:
        files.append(File.generated(config, name, content=(ROOT / name).read_text()))
    for path in sorted((ROOT / "examples").glob("*.py")):
        text = f"# {path.name}\n\n```python\n{path.read_text()}```\n"
        files.append(File.generated(config, f"examples/{path.name}.md", content=text))
    for name in ("examples/notebook.ipynb", "examples/quickstart.ipynb", "examples/image_app/WORDNET-LICENSE.txt"):
        files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    for file in files.documentation_pages():
        if file.src_uri.startswith(("examples/", "benchmarks/")):
            file.inclusion = file.inclusion.NOT_IN_NAV


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The page's text with links as they are in the site, and with blank lines before lists."""
    source = PurePosixPath(page.file.src_uri)
    inside = not (page.file.generated_by and str(source).startswith((*PAGES, "examples/")))
    folder = (PurePosixPath("docs") / source if inside else source).parent
    # In the page rather than beside it, so that they follow the theme that the reader has chosen.
    markdown = PICTURE.sub(lambda link: drawn(ROOT / folder / link[1]), markdown)
    markdown = markdown.replace("<!-- options -->", options())
    text = LINK.sub(lambda link: relinked(link[1], folder, source), markdown)
    return "\n".join(spaced(text.splitlines()))


def options() -> str:
    """A table of FeedForward's options: their names, defaults, and what `help` says of them."""
    rows = [f"| `{name}` | `{value!r}` | {EXPLAINED[name]} |" for name, value in CREATE_DEFAULTS.items()]
    return "\n".join(["| option | default | |", "|---|---|---|", *rows])


def drawn(path: Path) -> str:
    """A picture as a part of a page."""
    return f'<div class="picture">{path.read_text().replace(chr(10), "")}</div>'


def relinked(link: str, folder: PurePosixPath, source: PurePosixPath) -> str:
    """A link of a page that lies in `folder` of the repository, as a link of the page `source` of the site."""
    target = os.path.normpath(folder / link).removeprefix("docs/")
    if target.startswith("examples/") and target.endswith(".py"):
        target += ".md"
    return os.path.relpath(target, source.parent)


def spaced(lines: list[str]) -> list[str]:
    """The lines, with a blank one before each list or table that follows right after text."""
    found: list[str] = []
    fenced = in_list = False
    for line in lines:
        before = found[-1] if found else ""
        fenced ^= line.lstrip().startswith("```")
        starts = (ITEM.match(line) and not in_list) or (line.startswith("|") and not before.startswith("|"))
        if not fenced and before.strip() and not before.startswith("#") and starts:
            found.append("")
        in_list = bool(ITEM.match(line)) or (in_list and bool(line.strip()))
        found.append(line)
    return found
