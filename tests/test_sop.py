import os
from dataclasses import replace

import pytest
import torch
from PIL import Image

from dmlviz.datasets import load
from dmlviz.datasets.real import sop

HEADER = "image_id class_id super_class_id path"
LINES = {
    "Ebay_train.txt": [
        "1 1 1 bicycle_final/111_0.JPG",
        "2 1 1 bicycle_final/111_1.JPG",
        "3 11318 5 coffee_maker_final/222_0.JPG",
        "4 7 1 bicycle_final/333_0.JPG",
        "5 11318 5 coffee_maker_final/222_1.JPG",
    ],
    "Ebay_test.txt": [
        "59552 11319 1 bicycle_final/444_0.JPG",
        "59553 22634 12 toaster_final/555_0.JPG",
        "59554 11319 1 bicycle_final/444_1.JPG",
    ],
}


def make_sop(root, lines=LINES, header=HEADER):
    """A small Stanford_Online_Products in the official format; an image's grey is class mod 251."""
    folder = root / "Stanford_Online_Products"
    for name, rows in lines.items():
        for row in rows:
            _, product, _, path = row.split()
            place = folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (20, 16), int(product) % 251).save(place)
        (folder / name).write_text("\n".join([header, *rows]) + "\n")
    return folder


def load_part(split, root, **options):
    with pytest.warns(UserWarning, match="cannot be compared with published ones"):
        return load("sop", split, root=root, **options)


@pytest.fixture
def folder(tmp_path):
    return make_sop(tmp_path)


def change_line(folder, name, number, text):
    lines = (folder / name).read_text().splitlines()
    lines[number - 1] = text
    (folder / name).write_text("\n".join(lines) + "\n")


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
    dataset = load_part(split, folder.parent)
    assert dataset.classes == classes
    assert dataset.super_classes == kinds
    assert [path.stem for path in dataset.paths] == files
    assert dataset.targets.tolist() == targets


@pytest.mark.parametrize("split", ["train", "test"])
def test_image_and_target_belong_together(folder, split):
    dataset = load_part(split, folder.parent)
    for i in range(len(dataset)):
        product = int(dataset.classes[dataset.targets[i]].split()[-1])
        assert dataset.image(i).getpixel((5, 5)) == (product % 251,) * 3


def test_root_may_be_the_folder_itself(folder):
    assert load_part("train", folder).paths == load_part("train", folder.parent).paths


def test_a_split_needs_no_list_but_its_own(folder):
    (folder / "Ebay_train.txt").unlink()
    assert len(load_part("test", folder.parent)) == 3


def test_default_item_is_224_pixels(folder):
    x, target = load_part("test", folder.parent)[1]
    assert (x.shape, x.dtype, target) == ((3, 224, 224), torch.float32, 1)


def test_custom_transform_is_used(folder):
    dataset = load_part("test", folder.parent, transform=lambda image: image.size)
    assert dataset[2] == ((20, 16), 0)


def test_part_of_the_data_set_warns_with_the_counts(folder):
    message = (
        "'test' split has 3 images of 2 classes, the official one 60,502 images of 11,316 classes"
    )
    with pytest.warns(UserWarning, match=message) as caught:
        load("sop", "test", root=folder.parent)
    assert caught[0].filename == __file__


def test_whole_data_set_does_not_warn(folder, monkeypatch):
    monkeypatch.setattr(sop, "SOURCE", replace(sop.SOURCE, official=(("train", 3, 5),)))
    assert len(load("sop", "train", root=folder.parent)) == 5


def test_official_counts_are_those_of_the_papers():
    assert sop.SOURCE.official == (("train", 11318, 59551), ("test", 11316, 60502))


def test_val_classes_holds_out_the_last_training_classes(folder):
    train, val = (load("sop", s, root=folder.parent, val_classes=2) for s in ("train", "val"))
    assert train.classes == ["bicycle 1"]
    assert train.targets.tolist() == [0, 0]
    assert val.classes == ["bicycle 7", "coffee maker 11318"]
    assert val.super_classes == ["bicycle", "coffee maker"]
    assert val.targets.tolist() == [1, 0, 1]


def test_val_without_val_classes_is_refused(folder):
    with pytest.raises(ValueError, match=r'no official "val" split.*val_classes='):
        load("sop", "val", root=folder.parent)


@pytest.mark.parametrize("val_classes", [-1, 3])
def test_val_classes_must_leave_training_classes(folder, val_classes):
    with pytest.raises(ValueError, match=f"at most 2, got {val_classes}"):
        load("sop", "train", root=folder.parent, val_classes=val_classes)


@pytest.mark.parametrize("name", LINES)
@pytest.mark.parametrize("label", ["0", "-1", "one", "22635", "1.0"])
def test_label_that_no_official_list_has_is_named(folder, name, label):
    change_line(folder, name, 3, f"2 {label} 1 bicycle_final/111_1.JPG")
    split = "train" if name == "Ebay_train.txt" else "test"
    with pytest.raises(ValueError, match=rf"{name}, line 3: class_id must be .*got '{label}'"):
        load("sop", split, root=folder.parent)


def test_exchanged_lists_are_noticed(folder):
    (folder / "Ebay_test.txt").rename(folder / "Ebay_train.txt")
    with pytest.raises(ValueError, match=r"line 2: class_id must be 1\.\.\.11318.*exchanged"):
        load("sop", "train", root=folder.parent)


@pytest.mark.parametrize("line", ["2 1 1", "2 1 1 bicycle_final/111 1.JPG", ""])
def test_damaged_line_is_named(folder, line):
    change_line(folder, "Ebay_train.txt", 3, line)
    message = rf"Ebay_train\.txt, line 3: expected '{HEADER}', got '{line}'"
    with pytest.raises(ValueError, match=message):
        load("sop", "train", root=folder.parent)


@pytest.mark.parametrize("header", ["", "image_id class_id path", LINES["Ebay_train.txt"][0]])
def test_list_without_the_header_is_refused(folder, header):
    change_line(folder, "Ebay_train.txt", 1, header)
    with pytest.raises(ValueError, match=r"Ebay_train\.txt, line 1: expected the header 'image_id"):
        load("sop", "train", root=folder.parent)


def test_list_without_images_is_an_error(tmp_path):
    make_sop(tmp_path, LINES | {"Ebay_test.txt": []})
    with pytest.raises(ValueError, match=r"Ebay_test\.txt names no image"):
        load("sop", "test", root=tmp_path)


def test_missing_list_is_named(folder):
    (folder / "Ebay_test.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"Ebay_test\.txt is missing: unpack"):
        load("sop", "test", root=folder.parent)


def test_folder_without_lists_is_an_error(folder):
    for name in LINES:
        (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=r"Products has no Ebay_train\.txt: unpack"):
        load("sop", "train", root=folder.parent)


@pytest.mark.parametrize("exists", [True, False])
def test_wrong_root_is_an_error_with_the_way_to_get_the_data(tmp_path, exists):
    root = tmp_path if exists else tmp_path / "nowhere"
    message = r"no Stanford_Online_Products in .*download http\S+\.zip, .*DMLVIZ_DATA"
    with pytest.raises(FileNotFoundError, match=message):
        load("sop", "train", root=root)


@pytest.mark.parametrize("damage", ["missing", "empty"])
def test_missing_or_empty_image_is_found_when_loading(folder, damage):
    image = folder / "coffee_maker_final" / "222_1.JPG"
    image.unlink()
    if damage == "empty":
        image.touch()
    with pytest.raises(FileNotFoundError, match=r"1 of 5 images are missing or empty.*222_1\.JPG"):
        load("sop", "train", root=folder.parent)
    assert len(load_part("test", folder.parent)) == 3


@pytest.mark.skipif("DMLVIZ_TEST_SOP" not in os.environ, reason="DMLVIZ_TEST_SOP names no data")
def test_real_data_has_the_official_counts_and_twelve_kinds():
    root = os.environ["DMLVIZ_TEST_SOP"]
    train, test = load("sop", "train", root=root), load("sop", "test", root=root)
    assert not set(train.classes) & set(test.classes)
    for dataset in (train, test):
        assert len(set(dataset.super_classes)) == 12
        assert dataset[0][0].shape == (3, 224, 224)
