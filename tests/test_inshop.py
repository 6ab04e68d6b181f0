import os

import pytest
import torch

from class_sets import INSHOP_HEADER, INSHOP_LINES, change_line, load_part, make_inshop
from dmlviz.datasets import load
from dmlviz.evaluation import evaluate

LIST = "Eval/list_eval_partition.txt"


@pytest.fixture
def folder(tmp_path):
    return make_inshop(tmp_path / "inshop")


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
    dataset = load_part("inshop", split, folder.parent)
    assert dataset.classes == classes
    assert dataset.targets.tolist() == targets
    listed = [line.split()[0] for line in INSHOP_LINES if line.endswith(split)]
    assert [path.relative_to(folder / "Img").as_posix() for path in dataset.paths] == listed


def test_queries_search_the_gallery_by_common_targets(folder):
    class Brightness(torch.nn.Module):
        def forward(self, x):
            return x.mean(dim=(2, 3))

    def small(image):
        return torch.full((1, 2, 2), float(image.getpixel((5, 5))[0]))

    query, gallery = (
        load_part("inshop", s, folder.parent, transform=small) for s in ("query", "gallery")
    )
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
    assert len(load_part("inshop", "query", tmp_path)) == 3
    assert len(load_part("inshop", "query", tmp_path / name)) == 3


@pytest.mark.parametrize("count", ["8", "10", "many", INSHOP_HEADER])
def test_count_that_differs_from_the_lines_is_an_error(folder, count):
    change_line(folder / LIST, 1, count)
    with pytest.raises(ValueError, match=rf"line 1: 9 images follow, but the list says '{count}'"):
        load("inshop", "train", root=folder.parent)


@pytest.mark.parametrize("header", ["image_name evaluation_status", INSHOP_LINES[0]])
def test_list_of_another_benchmark_is_refused(folder, header):
    change_line(folder / LIST, 2, header)
    with pytest.raises(ValueError, match=r"line 2: expected the header 'image_name.*another data"):
        load("inshop", "train", root=folder.parent)


@pytest.mark.parametrize("line", ["img/a.jpg id_00000002", "", "img/a b.jpg id_00000002 train"])
def test_damaged_line_is_named(folder, line):
    change_line(folder / LIST, 4, line)
    with pytest.raises(ValueError, match=rf"partition\.txt, line 4: expected .* got '{line}'"):
        load("inshop", "train", root=folder.parent)


def test_unknown_status_is_named(folder):
    change_line(folder / LIST, 5, INSHOP_LINES[2].replace("gallery", "test"))
    with pytest.raises(ValueError, match=r"line 5: evaluation_status must be .* got 'test'"):
        load("inshop", "train", root=folder.parent)


def test_image_named_twice_is_an_error(folder):
    # as query and in the gallery it would be its own nearest neighbour
    change_line(folder / LIST, 6, INSHOP_LINES[2].replace("gallery", "query"))
    with pytest.raises(ValueError, match=r"line 6: img/MEN/Denim\S+ is named a second time"):
        load("inshop", "query", root=folder.parent)


@pytest.mark.parametrize("split", ["train", "gallery"])
def test_item_on_both_sides_is_an_error(folder, split):
    change_line(folder / LIST, 4, INSHOP_LINES[1].replace("train", "query"))
    with pytest.raises(ValueError, match="id_00000002 is both in train and in query or gallery"):
        load("inshop", split, root=folder.parent)


@pytest.mark.parametrize("split", ["train", "query", "gallery"])
def test_list_without_the_split_is_an_error(tmp_path, split):
    make_inshop(tmp_path, [line for line in INSHOP_LINES if not line.endswith(split)])
    with pytest.raises(ValueError, match=f"names no image of the '{split}' split"):
        load("inshop", split, root=tmp_path)


@pytest.mark.skipif("DMLVIZ_TEST_INSHOP" not in os.environ, reason="DMLVIZ_TEST_INSHOP is not set")
def test_real_data_has_the_official_counts():
    root = os.environ["DMLVIZ_TEST_INSHOP"]
    train, query, gallery = (load("inshop", s, root=root) for s in ("train", "query", "gallery"))
    assert query.classes == gallery.classes
    assert not set(train.classes) & set(query.classes)
    assert set(query.targets.tolist()) == set(gallery.targets.tolist())
