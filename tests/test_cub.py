import os
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from dmlviz.datasets import load
from dmlviz.datasets.real import cub

CLASSES = (2, 50, 100, 101, 150, 200)  # official ids, on both sides of the border
LISTS = ("images.txt", "image_class_labels.txt", "classes.txt")


def make_cub(root, classes=CLASSES, images_per_class=2):
    """A small CUB_200_2011 in the official format; the grey value of an image tells its class."""
    folder = root / "CUB_200_2011"
    names = {c: f"{c:03d}.Long_tailed_Bird{c}" for c in classes}
    members = [(c, f"{names[c]}/{j}.jpg") for c in classes for j in range(images_per_class)]
    for c, path in members:
        place = folder / "images" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (20, 16), c).save(place)
    lines = {
        "images.txt": [f"{i} {path}" for i, (_, path) in enumerate(members, start=1)],
        "image_class_labels.txt": [f"{i} {c}" for i, (c, _) in enumerate(members, start=1)],
        "classes.txt": [f"{c} {name}" for c, name in names.items()],
    }
    for name in LISTS:
        (folder / name).write_text("\n".join(lines[name]) + "\n")
    return folder


def load_part(split, root, **options):
    with pytest.warns(UserWarning, match="cannot be compared with published ones"):
        return load("cub", split, root=root, **options)


@pytest.fixture
def folder(tmp_path):
    return make_cub(tmp_path)


@pytest.mark.parametrize(("split", "ids"), [("train", [2, 50, 100]), ("test", [101, 150, 200])])
def test_official_ids_decide_the_split(folder, split, ids):
    dataset = load_part(split, folder.parent)
    assert dataset.classes == [f"Long tailed Bird{c}" for c in ids]
    assert dataset.targets.tolist() == [0, 0, 1, 1, 2, 2]


def test_image_and_target_belong_together(folder):
    dataset = load_part("test", folder.parent)
    for i in range(len(dataset)):
        red, green, blue = dataset.image(i).getpixel((5, 5))
        assert red == green == blue
        assert dataset.classes[dataset.targets[i]] == f"Long tailed Bird{red}"


def test_order_of_the_lines_does_not_matter(folder):
    before = load_part("train", folder.parent)
    for name in LISTS:
        lines = (folder / name).read_text().splitlines()
        (folder / name).write_text("\n".join(reversed(lines)))
    after = load_part("train", folder.parent)
    assert (after.paths, after.classes) == (before.paths, before.classes)
    assert torch.equal(after.targets, before.targets)


def test_root_may_be_the_folder_itself(folder):
    assert load_part("train", folder).paths == load_part("train", folder.parent).paths


def test_root_may_come_from_the_environment(folder, monkeypatch):
    monkeypatch.setenv("DMLVIZ_DATA", str(folder.parent))
    assert len(load_part("train", None)) == 6


def test_default_item_is_224_pixels_with_imagenet_normalisation(folder):
    x, target = load_part("test", folder.parent)[4]
    assert (x.shape, x.dtype, target) == ((3, 224, 224), torch.float32, 2)
    grey = torch.full((3,), 200 / 255)
    expected = (grey - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225])
    torch.testing.assert_close(x.mean(dim=(1, 2)), expected, atol=0.02, rtol=0)


def test_only_training_images_are_augmented(folder):
    train, test = load_part("train", folder.parent), load_part("test", folder.parent)
    noise = np.random.default_rng(0).integers(256, size=(50, 50, 3), dtype=np.uint8)
    for path in (train.paths[0], test.paths[0]):
        Image.fromarray(noise).save(path)
    assert not torch.equal(train[0][0], train[0][0])
    assert torch.equal(test[0][0], test[0][0])


def test_custom_transform_is_used(folder):
    dataset = load_part("test", folder.parent, transform=lambda image: image.size)
    assert dataset[5] == ((20, 16), 2)


def test_part_of_the_data_set_warns_with_the_counts(folder):
    message = (
        "'train' split has 6 images of 3 classes, the official one 5,864 images of 100 classes"
    )
    with pytest.warns(UserWarning, match=message) as caught:
        load("cub", "train", root=folder.parent)
    assert caught[0].filename == __file__  # it points at the line that called load


def test_whole_data_set_does_not_warn(folder, monkeypatch):
    monkeypatch.setattr(cub, "SOURCE", replace(cub.SOURCE, official=(("train", 3, 6),)))
    assert len(load("cub", "train", root=folder.parent)) == 6  # a warning would be an error here


def test_official_counts_are_those_of_the_papers():
    assert cub.SOURCE.official == (("train", 100, 5864), ("test", 100, 5924))


def test_val_classes_holds_out_the_last_training_classes(folder):
    train, val = (load("cub", s, root=folder.parent, val_classes=1) for s in ("train", "val"))
    assert train.classes == ["Long tailed Bird2", "Long tailed Bird50"]
    assert val.classes == ["Long tailed Bird100"]
    assert val.targets.tolist() == [0, 0]


def test_val_classes_leaves_the_test_split_alone(folder):
    test = load("cub", "test", root=folder.parent, val_classes=2)
    assert test.classes == load_part("test", folder.parent).classes


def test_val_without_val_classes_is_refused(folder):
    with pytest.raises(ValueError, match=r'no official "val" split.*val_classes=20'):
        load("cub", "val", root=folder.parent)


@pytest.mark.parametrize("val_classes", [-1, 3, 100])
def test_val_classes_must_leave_training_classes(folder, val_classes):
    with pytest.raises(ValueError, match=f"at most 2, got {val_classes}"):
        load("cub", "train", root=folder.parent, val_classes=val_classes)


def test_unknown_split_is_refused(folder):
    with pytest.raises(ValueError, match="split must be one of train, val, test, got 'all'"):
        load("cub", "all", root=folder.parent)


@pytest.mark.parametrize("exists", [True, False])
def test_wrong_root_is_an_error_with_the_ways_to_get_the_data(tmp_path, exists):
    root = tmp_path if exists else tmp_path / "nowhere"
    with pytest.raises(FileNotFoundError, match=r"no CUB_200_2011 in .*download=True.*DMLVIZ_DATA"):
        load("cub", "train", root=root)


def test_folder_without_the_first_list_is_an_error(folder):
    (folder / "images.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"CUB_200_2011 has no images\.txt: unpack"):
        load("cub", "train", root=folder.parent)


@pytest.mark.parametrize("name", ["image_class_labels.txt", "classes.txt"])
def test_missing_list_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"{name} is missing: unpack the official"):
        load("cub", "train", root=folder.parent)


@pytest.mark.parametrize("name", LISTS)
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


@pytest.mark.parametrize("damage", ["missing", "empty"])
def test_missing_or_empty_image_is_found_when_loading(folder, damage):
    image = next((folder / "images").glob("050*/1.jpg"))
    image.unlink()
    if damage == "empty":
        image.touch()
    with pytest.raises(FileNotFoundError, match=r"1 of 6 images are missing or empty.*1\.jpg"):
        load("cub", "train", root=folder.parent)


def test_damaged_images_of_the_other_split_do_not_matter(folder):
    next((folder / "images").glob("150*/1.jpg")).unlink()
    assert len(load_part("train", folder.parent)) == 6


@pytest.mark.parametrize("keep", [20, -20])
def test_image_that_does_not_decode_is_named_when_it_is_asked_for(folder, keep):
    image = next((folder / "images").glob("050*/1.jpg"))
    Image.effect_noise((200, 200), 80).save(image)
    image.write_bytes(image.read_bytes()[:keep])
    dataset = load_part("train", folder.parent)
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
