import os

import numpy as np
import pytest

from class_sets import CARS, load_part, make_cars
from dmlviz.datasets import load


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
    dataset = load_part("cars", split, folder.parent)
    assert dataset.classes == [f"Make Model {c}" for c in ids]
    assert [path.stem for path in dataset.paths] == files
    assert dataset.targets.tolist() == targets


@pytest.mark.parametrize("name", ["CARS196", "cars"])
def test_folder_may_have_other_names_or_be_the_root(tmp_path, name):
    folder = make_cars(tmp_path / name)
    assert load_part("cars", "train", folder).paths == load_part("cars", "train", tmp_path).paths


def test_list_of_a_single_image_is_read(tmp_path):
    make_cars(tmp_path, CARS[:1])
    assert load_part("cars", "test", tmp_path).classes == ["Make Model 99"]


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


@pytest.mark.skipif("DMLVIZ_TEST_CARS" not in os.environ, reason="DMLVIZ_TEST_CARS names no data")
@pytest.mark.filterwarnings("ignore:this Cars")  # a part of the data set will do
def test_real_data_has_98_classes_in_each_split():
    root = os.environ["DMLVIZ_TEST_CARS"]
    train, test = load("cars", "train", root=root), load("cars", "test", root=root)
    assert not set(train.classes) & set(test.classes)
    for dataset in (train, test):
        assert dataset.targets.unique().tolist() == list(range(98))
        assert dataset[0][0].shape == (3, 224, 224)
