import os
from dataclasses import replace

import pytest
import torch
from PIL import Image

from dmlviz.datasets import load
from dmlviz.datasets.real import inshop
from dmlviz.evaluation import evaluate

HEADER = "image_name item_id evaluation_status"
LINES = [
    "img/WOMEN/Dresses/id_00000002/02_1_front.jpg   id_00000002 train",
    "img/WOMEN/Dresses/id_00000002/02_2_side.jpg    id_00000002 train",
    "img/MEN/Denim/id_00000080/01_1_front.jpg       id_00000080 gallery",
    "img/MEN/Denim/id_00000080/01_7_additional.jpg  id_00000080 query",
    "img/WOMEN/Skirts/id_00000033/01_1_front.jpg    id_00000033 query",
    "img/WOMEN/Skirts/id_00000033/01_3_back.jpg     id_00000033 gallery",
    "img/WOMEN/Skirts/id_00000033/01_4_full.jpg     id_00000033 query",
    "img/MEN/Shorts/id_00000001/01_1_front.jpg      id_00000001 train",
    "img/WOMEN/Tees/id_00000044/01_1_front.jpg      id_00000044 gallery",
]


def make_inshop(folder, lines=LINES, images="Img", place="Eval"):
    """A small In-shop Clothes in the official format; an image's grey is the number of its item."""
    for line in lines:
        path, item, _ = line.split()
        file = folder / images / path
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (20, 16), int(item[3:])).save(file)
    partition = folder / place / "list_eval_partition.txt"
    partition.parent.mkdir(parents=True, exist_ok=True)
    partition.write_text("\n".join([str(len(lines)), HEADER, *lines]) + "\n")
    return folder


def load_part(split, root, **options):
    with pytest.warns(UserWarning, match="cannot be compared with published ones"):
        return load("inshop", split, root=root, **options)


@pytest.fixture
def folder(tmp_path):
    return make_inshop(tmp_path / "inshop")


def change_line(folder, number, text):
    partition = folder / "Eval" / "list_eval_partition.txt"
    lines = partition.read_text().splitlines()
    lines[number - 1] = text
    partition.write_text("\n".join(lines) + "\n")


TESTED = ["id_00000033", "id_00000044", "id_00000080"]


@pytest.mark.parametrize(
    ("split", "classes", "targets"),
    [
        ("train", ["id_00000001", "id_00000002"], [1, 1, 0]),
        ("query", TESTED, [2, 0, 0]),
        ("gallery", TESTED, [2, 0, 1]),
    ],
)
def test_the_list_decides_split_order_and_targets(folder, split, classes, targets):
    dataset = load_part(split, folder.parent)
    assert dataset.classes == classes
    assert dataset.targets.tolist() == targets
    listed = [line.split()[0] for line in LINES if line.endswith(split)]
    assert [path.relative_to(folder / "Img").as_posix() for path in dataset.paths] == listed


@pytest.mark.parametrize("split", ["train", "query", "gallery"])
def test_image_and_target_belong_together(folder, split):
    dataset = load_part(split, folder.parent)
    for i in range(len(dataset)):
        item = int(dataset.classes[dataset.targets[i]][3:])
        grey = dataset.image(i).getpixel((5, 5))[0]
        assert grey == item


def test_queries_search_the_gallery_by_common_targets(folder):
    class Brightness(torch.nn.Module):
        def forward(self, x):
            return x.mean(dim=(2, 3))

    def small(image):
        return torch.full((1, 2, 2), float(image.getpixel((5, 5))[0]))

    query, gallery = (load_part(s, folder.parent, transform=small) for s in ("query", "gallery"))
    report = evaluate(
        Brightness(), query, gallery=gallery, metric="euclidean", protocol="inshop", nmi=False
    )
    assert report.recall[1] == 1
    assert (report.queries, report.gallery_size, report.without_relevant) == (3, 3, 0)
    assert "protocol 'inshop'" in report.note()


@pytest.mark.parametrize("name", ["inshop", "In-shop Clothes Retrieval Benchmark", "."])
@pytest.mark.parametrize("images", ["Img", "."])
@pytest.mark.parametrize("place", ["Eval", "."])
def test_layouts_that_are_found(tmp_path, name, images, place):
    make_inshop(tmp_path / name, images=images, place=place)
    assert len(load_part("query", tmp_path)) == 3
    assert len(load_part("query", tmp_path / name)) == 3


def test_default_item_is_224_pixels(folder):
    x, target = load_part("gallery", folder.parent)[2]
    assert (x.shape, x.dtype, target) == ((3, 224, 224), torch.float32, 1)


def test_custom_transform_is_used(folder):
    dataset = load_part("query", folder.parent, transform=lambda image: image.size)
    assert dataset[0] == ((20, 16), 2)


@pytest.mark.parametrize(
    ("split", "official"),
    [("train", "25,882 images of 3,997"), ("query", "14,218 images of 3,985")],
)
def test_part_of_the_data_set_warns_with_the_counts(folder, split, official):
    with pytest.warns(UserWarning, match=f"'{split}' split has 3 images .* {official}") as caught:
        load("inshop", split, root=folder.parent)
    assert caught[0].filename == __file__


def test_whole_data_set_does_not_warn(folder, monkeypatch):
    monkeypatch.setattr(inshop, "SOURCE", replace(inshop.SOURCE, official=(("query", 3, 3),)))
    assert len(load("inshop", "query", root=folder.parent)) == 3


def test_official_counts_are_those_of_the_papers():
    assert inshop.SOURCE.official == (
        ("train", 3997, 25882), ("query", 3985, 14218), ("gallery", 3985, 12612)
    )  # fmt: skip


def test_val_classes_holds_out_the_last_training_classes(folder):
    train, val = (load("inshop", s, root=folder.parent, val_classes=1) for s in ("train", "val"))
    assert (train.classes, train.targets.tolist()) == (["id_00000001"], [0])
    assert (val.classes, val.targets.tolist()) == (["id_00000002"], [0, 0])


def test_val_without_val_classes_is_refused(folder):
    with pytest.raises(ValueError, match=r'In-shop has no official "val" split.*val_classes='):
        load("inshop", "val", root=folder.parent)


@pytest.mark.parametrize("val_classes", [-1, 2])
def test_val_classes_must_leave_training_classes(folder, val_classes):
    with pytest.raises(ValueError, match=f"at most 1, got {val_classes}"):
        load("inshop", "train", root=folder.parent, val_classes=val_classes)


def test_there_is_no_test_split(folder):
    with pytest.raises(ValueError, match="split must be one of train, val, query, gallery"):
        load("inshop", "test", root=folder.parent)


@pytest.mark.parametrize("count", ["8", "10", "many", HEADER])
def test_count_that_differs_from_the_lines_is_an_error(folder, count):
    change_line(folder, 1, count)
    with pytest.raises(ValueError, match=rf"line 1: 9 images follow, but the list says '{count}'"):
        load("inshop", "train", root=folder.parent)


@pytest.mark.parametrize("header", ["image_name evaluation_status", LINES[0]])
def test_list_of_another_benchmark_is_refused(folder, header):
    change_line(folder, 2, header)
    with pytest.raises(ValueError, match=r"line 2: expected the header 'image_name.*another data"):
        load("inshop", "train", root=folder.parent)


@pytest.mark.parametrize("line", ["img/a.jpg id_00000002", "", "img/a b.jpg id_00000002 train"])
def test_damaged_line_is_named(folder, line):
    change_line(folder, 4, line)
    with pytest.raises(ValueError, match=rf"partition\.txt, line 4: expected .* got '{line}'"):
        load("inshop", "train", root=folder.parent)


def test_unknown_status_is_named(folder):
    change_line(folder, 5, LINES[2].replace("gallery", "test"))
    with pytest.raises(ValueError, match=r"line 5: evaluation_status must be .* got 'test'"):
        load("inshop", "train", root=folder.parent)


def test_image_named_twice_is_an_error(folder):
    # as query and in the gallery it would be its own nearest neighbour
    change_line(folder, 6, LINES[2].replace("gallery", "query"))
    with pytest.raises(ValueError, match=r"line 6: img/MEN/Denim\S+ is named a second time"):
        load("inshop", "query", root=folder.parent)


@pytest.mark.parametrize("split", ["train", "gallery"])
def test_item_on_both_sides_is_an_error(folder, split):
    change_line(folder, 4, LINES[1].replace("train", "query"))
    with pytest.raises(ValueError, match="id_00000002 is both in train and in query or gallery"):
        load("inshop", split, root=folder.parent)


@pytest.mark.parametrize("split", ["train", "query", "gallery"])
def test_list_without_the_split_is_an_error(tmp_path, split):
    make_inshop(tmp_path, [line for line in LINES if not line.endswith(split)])
    with pytest.raises(ValueError, match=f"names no image of the '{split}' split"):
        load("inshop", split, root=tmp_path)


def test_folder_without_the_list_is_an_error(folder):
    (folder / "Eval" / "list_eval_partition.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"inshop has no Eval/list_eval_partition\.txt"):
        load("inshop", "train", root=folder.parent)


@pytest.mark.parametrize("exists", [True, False])
def test_wrong_root_is_an_error_with_the_way_to_get_the_data(tmp_path, exists):
    root = tmp_path if exists else tmp_path / "nowhere"
    message = r"no inshop in .*mmlab.*password.*img\.zip.*DMLVIZ_DATA"
    with pytest.raises(FileNotFoundError, match=message):
        load("inshop", "train", root=root)


@pytest.mark.parametrize("damage", ["missing", "empty"])
def test_missing_or_empty_image_is_found_when_loading(folder, damage):
    image = folder / "Img" / LINES[3].split()[0]
    image.unlink()
    if damage == "empty":
        image.touch()
    with pytest.raises(FileNotFoundError, match=r"1 of 3 images are missing or empty.*01_7_add"):
        load("inshop", "query", root=folder.parent)
    assert len(load_part("gallery", folder.parent)) == 3


@pytest.mark.skipif("DMLVIZ_TEST_INSHOP" not in os.environ, reason="DMLVIZ_TEST_INSHOP is not set")
def test_real_data_has_the_official_counts():
    root = os.environ["DMLVIZ_TEST_INSHOP"]
    train, query, gallery = (load("inshop", s, root=root) for s in ("train", "query", "gallery"))
    assert query.classes == gallery.classes
    assert not set(train.classes) & set(query.classes)
    assert set(query.targets.tolist()) == set(gallery.targets.tolist())
