import os
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat

from dmlviz.datasets.real import mpii
from dmlviz.datasets.real._mpii_release import read_people
from dmlviz.datasets.real.mpii import MPII

N = 40  # images; the last four are test images
FILE = "mpii_human_pose_v1_u12_2.mat"
EMPTY = np.empty((0, 0))


def struct(*rows):
    """A struct array of MATLAB, one dict each; all have the fields of the first."""
    array = np.zeros((1, len(rows)), dtype=[(key, object) for key in rows[0]])
    for i, row in enumerate(rows):
        for key, value in row.items():
            array[0, i][key] = value
    return array


def random_joints(n=N, seed=0):
    return np.random.default_rng(seed).uniform(10, 90, (n, 16, 2))


def person(joints, ids=range(16), scale=0.2, at=(60.0, 50.0)):
    points = [
        {"x": joints[k, 0], "y": joints[k, 1], "id": k, "is_visible": "1" if k % 2 else EMPTY}
        for k in ids
    ]
    return {
        "annopoints": struct({"point": struct(*points)}) if points else EMPTY,
        "scale": scale,
        "objpos": EMPTY if at is None else struct({"x": at[0], "y": at[1]}),
    }


def name(i):
    return f"{i:09d}.jpg"


def save(path, people, train, apart):
    annolist = struct(
        *(
            {
                "image": struct({"name": name(i)}),
                "annorect": struct(*rows) if rows else EMPTY,
                "vididx": 1,
            }
            for i, rows in enumerate(people)
        )
    )
    cells = np.empty((len(people), 1), object)
    for i, numbers in enumerate(apart):
        cells[i, 0] = np.array(numbers, float)
    release = {"annolist": annolist, "img_train": np.array([train]), "single_person": cells}
    savemat(path, {"RELEASE": struct(release)})


def parts():
    """One full body in each image: people, which are training images, who stands apart."""
    people = [[person(joints)] for joints in random_joints()]
    return people, [1] * (N - 4) + [0] * 4, [[1]] * N


def make_mpii(root, people, train, apart):
    folder = root / "mpii"
    (folder / "images").mkdir(parents=True)
    save(folder / FILE, people, train, apart)
    for i in range(len(people)):
        Image.new("L", (120, 100), 5 * i).save(folder / "images" / name(i))
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_mpii(tmp_path_factory.mktemp("mpii_root"), *parts())


@pytest.fixture
def folder(tmp_path, made):
    return shutil.copytree(made, tmp_path / "mpii")


def everything(root, **options):
    return [MPII(split, root, **options) for split in MPII.splits]


def keys(dataset):
    return [(path.name, k) for path, k in zip(dataset.paths, dataset.numbers, strict=True)]


# --- what is read


def test_joints_image_and_number_belong_together(folder):
    joints = random_joints()
    for dataset in everything(folder.parent):
        for i, (image, number) in enumerate(keys(dataset)):
            n = int(image[:9])
            torch.testing.assert_close(dataset.joints[i], torch.from_numpy(joints[n]).float())
            assert dataset.visible[i].all()
            assert number == 1
            assert dataset.scales[i] == 0.2
            assert dataset.centres[i].tolist() == [60, 50]
            assert abs(dataset.image(i).getpixel((25, 25))[0] - 5 * n) <= 2


def test_people_keep_their_number_beside_people_without_joints(tmp_path):
    people, train, apart = parts()
    people[3] = [person(random_joints(1)[0], ids=()), person(random_joints(1)[0])]
    apart[3] = [2]
    folder = make_mpii(tmp_path, people, train, apart)
    read = read_people(folder / FILE)
    assert read.numbers[read.images.index(name(3))] == 2
    assert read.apart[read.images.index(name(3))]
    assert read.images.count(name(3)) == 1


def test_messy_release_reads(tmp_path):
    people, train, apart = parts()
    joints = random_joints(1)[0]
    people[0] = []  # an image without anybody
    people[1] = [{"x1": 1.0}]  # a head without points, scale or position
    people[2] = [person(joints, ids=[9])]  # one point is not a list
    people[4] = [person(joints, at=None), person(joints, scale=EMPTY), person(joints)]
    apart[4], apart[5] = [1, 3], []
    read = read_people(make_mpii(tmp_path, people, train, apart) / FILE)
    assert read.training == [name(i) for i in range(N - 4)]
    assert not {name(0), name(1)} & set(read.images)
    assert read.known[read.images.index(name(2))].nonzero()[0].tolist() == [9]
    first = read.images.index(name(4))
    assert read.numbers[first : first + 3] == [1, 2, 3]
    assert read.apart[first : first + 3].tolist() == [True, False, True]
    assert np.isnan(read.centres[first]).all()
    assert np.isnan(read.scales[first + 1])
    assert not read.apart[read.images.index(name(5))]
    # Without a place or a height there is no square, so they are in no split.
    chosen = [key for d in everything(tmp_path) for key in keys(d)]
    assert [key for key in chosen if key[0] == name(4)] == [(name(4), 3)]


def test_release_of_one_image_reads(tmp_path):
    save(tmp_path / FILE, [[person(joints) for joints in random_joints(3)]], [1], [[1, 3]])
    read = read_people(tmp_path / FILE)
    assert (read.images, read.numbers) == ([name(0)] * 3, [1, 2, 3])
    assert read.apart.tolist() == [True, False, True]


def test_changed_file_is_read_again(folder):
    assert len(read_people(folder / FILE).images) == N - 4
    people, train, apart = parts()
    save(folder / FILE, people[:30], train[:30], apart[:30])
    assert len(read_people(folder / FILE).images) == 30


def test_second_split_does_not_parse_again(folder, monkeypatch):
    MPII("train", folder.parent)
    monkeypatch.setattr("scipy.io.loadmat", lambda *_, **__: pytest.fail("parsed again"))
    assert len(MPII("query", folder.parent)) == 2


# --- splits


def test_training_images_are_shared_in_the_stated_proportions(folder):
    sizes = {d.split: len(d) for d in everything(folder.parent)}
    assert sizes == {"train": 22, "val": 3, "query": 2, "gallery": 9}


def test_no_person_is_in_two_splits_and_test_images_are_in_none(folder):
    chosen = [key for dataset in everything(folder.parent) for key in keys(dataset)]
    assert sorted(chosen) == [(name(i), 1) for i in range(N - 4)]


def test_the_shuffled_order_is_fixed(folder):
    assert keys(MPII("query", folder.parent)) == [(name(1), 1), (name(7), 1)]


def test_people_of_one_image_are_in_one_split(tmp_path):
    people, train, apart = parts()
    people = [rows * 2 for rows in people]
    make_mpii(tmp_path, people, train, apart)
    images = [{image for image, _ in keys(d)} for d in everything(tmp_path)]
    assert sum(map(len, images)) == len(set.union(*images)) == N - 4
    assert sum(len(d) for d in everything(tmp_path)) == 2 * (N - 4)


def test_people_with_few_joints_are_left_out_and_nobody_else_moves(tmp_path):
    people, train, apart = parts()
    people[5] = [person(random_joints(1)[0], ids=range(12))]
    make_mpii(tmp_path, people, train, apart)
    full, partial = everything(tmp_path), everything(tmp_path, min_joints=12)
    for a, b in zip(full, partial, strict=True):
        assert keys(a) == [key for key in keys(b) if key[0] != name(5)]
    assert sum(map(len, partial)) == sum(map(len, full)) + 1
    row, dataset = next(
        (keys(d).index((name(5), 1)), d) for d in partial if (name(5), 1) in keys(d)
    )
    assert dataset.visible[row].tolist() == [True] * 12 + [False] * 4


def test_single_person_keeps_those_who_stand_apart(tmp_path):
    people, train, apart = parts()
    apart[::2] = [[]] * (N // 2)
    make_mpii(tmp_path, people, train, apart)
    chosen = [key for d in everything(tmp_path, single_person=True) for key in keys(d)]
    assert sorted(chosen) == [(name(i), 1) for i in range(1, N - 4, 2)]


@pytest.mark.parametrize("least", [8, 17])
def test_min_joints_outside_its_range_is_refused(folder, least):
    with pytest.raises(ValueError, match=f"min_joints must be 9 to 16, got {least}"):
        MPII("train", folder.parent, min_joints=least)


def test_unknown_split_is_refused(folder):
    with pytest.raises(ValueError, match="must be one of train, val, query, gallery, got 'test'"):
        MPII("test", folder.parent)


def test_split_that_would_be_empty_is_refused(tmp_path):
    make_mpii(tmp_path, *(part[:3] for part in parts()))
    with pytest.raises(ValueError, match=r"of 3 people in 3 training images, none .*'query'"):
        MPII("query", tmp_path)


# --- lists


def test_lists_choose_the_people_and_their_order(folder, tmp_path):
    (tmp_path / "query.txt").write_text(f"{name(9)} 1\n{name(2)}\t1\n")
    with pytest.warns(UserWarning, match="'query' split has 2 images, the official one 1,919"):
        dataset = MPII("query", folder.parent, lists=tmp_path)
    assert keys(dataset) == [(name(9), 1), (name(2), 1)]


def test_official_counts():
    assert mpii.SOURCE.official == (("train", 0, 12366), ("query", 0, 1919), ("gallery", 0, 8000))


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (name(3) + " 2", "is not 'image number' of a person"),
        (name(N - 1) + " 1", "is not 'image number' of a person with joints in the training"),
        ("", "is not 'image number'"),
        (name(5) + " 1", "has too few joints.* lower min_joints"),
        (name(1) + " 1", "is named a second time"),
    ],
)
def test_line_that_names_nobody_is_an_error(tmp_path, line, why):
    people, train, apart = parts()
    people[5] = [person(random_joints(1)[0], ids=range(12))]
    make_mpii(tmp_path, people, train, apart)
    (tmp_path / "train.txt").write_text(f"{name(1)} 1\n{line}\n")
    with pytest.raises(ValueError, match=rf"train\.txt, line 2: .* {why}"):
        MPII("train", tmp_path, lists=tmp_path)


def test_missing_or_empty_list_is_an_error(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"val\.txt is missing: lists= must be a folder"):
        MPII("val", folder.parent, lists=tmp_path)
    (tmp_path / "val.txt").touch()
    with pytest.raises(ValueError, match=r"val\.txt names nobody"):
        MPII("val", folder.parent, lists=tmp_path)


# --- items


def test_default_item_is_112_pixels_in_minus_one_to_one_with_its_number(folder):
    x, number = MPII("gallery", folder.parent)[7]
    assert (x.shape, x.dtype, number) == ((3, 112, 112), torch.float32, 7)
    assert -1 <= x.min() <= x.max() <= 1


def test_image_is_the_square_around_the_position_and_black_outside(tmp_path):
    people, train, apart = parts()
    joints = random_joints()
    people[:] = [[person(j, scale=0.24, at=(20, 50))] for j in joints]  # 60 pixels wide
    make_mpii(tmp_path, people, train, apart)
    dataset = MPII("train", tmp_path)
    photograph = np.zeros((100, 120, 3), np.uint8)
    photograph[20:80, :50] = 255
    Image.fromarray(photograph).save(dataset.paths[0])
    image = np.asarray(dataset.image(0))
    assert image.shape == (60, 60, 3)
    assert image[:, :10].max() == 0
    assert image[:, 10:].mean() > 245
    assert MPII("train", tmp_path, crop=False).image(0).size == (120, 100)


@pytest.mark.parametrize("sub", ["", "mpii_human_pose_v1_u12_1"])
def test_annotations_may_lie_in_a_folder_of_their_own(folder, sub):
    target = folder / sub / "mpii_human_pose_v1_u12_1.mat"
    target.parent.mkdir(exist_ok=True)
    expected = keys(MPII("val", folder))
    (folder / FILE).rename(target)
    assert keys(MPII("val", folder.parent)) == keys(MPII("val", folder)) == expected


def test_root_may_come_from_the_environment(folder, monkeypatch):
    monkeypatch.setenv("DMLVIZ_DATA", str(folder.parent))
    assert len(MPII("train")) == 22


# --- label distances


def naive_distance(x, x_known, y, y_known):
    both = [k for k in range(16) if x_known[k] and y_known[k]]

    def normal(pose):
        m = [sum(pose[k][d] for k in both) / len(both) for d in range(2)]
        s = (sum((pose[k][d] - m[d]) ** 2 for k in both for d in range(2)) / len(both)) ** 0.5
        return {k: [(pose[k][d] - m[d]) / s for d in range(2)] for k in both}

    u, v = normal(x), normal(y)
    return sum(((u[k][0] - v[k][0]) ** 2 + (u[k][1] - v[k][1]) ** 2) ** 0.5 for k in both) / len(
        both
    )


def test_label_distances_equal_the_naive_loop_on_joints_that_both_have(tmp_path):
    people, train, apart = parts()
    rng = np.random.default_rng(3)
    for rows, joints in zip(people, random_joints(), strict=True):
        rows[0] = person(joints, ids=sorted(rng.permutation(16)[:11].tolist()))
    make_mpii(tmp_path, people, train, apart)
    query, gallery = (MPII(s, tmp_path, min_joints=11) for s in ("query", "gallery"))
    expected = [
        [
            naive_distance(x, xk, y, yk)
            for y, yk in zip(gallery.joints.tolist(), gallery.visible.tolist(), strict=True)
        ]
        for x, xk in zip(query.joints.tolist(), query.visible.tolist(), strict=True)
    ]
    distances = query.label_distances(other=gallery)
    torch.testing.assert_close(distances, torch.tensor(expected), atol=1e-5, rtol=1e-5)
    part = query.label_distances(torch.tensor([1]), other=gallery, columns=torch.tensor([4]))
    assert part.item() == pytest.approx(expected[1][4], abs=1e-5)


# --- what may be missing or broken


def test_missing_data_says_how_to_get_it(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"no mpii/mpii_human.* in .*u12_2\.zip \(12\.5 MB\).*12\.9 GB"
    ):
        MPII("train", tmp_path)


def test_missing_or_empty_images_are_counted(folder):
    paths = MPII("train", folder.parent).paths
    paths[3].unlink()
    paths[5].write_bytes(b"")
    with pytest.raises(FileNotFoundError, match=rf"2 of 22 images .*{paths[3].name}: unpack the"):
        MPII("train", folder.parent)
    assert len(MPII("val", folder.parent)) == 3  # images of other splits do not matter


@pytest.mark.parametrize("keep", [0, 100, 200, -3000])
def test_damaged_annotations_are_named(folder, keep):
    path = folder / FILE
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"u12_2\.mat cannot be read as a MATLAB file"):
        MPII("train", folder.parent)


def test_other_matlab_file_is_refused(folder):
    savemat(folder / FILE, {"joints": np.zeros(3)})
    with pytest.raises(ValueError, match=r"with the variable 'RELEASE' \(KeyError"):
        MPII("train", folder.parent)
    savemat(folder / FILE, {"RELEASE": np.zeros(3)})
    with pytest.raises(ValueError, match=r"0 entries of 'annolist', 0 of 'img_train' and 0 of"):
        MPII("train", folder.parent)


def test_lists_of_different_lengths_are_refused(folder):
    people, train, apart = parts()
    save(folder / FILE, people, train[1:], apart)
    with pytest.raises(ValueError, match="40 entries of 'annolist', 39 of 'img_train' and 40 of"):
        MPII("train", folder.parent)


def test_release_without_joints_is_refused(folder):
    people, _, apart = parts()
    save(folder / FILE, people, [0] * N, apart)
    with pytest.raises(ValueError, match=r"no person with joints: those of test images are not"):
        MPII("train", folder.parent)


@pytest.mark.parametrize(("key", "value"), [("id", 16), ("x", np.nan), ("y", EMPTY)])
def test_damaged_joint_is_named_with_image_and_person(folder, key, value):
    people, train, apart = parts()
    people[6][0]["annopoints"]["point"][0, 0]["id" if key == "id" else key][0, 2] = value
    save(folder / FILE, people, train, apart)
    with pytest.raises(ValueError, match=rf"image {name(6)}, person 1: a joint has id, x, y = "):
        MPII("train", folder.parent)


def test_image_without_a_name_is_an_error(folder):
    people, train, apart = parts()
    save(folder / FILE, people, train, apart)
    path = folder / FILE
    path.write_bytes(path.read_bytes().replace(name(2).encode(), b"\0" * 13))
    with pytest.raises(ValueError, match="image 3 has no name"):
        read_people(path)


@pytest.mark.skipif("DMLVIZ_TEST_MPII" not in os.environ, reason="DMLVIZ_TEST_MPII names no data")
def test_real_data_has_queries_with_near_poses_in_the_gallery():
    root = os.environ["DMLVIZ_TEST_MPII"]
    query, gallery = MPII("query", root), MPII("gallery", root)
    assert query[0][0].shape == (3, 112, 112)
    distances = query.label_distances(other=gallery)
    assert torch.isfinite(distances).all()
    assert distances.min(dim=1).values.median() < 0.5 * distances.median()
    # In an upright image the head is above the ankles, as a rule: the ids are those we think of.
    assert (gallery.joints[:, 9, 1] < gallery.joints[:, [0, 5], 1].mean(dim=1)).float().mean() > 0.8
