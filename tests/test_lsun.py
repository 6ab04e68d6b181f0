import os

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat

from dmlviz.datasets.real.lsun import LSUN, read_mask

N = 40
NAMES = [f"{i * 7919 % 1000:03d}ab{i}" for i in range(N)]


def random_masks(n=N, seed=0):
    """Layouts 60 x 80 as the challenge numbers them, 1…5: a wall between two others."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:60, :80]
    masks = []
    for _ in range(n):
        left, right = sorted(rng.integers(5, 75, 2))
        top, bottom = sorted(rng.integers(5, 55, 2))
        mask = np.where(x < left, 2, np.where(x >= right, 3, 1))
        masks.append(np.where(y < top, 5, np.where(y >= bottom, 4, mask)).astype(np.uint8))
    return masks


def save_list(path, names):
    array = np.zeros((1, len(names)), dtype=[(k, object) for k in ("image", "scene", "type")])
    for i, name in enumerate(names):
        array[0, i] = (name, "bedroom", float(i % 11))
    savemat(path, {path.stem: array})


def make_lsun(root, masks="layout_seg", ending=".mat"):
    folder = root / "lsun_room"
    for sub in ("images", masks):
        (folder / sub).mkdir(parents=True)
    save_list(folder / "training.mat", NAMES[:-5])
    save_list(folder / "validation.mat", NAMES[-5:])
    for i, (name, mask) in enumerate(zip(NAMES, random_masks(), strict=True)):
        Image.new("RGB", (80, 60), (5 * i,) * 3).save(folder / "images" / f"{name}.jpg")
        if ending == ".mat":
            savemat(folder / masks / f"{name}.mat", {"layout": mask})
        else:
            Image.fromarray(mask).save(folder / masks / f"{name}.png")
    return folder


@pytest.fixture
def folder(tmp_path):
    return make_lsun(tmp_path)


def naive_distance(a, b):
    ratios = []
    for surface in range(5):
        in_a, in_b = (a == surface).flatten().tolist(), (b == surface).flatten().tolist()
        either = sum(x or y for x, y in zip(in_a, in_b, strict=True))
        if either:
            ratios.append(sum(x and y for x, y in zip(in_a, in_b, strict=True)) / either)
    return 1 - sum(ratios) / len(ratios)


# --- splits


def test_training_list_is_shared_in_the_stated_proportions_and_validation_is_val(folder):
    parts = {split: LSUN(split, folder.parent) for split in LSUN.splits}
    sizes = {split: len(dataset) for split, dataset in parts.items()}
    assert sizes == {"train": 16, "val": 5, "query": 2, "gallery": 17}
    assert parts["val"].names == NAMES[-5:]
    assert sorted(name for d in parts.values() for name in d.names) == sorted(NAMES)


def test_the_shuffled_order_is_fixed_and_that_of_the_list_is_kept(folder):
    assert LSUN("query", folder.parent).names == ["271ab9", "570ab30"]
    train = LSUN("train", folder.parent).names
    assert train == [name for name in NAMES if name in train]


def test_unknown_split_is_refused(folder):
    with pytest.raises(ValueError, match="must be one of train, val, query, gallery, got 'test'"):
        LSUN("test", folder.parent)


def test_split_that_would_be_empty_is_refused(folder):
    save_list(folder / "training.mat", NAMES[:1])
    with pytest.raises(ValueError, match=r"no image of .*training\.mat falls into .*'query'"):
        LSUN("query", folder.parent)


def test_list_of_one_image_reads(folder):
    save_list(folder / "validation.mat", NAMES[:1])
    assert LSUN("val", folder.parent).names == NAMES[:1]


# --- items


@pytest.mark.parametrize(
    ("place", "ending"),
    [("layout_seg", ".mat"), ("surface_relabel", ".mat"), ("layout_seg", ".png")],
)
def test_name_image_and_mask_belong_together(tmp_path, place, ending):
    make_lsun(tmp_path, place, ending)
    masks = random_masks()
    for split in LSUN.splits:
        dataset = LSUN(split, tmp_path)
        assert dataset.masks.shape == (len(dataset), 48, 48)
        assert dataset.masks.dtype == torch.uint8
        for i, name in enumerate(dataset.names):
            number = NAMES.index(name)
            assert abs(dataset.image(i).getpixel((9, 9))[0] - 5 * number) <= 2
            for row, column in ((0, 0), (20, 7), (47, 47), (30, 40)):
                # the entry's centre, in pixels of the stored mask
                y, x = int((row + 0.5) * 60 / 48), int((column + 0.5) * 80 / 48)
                assert dataset.masks[i, row, column] == masks[number][y, x] - 1


def test_small_mask_is_stretched_as_a_picture_would_be(tmp_path):
    Image.fromarray(np.array([[1, 2], [4, 5]], np.uint8)).save(tmp_path / "mask.png")
    expected = np.array([[0, 1], [3, 4]]).repeat(24, axis=0).repeat(24, axis=1)
    assert np.array_equal(read_mask(tmp_path / "mask.png"), expected)


def test_default_item_is_the_whole_image_112_pixels_in_minus_one_to_one(folder):
    dataset = LSUN("val", folder.parent)
    photograph = np.zeros((60, 80, 3), np.uint8)
    photograph[:, :40] = 255
    Image.fromarray(photograph).save(dataset.paths[2])
    x, number = dataset[2]
    assert (x.shape, x.dtype, number) == ((3, 112, 112), torch.float32, 2)
    assert x[:, :, :54].min() > 0.9
    assert x[:, :, 58:].max() < -0.9


def test_root_may_be_the_folder_itself_or_come_from_the_environment(folder, monkeypatch):
    names = LSUN("train", folder).names
    monkeypatch.setenv("DMLVIZ_DATA", str(folder.parent))
    assert LSUN("train").names == names


# --- label distances


def test_label_distances_equal_the_naive_loop(folder):
    query, gallery = LSUN("query", folder.parent), LSUN("gallery", folder.parent)
    naive = torch.tensor([[naive_distance(a, b) for b in gallery.masks] for a in query.masks])
    distances = query.label_distances(other=gallery)
    torch.testing.assert_close(distances, naive, atol=1e-5, rtol=1e-5)
    part = query.label_distances(torch.tensor([1]), other=gallery, columns=torch.tensor([3, 0]))
    torch.testing.assert_close(part, naive[1:, [3, 0]], atol=1e-5, rtol=1e-5)


def test_distance_of_halves_by_hand(folder):
    mask = np.ones((60, 80), np.uint8)
    savemat(folder / "layout_seg" / f"{NAMES[-5]}.mat", {"layout": mask})
    mask[:, 40:] = 3
    savemat(folder / "layout_seg" / f"{NAMES[-4]}.mat", {"layout": mask})
    # front wall: half in common; the other: none
    assert LSUN("val", folder).label_distance(0, 1) == pytest.approx(1 - (0.5 + 0) / 2)


def test_which_number_is_which_surface_does_not_matter(folder):
    before = LSUN("val", folder).label_distances()
    for path in (folder / "layout_seg").iterdir():
        mask = random_masks()[NAMES.index(path.stem)]
        savemat(path, {"layout": np.array([0, 4, 1, 5, 2, 3], float)[mask]})
    torch.testing.assert_close(LSUN("val", folder).label_distances(), before)


# --- what may be missing or broken


@pytest.mark.parametrize(("split", "name"), [("query", "training"), ("val", "validation")])
def test_missing_list_says_how_to_get_it(folder, split, name):
    (folder / f"{name}.mat").unlink()
    match = rf"no lsun_room/{name}\.mat in .*LSUN room layout challenge.*DMLVIZ_DATA"
    with pytest.raises(FileNotFoundError, match=match):
        LSUN(split, folder.parent)


def test_missing_images_and_masks_are_counted(folder):
    dataset = LSUN("gallery", folder)
    (folder / "layout_seg" / f"{dataset.names[3]}.mat").unlink()
    (folder / "layout_seg" / f"{dataset.names[6]}.mat").write_bytes(b"")
    match = rf"2 of 17 .*layout_seg/{dataset.names[3]}\.mat: put the layout masks into"
    with pytest.raises(FileNotFoundError, match=match):
        LSUN("gallery", folder)
    dataset.paths[4].unlink()
    match = rf"1 of 17 .*{dataset.names[4]}\.jpg: put the images"
    with pytest.raises(FileNotFoundError, match=match):
        LSUN("gallery", folder)
    assert len(LSUN("train", folder)) == 16  # files of other splits do not matter


@pytest.mark.parametrize("keep", [0, 100, -20])
def test_damaged_list_is_named(folder, keep):
    path = folder / "training.mat"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"training\.mat cannot be read as a MATLAB file"):
        LSUN("train", folder)


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (["a", np.zeros(0), "b"], "entry 2 names no image"),
        (["a", "b", "a"], "names an image twice"),
    ],
)
def test_list_without_a_name_or_with_one_twice_is_an_error(folder, names, problem):
    save_list(folder / "training.mat", names)
    with pytest.raises(ValueError, match=rf"training\.mat: .*{problem}"):
        LSUN("train", folder)


def test_list_that_is_no_struct_is_an_error(folder):
    savemat(folder / "training.mat", {"training": np.zeros(4)})
    with pytest.raises(ValueError, match=r"training\.mat: it names an image twice, or none"):
        LSUN("train", folder)


@pytest.mark.parametrize(
    "mask", [np.zeros((4, 4)), np.full((4, 4), 6), np.full((4, 4), 1.5), np.ones((4, 4, 3))]
)
@pytest.mark.parametrize("ending", [".mat", ".png"])
def test_mask_with_other_entries_or_dimensions_is_named(tmp_path, mask, ending):
    if ending == ".png" and (mask % 1).any():
        mask = np.full((4, 4), 255)
    path = tmp_path / f"mask{ending}"
    if ending == ".mat":
        savemat(path, {"layout": mask})
    else:
        Image.fromarray(mask.astype(np.uint8)).save(path)
    with pytest.raises(ValueError, match=r"mask\.\w+ must have two dimensions and entries 1…5"):
        read_mask(path)


@pytest.mark.parametrize("ending", [".mat", ".png"])
@pytest.mark.parametrize("keep", [0, 60])
def test_damaged_mask_is_named(tmp_path, ending, keep):
    path = tmp_path / f"mask{ending}"
    noise = np.random.default_rng(0).integers(1, 6, (60, 80)).astype(np.uint8)
    if ending == ".mat":
        savemat(path, {"layout": noise})
    else:
        Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"mask\.\w+ cannot be (read|decoded)"):
        read_mask(path)


@pytest.mark.skipif("DMLVIZ_TEST_LSUN" not in os.environ, reason="DMLVIZ_TEST_LSUN names no data")
def test_real_data_has_queries_with_near_layouts_in_the_gallery():
    root = os.environ["DMLVIZ_TEST_LSUN"]
    query, gallery = LSUN("query", root), LSUN("gallery", root)
    assert query[0][0].shape == (3, 112, 112)
    distances = query.label_distances(other=gallery)
    assert 0 <= distances.min() < distances.max() <= 1
    assert distances.min(dim=1).values.median() < 0.5 * distances.median()
