import os
import shutil
from zipfile import ZipFile

import numpy as np
import pytest
import torch
from PIL import Image

from class_sets import OMNIGLOT, load_part, make_omniglot, pack
from dmlviz.datasets import load
from dmlviz.datasets.real import omniglot
from dmlviz.datasets.transforms import glyph


@pytest.fixture(params=["folders", "zips"])
def folder(request, tmp_path):
    made = make_omniglot(tmp_path)
    return made if request.param == "folders" else pack(made)


@pytest.mark.parametrize(
    ("split", "part"), [("train", "images_background"), ("test", "images_evaluation")]
)
def test_parts_of_the_release_are_the_splits(folder, split, part):
    dataset = load_part("omniglot", split, folder.parent)
    classes = OMNIGLOT[part]
    first = classes[0]
    assert dataset.classes == classes
    assert dataset.alphabets == [name.split("/")[0] for name in classes]
    assert dataset.targets.tolist() == [c for c in range(len(classes)) for _ in range(2)]
    assert dataset.drawings[:2] == [f"{first}/0001_01.png", f"{first}/0001_02.png"]


def test_image_is_the_stored_drawing_black_on_white(folder):
    for image in map(load_part("omniglot", "train", folder.parent).image, range(12)):
        assert (image.mode, image.size, image.getpixel((0, 0))) == ("L", (105, 105), 255)


def test_default_item_is_small_with_bright_ink_on_black(folder):
    x, _ = load_part("omniglot", "test", folder.parent)[5]
    assert x[0, 15, 12] == 1  # the middle of the bar
    assert x[0, 2, 2] == -1
    # the bar covers 30 x 21 of 105 x 105 pixels, and shrinks in proportion
    assert float((x + 1).mean() / 2) == pytest.approx(30 * 21 / 105**2, rel=0.05)


def test_unpacked_folders_come_before_the_archives(tmp_path):
    folder = pack(make_omniglot(tmp_path))
    make_omniglot(tmp_path, drawings=3)
    assert len(load_part("omniglot", "test", tmp_path)) == 9
    shutil.rmtree(folder / "images_evaluation")
    assert len(load_part("omniglot", "test", tmp_path)) == 6


def test_reading_archives_writes_nothing(tmp_path):
    folder = pack(make_omniglot(tmp_path))
    load_part("omniglot", "train", tmp_path)[0]
    assert sorted(p.name for p in folder.iterdir()) == [f"{part}.zip" for part in OMNIGLOT]


def test_folder_addresses_and_checksums_are_those_of_torchvision():
    from torchvision.datasets import Omniglot

    assert Omniglot.folder == omniglot.FOLDER
    theirs = {
        f"{Omniglot.download_url_prefix}/{part}.zip": f"md5:{md5}"
        for part, md5 in Omniglot.zips_md5.items()
    }
    assert {d.url: d.checksum for d in omniglot.SOURCE.downloads} == theirs


def test_val_holds_whole_alphabets(folder):
    val = load("omniglot", "val", folder.parent, val_alphabets=2)
    assert val.alphabets == ["Japanese_(hiragana)", "Latin", "Latin"]


def test_missing_part_is_named(tmp_path):
    shutil.rmtree(make_omniglot(tmp_path) / "images_evaluation")
    with pytest.raises(FileNotFoundError, match=r"neither images_evaluation/ nor images_evalua"):
        load("omniglot", "test", root=tmp_path)
    assert len(load_part("omniglot", "train", tmp_path)) == 12


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
    dataset = load_part("omniglot", "test", tmp_path)
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
