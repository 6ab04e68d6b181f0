import os

import pytest
import torch
from PIL import Image

from class_sets import CUB_LISTS, load_part, make_cub
from dmlviz.datasets import load


@pytest.fixture
def folder(tmp_path):
    return make_cub(tmp_path)


@pytest.mark.parametrize(("split", "ids"), [("train", [2, 50, 100]), ("test", [101, 150, 200])])
def test_official_ids_decide_the_split(folder, split, ids):
    dataset = load_part("cub", split, folder.parent)
    assert dataset.classes == [f"Long tailed Bird{c}" for c in ids]
    assert dataset.targets.tolist() == [0, 0, 1, 1, 2, 2]


def test_order_of_the_lines_does_not_matter(folder):
    before = load_part("cub", "train", folder.parent)
    for name in CUB_LISTS:
        lines = (folder / name).read_text().splitlines()
        (folder / name).write_text("\n".join(reversed(lines)))
    after = load_part("cub", "train", folder.parent)
    assert (after.paths, after.classes) == (before.paths, before.classes)
    assert torch.equal(after.targets, before.targets)


@pytest.mark.parametrize("name", ["image_class_labels.txt", "classes.txt"])
def test_missing_list_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"{name} is missing: unpack the official"):
        load("cub", "train", root=folder.parent)


@pytest.mark.parametrize("name", CUB_LISTS)
@pytest.mark.parametrize("last_line", ["", "6", "6 ", "six 6"])
def test_damaged_line_is_named(folder, name, last_line):
    lines = (folder / name).read_text().splitlines()
    (folder / name).write_text("\n".join([*lines[:5], last_line, ""]))
    with pytest.raises(ValueError, match=f"{name}, line 6: expected 'id value', got '{last_line}'"):
        load("cub", "train", root=folder.parent)


@pytest.mark.parametrize("name", ["images.txt", "image_class_labels.txt"])
def test_lists_that_disagree_are_an_error(folder, name):
    lines = (folder / name).read_text().splitlines()
    (folder / name).write_text("\n".join(lines[:-3]))
    with pytest.raises(ValueError, match="disagree about 3 images"):
        load("cub", "train", root=folder.parent)


def test_class_without_a_name_is_an_error(folder):
    lines = (folder / "classes.txt").read_text().splitlines()
    (folder / "classes.txt").write_text("\n".join(lines[:4]))
    with pytest.raises(ValueError, match=r"classes\.txt does not name class 150"):
        load("cub", "test", root=folder.parent)


@pytest.mark.parametrize(("split", "classes"), [("test", (1, 2)), ("train", (101, 102))])
def test_lists_without_a_class_of_the_split_are_an_error(tmp_path, split, classes):
    make_cub(tmp_path, classes)
    with pytest.raises(ValueError, match=f"name no image of the '{split}' classes"):
        load("cub", split, root=tmp_path)


@pytest.mark.parametrize("keep", [20, -20])
def test_image_that_does_not_decode_is_named_when_it_is_asked_for(folder, keep):
    image = next((folder / "images").glob("050*/1.jpg"))
    Image.effect_noise((200, 200), 80).save(image)
    image.write_bytes(image.read_bytes()[:keep])
    dataset = load_part("cub", "train", folder.parent)
    with pytest.raises(ValueError, match=r"050\.Long_tailed_Bird50.1\.jpg cannot be decoded"):
        dataset[3]


@pytest.mark.parametrize("name", ["lists", "CUB_200"])
def test_data_set_of_2010_is_recognised(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(FileNotFoundError, match="looks like CUB-200 of 2010, another data set"):
        load("cub", "train", root=tmp_path)


@pytest.mark.skipif("DMLVIZ_TEST_CUB" not in os.environ, reason="DMLVIZ_TEST_CUB names no data")
@pytest.mark.filterwarnings("ignore:this CUB")  # a part of the data set will do
def test_real_data_has_two_splits_without_a_common_class():
    root = os.environ["DMLVIZ_TEST_CUB"]
    train, test = load("cub", "train", root=root), load("cub", "test", root=root)
    assert not set(train.classes) & set(test.classes)
    for dataset in (train, test):
        assert dataset.targets.unique().tolist() == list(range(len(dataset.classes)))
        assert dataset[0][0].shape == (3, 224, 224)


def test_class_label_that_is_no_number_is_named(folder):
    labels = folder / "image_class_labels.txt"
    labels.write_text(labels.read_text().replace("3 50", "3 fifty"))
    with pytest.raises(ValueError, match=r"image_class_labels\.txt, line 3"):
        load("cub", "train", root=folder.parent)
