from pathlib import Path

import pytest

import dmlviz
from dmlviz.datasets import ImageDataset, available, data_root, load


@pytest.mark.parametrize(
    ("name", "near"), [("glyph", "glyphs"), ("cubs", "cub"), ("folders", "folder")]
)
def test_unknown_name_suggests_the_near_one(name, near):
    with pytest.raises(ValueError, match=f"unknown data set '{name}' .did you mean '{near}'"):
        load(name, "train")


def test_unknown_name_lists_the_data_sets():
    with pytest.raises(ValueError, match=r"unknown data set 'mnist'.*glyphs, .*cub") as error:
        load("mnist", "train")
    assert "did you mean" not in str(error.value)


def test_available_describes_every_data_set_in_a_line():
    classes, distances = (
        {"cars", "cub", "folder", "glyphs", "inshop", "omniglot", "sop"},
        {"coco", "flickr8k", "lsp", "lsun", "mpii", "poses", "rooms", "scenes"},
    )
    assert set(available()) == classes | distances
    for description in available().values():
        assert description
        assert "\n" not in description


def test_load_gives_an_image_data_set_of_that_name_and_split(glyph_root):
    dataset = load("glyphs", "val", glyph_root)
    assert isinstance(dataset, ImageDataset)
    assert (dataset.name, dataset.split) == ("glyphs", "val")


def test_option_that_a_data_set_does_not_have_is_refused(glyph_root):
    with pytest.raises(TypeError, match="download"):
        load("glyphs", "val", root=glyph_root, download=True)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """The package as if it lay in a source checkout below tmp_path, without a data folder yet."""
    monkeypatch.delenv("DMLVIZ_DATA", raising=False)
    monkeypatch.setattr(dmlviz, "__file__", str(tmp_path / "dmlviz" / "__init__.py"))
    (tmp_path / "pyproject.toml").touch()
    return tmp_path


def test_argument_comes_before_everything(checkout, monkeypatch):
    (checkout / "data").mkdir()
    monkeypatch.setenv("DMLVIZ_DATA", "from-environment")
    assert data_root("mine") == Path("mine")


def test_environment_variable_comes_before_the_checkout(checkout, monkeypatch):
    (checkout / "data").mkdir()
    monkeypatch.setenv("DMLVIZ_DATA", "from-environment")
    assert data_root() == Path("from-environment")


def test_data_folder_of_a_checkout_comes_next(checkout):
    (checkout / "data").mkdir()
    assert data_root() == checkout / "data"


def test_empty_environment_variable_counts_as_unset(checkout, monkeypatch):
    (checkout / "data").mkdir()
    monkeypatch.setenv("DMLVIZ_DATA", "")
    assert data_root() == checkout / "data"


@pytest.mark.parametrize("missing", ["data folder", "project file"])
def test_cache_folder_of_the_user_comes_last(checkout, missing):
    if missing == "project file":
        # an installed package may have a neighbour of that name
        (checkout / "data").mkdir()
        (checkout / "pyproject.toml").unlink()
    root = data_root()
    assert root.name == "dmlviz"
    assert checkout not in root.parents


def test_tilde_stands_for_the_home_folder(checkout, monkeypatch):
    monkeypatch.setenv("DMLVIZ_DATA", "~/pictures")
    assert data_root() == Path.home() / "pictures"
    assert data_root("~/mine") == Path.home() / "mine"


def test_unknown_name_without_a_near_one_is_a_whole_sentence():
    with pytest.raises(ValueError, match=r"'mnist'[.:,;] "):
        load("mnist", "train")
