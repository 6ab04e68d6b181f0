"""The Glyphs data set.

The reference images are the first of every 20th class of the test split, written by::

    python - <<'EOF'
    import numpy as np
    from dmlviz.datasets import load
    glyphs = load("glyphs", "test")
    images = np.stack([np.asarray(glyphs.image(400 * i)) for i in range(10)])
    np.savez_compressed("tests/data/glyph_reference.npz", images=images)
    EOF
"""

import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dmlviz.datasets import load
from dmlviz.datasets.rendered import glyphs
from dmlviz.datasets.transforms import glyph

REFERENCE = Path(__file__).parent / "data" / "glyph_reference.npz"
CACHE = Path("glyphs", f"v{glyphs.VERSION}-val.npz")


def pixels(dataset):
    return np.stack([np.asarray(dataset.image(i)) for i in range(len(dataset))])


@pytest.mark.parametrize(("split", "count"), [("train", 200), ("val", 40), ("test", 200)])
def test_class_list_has_the_promised_number_of_classes(split, count):
    assert len(glyphs.class_characters(split)) == count


def test_no_character_is_in_two_splits_or_twice_in_one():
    characters = [c for s in glyphs.Glyphs.splits for c in glyphs.class_characters(s)]
    assert len(set(characters)) == len(characters) == 440


def test_unicode_names_of_all_classes_are_unique():
    characters = [c for s in glyphs.Glyphs.splits for c in glyphs.class_characters(s)]
    assert len({unicodedata.name(c) for c in characters}) == 440


def test_class_list_states_the_character_and_the_name_of_its_code_point():
    for line in glyphs.CLASS_LIST.read_text(encoding="utf-8").splitlines():
        _, code, character, name = line.split("\t")
        assert character == chr(int(code.removeprefix("U+"), 16))
        assert name == unicodedata.name(character)


def test_there_are_twelve_faces():
    assert len(glyphs.font_paths()) == 12


@pytest.mark.parametrize(
    ("split", "classes", "per_class"), [("train", 200, 30), ("val", 40, 20), ("test", 200, 20)]
)
def test_every_class_has_its_number_of_images(glyph_root, split, classes, per_class):
    dataset = load("glyphs", split, root=glyph_root)
    assert len(dataset) == classes * per_class
    assert dataset.targets.bincount().tolist() == [per_class] * classes


def test_classes_are_the_names_of_the_characters(glyph_root):
    dataset = load("glyphs", "val", root=glyph_root)
    assert dataset.classes == [unicodedata.name(c) for c in dataset.characters]


def test_first_load_renders_and_writes_the_cache(tmp_path):
    load("glyphs", "val", root=tmp_path)
    # also no half-written part beside it
    assert list((tmp_path / "glyphs").iterdir()) == [tmp_path / CACHE]


def test_second_load_reads_the_cache(glyph_root, monkeypatch):
    first = load("glyphs", "val", root=glyph_root)
    monkeypatch.setattr(glyphs, "render", lambda *_: pytest.fail("rendered again"))
    second = load("glyphs", "val", root=glyph_root)
    assert np.array_equal(pixels(first), pixels(second))
    assert torch.equal(first.targets, second.targets)


@pytest.mark.parametrize("damage", [b"", b"not an archive" * 50], ids=["empty", "other content"])
def test_damaged_cache_is_rendered_again_and_replaced(glyph_root, tmp_path, damage):
    cache = tmp_path / CACHE
    cache.parent.mkdir()
    cache.write_bytes(damage)
    again = load("glyphs", "val", root=tmp_path)
    assert np.array_equal(pixels(again), pixels(load("glyphs", "val", root=glyph_root)))
    with np.load(cache) as stored:
        assert len(stored["images"]) == len(again)


def test_cache_without_targets_is_rendered_again(tmp_path):
    cache = tmp_path / CACHE
    cache.parent.mkdir()
    np.savez(cache, images=np.zeros((3, 32, 32), np.uint8))
    assert len(load("glyphs", "val", root=tmp_path)) == 800


def test_root_that_cannot_be_written_only_costs_the_cache(tmp_path):
    # Below a regular file nobody can make a folder, root user included.
    (tmp_path / "file").touch()
    dataset = load("glyphs", "val", root=tmp_path / "file" / "root")
    assert dataset.image(0).size == (32, 32)


def test_same_seed_gives_the_same_pixels():
    first, second = glyphs.render(["A", "§"], 3, seed=5), glyphs.render(["A", "§"], 3, seed=5)
    assert np.array_equal(first[0], second[0])
    assert np.array_equal(first[1], second[1])


def test_other_seed_gives_other_pixels():
    assert not np.array_equal(
        glyphs.render(["A"], 3, seed=5)[0], glyphs.render(["A"], 3, seed=6)[0]
    )


def test_rendering_leaves_the_global_random_state_alone():
    before = torch.get_rng_state()
    glyphs.render(["A"], 2, seed=0)
    assert torch.equal(torch.get_rng_state(), before)


def test_no_two_images_are_the_same(glyph_root):
    images = pixels(load("glyphs", "val", root=glyph_root))
    assert len(np.unique(images.reshape(len(images), -1), axis=0)) == len(images)


def test_every_image_has_contrast(glyph_root):
    images = pixels(load("glyphs", "test", root=glyph_root)).astype(int)
    assert np.ptp(images, axis=(1, 2)).min() > 50


def test_images_look_like_the_reference(glyph_root):
    dataset = load("glyphs", "test", root=glyph_root)
    with np.load(REFERENCE) as stored:
        reference = stored["images"].astype(float)
    assert len(reference) == 10
    for i, expected in enumerate(reference):
        # not exact: arithmetic may round otherwise on another machine
        assert np.abs(np.asarray(dataset.image(400 * i)) - expected).mean() < 2


def test_default_item_is_one_grey_channel_in_minus_one_to_one(glyph_root):
    x, target = load("glyphs", "test", root=glyph_root)[25]
    assert x.shape == (1, 32, 32)
    assert x.dtype == torch.float32
    assert -1 <= x.min() < x.max() <= 1
    assert target == 1
    assert isinstance(target, int)


def test_training_images_are_shifted_anew_at_each_call(glyph_root):
    dataset = load("glyphs", "train", root=glyph_root)
    assert len({tuple(dataset[0][0].flatten().tolist()) for _ in range(10)}) > 1


@pytest.mark.parametrize("split", ["val", "test"])
def test_test_images_are_not_shifted(glyph_root, split):
    dataset = load("glyphs", split, root=glyph_root)
    grey = torch.from_numpy(np.array(dataset.image(0))).float()
    for _ in range(10):
        torch.testing.assert_close(dataset[0][0][0], grey / 127.5 - 1)


def test_shift_moves_the_image_by_up_to_three_pixels_each_way():
    dot = Image.new("L", (32, 32))
    dot.putpixel((16, 16), 255)
    transform = glyph(train=True)
    places = [tuple((transform(dot)[0] > 0).nonzero()[0].tolist()) for _ in range(500)]
    for rows_or_columns in zip(*places, strict=True):
        assert set(rows_or_columns) == set(range(13, 20))


def test_custom_transform_gets_the_stored_image(glyph_root):
    dataset = load("glyphs", "val", root=glyph_root, transform=lambda image: (image.mode, image))
    (mode, image), _ = dataset[7]
    assert mode == "L"
    assert np.array_equal(np.asarray(image), np.asarray(dataset.image(7)))


def test_export_writes_what_the_folder_data_set_loads(glyph_root, tmp_path):
    dataset = load("glyphs", "val", root=glyph_root)
    assert dataset.export(tmp_path / "glyphs") == tmp_path / "glyphs"
    loaded = load("folder", "all", root=tmp_path / "glyphs")
    exported = [
        f"{ord(c):04X} {n}" for c, n in zip(dataset.characters, dataset.classes, strict=True)
    ]
    assert Counter(loaded.classes[t] for t in loaded.targets) == dict.fromkeys(exported, 20)


def test_exported_files_are_numbered_and_keep_every_pixel(glyph_root, tmp_path):
    dataset = load("glyphs", "val", root=glyph_root)
    dataset.export(tmp_path)
    folder = tmp_path / f"{ord(dataset.characters[3]):04X} {dataset.classes[3]}"
    assert sorted(p.name for p in folder.iterdir()) == [f"{i:03d}.png" for i in range(20)]
    with Image.open(folder / "004.png") as image:
        assert np.array_equal(np.asarray(image), np.asarray(dataset.image(3 * 20 + 4)))


def test_unknown_split_is_refused(tmp_path):
    with pytest.raises(ValueError, match="split must be one of train, val, test, got 'valid'"):
        load("glyphs", "valid", root=tmp_path)


@pytest.mark.parametrize("index", [800, -801])
def test_index_outside_the_data_set_is_an_index_error(glyph_root, index):
    with pytest.raises(IndexError, match=f"{index} is outside a data set of 800 images"):
        load("glyphs", "val", root=glyph_root)[index]


def test_negative_index_counts_from_the_end(glyph_root):
    dataset = load("glyphs", "val", root=glyph_root)
    assert torch.equal(dataset[-1][0], dataset[799][0])
    assert dataset[-1][1] == 39


def test_repr_names_data_set_split_and_sizes(glyph_root):
    assert repr(load("glyphs", "val", root=glyph_root)) == "<glyphs val: 800 images of 40 classes>"


@pytest.mark.parametrize("damage", ["cut short", "other bytes", "one array"])
def test_damaged_cache_of_the_right_kind_is_rendered_again(glyph_root, tmp_path, damage):
    load("glyphs", "val", root=glyph_root)
    content = bytearray((glyph_root / CACHE).read_bytes())
    if damage == "cut short":
        del content[len(content) // 2 :]
    else:
        content[5000:5200] = bytes(200)
    cache = tmp_path / CACHE
    cache.parent.mkdir()
    cache.write_bytes(content)
    if damage == "one array":
        with cache.open("wb") as file:
            np.save(file, np.zeros(3))
    assert len(load("glyphs", "val", root=tmp_path)) == 800


def test_cache_of_another_shape_is_rendered_again(tmp_path):
    cache = tmp_path / CACHE
    cache.parent.mkdir()
    np.savez(cache, images=np.zeros(3), targets=np.zeros(2))
    assert len(load("glyphs", "val", root=tmp_path)) == 800
