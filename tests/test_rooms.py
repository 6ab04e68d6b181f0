"""The Rooms data set. Small splits are rendered, except where sizes are the matter."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dmlviz.datasets.layouts import layout_distances
from dmlviz.datasets.rendered import rooms
from dmlviz.datasets.rendered.rooms import Rooms, RoomView, draw_layouts, layouts, render

SMALL = {"train": 24, "val": 9, "query": 6, "gallery": 15}
CACHE = Path("rooms", f"v{rooms.VERSION}-query.npz")
FLOOR, CEILING, LEFT, FRONT, RIGHT = range(5)
# of render(3, seed=0): mean colours of the images, sizes of the surfaces in the masks
REFERENCE_COLOURS = [[120.5, 109.0, 97.1], [107.6, 170.3, 129.4], [146.0, 182.7, 138.7]]
REFERENCE_COUNTS = [[232, 189, 103, 52, 0], [0, 15, 0, 278, 283], [229, 13, 124, 48, 162]]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    for split, size in SMALL.items():
        monkeypatch.setitem(rooms.SIZES, split, size)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("rooms_root")


@pytest.fixture(scope="module")
def drawn():
    return draw_layouts(200, np.random.default_rng(1))


@pytest.fixture(scope="module")
def masks(drawn):
    return layouts(*drawn)


def naive_distance(a, b):
    ratios = []
    for surface in range(5):
        in_a, in_b = (a == surface).tolist(), (b == surface).tolist()
        pairs = [pair for rows in zip(in_a, in_b, strict=True) for pair in zip(*rows, strict=True)]
        either = sum(x or y for x, y in pairs)
        if either:
            ratios.append(sum(x and y for x, y in pairs) / either)
    return 1 - sum(ratios) / len(ratios)


def naive_surface(walls, camera, i, j, size):
    """What pixel (row i, column j) sees: rotation matrices, and each plane in turn."""
    yaw, pitch, roll, tangent = camera
    c, s = math.cos, math.sin
    about_y = np.array([[c(roll), 0, -s(roll)], [0, 1, 0], [s(roll), 0, c(roll)]])
    about_x = np.array([[1, 0, 0], [0, c(pitch), -s(pitch)], [0, s(pitch), c(pitch)]])
    about_z = np.array([[c(yaw), s(yaw), 0], [-s(yaw), c(yaw), 0], [0, 0, 1]])
    x, z = ((2 * j + 1) / size - 1) * tangent, (1 - (2 * i + 1) / size) * tangent
    ray = about_z @ about_x @ about_y @ np.array([x, 1, z])
    floor, ceiling, left, front, right = walls
    planes = [
        (2, -floor, FLOOR), (2, ceiling, CEILING), (0, -left, LEFT), (1, front, FRONT),
        (0, right, RIGHT),
    ]  # fmt: skip
    hits = [(at / ray[axis], surface) for axis, at, surface in planes if at / ray[axis] > 0]
    return min(hits)[1]


# layouts


def test_camera_straight_down_the_axis_of_a_known_room():
    # 4 wide, 2 high, 4 ahead, the angle of view 90°: the front wall fills the middle half across
    # and the middle quarter down, and the other borders run from its corners along x = ± 2 z.
    mask = layouts(torch.tensor([[1.0, 1, 2, 4, 2]]), torch.tensor([[0.0, 0, 0, 1]]))[0]
    x = (2 * torch.arange(24) - 23)[None, :] / 24
    z = -x.T
    expected = torch.full((24, 24), FLOOR)
    expected[z.expand(24, 24) > 0] = CEILING
    expected[-x > 2 * z.abs()] = LEFT
    expected[x > 2 * z.abs()] = RIGHT
    expected[(x.abs() < 0.5) & (z.abs() < 0.25)] = FRONT
    assert torch.equal(mask, expected.byte())
    assert (mask == FRONT).sum() == 12 * 6


def test_masks_are_those_of_a_naive_ray_caster():
    walls, camera = draw_layouts(12, np.random.default_rng(2))
    masks = layouts(walls, camera, 10)
    for mask, room, pose in zip(masks, walls.tolist(), camera.tolist(), strict=True):
        seen = [[naive_surface(room, pose, i, j, 10) for j in range(10)] for i in range(10)]
        # rounding may turn a pixel on a border
        assert (mask != torch.tensor(seen)).sum() <= 1


def test_each_pixel_has_one_known_surface_and_all_surfaces_occur(masks):
    assert masks.shape == (200, 24, 24)
    assert masks.dtype == torch.uint8
    assert masks.unique().tolist() == [FLOOR, CEILING, LEFT, FRONT, RIGHT]


def test_the_front_wall_is_seen_in_almost_every_room_and_every_room_shows_two_surfaces(masks):
    assert (masks == FRONT).flatten(1).any(1).float().mean() > 0.95
    assert min(len(mask.unique()) for mask in masks) >= 2


def test_left_wall_is_left_of_the_front_wall_and_the_floor_below_the_ceiling(masks):
    columns = torch.arange(24).expand(24, 24)
    for mask in masks:
        for first, second, place in [
            (LEFT, FRONT, columns), (FRONT, RIGHT, columns), (CEILING, FLOOR, columns.T),
        ]:  # fmt: skip
            if (mask == first).any() and (mask == second).any():
                assert place[mask == first].float().mean() < place[mask == second].float().mean()


def test_mask_is_continuous_in_the_camera(drawn):
    walls, camera = (x[:20] for x in drawn)
    for angle, most in [(0, 40), (1, 20), (2, 6)]:  # yaw, pitch, roll
        steps = torch.arange(-most, most, 0.5)
        poses = camera[:, None].repeat(1, len(steps), 1)
        poses[..., angle] = steps.deg2rad()
        rooms_ = walls.repeat_interleave(len(steps), 0)
        swept = layouts(rooms_, poses.flatten(0, 1), 48).unflatten(0, poses.shape[:2])
        assert (swept[:, 1:] != swept[:, :-1]).float().mean((2, 3)).max() < 0.06


def test_mirrored_room_has_the_mirrored_mask(drawn, masks):
    walls, camera = drawn
    mirrored = layouts(walls[:, [0, 1, 4, 3, 2]], camera * torch.tensor([-1, 1, -1, 1]))
    exchange = torch.tensor([FLOOR, CEILING, RIGHT, FRONT, LEFT], dtype=torch.uint8)
    assert torch.equal(mirrored, exchange[masks.flip(2).long()])


# label distances


def test_distance_of_two_masks_by_hand():
    a = torch.zeros(1, 2, 2, dtype=torch.uint8)
    b = torch.tensor([[[0, 0], [0, 3]]], dtype=torch.uint8)
    # floor: 3 of 4 pixels in common; front wall: 0 of 1; the others occur in neither
    torch.testing.assert_close(layout_distances(a, b), torch.tensor([[1 - (3 / 4 + 0) / 2]]))


def test_distances_equal_the_naive_loop(masks):
    a, b = masks[:12], masks[12:30]
    naive = torch.tensor([[naive_distance(x, y) for y in b] for x in a])
    torch.testing.assert_close(layout_distances(a, b), naive)


def test_distances_are_symmetric_zero_on_themselves_and_in_0_to_1(masks):
    d = layout_distances(masks, masks)
    assert torch.equal(d, d.T)
    assert (d.diagonal() == 0).all()
    assert d.min() == 0
    assert d.max() <= 1


def test_distances_are_well_spread(masks):
    d = layout_distances(masks, masks)[~torch.eye(len(masks), dtype=torch.bool)]
    low, middle, high = d.quantile(torch.tensor([0.05, 0.5, 0.95]))
    assert low < 0.55
    assert 0.6 < middle < 0.8
    assert high < 0.98


def test_mirroring_all_masks_keeps_distances(masks):
    exchange = torch.tensor([FLOOR, CEILING, RIGHT, FRONT, LEFT], dtype=torch.uint8)
    mirrored = exchange[masks.flip(2).long()]
    torch.testing.assert_close(layout_distances(mirrored, mirrored), layout_distances(masks, masks))
    assert Rooms.flips


def test_many_rows_are_computed_in_blocks(masks):
    many = masks[torch.arange(1030) % 200]
    torch.testing.assert_close(
        layout_distances(many, masks[:3])[1020:], layout_distances(many[1020:], masks[:3])
    )


def test_no_rows_or_columns(masks):
    assert layout_distances(masks[:0], masks).shape == (0, 200)
    assert layout_distances(masks, masks[:0]).shape == (200, 0)


def test_query_gallery_distances(root):
    query, gallery = Rooms("query", root), Rooms("gallery", root)
    d = query.label_distances(other=gallery)
    assert d.shape == (6, 15)
    assert d.dtype == torch.float32
    naive = naive_distance(query.masks[4], gallery.masks[7])
    assert d[4, 7].item() == pytest.approx(naive, abs=1e-6)
    part = query.label_distances(torch.tensor([4, 0]), other=gallery, columns=torch.tensor([7]))
    torch.testing.assert_close(part, d[[4, 0]][:, [7]])


def test_distance_of_two_items(root):
    query = Rooms("query", root)
    assert query.label_distance(2, 2) == 0
    assert query.label_distance(1, 3) == query.label_distances()[3, 1].item() > 0


def test_smallest_distance_is_about_what_the_grid_of_the_masks_makes(drawn):
    coarse, fine = layouts(*drawn), layouts(*drawn, 96)
    error = layout_distances(coarse, coarse) - layout_distances(fine, fine)
    assert 0.01 < error.square().mean().sqrt() < Rooms.smallest_distance


# pictures


def test_same_seed_gives_the_same_rooms():
    first, second = render(5, seed=5), render(5, seed=5)
    assert np.array_equal(first["images"], second["images"])
    assert np.array_equal(first["masks"], second["masks"])


def test_other_seed_gives_other_rooms():
    first, second = render(5, seed=5), render(5, seed=6)
    assert not np.array_equal(first["images"], second["images"])
    assert not np.array_equal(first["masks"], second["masks"])


def test_splits_have_different_rooms(root):
    sets = [Rooms(split, root).masks[:6].flatten(1) for split in Rooms.splits]
    assert len(torch.cat(sets).unique(dim=0)) == 4 * 6


def test_rendering_leaves_the_global_random_state_alone():
    before = torch.get_rng_state()
    render(2, seed=0)
    assert torch.equal(torch.get_rng_state(), before)


def test_furniture_and_looks_leave_the_mask_alone():
    walls, camera = draw_layouts(5, np.random.default_rng(3))
    assert np.array_equal(render(5, seed=3)["masks"], layouts(walls, camera).numpy())


def test_pictures_show_the_rooms_of_their_masks():
    # Surfaces differ in colour: their own mask explains more of the pictures than any other does.
    made = render(60, seed=4)
    images = torch.from_numpy(made["images"]).float().permute(0, 3, 1, 2)
    pixels = torch.nn.functional.avg_pool2d(images, 2).flatten(2)
    masks = torch.from_numpy(made["masks"]).long()

    def left_over(masks):
        inside = torch.nn.functional.one_hot(masks.flatten(1), 5).float()
        means = pixels @ inside / inside.sum(1, keepdim=True).clamp(min=1)
        return (pixels - means @ inside.mT).square().mean()

    shifted = masks.roll(2, 2)
    for other in (masks.roll(1, 0), masks.flip(2), masks.flip(1), shifted, masks.mT):
        assert left_over(masks) < 0.95 * left_over(other)


def test_every_picture_has_contrast():
    images = render(60, seed=8)["images"].astype(int)
    assert images.shape == (60, 48, 48, 3)
    assert np.ptp(images.mean(3), axis=(1, 2)).min() > 30


def test_rooms_look_as_they_did():
    # not exact: arithmetic may round otherwise on another machine
    made = render(3, seed=0)
    np.testing.assert_allclose(made["images"].mean((1, 2)), REFERENCE_COLOURS, atol=1)
    counts = [np.bincount(mask.ravel(), minlength=5) for mask in made["masks"]]
    np.testing.assert_allclose(counts, REFERENCE_COUNTS, atol=2)


def test_pixels_are_a_poor_guide_to_layouts():
    made = render(150, seed=7)
    pixels = torch.from_numpy(made["images"]).float().flatten(1)
    masks = torch.from_numpy(made["masks"])
    labels = layout_distances(masks, masks).fill_diagonal_(torch.inf)
    by_pixels = torch.cdist(pixels, pixels).fill_diagonal_(torch.inf).argmin(1)
    guess, best = labels.gather(1, by_pixels[:, None]).mean(), labels.min(1).values.mean()
    chance = labels[~labels.isinf()].mean()
    assert guess > 0.9 * chance
    assert best < 0.5 * chance


# cache


def test_promised_sizes(monkeypatch):
    monkeypatch.undo()
    assert rooms.SIZES == {"train": 4000, "val": 600, "query": 300, "gallery": 1500}


def test_first_load_renders_and_writes_the_cache_whole(tmp_path):
    Rooms("query", tmp_path)
    # also no half-written part beside it
    assert list((tmp_path / "rooms").iterdir()) == [tmp_path / CACHE]


def test_second_load_reads_the_cache(tmp_path, monkeypatch):
    first = Rooms("query", tmp_path)
    monkeypatch.setattr(rooms, "render", lambda *_: pytest.fail("rendered again"))
    second = Rooms("query", tmp_path)
    assert torch.equal(first.masks, second.masks)
    assert np.array_equal(np.asarray(first.image(3)), np.asarray(second.image(3)))


@pytest.mark.parametrize(
    "damage", ["empty", "other content", "cut short", "other shape", "no masks"]
)
def test_damaged_cache_is_rendered_again_and_replaced(root, tmp_path, damage):
    whole = Rooms("query", root)
    content = (root / CACHE).read_bytes()
    cache = tmp_path / CACHE
    cache.parent.mkdir()
    if damage == "other shape":
        np.savez(cache, images=whole._pixels, masks=whole.masks.numpy()[:, :12])
    elif damage == "no masks":
        np.savez(cache, images=whole._pixels)
    else:
        contents = {"empty": b"", "other content": b"no" * 500, "cut short": content[:900]}
        cache.write_bytes(contents[damage])
    again = Rooms("query", tmp_path)
    assert torch.equal(again.masks, whole.masks)
    with np.load(cache) as stored:
        assert stored["images"].shape == (6, 48, 48, 3)
        assert stored["masks"].shape == (6, 24, 24)


def test_root_that_cannot_be_written_only_costs_the_cache(tmp_path):
    # Below a regular file nobody can make a folder, root user included.
    (tmp_path / "file").touch()
    assert Rooms("query", tmp_path / "file" / "root").image(0).size == (48, 48)


# items


def test_default_item_is_rgb_in_minus_one_to_one_and_its_number(root):
    gallery = Rooms("gallery", root)
    x, number = gallery[7]
    assert x.shape == (3, 48, 48)
    assert x.dtype == torch.float32
    assert -1 <= x.min() < x.max() <= 1
    assert number == 7
    torch.testing.assert_close(
        (x.permute(1, 2, 0) + 1) * 127.5, torch.from_numpy(np.array(gallery.image(7))).float()
    )


def test_masks_are_bytes_one_per_room(root):
    gallery = Rooms("gallery", root)
    assert gallery.masks.shape == (15, 24, 24)
    assert gallery.masks.dtype == torch.uint8
    assert len(gallery) == 15
    assert gallery.targets.tolist() == list(range(15))


def test_training_colours_vary_but_edges_stay_where_they_are(root):
    train = Rooms("train", root)
    stored = torch.from_numpy(np.array(train.image(0))).permute(2, 0, 1).float() / 127.5 - 1
    views = [train[0][0] for _ in range(10)]
    assert len({tuple(view.flatten().tolist()) for view in views}) == 10
    for view in views:
        inside = (view.abs() < 1) & (stored.abs() < 1)
        for channel in range(3):  # each channel is still a rising line of the stored one
            kept = inside[channel]
            pair = torch.stack([view[channel][kept], stored[channel][kept]])
            assert torch.corrcoef(pair)[0, 1] > 0.999


@pytest.mark.parametrize("split", ["val", "query", "gallery"])
def test_other_splits_do_not_vary(root, split):
    dataset = Rooms(split, root)
    assert torch.equal(dataset[0][0], dataset[0][0])


def test_view_of_a_grey_picture_has_three_channels():
    assert RoomView()(Image.new("L", (48, 48))).shape == (3, 48, 48)


def test_custom_transform_gets_the_stored_image(root):
    dataset = Rooms("query", root, transform=lambda image: (image.mode, image.size))
    assert dataset[2] == (("RGB", (48, 48)), 2)


def test_unknown_split_is_refused(tmp_path):
    with pytest.raises(ValueError, match="one of train, val, query, gallery, got 'test'"):
        Rooms("test", tmp_path)


@pytest.mark.parametrize("index", [6, -7])
def test_index_outside_the_data_set_is_an_index_error(root, index):
    dataset = Rooms("query", root)
    for get in (dataset.__getitem__, dataset.image):
        with pytest.raises(IndexError, match=f"{index} is outside a data set of 6 images"):
            get(index)


def test_negative_index_counts_from_the_end(root):
    dataset = Rooms("query", root)
    assert torch.equal(dataset[-1][0], dataset[5][0])
    assert dataset[-1][1] == 5


def test_repr(root):
    assert repr(Rooms("query", root)) == "<rooms query: 6 images, labels with a distance>"
    assert repr(RoomView(train=True)) == "RoomView(jitter=0.1)"
