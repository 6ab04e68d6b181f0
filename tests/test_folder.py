import numpy as np
import pytest
import torch
from PIL import Image

from dmlviz.datasets import load
from dmlviz.datasets.base import open_image
from dmlviz.datasets.folder import draw_splits


def make_folder(root, classes, images_per_class=2):
    """`root/class/number.png`; the grey value of every image tells its class."""
    for i, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for j in range(images_per_class):
            Image.new("L", (12, 8), 10 * i).save(root / name / f"{j}.png")
    return root


@pytest.fixture
def root(tmp_path):
    return make_folder(tmp_path / "images", [f"class{i}" for i in range(10)])


def test_all_holds_every_class_in_alphabetical_order(root):
    dataset = load("folder", "all", root=root)
    assert dataset.classes == [f"class{i}" for i in range(10)]
    assert dataset.targets.tolist() == [i for i in range(10) for _ in range(2)]


def test_image_and_target_belong_together(root):
    dataset = load("folder", "test", root=root)
    for i in range(len(dataset)):
        grey = dataset.image(i).getpixel((0, 0))[0]
        assert dataset.classes[dataset.targets[i]] == f"class{grey // 10}"


def test_drawn_splits_divide_the_classes(root):
    train, val, test = (load("folder", s, root=root).classes for s in ("train", "val", "test"))
    assert (len(train), len(val), len(test)) == (4, 1, 5)
    assert sorted(train + val + test) == [f"class{i}" for i in range(10)]


def test_fractions_change_the_draw(root):
    options = {"test_fraction": 0.2, "val_fraction": 0.5}
    sizes = [len(load("folder", s, root=root, **options).classes) for s in ("train", "val", "test")]
    assert sizes == [4, 4, 2]


def test_draw_follows_from_the_seed():
    names = [f"class{i}" for i in range(40)]
    assert draw_splits(names, 0.5, 0.2, seed=1) == draw_splits(names[::-1], 0.5, 0.2, seed=1)
    assert draw_splits(names, 0.5, 0.2, seed=1) != draw_splits(names, 0.5, 0.2, seed=2)


def test_seed_reaches_the_data_set(root):
    drawn = {tuple(load("folder", "test", root=root, seed=seed).classes) for seed in range(8)}
    assert len(drawn) > 1


def test_own_lists_name_the_classes_in_their_order(root):
    splits = {"train": ["class7", "class2"], "test": ["class1"]}
    train = load("folder", "train", root=root, splits=splits)
    assert train.classes == ["class7", "class2"]
    assert [train.image(i).getpixel((0, 0))[0] for i in range(4)] == [70, 70, 20, 20]
    assert train.targets.tolist() == [0, 0, 1, 1]
    assert load("folder", "test", root=root, splits=splits).classes == ["class1"]


def test_images_in_deeper_folders_belong_to_the_class(tmp_path):
    make_folder(tmp_path, ["a", "b"])
    (tmp_path / "a" / "deeper").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "a" / "deeper" / "x.jpg")
    assert load("folder", "all", root=tmp_path).targets.tolist() == [0, 0, 0, 1, 1]


def test_every_usual_kind_of_image_is_found_and_becomes_rgb(tmp_path):
    make_folder(tmp_path, ["a"], 1)
    (tmp_path / "b").mkdir()
    for mode, name in [
        ("RGB", "0.JPG"),
        ("CMYK", "1.jpeg"),
        ("RGBA", "2.png"),
        ("P", "3.gif"),
        ("1", "4.bmp"),
        ("RGB", "5.webp"),
        ("F", "6.tif"),
        ("L", "7.pgm"),
    ]:
        Image.new(mode, (9, 9)).save(tmp_path / "b" / name)
    dataset = load("folder", "all", root=tmp_path)
    assert len(dataset) == 9
    assert {dataset.image(i).mode for i in range(9)} == {"RGB"}


def test_other_files_and_hidden_folders_are_left_alone(tmp_path):
    make_folder(tmp_path, ["a", "b", ".hidden"])
    (tmp_path / "a" / "notes.txt").write_text("no image")
    (tmp_path / "readme.png").write_bytes(b"")
    dataset = load("folder", "all", root=tmp_path)
    assert dataset.classes == ["a", "b"]
    assert len(dataset) == 4


def test_folders_without_images_are_left_out_with_a_warning(tmp_path):
    make_folder(tmp_path, ["a", "b"])
    (tmp_path / "empty").mkdir()
    with pytest.warns(UserWarning, match=r"1 of the 3 folders in .* hold no image") as caught:
        dataset = load("folder", "all", root=tmp_path)
    assert dataset.classes == ["a", "b"]
    assert caught[0].filename == __file__  # it points at the line that called load


def test_default_item_is_rgb_at_64_pixels_in_minus_one_to_one(root):
    x, target = load("folder", "test", root=root)[0]
    assert (x.shape, x.dtype) == ((3, 64, 64), torch.float32)
    assert x.min() >= -1
    assert x.max() <= 1
    assert target == 0


def test_only_training_images_are_augmented(tmp_path):
    noise = np.random.default_rng(0).integers(256, size=(40, 40, 3), dtype=np.uint8)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.fromarray(noise).save(tmp_path / name / "0.png")
    splits = {"train": ["a"], "test": ["b"]}
    train, test = (load("folder", s, root=tmp_path, splits=splits) for s in splits)
    assert not torch.equal(train[0][0], train[0][0])
    assert torch.equal(test[0][0], test[0][0])


def test_custom_transform_is_used(root):
    assert load("folder", "all", root=root, transform=lambda image: image.size)[0] == ((12, 8), 0)


def test_images_of_a_class_keep_their_order_by_name(tmp_path):
    make_folder(tmp_path, ["a", "b"], images_per_class=12)
    names = [p.name for p in load("folder", "all", root=tmp_path).paths[:12]]
    assert names == sorted(names)


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no folder .*nowhere: give root="):
        load("folder", "all", root=tmp_path / "nowhere")


def test_folder_without_classes_is_an_error_that_shows_the_layout(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "0.png")
    with pytest.raises(ValueError, match=r"holds 0 folders with images.*root/class/image"):
        load("folder", "all", root=tmp_path)


def test_one_class_is_too_few(tmp_path):
    with pytest.raises(ValueError, match=r"holds 1 folders with images.*at least 2 classes"):
        load("folder", "all", root=make_folder(tmp_path, ["only"]))


def test_too_few_classes_for_a_split_is_an_error_with_the_remedy(tmp_path):
    make_folder(tmp_path, ["a", "b"])
    with pytest.raises(ValueError, match=r"has no 'val' classes: its 2 classes are too few"):
        load("folder", "val", root=tmp_path)


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ({"train": ["class0", "class99"]}, "names the class 'class99', but"),
        ({"train": ["class0"], "test": ["class0"]}, "'class0' in 'train' and in 'test'"),
        ({"training": ["class0"]}, "split must be one of train, val, test, got 'training'"),
    ],
)
def test_lists_that_do_not_fit_the_folder_are_refused(root, splits, message):
    with pytest.raises(ValueError, match=message):
        load("folder", "train", root=root, splits=splits)


@pytest.mark.parametrize("option", ["test_fraction", "val_fraction"])
@pytest.mark.parametrize("share", [-0.1, 1.0, 50])
def test_fraction_outside_its_range_is_refused(root, option, share):
    with pytest.raises(ValueError, match=f"{option} must be at least 0 and below 1"):
        load("folder", "train", root=root, **{option: share})


def test_unknown_split_is_refused(root):
    with pytest.raises(ValueError, match="split must be one of train, val, test, all, got 'dev'"):
        load("folder", "dev", root=root)


@pytest.mark.parametrize("content", [b"", b"no image", "cut"])
def test_image_that_does_not_decode_is_named_when_it_is_asked_for(root, content):
    broken = root / "class3" / "1.png"
    broken.write_bytes(broken.read_bytes()[:-25] if content == "cut" else content)
    dataset = load("folder", "all", root=root)
    with pytest.raises(ValueError, match=r"class3.1\.png cannot be decoded"):
        dataset[7]


def test_image_that_has_gone_is_named_when_it_is_asked_for(root):
    dataset = load("folder", "all", root=root)
    (root / "class3" / "1.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"class3.1\.png is gone"):
        dataset[7]


def test_counts_of_classes_need_not_be_equal(tmp_path):
    make_folder(tmp_path, ["a", "b"], images_per_class=1)
    Image.new("L", (8, 8)).save(tmp_path / "b" / "more.png")
    dataset = load("folder", "train", root=tmp_path, splits={"train": ["b", "a"]})
    assert dataset.targets.tolist() == [0, 0, 1]


def test_hidden_files_and_folders_inside_a_class_are_left_alone(tmp_path):
    make_folder(tmp_path, ["a", "b"])
    (tmp_path / "a" / ".ipynb_checkpoints").mkdir()
    Image.new("L", (8, 8)).save(tmp_path / "a" / ".ipynb_checkpoints" / "0-checkpoint.png")
    (tmp_path / "a" / "._1.png").write_bytes(b"\0\5\x16\7")  # macOS writes such on other disks
    assert len(load("folder", "all", root=tmp_path)) == 4


def test_sixteen_bit_image_keeps_its_shades(tmp_path):
    Image.fromarray(np.array([[0, 20000, 65535]], np.uint16)).save(tmp_path / "x.png")
    assert open_image(tmp_path / "x.png").getpixel((1, 0))[0] == pytest.approx(78, abs=1)
