"""The tutorials as files: what is committed, in which order, and what every lesson has."""

import re
import runpy
from pathlib import Path

import nbformat
import pytest

from dmlviz.plots import style

TUTORIALS = Path(__file__).parents[1] / "tutorials"
LESSONS = sorted(TUTORIALS.glob("[0-9]*.ipynb"))
HASH_OF_CODE = runpy.run_path(str(TUTORIALS / "execute.py"))["hash_of_code"]

pytestmark = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)


def cells(path, kind=None):
    notebook = nbformat.read(path, as_version=4)
    return [cell for cell in notebook.cells if kind in (None, cell.cell_type)]


def prose(path):
    return "\n".join(cell.source for cell in cells(path, "markdown"))


def test_it_is_a_valid_notebook_of_a_sensible_size(path):
    nbformat.validate(nbformat.read(path, as_version=4))
    assert path.stat().st_size < 1.5e6
    assert 25 <= len(cells(path)) <= 60


def test_it_holds_no_widget_state_and_no_local_names(path):
    metadata = nbformat.read(path, as_version=4).metadata
    assert "widgets" not in metadata
    assert metadata.kernelspec.name == "python3"
    text = path.read_text(encoding="utf-8")
    assert "widget-state+json" not in text
    assert not re.search(r"(/home/|/root/|/Users/|/tmp/|C:\\\\)", text)
    assert str(TUTORIALS.parent) not in text


def test_it_was_run_from_top_to_bottom(path):
    counts = [cell.execution_count for cell in cells(path, "code")]
    assert counts == list(range(1, len(counts) + 1))


def test_its_outputs_are_of_the_code_that_it_holds(path):
    notebook = nbformat.read(path, as_version=4)
    assert notebook.metadata.dmlviz.outputs_of == HASH_OF_CODE(notebook), "make notebooks"


def test_no_output_is_an_error_or_a_warning(path):
    for cell in cells(path, "code"):
        for output in cell.outputs:
            assert output.output_type != "error"
            assert output.get("name") != "stderr", output.text


def test_code_cells_are_short_and_end_without_a_semicolon(path):
    for cell in cells(path, "code"):
        assert len(cell.source.splitlines()) <= 15, cell.source
        assert not cell.source.rstrip().endswith(";"), "nbval does not store such a cell"


def test_it_opens_with_a_question_and_what_it_needs(path):
    first = cells(path)[0].source
    title = first.splitlines()[0]
    assert re.match(rf"# {path.stem[:2]} · .*\?$", title)
    for part in ("After this lesson you can", "minutes", "You need"):
        assert part in first, f"the first cell does not say: {part}"


def test_the_syllabus_asks_its_question_for_as_many_minutes(path):
    first = cells(path)[0].source
    question = first.splitlines()[0].split(" · ")[1]
    minutes = re.search(r"(\d+)\s+minutes to read", first)[1]
    place = f"| [{path.stem[:2]}]({path.name}) | {question} | "
    rows = (TUTORIALS / "README.md").read_text(encoding="utf-8").splitlines()
    (row,) = [row for row in rows if row.startswith(place)]
    assert f" | {minutes} | " in row


def test_it_has_the_parts_of_a_lesson(path):
    text = prose(path)
    parts = ["How these figures can mislead you", "real benchmark", "Exercises", "Quiz"]
    parts += ["Take-aways", "References", "Next"]
    for part in parts:
        assert part in text, f"no part {part!r}"
    for grade in ("**✎ ", "**✎✎ ", "**✎✎✎ "):
        assert grade in text, f"no exercise of grade {grade}"
    assert "*(code)*" in text, "a quiz needs a question that needs code"
    assert text.count("**Predict.**") >= 2
    assert text.count("<details>") == text.count("</details>") >= text.count("**Predict.**")


def test_its_claims_are_asserted(path):
    code = "\n".join(cell.source for cell in cells(path, "code"))
    assert code.count("assert") >= 8


def test_every_widget_is_swept_and_has_a_twin_on_paper(path):
    code = "\n".join(cell.source for cell in cells(path, "code"))
    for name in re.findall(r"^(\w+) = widgets\.", code, re.MULTILINE):
        assert f"{name}.sweep()" in code
        assert f"{name}.static(" in code


def test_a_widgets_output_holds_its_picture(path):
    for cell in cells(path, "code"):
        for output in cell.outputs:
            data = output.get("data", {})
            if "application/vnd.jupyter.widget-view+json" in data:
                assert "image/png" in data


def test_every_figure_is_described_for_those_who_cannot_see_it(path):
    for cell in cells(path, "code"):
        if any("image/png" in output.get("data", {}) for output in cell.outputs):
            words = cell.metadata.get("alt", "")  # where nbconvert looks for it
            assert 80 <= len(words) <= 400, f"{cell.id}: {words}"


def test_it_uses_public_names_only(path):
    import dmlviz

    code = "\n".join(cell.source for cell in cells(path, "code"))
    for room in dmlviz.__all__:
        for name in re.findall(rf"(?<![\w.]){room}\.(\w+)", code):
            module = getattr(dmlviz, room)
            assert name in getattr(module, "__all__", dir(module)), f"{room}.{name} is not public"
    assert not re.search(r"\._\w", code.replace("._repr", ""))


def test_links_resolve(path):
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", prose(path)):
        assert (path.parent / target).exists(), target


def test_it_shows_no_photograph(path):
    """Galleries that are committed show embedded data: real photographs are not ours to hand on."""
    code = "\n".join(cell.source for cell in cells(path, "code"))
    loaded = re.findall(r'(\w+) = datasets\.load\("(\w+)"', code)
    for name, dataset in loaded:
        if dataset not in {"glyphs", "folder", "poses", "rooms", "scenes"}:
            assert not re.search(rf"plots\.\w+\({name}|imshow\({name}", code)


def test_colours_of_the_prose_are_those_of_the_pictures(path):
    assert style.POSITIVE == style.BLUE
    assert style.NEGATIVE == style.VERMILION
    if "retrieval_gallery" in "".join(c.source for c in cells(path, "code")):
        assert "blue" in prose(path)
        assert "vermilion" in prose(path)
