import os
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from dmlviz.datasets import captions
from dmlviz.datasets.real import flickr8k
from dmlviz.datasets.real.flickr8k import Flickr8k

THINGS = ("dog", "ball", "boy", "girl", "car", "snow", "beach")
LISTS = {"train": "Flickr_8k.trainImages.txt", "val": "Flickr_8k.devImages.txt"}
TEST = "Flickr_8k.testImages.txt"
TOKENS = "Flickr8k.token.txt"


def names(split):
    """Of 14 training, 3 validation and 7 test images; the number is the grey value, too."""
    first, count = {"train": (10, 14), "val": (50, 3), "test": (100, 7)}[split]
    return [f"{n}_ab.jpg" for n in range(first, first + count)]


def texts(name):
    """Five captions of things that the image's number chooses."""
    n = int(name.split("_")[0])
    a, b = THINGS[n % 7], THINGS[n // 7 % 7]
    return [f"A {a} and a {b} .", f"the {a}", f"Two {b}s by a {a}", f"a big {b} .", f"{a} , {b}"]


def make_flickr8k(root, images="Flicker8k_Dataset"):
    """A small Flickr8k in the official format."""
    folder = root / "flickr8k"
    (folder / images).mkdir(parents=True)
    for split, name in (*LISTS.items(), ("test", TEST)):
        (folder / name).write_text("\n".join(names(split)) + "\n")
    every = [name for split in ("train", "val", "test") for name in names(split)]
    for name in every:
        Image.new("RGB", (20, 16), (int(name.split("_")[0]),) * 3).save(folder / images / name)
    lines = [f"{name}#{k}\t{text}" for name in every for k, text in enumerate(texts(name))]
    # The official file, too, has captions of images in no list, and of one that does not exist.
    lines += ["7_ab.jpg#0\ta dog", "8_ab.jpg.1#0\ta cat"]
    (folder / TOKENS).write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def folder(tmp_path):
    return make_flickr8k(tmp_path)


def load_part(split, root, **options):
    with pytest.warns(UserWarning, match="cannot be compared with published ones"):
        return Flickr8k(split, root, **options)


def replace_line(path, number, line):
    lines = path.read_text().splitlines()
    lines[number - 1] = line
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("split", ["train", "val"])
def test_lists_decide_the_split(folder, split):
    dataset = load_part(split, folder.parent)
    assert [p.name for p in dataset.paths] == names(split)
    assert dataset.captions == [texts(name) for name in names(split)]


def test_every_fifth_test_image_is_a_query_and_the_rest_the_gallery(folder):
    query, gallery = (load_part(split, folder.parent) for split in ("query", "gallery"))
    test = names("test")
    assert [p.name for p in query.paths] == [test[0], test[5]]
    assert [p.name for p in gallery.paths] == [*test[1:5], test[6]]
    assert gallery.captions == [texts(p.name) for p in gallery.paths]


def test_image_and_number_belong_together(folder):
    dataset = load_part("gallery", folder.parent, transform=lambda image: image)
    for i in range(len(dataset)):
        image, number = dataset[i]
        assert number == i
        grey = int(dataset.paths[i].name.split("_")[0])
        assert image.getpixel((5, 5)) == pytest.approx((grey,) * 3, abs=2)


def test_default_item_is_224_pixels_with_imagenet_normalisation(folder):
    x, number = load_part("query", folder.parent)[1]
    assert (x.shape, x.dtype, number) == ((3, 224, 224), torch.float32, 1)
    grey = torch.full((3,), 105 / 255)
    expected = (grey - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225])
    torch.testing.assert_close(x.mean(dim=(1, 2)), expected, atol=0.05, rtol=0)


def test_only_training_images_are_augmented(folder):
    train, val = load_part("train", folder.parent), load_part("val", folder.parent)
    noise = np.random.default_rng(0).integers(256, size=(50, 50, 3), dtype=np.uint8)
    for path in (train.paths[0], val.paths[0]):
        Image.fromarray(noise).save(path)
    assert not torch.equal(train[0][0], train[0][0])
    assert torch.equal(val[0][0], val[0][0])


def test_label_distance_is_that_of_captions_with_the_training_words(folder):
    query, gallery = (load_part(split, folder.parent) for split in ("query", "gallery"))
    words = captions.learn_vocabulary([texts(name) for name in names("train")])
    expected = captions.relaxed_distance(
        words.encode(query.captions), words.encode(gallery.captions)
    )
    found = query.label_distances(other=gallery)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    part = query.label_distances(torch.tensor([1]), other=gallery, columns=torch.tensor([4, 0]))
    torch.testing.assert_close(part, expected[1:, [4, 0]], atol=1e-5, rtol=1e-5)


def test_label_distances_are_symmetric_and_zero_to_itself(folder):
    d = load_part("train", folder.parent).label_distances()
    torch.testing.assert_close(d, d.T)
    assert d.diagonal().abs().max() < 1e-6
    assert 0 <= d.min() < d.max() <= 2


def test_given_vectors_are_used(folder):
    vectors = {"dog": [1.0, 0.0], "snow": [0.0, 3.0]}
    dataset = load_part("train", folder.parent, vectors=vectors)
    dog, snow = (names("train").index(name) for name in ("14_ab.jpg", "19_ab.jpg"))
    assert {texts(names("train")[i])[1] for i in (dog, snow)} == {"the dog", "the snow"}
    assert dataset.label_distance(dog, snow) == pytest.approx(2**0.5)


def test_splits_with_other_vectors_have_no_distance(folder):
    query = load_part("query", folder.parent, vectors={"dog": [1.0]})
    with pytest.raises(ValueError, match="two vocabularies: encode both with the same one"):
        query.label_distances(other=load_part("gallery", folder.parent))


def test_an_image_may_have_any_number_of_captions_even_empty_ones(folder):
    tokens = folder / TOKENS
    lines = [x for x in tokens.read_text().splitlines() if not x.startswith("51_ab.jpg")]
    tokens.write_text("\n".join([*lines, "51_ab.jpg#0\t", "51_ab.jpg#1\ta ball"]))
    dataset = load_part("val", folder.parent)
    assert dataset.captions[1] == ["", "a ball"]
    assert dataset.label_distances().isfinite().all()


@pytest.mark.parametrize("images", ["Flicker8k_Dataset", "images"])
def test_folder_of_images_may_have_either_name(tmp_path, images):
    dataset = load_part("val", make_flickr8k(tmp_path, images).parent)
    assert {p.parent.name for p in dataset.paths} == {images}


def test_root_may_be_the_folder_itself_or_come_from_the_environment(folder, monkeypatch):
    paths = load_part("val", folder).paths
    monkeypatch.setenv("DMLVIZ_DATA", str(folder.parent))
    assert load_part("val", None).paths == paths


def test_lines_may_end_as_on_windows(folder):
    for name in (TOKENS, *LISTS.values(), TEST):
        path = folder / name
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert load_part("val", folder.parent).captions == [texts(name) for name in names("val")]


def test_part_of_the_data_set_warns_with_the_counts(folder):
    message = "'train' split has 14 images, the official one 6,000"
    with pytest.warns(UserWarning, match=message):
        Flickr8k("train", folder.parent)


def test_whole_data_set_does_not_warn(folder, monkeypatch):
    official = (("train", 0, 14),)
    monkeypatch.setattr(flickr8k, "SOURCE", replace(flickr8k.SOURCE, official=official))
    assert len(Flickr8k("train", folder.parent)) == 14  # a warning would be an error here


def test_official_counts():
    counts = {split: (classes, images) for split, classes, images in flickr8k.SOURCE.official}
    expected = {"train": (0, 6000), "val": (0, 1000), "query": (0, 200), "gallery": (0, 800)}
    assert counts == expected


def test_unknown_split_is_refused(folder):
    with pytest.raises(ValueError, match="one of train, val, query, gallery, got 'test'"):
        Flickr8k("test", folder.parent)


@pytest.mark.parametrize("exists", [True, False])
def test_missing_data_is_an_error_with_the_way_to_get_it(tmp_path, exists):
    root = tmp_path if exists else tmp_path / "nowhere"
    with pytest.raises(FileNotFoundError, match=r"get Flickr8k from its authors.*DMLVIZ_DATA"):
        Flickr8k("train", root)


@pytest.mark.parametrize("name", [LISTS["train"], TEST])
def test_missing_list_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"{name} is missing: unpack the text archive"):
        Flickr8k("query", folder.parent)


def test_missing_folder_of_images_is_named(folder):
    (folder / "Flicker8k_Dataset").rename(folder / "elsewhere")
    with pytest.raises(FileNotFoundError, match=r"no folder of images: unpack .*Flicker8k_Dataset"):
        Flickr8k("val", folder.parent)


@pytest.mark.parametrize(
    "line", ["", "12_ab.jpg", "12_ab.jpg#1 a dog", "12_ab.jpg\ta dog", "#1\tx"]
)
def test_damaged_line_of_captions_is_named(folder, line):
    replace_line(folder / TOKENS, 12, line)
    with pytest.raises(ValueError, match=r"token\.txt, line 12: expected 'image\.jpg#0<TAB>"):
        Flickr8k("train", folder.parent)


def test_image_without_a_caption_is_named(folder):
    replace_line(folder / LISTS["val"], 2, "999_ab.jpg")
    with pytest.raises(ValueError, match=r"devImages\.txt, line 2: '999_ab\.jpg' has no caption"):
        Flickr8k("val", folder.parent)


def test_image_that_is_named_twice_is_an_error(folder):
    replace_line(folder / LISTS["train"], 3, "10_ab.jpg")
    with pytest.raises(ValueError, match=r"trainImages\.txt, line 3: '10_ab\.jpg' is named a sec"):
        Flickr8k("train", folder.parent)


def test_empty_list_is_an_error(folder):
    (folder / TEST).write_text("")
    with pytest.raises(ValueError, match=r"testImages\.txt names no image"):
        Flickr8k("gallery", folder.parent)


@pytest.mark.parametrize("damage", ["missing", "empty"])
def test_missing_or_empty_image_is_named_with_its_line(folder, damage):
    image = folder / "Flicker8k_Dataset" / "106_ab.jpg"
    image.unlink()
    if damage == "empty":
        image.touch()
    with pytest.raises(ValueError, match=r"testImages\.txt, line 7: .*106_ab\.jpg is missing or"):
        Flickr8k("gallery", folder.parent)
    assert len(load_part("query", folder.parent)) == 2  # images of other splits do not matter


def test_image_that_does_not_decode_is_named_when_it_is_asked_for(folder):
    dataset = load_part("val", folder.parent)
    dataset.paths[1].write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"51_ab\.jpg cannot be decoded"):
        dataset[1]


@pytest.mark.parametrize("index", [3, -4])
def test_index_outside_the_data_set_is_an_index_error(folder, index):
    with pytest.raises(IndexError, match=f"{index} is outside a data set of 3 images"):
        load_part("val", folder.parent)[index]


@pytest.mark.skipif(
    "DMLVIZ_TEST_FLICKR8K" not in os.environ, reason="DMLVIZ_TEST_FLICKR8K names no data"
)
@pytest.mark.filterwarnings("ignore:this Flickr8k")  # a part of the data set will do
def test_real_data_has_five_captions_an_image_and_near_captions_near():
    root = os.environ["DMLVIZ_TEST_FLICKR8K"]
    query, gallery = Flickr8k("query", root), Flickr8k("gallery", root)
    assert Counter(map(len, query.captions + gallery.captions)).keys() == {5}
    assert not {p.name for p in query.paths} & {p.name for p in gallery.paths}
    assert query[0][0].shape == (3, 224, 224)
    d = query.label_distances(other=gallery)
    assert 0.3 < d.min() < d.topk(10, largest=False).values.mean() < 0.75 * d.mean() < 1.5

    # The words that a query shares with its nearest image are more than with any image.
    words = [{w for c in s for w in captions.tokenize(c)} for s in query.captions]
    others = [{w for c in s for w in captions.tokenize(c)} for s in gallery.captions]
    shared = torch.tensor([[len(a & b) for b in others] for a in words]).float()
    nearest = shared.gather(1, d.argmin(dim=1, keepdim=True)).mean()
    assert nearest > 3 * shared.mean()
