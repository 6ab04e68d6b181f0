import os

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat

from dmlviz.datasets import joints
from dmlviz.datasets.joints import shared_joint_distances
from dmlviz.datasets.real import lsp
from dmlviz.datasets.real.lsp import LSP

N = 40


def random_joints(n=N, seed=0, hide=0.15):
    """Joints (n, 14, 2) in an image of 120 x 100, and which are visible, at least ten of each."""
    rng = np.random.default_rng(seed)
    joints = rng.uniform(10, 90, (n, 14, 2))
    visible = rng.random((n, 14)) > hide
    visible[:, :10] = True
    return joints, visible


def make_lsp(root, joints, visible, *, original=False):
    """A small data set in one of the two official formats."""
    folder = root / "lsp_extended"
    (folder / "images").mkdir(parents=True)
    flag = ~visible if original else visible  # the original one marks what is hidden
    table = np.concatenate([joints, flag[:, :, None]], axis=2)  # (n, 14, 3)
    savemat(
        folder / "joints.mat", {"joints": table.transpose((2, 1, 0) if original else (1, 2, 0))}
    )
    for i in range(len(joints)):
        name = f"im{i + 1:04d}.jpg" if original else f"im{i + 1:05d}.jpg"
        Image.new("L", (120, 100), 5 * i).save(folder / "images" / name)
    return folder


@pytest.fixture
def folder(tmp_path):
    return make_lsp(tmp_path, *random_joints())


def naive_distance(x, x_known, y, y_known):
    """The formula of the data set for two poses, joint by joint."""
    both = [k for k in range(14) if x_known[k] and y_known[k]]

    def normal(pose):
        m = [sum(pose[k][d] for k in both) / len(both) for d in range(2)]
        s = (sum((pose[k][d] - m[d]) ** 2 for k in both for d in range(2)) / len(both)) ** 0.5
        return {k: [(pose[k][d] - m[d]) / s for d in range(2)] for k in both}

    u, v = normal(x), normal(y)
    return sum(((u[k][0] - v[k][0]) ** 2 + (u[k][1] - v[k][1]) ** 2) ** 0.5 for k in both) / len(
        both
    )


# --- splits


def test_splits_share_the_images_in_the_stated_proportions(folder):
    sizes = {split: len(LSP(split, root=folder.parent)) for split in LSP.splits}
    assert sizes == {"train": 24, "val": 4, "query": 2, "gallery": 10}


def test_no_image_is_in_two_splits_and_none_is_lost(folder):
    paths = [path for split in LSP.splits for path in LSP(split, root=folder.parent).paths]
    assert sorted(paths) == sorted((folder / "images").iterdir())


def test_the_shuffled_order_is_fixed():
    known = np.ones((20, 14), bool)
    assert lsp._members("query", known) == [19]
    assert lsp._members("gallery", known) == [2, 5, 6, 15, 16]


def test_images_with_few_joints_are_left_out(tmp_path):
    joints, visible = random_joints()
    visible[10:, :5] = False
    folder = make_lsp(tmp_path, joints, visible)
    left = [LSP(split, root=folder.parent) for split in ("train", "gallery")]
    assert max(int(path.stem[2:]) for dataset in left for path in dataset.paths) <= 10
    assert min(dataset.visible.sum(dim=1).min() for dataset in left) >= 10


def test_unknown_split_is_refused(folder):
    with pytest.raises(ValueError, match="must be one of train, val, query, gallery, got 'test'"):
        LSP("test", root=folder.parent)


def test_split_that_would_be_empty_is_refused(tmp_path):
    make_lsp(tmp_path, *random_joints(4))
    with pytest.raises(ValueError, match=r"of the 4 images, none with 10 known joints .*'query'"):
        LSP("query", root=tmp_path)


# --- items


@pytest.mark.parametrize("original", [False, True])
def test_joints_visibility_and_image_belong_together(tmp_path, original):
    joints, visible = random_joints()
    make_lsp(tmp_path, joints, visible, original=original)
    dataset = LSP("train", root=tmp_path)
    for i, path in enumerate(dataset.paths):
        number = int(path.stem[2:]) - 1
        # The original release locates all joints, hidden or not.
        known = torch.ones(14, dtype=bool) if original else torch.from_numpy(visible[number])
        assert torch.equal(dataset.visible[i], known)
        expected = torch.from_numpy(joints[number]).float() * known[:, None]
        torch.testing.assert_close(dataset.joints[i], expected)
        assert abs(dataset.image(i).getpixel((40, 40))[0] - 5 * number) <= 2


def test_root_may_be_the_folder_itself(folder):
    assert LSP("train", root=folder).paths == LSP("train", root=folder.parent).paths


def test_root_may_come_from_the_environment(folder, monkeypatch):
    monkeypatch.setenv("DMLVIZ_DATA", str(folder.parent))
    assert len(LSP("train")) == 24


def test_default_item_is_112_pixels_in_minus_one_to_one_with_its_number(folder):
    x, number = LSP("gallery", root=folder.parent)[7]
    assert (x.shape, x.dtype, number) == ((3, 112, 112), torch.float32, 7)
    assert -1 <= x.min() <= x.max() <= 1


def test_custom_transform_is_used(folder):
    assert LSP("val", root=folder.parent, transform=lambda image: image.mode)[-1] == ("RGB", 3)


@pytest.mark.parametrize("index", [4, -5])
def test_index_outside_the_data_set_is_an_index_error(folder, index):
    with pytest.raises(IndexError, match=f"{index} is outside a data set of 4 images"):
        LSP("val", root=folder.parent)[index]


def test_repr_names_data_set_split_and_size(folder):
    text = repr(LSP("val", root=folder.parent))
    assert text == "<lsp val: 4 images, labels with a distance>"


def test_image_is_a_square_around_the_visible_joints(tmp_path):
    joints, visible = random_joints()
    joints[:] = np.linspace([50, 20], [70, 60], 14)  # 40 pixels high, around (60, 40)
    joints[:, 13], visible[:, 13] = -400, False  # hidden: counts for nothing
    joints[:, 12] = [70, 60]
    make_lsp(tmp_path, joints, visible)
    dataset = LSP("train", root=tmp_path)
    photograph = np.zeros((100, 120, 3), np.uint8)
    photograph[15:65, 35:85] = 255  # a quarter more than 40: 50 pixels
    Image.fromarray(photograph).save(dataset.paths[0])
    image = np.asarray(dataset.image(0))
    assert image.shape == (50, 50, 3)
    assert image.mean() > 245
    whole = LSP("train", root=tmp_path, crop=False).image(0)
    assert whole.size == (120, 100)


def test_image_is_black_outside_the_photograph(tmp_path):
    joints, visible = random_joints()
    joints[:] = np.linspace([0, 20], [20, 100], 14)
    make_lsp(tmp_path, joints, visible)
    dataset = LSP("train", root=tmp_path)
    Image.new("RGB", (120, 100), "white").save(dataset.paths[0])
    image = np.asarray(dataset.image(0))
    assert image.shape == (100, 100, 3)
    assert image[:, :35].max() == 0
    assert image[20:80, 50:].min() == 255


# --- label distances


def test_label_distances_equal_the_naive_loop(folder):
    query, gallery = (LSP(split, root=folder.parent) for split in ("query", "gallery"))
    expected = [
        [
            naive_distance(x, xk, y, yk)
            for y, yk in zip(gallery.joints.tolist(), gallery.visible.tolist(), strict=True)
        ]
        for x, xk in zip(query.joints.tolist(), query.visible.tolist(), strict=True)
    ]
    distances = query.label_distances(other=gallery)
    assert distances.dtype == torch.float32
    torch.testing.assert_close(distances, torch.tensor(expected), atol=1e-5, rtol=1e-5)


def test_blocks_of_rows_make_no_difference(folder, monkeypatch):
    dataset = LSP("train", root=folder.parent)
    whole = dataset.label_distances()
    monkeypatch.setattr(joints, "_BLOCK", 50)  # two rows at a time
    torch.testing.assert_close(dataset.label_distances(), whole)


def test_no_rows_have_no_distances(folder):
    none = torch.zeros(0, dtype=torch.long)
    dataset = LSP("train", root=folder.parent)
    assert dataset.label_distances(none, columns=torch.arange(5)).shape == (0, 5)
    assert dataset.label_distances(torch.arange(5), columns=none).shape == (5, 0)


def poses(n=N, **options):
    joints, visible = random_joints(n, **options)
    return torch.from_numpy(joints), torch.from_numpy(visible)


def test_label_distances_are_symmetric_zero_on_oneself_and_at_most_two():
    x = poses()
    distances = shared_joint_distances(x, x)
    torch.testing.assert_close(distances, distances.T)
    assert distances.diagonal().max() < 1e-6
    assert 0 < distances[~torch.eye(N, dtype=bool)].min() < distances.max() <= 2


def test_place_and_size_in_the_picture_are_no_difference():
    joints, known = poses()
    generator = torch.Generator().manual_seed(1)
    size = torch.rand(N, 1, 1, generator=generator) * 3 + 0.2
    moved = joints * size + 50 * torch.randn(N, 1, 2, generator=generator)
    torch.testing.assert_close(
        shared_joint_distances((moved, known), (joints, known)),
        shared_joint_distances((joints, known), (joints, known)),
    )


def test_joint_that_one_of_the_two_hides_has_no_part():
    (x, x_known), (y, y_known) = poses(seed=1), poses(seed=2)
    before = shared_joint_distances((x, x_known), (y, y_known))
    x_moved = torch.where(x_known[:, :, None], x, 1000.0)
    hidden = shared_joint_distances((x_moved, x_known), (y, y_known))
    torch.testing.assert_close(hidden, before)
    # Nor has one that only x knows: hiding it there, too, changes nothing.
    one, other = (x[:1], x_known[:1] & y_known[:1]), (y[:1], y_known[:1])
    torch.testing.assert_close(shared_joint_distances(one, other), before[:1, :1])


def test_a_turn_of_the_body_is_a_difference():
    x, known = poses(1, hide=0)
    quarter = x @ torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=x.dtype)
    # Each joint is at distance sqrt(2) |u_k| from where it was.
    u = x[0] - x[0].mean(dim=0)
    expected = 2**0.5 * u.norm(dim=1).mean() / u.square().sum(dim=1).mean().sqrt()
    assert shared_joint_distances((x, known), (quarter, known)).item() == pytest.approx(expected)


def test_mirroring_both_poses_keeps_their_distance():
    joints, known = poses()
    mirrored = joints * torch.tensor([-1, 1]) + torch.tensor([120, 0])
    sides = [5, 4, 3, 2, 1, 0, 11, 10, 9, 8, 7, 6, 12, 13]  # right joints become left ones
    before = shared_joint_distances(*[(joints, known)] * 2)
    for x in ((mirrored, known), (mirrored[:, sides], known[:, sides])):
        torch.testing.assert_close(shared_joint_distances(x, x), before)
    assert LSP.flips


def test_pose_on_a_single_point_has_finite_distances():
    (x, x_known), y = poses(2), poses(2, seed=5)
    x[0] = 7.0
    assert torch.isfinite(shared_joint_distances((x.float(), x_known), (y[0].float(), y[1]))).all()


# --- what may be missing or broken


def test_missing_folder_says_how_to_get_the_data(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"no lsp_extended in .* Leeds Sports Pose extended"
    ):
        LSP("train", root=tmp_path)


def test_folder_without_joints_is_an_error(folder):
    (folder / "joints.mat").unlink()
    with pytest.raises(FileNotFoundError, match=r"lsp_extended has no joints\.mat: unpack"):
        LSP("train", root=folder.parent)


@pytest.mark.parametrize("keep", [0, 100, 200, -300])
def test_damaged_joints_file_is_named(folder, keep):
    path = folder / "joints.mat"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"joints\.mat cannot be read as a MATLAB file"):
        LSP("train", root=folder.parent)


def test_joints_file_that_is_something_else_is_named(folder):
    (folder / "joints.mat").write_bytes(b"<html>not found</html>" * 40)
    with pytest.raises(ValueError, match=r"joints\.mat cannot be read as a MATLAB file"):
        LSP("train", root=folder.parent)


def test_joints_file_without_joints_is_named(folder):
    savemat(folder / "joints.mat", {"points": np.zeros((14, 3, N))})
    with pytest.raises(ValueError, match=r"joints\.mat cannot be read .* matrix 'joints'"):
        LSP("train", root=folder.parent)


@pytest.mark.parametrize("shape", [(N, 14, 3), (14, 2, N), (16, 3, N), (14, 3)])
def test_joints_of_another_shape_are_named(folder, shape):
    savemat(folder / "joints.mat", {"joints": np.zeros(shape)})
    with pytest.raises(ValueError, match=r"joints\.mat: 'joints' has shape .* expected \(14, 3, N"):
        LSP("train", root=folder.parent)


def test_visible_joint_that_is_not_finite_is_named(tmp_path):
    joints, visible = random_joints()
    joints[6, 3] = np.nan
    make_lsp(tmp_path, joints, visible)
    with pytest.raises(ValueError, match=r"joints\.mat: joints of image 7 are not finite"):
        LSP("train", root=tmp_path)


def test_hidden_joint_that_is_not_finite_does_not_matter(tmp_path):
    joints, visible = random_joints()
    joints[~visible] = np.nan
    make_lsp(tmp_path, joints, visible)
    assert torch.isfinite(LSP("train", root=tmp_path).label_distances()).all()


def test_missing_image_is_named(folder):
    (folder / "images" / "im00007.jpg").unlink()
    with pytest.raises(ValueError, match=r"40 images, but .* has 39, im00007\.jpg is missing"):
        LSP("train", root=folder.parent)


def test_image_without_joints_is_an_error(folder):
    Image.new("L", (10, 10)).save(folder / "images" / "im00041.jpg")
    with pytest.raises(ValueError, match=r"40 images, but .*images has 41: unpack"):
        LSP("train", root=folder.parent)


def test_missing_images_folder_is_an_error(folder):
    (folder / "images").rename(folder / "pictures")
    with pytest.raises(ValueError, match=r"images has 0, im00001\.jpg is missing"):
        LSP("train", root=folder.parent)


@pytest.mark.parametrize("keep", [0, 20, -20])
def test_image_that_does_not_decode_is_named_when_it_is_asked_for(folder, keep):
    dataset = LSP("train", root=folder.parent)
    path = dataset.paths[3]
    Image.effect_noise((200, 200), 80).save(path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=rf"{path.name} cannot be decoded"):
        dataset[3]


@pytest.mark.skipif("DMLVIZ_TEST_LSP" not in os.environ, reason="DMLVIZ_TEST_LSP names no data")
def test_real_data_has_queries_with_near_poses_in_the_gallery():
    root = os.environ["DMLVIZ_TEST_LSP"]
    splits = {split: LSP(split, root=root) for split in LSP.splits}
    paths = [path for dataset in splits.values() for path in dataset.paths]
    assert len(set(paths)) == len(paths) > 1000
    for dataset in splits.values():
        assert dataset[len(dataset) // 2][0].shape == (3, 112, 112)
    distances = splits["query"].label_distances(other=splits["gallery"])
    assert torch.isfinite(distances).all()
    assert 0 <= distances.min() < distances.max() <= 2
    assert distances.min(dim=1).values.median() < 0.5 * distances.median()
