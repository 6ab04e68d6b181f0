"""JavaScript of the widgets with code in the page: joined to one module each, nothing unused."""

import re

import pytest

from dmlviz.widgets import EmbeddingExplorer, ForceField
from dmlviz.widgets.browser_traits import STATIC

WIDGETS = [EmbeddingExplorer, ForceField]


@pytest.mark.parametrize("widget", WIDGETS)
def test_the_modules_join_to_one(widget):
    code = widget._esm
    assert not re.search(r"^import ", code, re.MULTILINE)
    assert re.findall(r"^export .*", code, re.MULTILINE) == ["export default {"]
    names = re.findall(r"^(?:const|class|(?:async )?function) (\w+)", code, re.MULTILINE)
    assert len(names) == len(set(names)), "two modules use one name at the top level"


def test_every_file_is_short_and_in_a_widget():
    code = "".join(widget._esm + widget._css for widget in WIDGETS)
    for path in STATIC.iterdir():
        lines = path.read_text(encoding="utf-8").splitlines()
        assert lines[0] in code, f"{path.name} is in no widget"
        assert len(lines) <= 350, f"{path.name} holds more than one idea"
        if path.suffix == ".js":
            assert max(map(len, lines)) <= 110, path.name
