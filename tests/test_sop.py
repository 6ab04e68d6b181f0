import os

import pytest

from class_sets import SOP_HEADER, SOP_LINES, change_line, load_part, make_sop
from dmlviz.datasets import load


@pytest.fixture
def folder(tmp_path):
    return make_sop(tmp_path)


@pytest.mark.parametrize(
    ("split", "classes", "kinds", "files", "targets"),
    [
        (
            "train",
            ["bicycle 1", "bicycle 7", "coffee maker 11318"],
            ["bicycle", "bicycle", "coffee maker"],
            ["111_0", "111_1", "222_0", "333_0", "222_1"],
            [0, 0, 2, 1, 2],
        ),
        (
            "test",
            ["bicycle 11319", "toaster 22634"],
            ["bicycle", "toaster"],
            ["444_0", "555_0", "444_1"],
            [0, 1, 0],
        ),
    ],
)
def test_labels_from_one_become_targets_from_zero(folder, split, classes, kinds, files, targets):
    dataset = load_part("sop", split, folder.parent)
    assert dataset.classes == classes
    assert dataset.super_classes == kinds
    assert [path.stem for path in dataset.paths] == files
    assert dataset.targets.tolist() == targets


def test_held_out_products_keep_their_kinds(folder):
    val = load("sop", "val", root=folder.parent, val_classes=2)
    assert val.super_classes == ["bicycle", "coffee maker"]


def test_a_split_needs_no_list_but_its_own(folder):
    (folder / "Ebay_train.txt").unlink()
    assert len(load_part("sop", "test", folder.parent)) == 3


@pytest.mark.parametrize("name", SOP_LINES)
@pytest.mark.parametrize("label", ["0", "-1", "one", "22635", "1.0"])
def test_label_that_no_official_list_has_is_named(folder, name, label):
    change_line(folder / name, 3, f"2 {label} 1 bicycle_final/111_1.JPG")
    split = "train" if name == "Ebay_train.txt" else "test"
    with pytest.raises(ValueError, match=rf"{name}, line 3: class_id must be .*got '{label}'"):
        load("sop", split, root=folder.parent)


def test_exchanged_lists_are_noticed(folder):
    (folder / "Ebay_test.txt").rename(folder / "Ebay_train.txt")
    with pytest.raises(ValueError, match=r"line 2: class_id must be 1\.\.\.11318.*exchanged"):
        load("sop", "train", root=folder.parent)


@pytest.mark.parametrize("line", ["2 1 1", "2 1 1 bicycle_final/111 1.JPG", ""])
def test_damaged_line_is_named(folder, line):
    change_line(folder / "Ebay_train.txt", 3, line)
    message = rf"Ebay_train\.txt, line 3: expected '{SOP_HEADER}', got '{line}'"
    with pytest.raises(ValueError, match=message):
        load("sop", "train", root=folder.parent)


@pytest.mark.parametrize("header", ["", "image_id class_id path", SOP_LINES["Ebay_train.txt"][0]])
def test_list_without_the_header_is_refused(folder, header):
    change_line(folder / "Ebay_train.txt", 1, header)
    with pytest.raises(ValueError, match=r"Ebay_train\.txt, line 1: expected the header 'image_id"):
        load("sop", "train", root=folder.parent)


def test_list_without_images_is_an_error(tmp_path):
    make_sop(tmp_path, SOP_LINES | {"Ebay_test.txt": []})
    with pytest.raises(ValueError, match=r"Ebay_test\.txt names no image"):
        load("sop", "test", root=tmp_path)


def test_missing_list_is_named(folder):
    (folder / "Ebay_test.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"Ebay_test\.txt is missing: unpack"):
        load("sop", "test", root=folder.parent)


@pytest.mark.skipif("DMLVIZ_TEST_SOP" not in os.environ, reason="DMLVIZ_TEST_SOP names no data")
def test_real_data_has_the_official_counts_and_twelve_kinds():
    root = os.environ["DMLVIZ_TEST_SOP"]
    train, test = load("sop", "train", root=root), load("sop", "test", root=root)
    assert not set(train.classes) & set(test.classes)
    for dataset in (train, test):
        assert len(set(dataset.super_classes)) == 12
        assert dataset[0][0].shape == (3, 224, 224)
