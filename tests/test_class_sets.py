"""What every data set with classes keeps to; the rules of each release are in its own file."""

import re
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
import torch
from PIL import Image

from class_sets import PHOTOGRAPHS, SETS, load_part
from dmlviz.datasets import load
from dmlviz.datasets.real.source import NotOfficial

photographs = pytest.mark.parametrize("case", PHOTOGRAPHS, ids=lambda case: case.name)


@pytest.fixture(params=SETS)
def case(request):
    return SETS[request.param]


@pytest.fixture
def root(case, tmp_path):
    case.make(tmp_path)
    return tmp_path


def hold_out(case, split, root, number=1):
    """A split of which the classes held out are not those of the papers: without a warning."""
    return load(case.name, split, root, **{case.option: number})


def all_splits(case, root, **options):
    parts = [load_part(case.name, split, root, **options) for split, _, _ in case.small]
    return [*parts, load(case.name, "val", root, **{case.option: 1}, **options)]


def files(dataset):
    return dataset.drawings if dataset.name == "omniglot" else dataset.paths


def assert_equal(a, b):
    assert (a.classes, files(a)) == (b.classes, files(b))
    assert torch.equal(a.targets, b.targets)


# --- images and items -------------------------------------------------------------------------


def test_image_and_target_belong_together(case, root):
    for dataset in all_splits(case, root):
        for i in range(len(dataset)):
            name = dataset.classes[dataset.targets[i]]
            assert case.shown(dataset.image(i)) == case.number(name)


def test_default_item_is_a_float_tensor_of_the_default_shape_and_a_number(case, root):
    for dataset in all_splits(case, root):
        for i, target in enumerate(dataset.targets.tolist()):
            x, number = dataset[i]
            assert (x.shape, x.dtype, number) == (case.shape, torch.float32, target)
            assert type(number) is int


@photographs
def test_photographs_have_imagenets_normalisation(case, root):
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    for dataset in all_splits(case, root):
        grey = case.number(dataset.classes[dataset.targets[-1]]) / 255
        x, _ = dataset[-1]
        torch.testing.assert_close(x.mean(dim=(1, 2)), (grey - mean) / std, atol=0.02, rtol=0)


def test_only_training_images_are_augmented(case, root):
    noise = np.random.default_rng(0).integers(256, size=(50, 50, 3), dtype=np.uint8)
    for dataset in all_splits(case, root):
        dataset.image = lambda i: Image.fromarray(noise)  # shows every shift, crop and flip
        views = {dataset[0][0].numpy().tobytes() for _ in range(20)}
        assert len(views) > 5 if dataset.split == "train" else len(views) == 1


def test_custom_transform_is_used(case, root):
    for dataset in all_splits(case, root, transform=lambda image: image.size):
        items = [dataset[i] for i in range(len(dataset))]
        assert items == [(case.size, target) for target in dataset.targets.tolist()]


# --- the official split, and a part of it -----------------------------------------------------


def test_part_of_the_data_set_warns_with_the_counts(case, root):
    for (split, c, n), (_, classes, images) in zip(case.small, case.official, strict=True):
        message = (
            f"'{split}' split has {n} images of {c} classes, "
            f"the official one {images:,} images of {classes:,} classes"
        )
        with pytest.warns(NotOfficial, match=message) as caught:
            load(case.name, split, root=root)
        assert caught[0].filename == __file__  # it points at the line that called load


def test_whole_data_set_does_not_warn(case, root, monkeypatch):
    module = import_module(f"dmlviz.datasets.real.{case.name}")
    monkeypatch.setattr(module, "SOURCE", replace(module.SOURCE, official=case.small))
    for split, _, images in case.small:
        assert len(load(case.name, split, root=root)) == images  # a warning would be an error here


def test_official_counts_are_those_of_the_papers(case):
    source = import_module(f"dmlviz.datasets.real.{case.name}").SOURCE
    assert source.official == case.official


def test_other_splits_are_refused(case, root):
    message = f"split must be one of {', '.join(case.splits)}, got "
    for split in {"all", "test", "query"} - {*case.splits}:
        with pytest.raises(ValueError, match=f"{message}'{split}'"):
            load(case.name, split, root=root)


# --- training classes held out ----------------------------------------------------------------


def test_the_last_training_classes_are_held_out(case, root):
    whole = load_part(case.name, "train", root)
    for number, classes in enumerate(case.held, start=1):
        train, val = (hold_out(case, split, root, number) for split in ("train", "val"))
        border = len(whole.classes) - classes
        assert train.classes == whole.classes[:border]
        assert val.classes == whole.classes[border:]
        is_val = whole.targets >= border
        assert torch.equal(train.targets, whole.targets[~is_val])
        assert torch.equal(val.targets, whole.targets[is_val] - border)
        for part, chosen in ((train, ~is_val), (val, is_val)):
            assert files(part) == [files(whole)[i] for i in chosen.nonzero()[:, 0]]


def test_classes_held_out_leave_the_test_alone(case, root):
    for split, _, _ in case.small[1:]:
        held = load_part(case.name, split, root, **{case.option: len(case.held)})
        assert_equal(held, load_part(case.name, split, root))


def test_val_is_refused_unless_classes_are_held_out(case, root):
    message = rf'{case.title} has no official "val" split.*{case.example}'
    with pytest.raises(ValueError, match=message):
        load(case.name, "val", root=root)


@pytest.mark.parametrize("split", ["train", "val"])
def test_classes_held_out_must_leave_training_classes(case, root, split):
    most = len(case.held)
    for number in (most + 1, case.official[0][1]):  # more than there are, in whichever release
        message = f"{case.option} must leave training classes: at most {most}, got {number}"
        with pytest.raises(ValueError, match=message):
            hold_out(case, split, root, number)


@pytest.mark.parametrize("bad", [0.2, "20", None, True, -1])
def test_classes_held_out_are_a_number_for_every_split(case, root, bad):
    message = f"{case.option} must be (a whole number|0 or more), got {bad!r}"
    for split in case.splits:
        with pytest.raises(ValueError if bad == -1 else TypeError, match=message):
            hold_out(case, split, root, bad)


# --- where the data is ------------------------------------------------------------------------


def test_root_may_be_the_folder_itself_or_come_from_the_environment(case, tmp_path, monkeypatch):
    folder = case.make(tmp_path)
    below = load_part(case.name, "train", tmp_path)
    assert_equal(load_part(case.name, "train", folder), below)
    monkeypatch.setenv("DMLVIZ_DATA", str(tmp_path))
    assert_equal(load_part(case.name, "train", None), below)


@pytest.mark.parametrize("exists", [True, False])
def test_wrong_root_is_an_error_with_the_way_to_get_the_data(case, tmp_path, exists):
    root = tmp_path if exists else tmp_path / "nowhere"
    with pytest.raises(FileNotFoundError, match=f"{case.missing}.*DMLVIZ_DATA"):
        load(case.name, "train", root=root)


@photographs
def test_folder_without_its_lists_is_an_error_that_names_the_first(case, tmp_path):
    folder = case.make(tmp_path)
    for file in case.lists:
        (folder / file).unlink()
    message = f"{folder.name} has no {re.escape(case.lists[0])}: (unpack .*|get it from .*)there"
    with pytest.raises(FileNotFoundError, match=message):
        load(case.name, "train", root=tmp_path)


@photographs
@pytest.mark.parametrize("damage", ["missing", "empty"])
def test_missing_or_empty_image_is_found_when_its_own_split_is_loaded(case, root, damage):
    for split, _, images in case.small:
        file = load_part(case.name, split, root).paths[-1]
        content = file.read_bytes()
        file.unlink()
        if damage == "empty":
            file.touch()
        message = f"1 of {images} images are missing or empty, such as {re.escape(str(file))}"
        with pytest.raises(FileNotFoundError, match=message):
            load(case.name, split, root=root)
        for other, _, number in case.small:
            if other != split:
                assert len(load_part(case.name, other, root)) == number
        file.write_bytes(content)
