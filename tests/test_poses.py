import numpy as np
import pytest
import torch
from PIL import Image

from dmlviz.datasets.rendered import _figures, _skeleton, poses
from dmlviz.datasets.rendered.poses import Poses, mean_joint_distances
from dmlviz.datasets.transforms import rgb

SMALL = {"train": 12, "val": 8, "query": 6, "gallery": 10}
CACHE = f"v{poses.VERSION}-val.npz"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("poses_root")


@pytest.fixture(autouse=True)
def _small_splits(monkeypatch):
    monkeypatch.setattr(poses, "IMAGES", SMALL)


@pytest.fixture(scope="module")
def rendered():
    return _figures.render(120, seed=3)


def naive_distance(x, y):
    """The formula of the data set for two poses (14, 2), joint by joint."""
    total = 0.0
    for k in range(14):
        cx = [x[k][d] - sum(p[d] for p in x) / 14 for d in range(2)]
        cy = [y[k][d] - sum(p[d] for p in y) / 14 for d in range(2)]
        total += ((cx[0] - cy[0]) ** 2 + (cx[1] - cy[1]) ** 2) ** 0.5
    return total / 14


def test_full_splits_have_their_promised_sizes(monkeypatch):
    monkeypatch.undo()
    assert poses.IMAGES == {"train": 4000, "val": 600, "query": 300, "gallery": 1500}


@pytest.mark.parametrize("split", Poses.splits)
def test_split_holds_images_and_joints(root, split):
    dataset = Poses(split, root=root)
    assert len(dataset) == SMALL[split]
    assert dataset.image(0).size == (48, 48)
    assert dataset.image(0).mode == "RGB"
    assert dataset.joints.shape == (SMALL[split], 14, 2)
    assert dataset.joints.dtype == torch.float32
    assert dataset.targets.tolist() == list(range(SMALL[split]))


def test_joints_are_named_in_the_order_of_lsp():
    assert Poses.joint_names[0] == "right ankle"
    assert Poses.joint_names[5:9] == ("left ankle", "right wrist", "right elbow", "right shoulder")
    assert Poses.joint_names[11:] == ("left wrist", "neck", "head top")
    assert len(set(Poses.joint_names)) == 14


# --- rendering


def test_one_seed_gives_the_same_images_and_joints():
    first, second = _figures.render(7, seed=[1, 2]), _figures.render(7, seed=[1, 2])
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_another_seed_gives_other_images_and_joints():
    first, second = _figures.render(7, seed=[1, 2]), _figures.render(7, seed=[1, 3])
    assert all((a != b).any() for a, b in zip(first, second, strict=True))


def test_rendering_leaves_the_global_random_states_alone():
    before, before_np = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    _figures.render(2, seed=0)
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], before_np)  # noqa: NPY002


def test_no_image_and_no_pose_is_in_two_splits_or_twice_in_one(root):
    splits = [Poses(split, root=root) for split in Poses.splits]
    for arrays in (
        np.concatenate([s._pixels for s in splits]),
        torch.cat([s.joints for s in splits]),
    ):
        flat = np.asarray(arrays).reshape(sum(SMALL.values()), -1)
        assert len(np.unique(flat, axis=0)) == len(flat)


def test_all_joints_are_inside_the_image(rendered):
    joints = rendered[1]
    assert 0 < joints.min() < joints.max() < 48


def test_joints_are_where_a_person_was_painted(rendered, monkeypatch):
    images, joints = rendered
    monkeypatch.setattr(_figures, "_paint", lambda *_: None)
    empty, same_joints = _figures.render(120, seed=3)
    assert np.array_equal(joints, same_joints)
    painted = np.abs(images.astype(int) - empty).max(axis=3) > 12
    x, y = joints.astype(int).transpose(2, 0, 1)
    assert painted[np.arange(120)[:, None], y, x].mean() > 0.95
    assert 0.02 < painted.mean() < 0.35


def test_figures_are_large_enough_to_see(rendered):
    extent = np.ptp(rendered[1], axis=1).max(axis=1)
    assert extent.min() > 12
    assert np.median(extent) > 28


def test_poses_stand_and_lie_and_look_in_all_directions(rendered):
    joints = rendered[1]
    up = joints[:, [2, 3]].mean(axis=1)[:, 1] - joints[:, 12, 1]
    assert 0.7 < (up > 0).mean() < 1  # some hang upside down
    left_is_right = joints[:, 9, 0] > joints[:, 8, 0]  # as of a person who faces the viewer
    assert 0.3 < left_is_right.mean() < 0.7


def test_the_two_sides_of_a_body_are_equally_long():
    rng = np.random.default_rng(0)
    x = _skeleton._pose(rng, 50, _skeleton._body(rng, 50))
    for right, left in (((0, 1), (5, 4)), ((1, 2), (4, 3)), ((6, 7), (11, 10)), ((7, 8), (10, 9))):
        length = [np.linalg.norm(x[:, a] - x[:, b], axis=1) for a, b in (right, left)]
        np.testing.assert_allclose(*length)


def test_left_is_to_the_left_of_where_a_person_faces():
    view = _skeleton.people(np.random.default_rng(0), 300)
    x = np.concatenate([view.points, view.depth[:, :, None]], axis=2)  # right, down, away
    left, up = x[:, 9] - x[:, 8], x[:, 12] - x[:, [2, 3]].mean(axis=1)
    ahead = x[:, _skeleton.HEAD] - x[:, _skeleton.HAIR]  # hair is at the back of a head
    assert (np.linalg.det(np.stack([left, up, ahead], axis=1)) > 0).mean() > 0.95


def test_knees_and_elbows_fold_the_human_way():
    rng = np.random.default_rng(0)
    x = _skeleton._pose(rng, 200, _skeleton._body(rng, 200))
    for hip, knee, ankle, toe in ((2, 1, 0, _skeleton.R_TOE), (3, 4, 5, _skeleton.L_TOE)):
        # A folded shin is behind the line of the thigh, seen along the foot.
        thigh, shin = x[:, knee] - x[:, hip], x[:, ankle] - x[:, knee]
        foot = x[:, toe] - x[:, ankle]
        sideways = np.cross(thigh, shin)
        forward = np.cross(shin, foot)
        folded = np.linalg.norm(sideways, axis=1) > 1e-3
        assert ((sideways * forward).sum(axis=1)[folded] < 0).all()


# --- cache


def test_first_load_renders_and_writes_the_cache(tmp_path):
    Poses("val", root=tmp_path)
    assert [path.name for path in (tmp_path / "poses").iterdir()] == [CACHE]  # and no part


def test_second_load_reads_the_cache(root, monkeypatch):
    first = Poses("val", root=root)
    monkeypatch.setattr(poses, "render", lambda *_: pytest.fail("rendered again"))
    second = Poses("val", root=root)
    assert np.array_equal(first._pixels, second._pixels)
    assert torch.equal(first.joints, second.joints)


@pytest.mark.parametrize("damage", ["empty", "other content", "cut short", "other shapes"])
def test_damaged_cache_is_rendered_again_and_replaced(root, tmp_path, damage):
    whole = Poses("val", root=root)
    content = (root / "poses" / CACHE).read_bytes()
    cache = tmp_path / "poses" / CACHE
    cache.parent.mkdir()
    if damage == "other shapes":
        np.savez(cache, images=np.zeros(3), joints=np.zeros(2))
    else:
        kinds = {"empty": b"", "other content": b"no archive" * 50, "cut short": content[:-2000]}
        cache.write_bytes(kinds[damage])
    assert np.array_equal(Poses("val", root=tmp_path)._pixels, whole._pixels)
    with np.load(cache) as stored:
        assert stored["images"].shape == (8, 48, 48, 3)


def test_root_that_cannot_be_written_only_costs_the_cache(tmp_path):
    (tmp_path / "file").touch()
    assert len(Poses("val", root=tmp_path / "file" / "root")) == 8


# --- items


def test_default_item_is_colour_in_minus_one_to_one_with_its_number(root):
    x, number = Poses("gallery", root=root)[7]
    assert (x.shape, x.dtype, number) == ((3, 48, 48), torch.float32, 7)
    assert -1 <= x.min() < x.max() <= 1


def test_only_training_images_are_shifted(root):
    for split, kinds in (("train", range(2, 21)), ("val", [1]), ("query", [1]), ("gallery", [1])):
        dataset = Poses(split, root=root)
        assert len({tuple(dataset[0][0].flatten().tolist()) for _ in range(20)}) in kinds


def test_unshifted_item_is_the_stored_image(root):
    dataset = Poses("val", root=root)
    expected = torch.from_numpy(np.asarray(dataset.image(2)) / 127.5 - 1).permute(2, 0, 1).float()
    torch.testing.assert_close(dataset[2][0], expected)


def test_shift_moves_the_image_by_up_to_three_pixels_each_way():
    dot = Image.new("RGB", (20, 20))
    dot.putpixel((10, 10), (255, 255, 255))
    transform = rgb(shift=3)
    places = [tuple((transform(dot)[0] > 0).nonzero()[0].tolist()) for _ in range(500)]
    for rows_or_columns in zip(*places, strict=True):
        assert set(rows_or_columns) == set(range(7, 14))


def test_rgb_resizes_to_a_square():
    x = rgb(10)(Image.new("RGB", (30, 20), (255, 0, 51)))
    assert x.shape == (3, 10, 10)
    torch.testing.assert_close(x[:, 4, 4], torch.tensor([1.0, -1.0, -0.6]))


def test_rgb_says_what_it_does():
    assert repr(rgb(10, shift=2)) == "rgb(size=10, shift=2)"


def test_custom_transform_gets_the_stored_image(root):
    image, number = Poses("val", root=root, transform=lambda image: image)[5]
    assert number == 5
    assert np.array_equal(np.asarray(image), Poses("val", root=root)._pixels[5])


def test_unknown_split_is_refused(tmp_path):
    with pytest.raises(ValueError, match="must be one of train, val, query, gallery, got 'test'"):
        Poses("test", root=tmp_path)


@pytest.mark.parametrize("index", [8, -9])
def test_index_outside_the_data_set_is_an_index_error(root, index):
    with pytest.raises(IndexError, match=f"{index} is outside a data set of 8 images"):
        Poses("val", root=root)[index]


def test_negative_index_counts_from_the_end(root):
    assert Poses("val", root=root)[-1][1] == 7


def test_repr_names_data_set_split_and_size(root):
    assert repr(Poses("val", root=root)) == "<poses val: 8 images, labels with a distance>"


# --- label distances


def test_label_distances_equal_the_naive_loop(root):
    query, gallery = Poses("query", root=root), Poses("gallery", root=root)
    expected = [
        [naive_distance(x, y) for y in gallery.joints.tolist()] for x in query.joints.tolist()
    ]
    distances = query.label_distances(other=gallery)
    assert distances.dtype == torch.float32
    torch.testing.assert_close(distances, torch.tensor(expected))


def test_label_distances_of_chosen_rows_and_columns(root):
    query, gallery = Poses("query", root=root), Poses("gallery", root=root)
    rows, columns = torch.tensor([4, 0]), torch.tensor([9, 3, 3])
    part = query.label_distances(rows, other=gallery, columns=columns)
    assert torch.equal(part, query.label_distances(other=gallery)[rows][:, columns])
    assert query.label_distance(4, 2) == query.label_distances()[4, 2]


def test_label_distances_are_symmetric_and_zero_on_oneself(rendered):
    joints = torch.from_numpy(rendered[1])
    distances = mean_joint_distances(joints, joints)
    assert torch.equal(distances, distances.T)
    assert (distances.diagonal() == 0).all()
    assert (distances[~torch.eye(len(joints), dtype=bool)] > 0).all()


def test_label_distances_obey_the_triangle_inequality(rendered):
    joints = torch.from_numpy(rendered[1][:30]).double()
    d = mean_joint_distances(joints, joints)
    assert (d[:, None, :] <= d[:, :, None] + d[None] + 1e-9).all()


def test_standing_elsewhere_in_the_image_is_no_difference(rendered):
    joints = torch.from_numpy(rendered[1]).double()
    moved = joints + torch.randn(120, 1, 2, generator=torch.Generator().manual_seed(0)) * 5
    torch.testing.assert_close(
        mean_joint_distances(joints, moved), mean_joint_distances(joints, joints)
    )


def test_mirroring_both_poses_keeps_their_distance(rendered):
    joints = torch.from_numpy(rendered[1]).double()
    mirrored = joints * torch.tensor([-1, 1]) + torch.tensor([48, 0])
    sides = [5, 4, 3, 2, 1, 0, 11, 10, 9, 8, 7, 6, 12, 13]  # right joints become left ones
    before = mean_joint_distances(joints, joints)
    for pose in (mirrored, mirrored[:, sides]):
        torch.testing.assert_close(mean_joint_distances(pose, pose), before)
    assert Poses.flips


def test_pixels_tell_little_about_poses():
    images, joints = _figures.render(400, seed=8)
    labels = mean_joint_distances(*[torch.from_numpy(joints)] * 2).fill_diagonal_(torch.inf)
    pixels = torch.from_numpy(images).flatten(1).float()
    looks = torch.cdist(pixels, pixels).fill_diagonal_(torch.inf)
    by_label, by_looks = (
        labels.gather(1, d.topk(5, largest=False).indices).mean() for d in (labels, looks)
    )
    anything = labels[labels < torch.inf].mean()
    assert by_label < 0.65 * anything
    assert by_looks > 0.85 * anything


def test_smallest_distance_is_below_those_of_different_images(rendered):
    joints = torch.from_numpy(rendered[1])
    distances = mean_joint_distances(joints, joints).fill_diagonal_(torch.inf)
    assert Poses.smallest_distance < distances.min()
    assert Poses.unit == "pixels"
