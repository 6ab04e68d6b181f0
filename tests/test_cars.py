import os
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat

from dmlviz.datasets import load
from dmlviz.datasets.real import cars

# (file, official class, part in the classification split) in an order that sorts nothing
IMAGES = [
    ("000007.jpg", 99, 0), ("000003.jpg", 2, 1), ("000001.jpg", 98, 0), ("000004.jpg", 196, 1),
    ("000002.jpg", 2, 0), ("000006.jpg", 1, 1), ("000005.jpg", 99, 1),
]  # fmt: skip


def annotations(images):
    fields = ("relative_im_path", "bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "class", "test")
    records = np.empty((1, len(images)), dtype=[(field, object) for field in fields])
    for i, (file, label, test) in enumerate(images):
        records[0, i] = (f"car_ims/{file}", 1, 1, 19, 15, label, test)
    return records


def class_names(n=196):
    return np.array([f"Make Model {c}" for c in range(1, n + 1)], dtype=object)[None]


def make_cars(folder, images=IMAGES, **change):
    """A small Cars-196 in the official format; the grey value of an image tells its class."""
    (folder / "car_ims").mkdir(parents=True, exist_ok=True)
    for file, label, _ in images:
        Image.new("L", (20, 16), label).save(folder / "car_ims" / file)
    stored = {"annotations": annotations(images), "class_names": class_names()} | change
    savemat(folder / "cars_annos.mat", {k: v for k, v in stored.items() if v is not None})
    return folder


def load_part(split, root, **options):
    with pytest.warns(UserWarning, match="cannot be compared with published ones"):
        return load("cars", split, root=root, **options)


@pytest.fixture
def folder(tmp_path):
    return make_cars(tmp_path / "cars196")


@pytest.mark.parametrize(
    ("split", "ids", "files", "targets"),
    [
        ("train", [1, 2, 98], ["000003", "000001", "000002", "000006"], [1, 2, 1, 0]),
        ("test", [99, 196], ["000007", "000004", "000005"], [0, 1, 0]),
    ],
)
def test_official_classes_decide_the_split_in_the_order_of_the_list(
    folder, split, ids, files, targets
):
    dataset = load_part(split, folder.parent)
    assert dataset.classes == [f"Make Model {c}" for c in ids]
    assert [path.stem for path in dataset.paths] == files
    assert dataset.targets.tolist() == targets


@pytest.mark.parametrize("split", ["train", "test"])
def test_image_and_target_belong_together(folder, split):
    dataset = load_part(split, folder.parent)
    for i in range(len(dataset)):
        red, green, blue = dataset.image(i).getpixel((5, 5))
        assert red == green == blue
        assert dataset.classes[dataset.targets[i]] == f"Make Model {red}"


@pytest.mark.parametrize("name", ["cars196", "CARS196", "cars"])
def test_folder_may_have_several_names_or_be_the_root(tmp_path, name):
    folder = make_cars(tmp_path / name)
    assert load_part("train", folder).paths == load_part("train", tmp_path).paths


def test_list_of_a_single_image_is_read(tmp_path):
    make_cars(tmp_path, IMAGES[:1])
    assert load_part("test", tmp_path).classes == ["Make Model 99"]


def test_default_item_is_224_pixels_and_only_training_is_augmented(folder):
    train, test = load_part("train", folder.parent), load_part("test", folder.parent)
    noise = np.random.default_rng(0).integers(256, size=(50, 50, 3), dtype=np.uint8)
    for path in (train.paths[0], test.paths[0]):
        Image.fromarray(noise).save(path)
    assert test[0][0].shape == (3, 224, 224)
    assert test[0][0].dtype == torch.float32
    assert not torch.equal(train[0][0], train[0][0])
    assert torch.equal(test[0][0], test[0][0])


def test_custom_transform_is_used(folder):
    dataset = load_part("test", folder.parent, transform=lambda image: image.size)
    assert dataset[1] == ((20, 16), 1)


def test_part_of_the_data_set_warns_with_the_counts(folder):
    message = "'train' split has 4 images of 3 classes, the official one 8,054 images of 98 classes"
    with pytest.warns(UserWarning, match=message) as caught:
        load("cars", "train", root=folder.parent)
    assert caught[0].filename == __file__  # it points at the line that called load


def test_whole_data_set_does_not_warn(folder, monkeypatch):
    monkeypatch.setattr(cars, "SOURCE", replace(cars.SOURCE, official=(("train", 3, 4),)))
    assert len(load("cars", "train", root=folder.parent)) == 4  # a warning would be an error here


def test_official_counts_are_those_of_the_papers():
    assert cars.SOURCE.official == (("train", 98, 8054), ("test", 98, 8131))


def test_val_classes_holds_out_the_last_training_classes(folder):
    train, val = (load("cars", s, root=folder.parent, val_classes=1) for s in ("train", "val"))
    assert train.classes == ["Make Model 1", "Make Model 2"]
    assert train.targets.tolist() == [1, 1, 0]
    assert val.classes == ["Make Model 98"]
    assert val.targets.tolist() == [0]


def test_val_without_val_classes_is_refused(folder):
    with pytest.raises(ValueError, match=r'Cars-196 has no official "val" split.*val_classes='):
        load("cars", "val", root=folder.parent)


@pytest.mark.parametrize("val_classes", [-1, 3, 98])
@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_val_classes_must_leave_training_classes(folder, split, val_classes):
    with pytest.raises(ValueError, match=f"val_classes must .*at most 2, got {val_classes}"):
        load("cars", split, root=folder.parent, val_classes=val_classes)


def test_val_classes_must_be_a_number_of_classes(folder):
    with pytest.raises(TypeError, match=r"whole number of classes, got 0\.2"):
        load("cars", "train", root=folder.parent, val_classes=0.2)


@pytest.mark.parametrize("exists", [True, False])
def test_wrong_root_is_an_error_with_the_way_to_get_the_data(tmp_path, exists):
    root = tmp_path if exists else tmp_path / "nowhere"
    message = r"no cars196 in .*download http\S+CARS196\.zip, .*DMLVIZ_DATA"
    with pytest.raises(FileNotFoundError, match=message):
        load("cars", "train", root=root)


def test_folder_without_the_annotations_is_an_error(folder):
    (folder / "cars_annos.mat").unlink()
    with pytest.raises(FileNotFoundError, match=r"cars196 has no cars_annos\.mat: unpack"):
        load("cars", "train", root=folder.parent)


@pytest.mark.parametrize("place", ["", "cars196", "stanford_cars"])
@pytest.mark.parametrize("sign", ["devkit/cars_train_annos.mat", "cars_train/00001.jpg"])
def test_the_release_for_classification_is_explained(tmp_path, place, sign):
    file = tmp_path / place / sign
    file.parent.mkdir(parents=True)
    file.touch()
    with pytest.raises(FileNotFoundError, match=r"divides the images of every class.*car_ims/"):
        load("cars", "train", root=tmp_path)


def test_renamed_annotations_for_classification_are_explained(tmp_path):
    records = np.empty((1, 1), dtype=[("class", object), ("fname", object)])
    records[0, 0] = (14, "00001.jpg")
    make_cars(tmp_path, annotations=records, class_names=None)
    with pytest.raises(ValueError, match=r"is cars_train_annos\.mat.*under another name"):
        load("cars", "train", root=tmp_path)


@pytest.mark.parametrize("change", [{"class_names": None}, {"annotations": np.eye(3)}])
def test_other_content_of_the_annotations_is_an_error(tmp_path, change):
    make_cars(tmp_path, **change)
    with pytest.raises(ValueError, match=r"cars_annos\.mat: expected 'annotations' with"):
        load("cars", "train", root=tmp_path)


@pytest.mark.parametrize("keep", [0, 100, -50])
def test_damaged_annotations_are_an_error(folder, keep):
    file = folder / "cars_annos.mat"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"cars_annos\.mat cannot be read as a MATLAB file"):
        load("cars", "train", root=folder.parent)


def test_file_without_annotations_is_an_error(tmp_path):
    make_cars(tmp_path, annotations=None)
    with pytest.raises(ValueError, match=r"cannot be read .* with 'annotations'"):
        load("cars", "train", root=tmp_path)


@pytest.mark.parametrize("label", [0, 197])
def test_labels_count_from_one(tmp_path, label):
    make_cars(tmp_path, [("1.jpg", 1, 0), ("2.jpg", label, 0)])
    with pytest.raises(ValueError, match=rf"annotation 2: class {label} is not one of 1\.\.\.196"):
        load("cars", "train", root=tmp_path)


@pytest.mark.parametrize(("split", "label"), [("train", 99), ("test", 98)])
def test_annotations_without_a_class_of_the_split_are_an_error(tmp_path, split, label):
    make_cars(tmp_path, [("1.jpg", label, 0)])
    with pytest.raises(ValueError, match=f"names no image of the '{split}' classes"):
        load("cars", split, root=tmp_path)


@pytest.mark.parametrize("damage", ["missing", "empty"])
def test_missing_or_empty_image_is_found_when_loading(folder, damage):
    image = folder / "car_ims" / "000002.jpg"
    image.unlink()
    if damage == "empty":
        image.touch()
    with pytest.raises(FileNotFoundError, match=r"1 of 4 images are missing or empty.*000002\.jpg"):
        load("cars", "train", root=folder.parent)
    assert len(load_part("test", folder.parent)) == 3


@pytest.mark.skipif("DMLVIZ_TEST_CARS" not in os.environ, reason="DMLVIZ_TEST_CARS names no data")
@pytest.mark.filterwarnings("ignore:this Cars")  # a part of the data set will do
def test_real_data_has_98_classes_in_each_split():
    root = os.environ["DMLVIZ_TEST_CARS"]
    train, test = load("cars", "train", root=root), load("cars", "test", root=root)
    assert not set(train.classes) & set(test.classes)
    for dataset in (train, test):
        assert dataset.targets.unique().tolist() == list(range(98))
        assert dataset[0][0].shape == (3, 224, 224)
