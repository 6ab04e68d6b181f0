import os
import shutil
from dataclasses import replace
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from dmlviz.datasets import load
from dmlviz.datasets.real import omniglot
from dmlviz.datasets.transforms import glyph

CHARACTERS = {
    "images_background": {"Latin": 2, "Greek": 3, "Japanese_(hiragana)": 1},
    "images_evaluation": {"Angelic": 2, "Tengwar": 1},
}


def make_omniglot(root, drawings=2):
    """A small omniglot-py; each drawing is one bar of ink, as long as its class has a number."""
    folder = root / "omniglot-py"
    for part, alphabets in CHARACTERS.items():
        number = 0
        for alphabet in sorted(alphabets):
            for character in range(1, alphabets[alphabet] + 1):
                number += 1
                for j in range(1, drawings + 1):
                    image = Image.new("1", (105, 105), 1)
                    ImageDraw.Draw(image).rectangle((30, 40, 30 + 10 * number - 1, 60), fill=0)
                    name = f"{alphabet}/character{character:02d}/{number:04d}_{j:02d}.png"
                    file = folder / part / name
                    file.parent.mkdir(parents=True, exist_ok=True)
                    image.save(file)
    return folder


def pack(folder):
    """Put each part into a zip archive, its files in reverse order, and remove it."""
    for part in CHARACTERS:
        with ZipFile(folder / f"{part}.zip", "w", ZIP_DEFLATED) as archive:
            archive.mkdir(part)
            for file in sorted((folder / part).rglob("*.png"), reverse=True):
                archive.write(file, file.relative_to(folder))
            archive.writestr(f"__MACOSX/{part}/Latin/character01/._0004_01.png", b"not an image")
            archive.writestr(f"{part}/Latin/character01/._0004_01.png", b"not an image")
        shutil.rmtree(folder / part)
    return folder


@pytest.fixture(params=["folders", "zips"])
def folder(request, tmp_path):
    made = make_omniglot(tmp_path)
    return made if request.param == "folders" else pack(made)


def load_part(split, root, **options):
    with pytest.warns(UserWarning, match="cannot be compared with published ones"):
        return load("omniglot", split, root=root, **options)


TRAIN = [
    "Greek/character01", "Greek/character02", "Greek/character03",
    "Japanese_(hiragana)/character01", "Latin/character01", "Latin/character02",
]  # fmt: skip


@pytest.mark.parametrize(
    ("split", "classes"),
    [
        ("train", TRAIN),
        ("test", ["Angelic/character01", "Angelic/character02", "Tengwar/character01"]),
    ],
)
def test_parts_of_the_release_are_the_splits(folder, split, classes):
    dataset = load_part(split, folder.parent)
    assert dataset.classes == classes
    assert dataset.alphabets == [name.split("/")[0] for name in classes]
    assert dataset.targets.tolist() == [c for c in range(len(classes)) for _ in range(2)]
    assert dataset.drawings[:2] == [f"{classes[0]}/0001_01.png", f"{classes[0]}/0001_02.png"]


def test_image_is_the_stored_drawing_and_belongs_to_its_target(folder):
    dataset = load_part("train", folder.parent)
    for i in range(len(dataset)):
        image = dataset.image(i)
        assert (image.mode, image.size) == ("L", (105, 105))
        ink = np.asarray(image) == 0
        assert ink[50].sum() == 10 * (int(dataset.targets[i]) + 1)
        assert np.asarray(image)[0, 0] == 255


def test_default_item_is_small_with_bright_ink_on_black(folder):
    x, target = load_part("test", folder.parent)[5]
    assert (x.shape, x.dtype, target) == ((1, 32, 32), torch.float32, 2)
    assert x[0, 15, 12] == 1  # the middle of the bar
    assert x[0, 2, 2] == -1
    # the bar covers 30 x 21 of 105 x 105 pixels, and shrinks in proportion
    assert float((x + 1).mean() / 2) == pytest.approx(30 * 21 / 105**2, rel=0.05)


def test_only_training_drawings_are_shifted(folder):
    train, test = load_part("train", folder.parent), load_part("test", folder.parent)
    assert len({train[0][0].numpy().tobytes() for _ in range(20)}) > 1
    assert len({test[0][0].numpy().tobytes() for _ in range(20)}) == 1


def test_custom_transform_is_used(folder):
    dataset = load_part("test", folder.parent, transform=lambda image: image.size)
    assert dataset[4] == ((105, 105), 2)


def test_root_may_be_the_folder_itself(folder):
    assert load_part("test", folder).drawings == load_part("test", folder.parent).drawings


def test_unpacked_folders_come_before_the_archives(tmp_path):
    folder = pack(make_omniglot(tmp_path))
    make_omniglot(tmp_path, drawings=3)
    assert len(load_part("test", tmp_path)) == 9
    shutil.rmtree(folder / "images_evaluation")
    assert len(load_part("test", tmp_path)) == 6


def test_reading_archives_writes_nothing(tmp_path):
    folder = pack(make_omniglot(tmp_path))
    load_part("train", tmp_path)[0]
    assert sorted(p.name for p in folder.iterdir()) == [f"{part}.zip" for part in CHARACTERS]


def test_part_of_the_data_set_warns_with_the_counts(folder):
    message = "'train' split has 12 images of 6 classes, the official one 19,280 images of 964"
    with pytest.warns(UserWarning, match=message) as caught:
        load("omniglot", "train", root=folder.parent)
    assert caught[0].filename == __file__


def test_whole_data_set_does_not_warn(folder, monkeypatch):
    official = (("train", 6, 12),)
    monkeypatch.setattr(omniglot, "SOURCE", replace(omniglot.SOURCE, official=official))
    assert len(load("omniglot", "train", root=folder.parent)) == 12


def test_facts_of_the_release_are_the_official_ones():
    from torchvision.datasets import Omniglot

    assert omniglot.SOURCE.official == (("train", 964, 964 * 20), ("test", 659, 659 * 20))
    assert Omniglot.folder == omniglot.FOLDER
    theirs = {
        f"{Omniglot.download_url_prefix}/{part}.zip": f"md5:{md5}"
        for part, md5 in Omniglot.zips_md5.items()
    }
    assert {d.url: d.checksum for d in omniglot.SOURCE.downloads} == theirs


def test_val_alphabets_holds_out_the_last_alphabets_whole(folder):
    train, val = (load("omniglot", s, folder.parent, val_alphabets=2) for s in ("train", "val"))
    assert train.classes == TRAIN[:3]
    assert val.classes == TRAIN[3:]
    assert val.alphabets == ["Japanese_(hiragana)", "Latin", "Latin"]
    assert val.targets.tolist() == [0, 0, 1, 1, 2, 2]


def test_val_without_val_alphabets_is_refused(folder):
    with pytest.raises(ValueError, match=r'Omniglot has no official "val" split.*val_alphabets='):
        load("omniglot", "val", root=folder.parent)


@pytest.mark.parametrize("val_alphabets", [-1, 3])
def test_val_alphabets_must_leave_training_classes(folder, val_alphabets):
    with pytest.raises(ValueError, match=f"val_alphabets must .*at most 2, got {val_alphabets}"):
        load("omniglot", "train", root=folder.parent, val_alphabets=val_alphabets)


@pytest.mark.parametrize("exists", [True, False])
def test_wrong_root_is_an_error_with_the_way_to_get_the_data(tmp_path, exists):
    root = tmp_path if exists else tmp_path / "nowhere"
    message = r"no omniglot-py in .*http\S+background\.zip and http\S+evaluation\.zip.*DMLVIZ_DATA"
    with pytest.raises(FileNotFoundError, match=message):
        load("omniglot", "train", root=root)


def test_missing_part_is_named(tmp_path):
    shutil.rmtree(make_omniglot(tmp_path) / "images_evaluation")
    with pytest.raises(FileNotFoundError, match=r"neither images_evaluation/ nor images_evalua"):
        load("omniglot", "test", root=tmp_path)
    assert len(load_part("train", tmp_path)) == 12


def test_empty_drawing_is_named(tmp_path):
    file = next((make_omniglot(tmp_path) / "images_background" / "Latin").rglob("*_02.png"))
    file.write_bytes(b"")
    with pytest.raises(ValueError, match=rf"1 empty drawings, such as Latin/.*{file.name}"):
        load("omniglot", "train", root=tmp_path)


@pytest.mark.parametrize("packed", [True, False])
def test_part_without_drawings_is_an_error(tmp_path, packed):
    folder = make_omniglot(tmp_path)
    for file in (folder / "images_background").rglob("*.png"):
        file.unlink()
    if packed:
        shutil.rmtree(folder / "images_background")
        with ZipFile(folder / "images_background.zip", "w") as archive:
            archive.writestr("images_background/Latin/0001_01.png", b"one level is missing")
    with pytest.raises(ValueError, match="holds no drawings, expected alphabet/character/drawing"):
        load("omniglot", "train", root=tmp_path)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_archive_cut_short_is_an_error(tmp_path, share):
    archive = pack(make_omniglot(tmp_path)) / "images_background.zip"
    archive.write_bytes(archive.read_bytes()[: int(share * archive.stat().st_size)])
    with pytest.raises(ValueError, match=r"images_background\.zip is damaged or cut short"):
        load("omniglot", "train", root=tmp_path)


def test_damaged_content_of_an_archive_is_an_error(tmp_path):
    archive = pack(make_omniglot(tmp_path)) / "images_background.zip"
    with ZipFile(archive) as opened:
        second = opened.infolist()[2]
    content = bytearray(archive.read_bytes())
    place = second.header_offset + 30 + len(second.filename) + 20  # amid its compressed bytes
    content[place : place + 20] = bytes(20)
    archive.write_bytes(content)
    with pytest.raises(ValueError, match=r"images_background\.zip is damaged or cut short"):
        load("omniglot", "train", root=tmp_path)


def test_drawing_that_does_not_decode_is_named_when_it_is_asked_for(tmp_path):
    file = make_omniglot(tmp_path) / "images_evaluation" / "Angelic/character02/0002_01.png"
    file.write_bytes(file.read_bytes()[:60])
    dataset = load_part("test", tmp_path)
    with pytest.raises(ValueError, match=r"Angelic/character02/0002_01\.png in .*cannot be decod"):
        dataset[2]


def test_glyph_resizes_and_inverts_only_when_asked():
    image = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) * 4)
    plain = glyph()(image)
    assert plain.shape == (1, 8, 8)
    torch.testing.assert_close(glyph(invert=True)(image), -plain)
    halved = glyph(size=4)(Image.new("1", (8, 8), 1))
    torch.testing.assert_close(halved, torch.ones(1, 4, 4))


def test_glyph_makes_grey_of_black_and_white():
    chequered = Image.fromarray(np.indices((64, 64)).sum(axis=0) % 2 == 0)
    middle = glyph(size=16)(chequered)[0, 4:-4, 4:-4]
    assert chequered.mode == "1"
    assert middle.abs().max() < 0.2


@pytest.mark.skipif("DMLVIZ_TEST_OMNIGLOT" not in os.environ, reason="DMLVIZ_TEST_OMNIGLOT unset")
def test_real_data_has_the_official_counts():
    root = os.environ["DMLVIZ_TEST_OMNIGLOT"]
    train, test = load("omniglot", "train", root=root), load("omniglot", "test", root=root)
    assert not set(train.alphabets) & set(test.alphabets)
    assert (len(set(train.alphabets)), len(set(test.alphabets))) == (30, 20)
    assert set(train.targets.bincount().tolist()) == {20}
    assert 0.02 < (test[0][0] + 1).mean() / 2 < 0.4  # ink is bright, and the smaller part
