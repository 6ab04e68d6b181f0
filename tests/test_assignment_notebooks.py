"""The links of the assignments' notebooks: what they point to is there."""

import re
from pathlib import Path

import nbformat
import pytest

ASSIGNMENTS = Path(__file__).parents[1] / "tutorials" / "assignments"
NOTEBOOKS = [path for at in (".", "instructor", "project")
             for path in sorted((ASSIGNMENTS / at).glob("*.ipynb"))]  # fmt: skip
LINK = re.compile(r"""\]\((?!https?://|mailto:)([^)\s]+)|(?:href|src)=["'](?!https?://)([^"']+)""")
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)


def prose(path):
    """The markdown of a notebook, or of a file."""
    if path.suffix != ".ipynb":
        return path.read_text(encoding="utf-8")
    cells = nbformat.read(path, as_version=4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def links(text):
    return [link or attribute for link, attribute in LINK.findall(text)]


def broken(path):
    """The internal links of a page that lead nowhere, be it a file or a heading."""
    found = []
    for link in links(prose(path)):
        file, _, heading = link.partition("#")
        target = path.parent / file if file else path
        if not target.exists() or (heading and heading not in anchors(target)):
            found.append(link)
    return found


def anchors(path):
    """The names of the headings: JupyterLab's, with hyphens for spaces, and GitHub's."""
    titles = HEADING.findall(prose(path))
    github = [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]
    return {title.replace(" ", "-") for title in titles} | set(github)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_links_resolve(path):
    assert broken(path) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_files_that_it_names_are_there(path):
    """In the commands that it tells, and in its words: `dmlviz course check 01_pairs.ipynb`."""
    names = set(re.findall(r"\b\w+\.(?:ipynb|py|md)\b", prose(path)))
    known = {file.name for file in ASSIGNMENTS.rglob("*") if file.is_file()}
    assert names <= known
    if path.name[0].isdigit():
        assert f"dmlviz course check {path.name}" in prose(path)


def test_a_broken_link_is_found(tmp_path):
    text = "# A title\n[a](b.md) [c](#A-title) [d](#nowhere) <img src='e.png'> [f](https://g.h/i)"
    cells = [nbformat.v4.new_markdown_cell(text)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "page.ipynb")
    assert broken(tmp_path / "page.ipynb") == ["b.md", "#nowhere", "e.png"]
    assert "README.md" in links(prose(ASSIGNMENTS / "project" / "leaderboard.ipynb"))
