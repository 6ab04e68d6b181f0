import json
import os
from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image

from dmlviz.datasets import captions
from dmlviz.datasets.real import coco
from dmlviz.datasets.real.coco import COCO

THINGS = ("dog", "ball", "boy", "girl", "car", "snow", "beach")
IDS = [7 * i % 41 + 1 for i in range(40)]  # in another order than their numbers
KARPATHY = {"train": 6, "restval": 4, "val": 3, "test": 21}


def texts(n):
    """Five captions of things that the image's number chooses, sometimes six."""
    a, b = THINGS[n % 7], THINGS[n // 7 % 7]
    many = [f"A {a} and a {b} .", f"the {a}", f"Two {b}s by a {a}", f"a big {b} .", f"{a} , {b}"]
    return [*many, f"{b}!"] if n % 5 == 0 else many


def official(ids=IDS):
    annotations = [
        {"image_id": n, "id": 100 * n + k, "caption": texts(n)[k]}
        for k in range(6)
        for n in ids
        if k < len(texts(n))
    ]
    images = [{"license": 1, "file_name": f"{n:012d}.jpg", "id": n} for n in ids]
    return {"info": {}, "images": images, "annotations": annotations}


def karpathy():
    """Images of two folders; restval ones lie beside those of val."""
    images = []
    for split, count in KARPATHY.items():
        for _ in range(count):
            n = len(images) + 1
            part = "train2014" if split == "train" else "val2014"
            sentences = [{"raw": text, "tokens": text.lower().split()} for text in texts(n)]
            images.append(
                {
                    **{"filepath": part, "filename": f"COCO_{part}_{n:012d}.jpg", "cocoid": n},
                    **{"split": split, "sentences": sentences, "imgid": n - 1},
                }
            )
    images[1], images[12] = images[12], images[1]  # splits are mixed in the file
    return {"dataset": "coco", "images": images}


def write_image(path):
    path.parent.mkdir(exist_ok=True)
    Image.new("RGB", (20, 16), (int(path.stem[-12:]),) * 3).save(path)


@pytest.fixture
def folder(tmp_path):
    """A small MS-COCO in the official format."""
    folder = tmp_path / "coco"
    (folder / "annotations").mkdir(parents=True)
    (folder / "annotations" / "captions_val2017.json").write_text(json.dumps(official()))
    for n in IDS:
        write_image(folder / "val2017" / f"{n:012d}.jpg")
    return folder


@pytest.fixture
def split_file(folder):
    """The file of Karpathy's splits, in the same folder, with its images."""
    path = folder / "dataset_coco.json"
    path.write_text(json.dumps(karpathy()))
    for item in karpathy()["images"]:
        write_image(folder / item["filepath"] / item["filename"])
    return path


def everything(root, **options):
    return {split: COCO(split, root, **options) for split in COCO.splits}


def change(path, edit):
    stored = json.loads(path.read_text())
    edit(stored)
    path.write_text(json.dumps(stored))


# --- our splits of an official file


def test_images_are_shared_in_the_stated_proportions_and_none_twice(folder):
    parts = everything(folder.parent)
    assert {s: len(d) for s, d in parts.items()} == {
        "train": 24,
        "val": 4,
        "query": 2,
        "gallery": 10,
    }
    assert sorted(n for d in parts.values() for n in d.ids) == sorted(IDS)


def test_the_shuffled_order_is_fixed_and_items_are_sorted(folder):
    parts = everything(folder.parent)
    assert parts["query"].ids == [16, 25]
    assert all(d.ids == sorted(d.ids) for d in parts.values())


def test_order_of_the_file_does_not_matter(folder):
    before = {split: d.ids for split, d in everything(folder.parent).items()}
    file = folder / "annotations" / "captions_val2017.json"
    change(file, lambda stored: stored["images"].reverse())
    assert {split: d.ids for split, d in everything(folder.parent).items()} == before


def test_number_captions_and_image_belong_together(folder):
    dataset = COCO("gallery", folder.parent, transform=lambda image: image)
    for i, n in enumerate(dataset.ids):
        assert dataset.captions[i] == texts(n)
        image, number = dataset[i]
        assert number == i
        assert image.getpixel((5, 5)) == pytest.approx((n,) * 3, abs=2)


def test_default_item_is_224_pixels_and_only_training_ones_vary(folder):
    train, val = COCO("train", folder.parent), COCO("val", folder.parent)
    noise = np.random.default_rng(0).integers(256, size=(50, 50, 3), dtype=np.uint8)
    for path in (train.paths[0], val.paths[0]):
        Image.fromarray(noise).save(path)
    assert train[0][0].shape == val[0][0].shape == (3, 224, 224)
    assert not torch.equal(train[0][0], train[0][0])
    assert torch.equal(val[0][0], val[0][0])


def test_release_chooses_captions_and_images(folder):
    ids = [n + 100 for n in IDS]
    (folder / "annotations" / "captions_train2017.json").write_text(json.dumps(official(ids)))
    for n in ids:
        write_image(folder / "train2017" / f"{n:012d}.jpg")
    dataset = COCO("train", folder.parent, release="train2017")
    assert {path.parent.name for path in dataset.paths} == {"train2017"}
    assert min(dataset.ids) > 100


def test_captions_may_lie_beside_the_images_and_root_be_the_folder(folder, monkeypatch):
    expected = COCO("val", folder).paths
    monkeypatch.setenv("DMLVIZ_DATA", str(folder.parent))
    assert COCO("val").paths == expected
    (folder / "annotations" / "captions_val2017.json").rename(folder / "captions_val2017.json")
    assert COCO("val", folder).paths == COCO("val").paths == expected


# --- Karpathy's splits


def test_karpathy_file_decides_where_it_is(folder, split_file):
    parts = everything(folder.parent)
    by_split = {
        split: [item["cocoid"] for item in karpathy()["images"] if item["split"] == split]
        for split in KARPATHY
    }
    assert parts["train"].ids == by_split["train"] + by_split["restval"]
    assert parts["val"].ids == by_split["val"]
    assert parts["query"].ids == by_split["test"][::10]
    assert len(parts["query"]) == 3
    assert parts["gallery"].ids == [n for i, n in enumerate(by_split["test"]) if i % 10]
    for dataset in parts.values():
        assert dataset.captions == [texts(n) for n in dataset.ids]
        assert [int(path.stem[-12:]) for path in dataset.paths] == dataset.ids


def test_restval_may_stay_out_of_training(folder, split_file):
    both, train = COCO("train", folder), COCO("train", folder, restval=False)
    assert both.ids[: len(train)] == train.ids
    assert (len(both), len(train)) == (10, 6)


def test_words_are_learned_from_the_training_split_with_restval(folder, split_file):
    expected = captions.learn_vocabulary(COCO("train", folder).captions)
    assert COCO("query", folder)._words.vocabulary.same_as(expected)
    fewer = captions.learn_vocabulary(COCO("train", folder, restval=False).captions)
    assert COCO("query", folder, restval=False)._words.vocabulary.same_as(fewer)
    assert not fewer.same_as(expected)


def test_release_comes_before_karpathy(folder, split_file):
    assert COCO("val", folder, release="val2017").paths[0].parent.name == "val2017"


# --- label distances


def naive_relaxed(s, t, vocabulary):
    """RWMD of two captions, word by word."""
    s, t = ([w for w in captions.tokenize(c) if w in vocabulary.rows] for c in (s, t))

    def one_way(a, b):
        vector = lambda w: vocabulary.vectors[vocabulary.rows[w]]  # noqa: E731
        return sum(min(np.linalg.norm(vector(w) - vector(u)) for u in b) for w in a) / len(a)

    return max(one_way(s, t), one_way(t, s))


def test_label_distances_equal_the_naive_loop(folder):
    query, gallery = COCO("query", folder), COCO("gallery", folder)
    vocabulary = captions.learn_vocabulary(COCO("train", folder).captions)
    expected = []
    for a in query.captions:
        for b in gallery.captions:
            d = np.array([[naive_relaxed(s, t, vocabulary) for t in b] for s in a])
            expected.append((d.min(axis=1).mean() + d.min(axis=0).mean()) / 2)
    found = query.label_distances(other=gallery).double().flatten()
    torch.testing.assert_close(found, torch.tensor(expected), atol=1e-3, rtol=1e-3)


def test_given_vectors_are_used(folder):
    vectors = {"dog": [1.0, 0.0], "snow": [0.0, 3.0], "ball": [0.0, 1.0]}
    query, gallery = (COCO(s, folder, vectors=vectors) for s in ("query", "gallery"))
    words = captions.learn_vocabulary([["a dog"]], vectors=vectors)
    assert query._words.vocabulary.same_as(words)
    assert query.label_distances(other=gallery).isfinite().all()


# --- what may be missing or broken


def test_missing_data_says_how_to_get_it(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"no coco/annotations/captions_val2017\.json in .*cocodataset\.org"
    ):
        COCO("train", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no coco/annotations/captions_val2014\.json"):
        COCO("train", tmp_path, release="val2014")


def test_missing_images_are_counted(folder):
    paths = COCO("gallery", folder).paths
    paths[2].unlink()
    paths[4].write_bytes(b"")
    match = rf"2 of 10 images .*{paths[2].name}: unpack .*val2017, or pass captions_only=True"
    with pytest.raises(FileNotFoundError, match=match):
        COCO("gallery", folder)
    assert len(COCO("val", folder)) == 4  # images of other splits do not matter


def test_captions_alone_have_distances_but_no_items(folder):
    expected = COCO("val", folder).label_distances()
    for path in (folder / "val2017").iterdir():
        path.unlink()
    dataset = COCO("val", folder, captions_only=True)
    torch.testing.assert_close(dataset.label_distances(), expected)
    with pytest.raises(FileNotFoundError, match=r"\d\.jpg is missing: unpack the images of MS-C"):
        dataset[0]


def test_unknown_split_is_refused(folder):
    with pytest.raises(ValueError, match="must be one of train, val, query, gallery, got 'test'"):
        COCO("test", folder)


def test_split_that_would_be_empty_is_refused(folder, split_file):
    change(split_file, lambda s: s.update(images=[x for x in s["images"] if x["split"] != "val"]))
    with pytest.raises(ValueError, match=r"dataset_coco\.json has no image for the split 'val'"):
        COCO("val", folder)


@pytest.mark.parametrize("keep", [0, 50, -40])
@pytest.mark.parametrize("name", ["annotations/captions_val2017.json", "dataset_coco.json"])
def test_damaged_file_is_named(folder, name, keep):
    text = json.dumps(karpathy() if name == coco.KARPATHY else official())
    (folder / name).write_text(text[:keep])
    with pytest.raises(ValueError, match=rf"{name} cannot be read as JSON .*: get the file again"):
        COCO("train", folder)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda s: s.pop("images"), "has no list 'images'"),
        (lambda s: s.update(annotations=[]), "has no list 'annotations'"),
        (lambda s: s["annotations"][3].pop("caption"), r"annotations\[3\] has no 'caption' \(str"),
        (lambda s: s["images"][2].update(id="7"), r"images\[2\] has no 'id' \(int\)"),
        (lambda s: s["images"].append(s["images"][0]), "image 1 has no caption, or two entries"),
        (lambda s: s["images"].append({"id": 999, "file_name": "x.jpg"}), "image 999 has no capt"),
        (lambda s: s["images"].pop(), r"1 images have captions but no entry in 'images', such as"),
    ],
)
def test_damaged_entry_of_the_official_file_is_named(folder, edit, message):
    change(folder / "annotations" / "captions_val2017.json", edit)
    with pytest.raises(ValueError, match=rf"captions_val2017\.json.*{message}"):
        COCO("train", folder)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda images: images.clear(), "has no list 'images'"),
        (lambda images: images[4].pop("filepath"), r"images\[4\] has no 'filepath'"),
        (lambda images: images[4].update(sentences=[]), "image 5 has no caption"),
        (lambda images: images[4].update(split="dev"), "image 5 is in the split 'dev'"),
        (lambda images: images[4]["sentences"][1].pop("raw"), r"images\[4\]\.sentences has no 'r"),
    ],
)
def test_damaged_entry_of_karpathys_file_is_named(folder, split_file, edit, message):
    change(split_file, lambda stored: edit(stored["images"]))
    with pytest.raises(ValueError, match=rf"dataset_coco\.json.*{message}"):
        COCO("train", folder)


@pytest.mark.skipif("DMLVIZ_TEST_COCO" not in os.environ, reason="DMLVIZ_TEST_COCO names no data")
def test_real_captions_are_five_an_image_and_near_captions_near():
    root = os.environ["DMLVIZ_TEST_COCO"]
    parts = everything(root, release="val2017", captions_only=True)
    sizes = {split: len(dataset) for split, dataset in parts.items()}
    assert sizes == {"train": 3000, "val": 500, "query": 250, "gallery": 1250}
    assert len({n for dataset in parts.values() for n in dataset.ids}) == 5000
    counts = Counter(len(texts) for dataset in parts.values() for texts in dataset.captions)
    assert counts == {5: 4987, 6: 12, 7: 1}

    query, gallery = parts["query"], parts["gallery"]
    d = query.label_distances(other=gallery)
    assert 0.2 < d.min() < d.min(dim=1).values.mean() < 0.75 * d.mean() < 1.5
    words = [{w for c in s for w in captions.tokenize(c)} for s in query.captions]
    others = [{w for c in s for w in captions.tokenize(c)} for s in gallery.captions]
    shared = torch.tensor([[len(a & b) for b in others] for a in words]).float()
    nearest = shared.gather(1, d.argmin(dim=1, keepdim=True)).mean()
    assert nearest > 3 * shared.mean()
