"""Figures of whole spaces: what is drawn for epochs, neighbours, similarities, spectra, proxies."""

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex

from dmlviz import evaluation, plots
from dmlviz.geometry import normalize
from dmlviz.history import History, Snapshot
from dmlviz.plots.layout import lay_out
from dmlviz.plots.spectrum import effective_rank, spread
from dmlviz.plots.style import ANCHOR, BLACK, NEGATIVE, POSITIVE, QUIET


@pytest.fixture(autouse=True)
def no_figure_left():
    yield
    plt.close("all")


def clusters(per_class=10, classes=4, d=6, noise=0.3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(classes, d, generator=generator)
    y = torch.arange(classes).repeat_interleave(per_class)
    x = centres[y] + noise * torch.randn(len(y), d, generator=generator)
    return normalize(x), y, normalize(centres)


def history(count=5, d=6):
    """Clusters that come out of noise, epoch by epoch."""
    x, y, _ = clusters(d=d)
    noise = normalize(torch.randn(x.shape, generator=torch.Generator().manual_seed(1)))
    names = ["ant", "bee", "cat", "dog"]
    rows = torch.arange(len(x))
    spaces = [normalize(noise + 2 * i / count * x) for i in range(count)]
    snapshots = [Snapshot(2 * i, z, y, rows, names) for i, z in enumerate(spaces)]
    records = [{"epoch": 2 * i, "loss": None, "test_recall@1": i / count} for i in range(count)]
    return History(records, snapshots)


def by_gid(ax, gid):
    return [c for c in ax.collections if c.get_gid() == gid]


def by_label(ax, label):
    (line,) = [line for line in ax.lines if line.get_label() == label]
    return line


# --- proxies and synthetic points on the map --------------------------------------------------


def test_proxies_are_diamonds_in_the_colour_of_their_class():
    x, y, p = clusters(d=2)
    ax = plots.embedding_map(x, y, proxies=5 * p)  # lengths do not count
    drawn = by_gid(ax, "proxies")
    np.testing.assert_allclose(np.concatenate([c.get_offsets() for c in drawn]), p, atol=1e-6)
    of_class = [c for c in ax.collections if c.get_gid() is None]
    colours = [to_hex(c.get_facecolor()[0]) for c in of_class]
    assert [to_hex(c.get_facecolor()[0]) for c in drawn] == colours
    assert {to_hex(c.get_edgecolor()[0]) for c in drawn} == {BLACK}
    assert len({len(c.get_paths()[0].vertices) for c in drawn}) == 1
    assert "proxy" in [t.get_text() for t in ax.get_legend().get_texts()]


def test_no_class_has_the_diamond_of_the_proxies():
    x, y, p = clusters()
    handles = {
        True: plots.embedding_map(x, y, proxies=p).get_legend().legend_handles,
        False: plots.embedding_map(x, y).get_legend().legend_handles,
    }
    assert [h.get_marker() for h in handles[True]].count("D") == 1  # the proxies' entry
    assert [h.get_marker() for h in handles[False]].count("D") == 1  # the fourth class


def test_synthetic_points_are_hollow_and_scaled_like_the_rest():
    x, y, _ = clusters(d=2)
    made = 3 * x[[0, 15, 20]]
    ax = plots.embedding_map(x, y, synthetic=made, synthetic_labels=[0, 1, 9])
    drawn = by_gid(ax, "synthetic")
    assert [len(c.get_facecolor()) for c in drawn] == [0, 0, 0]
    assert to_hex(drawn[0].get_edgecolor()[0]) == QUIET.lower()  # of no class in colour
    positions = np.concatenate([c.get_offsets() for c in drawn])
    np.testing.assert_allclose(positions, x[[20, 0, 15]], atol=1e-6)


def test_embeddings_stay_where_they_are_when_others_join_a_pca():
    x, y, p = clusters()
    alone, joined = plots.embedding_map(x, y), plots.embedding_map(x, y, proxies=p, synthetic=2 * p)
    for a, b in zip(
        alone.collections, [c for c in joined.collections if not c.get_gid()], strict=True
    ):
        np.testing.assert_array_equal(a.get_offsets(), b.get_offsets())


def test_what_is_at_the_back_of_a_sphere_is_fainter_proxies_too():
    poles = torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]])
    ax = plots.embedding_map(poles, [0, 1], proxies=poles, synthetic=poles)
    near, far = (float(c.get_alpha()[0]) for c in by_gid(ax, "proxies"))
    assert near > 2 * far
    (hollow,) = by_gid(ax, "synthetic")
    assert hollow.get_edgecolor()[0, 3] > 2 * hollow.get_edgecolor()[1, 3]
    assert {h.get_alpha() for h in ax.get_legend().legend_handles} == {None}


def test_a_map_of_a_tensor_takes_thumbnails_of_its_data_set():
    class Pictures:
        def image(self, index):
            from PIL import Image

            return Image.new("L", (8, 8), index)

    x, y, _ = clusters()
    assert len(plots.embedding_map(x, y, dataset=Pictures(), thumbnails=5).artists) == 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"proxies": torch.zeros(4, 5)}, r"proxies must have shape \(N, 6\)"),
        ({"synthetic": torch.full((2, 6), torch.nan)}, "synthetic must be finite"),
        ({"synthetic": torch.zeros(2, 6), "synthetic_labels": [1]}, "synthetic_labels must have"),
    ],
)
def test_bad_companions_are_named(options, message):
    x, y, _ = clusters()
    with pytest.raises(ValueError, match=message):
        plots.embedding_map(x, y, **options)


# --- the space over the epochs ----------------------------------------------------------------


def jump(maps):
    """How far points go from map to map, in standard deviations of the maps."""
    steps = [np.linalg.norm(a - b, axis=1).mean() / a.std() for a, b in pairwise(maps)]
    return float(np.mean(steps))


def test_tsne_of_epochs_does_not_jump_and_ends_as_the_map_of_the_last():
    snapshots = history(6).snapshots[2:]
    maps = plots.project_epochs(snapshots, "tsne")
    last = plots.project(snapshots[-1].embeddings, "tsne")
    np.testing.assert_allclose(maps[-1], last - last.mean(axis=0), rtol=1e-5)
    alone = [plots.project(s.embeddings, "tsne") for s in snapshots]
    assert jump(maps) < 0.5 * jump(alone)
    y = snapshots[0].labels
    aligned, free = (
        np.mean([evaluation.recall_at_k(m, y, [1], "euclidean")[1] for m in group])
        for group in (maps, alone)
    )
    assert aligned > free - 0.1  # what keeps still keeps its neighbours, too


@pytest.mark.slow
def test_umap_of_epochs_does_not_jump():
    snapshots = history(6).snapshots[2:]
    maps = plots.project_epochs(snapshots, "umap")
    assert jump(maps) < 0.7 * jump([plots.project(s.embeddings, "umap") for s in snapshots])


def test_pca_of_epochs_has_one_plane_and_plane_embeddings_are_left_alone():
    x = clusters()[0]
    small, large = plots.project_epochs([0.5 * x, x])
    np.testing.assert_allclose(2 * small, large, atol=1e-6)
    flat = clusters(d=2)[0]
    assert np.array_equal(plots.project_epochs([flat, 2 * flat])[1], 2 * flat)
    rows = np.arange(len(x)) < 20  # two classes: the plane is that of their spread
    between = plots.project_epochs([x, x], rows=rows)[0]
    apart = np.linalg.norm(between[:10].mean(axis=0) - between[10:20].mean(axis=0))
    true = torch.linalg.vector_norm(x[:10].mean(dim=0) - x[10:20].mean(dim=0))
    assert apart > 0.99 * float(true)


def test_epoch_maps_are_panels_side_by_side_in_one_scale():
    run = history()
    ax = plots.epoch_maps(run, epochs=3)
    captions = [t.get_text() for t in ax.texts]
    assert captions == ["epoch 0: R@1 0 %", "epoch 4: R@1 40 %", "epoch 8: R@1 80 %"]
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["ant", "bee", "cat", "dog"]
    groups = [c for c in ax.collections if len(c.get_offsets())]
    maps = plots.project_epochs([run.snapshots[i] for i in (0, 2, 4)])
    scale = 1 / (1.08 * np.ptp(np.concatenate(maps), axis=0).max())
    for i, xy in enumerate(maps):  # the four scatters of a panel: a class each
        drawn = np.concatenate([c.get_offsets() for c in groups[4 * i : 4 * i + 4]])
        assert 1.06 * i <= drawn[:, 0].min() < drawn[:, 0].max() <= 1.06 * i + 1
        assert 0 <= drawn[:, 1].min() < drawn[:, 1].max() <= 1
        np.testing.assert_allclose(drawn - drawn[0], scale * (xy - xy[0]), atol=1e-6)


def test_epochs_may_be_named():
    ax = plots.epoch_maps(history(), epochs=[8, 2], highlight=[3])
    assert [t.get_text().split(":")[0] for t in ax.texts] == ["epoch 8", "epoch 2"]
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["dog"]
    assert plots.epoch_maps(history().snapshots).texts[0].get_text() == "epoch 0"
    assert "the embedding itself" in plots.epoch_maps(history(d=2)).get_title()


@pytest.mark.parametrize(
    ("run", "options", "message"),
    [
        (History(), {}, "at least 2 are needed"),
        (history(), {"epochs": 1}, "epochs must be at least 2"),
        (history(), {"epochs": [0, 3]}, r"some of \[0, 2, 4, 6, 8\], got \[0, 3\]"),
        (history(), {"method": "mds"}, "method must be one of"),
    ],
)
def test_bad_input_of_epoch_maps_is_named(run, options, message):
    with pytest.raises(ValueError, match=message):
        plots.epoch_maps(run, **options)


def test_epochs_of_other_images_are_refused():
    with pytest.raises(ValueError, match="snapshots must be of the same images"):
        plots.project_epochs([torch.rand(5, 3), torch.rand(6, 3)])
    with pytest.raises(ValueError, match=r"start must have shape \(40, 2\)"):
        plots.project(clusters()[0], "tsne", start=np.zeros((3, 2)))


# --- neighbours on the map --------------------------------------------------------------------


def test_neighbours_are_those_of_the_space_not_of_the_map():
    # In the plane of PCA row 1 hides row 0; in the space its neighbours are 2 and 3.
    x = torch.tensor(
        [[0, 0, 0], [0, 0, 3], [1, 0, 0], [0, 1.1, 0], [9, 0, 0], [-9, 0, 0], [0, 9, 0], [0, -9, 0]]
    ).float()
    y = torch.tensor([0, 1, 0, 1, 0, 1, 1, 1])
    ax = plots.neighbor_map(x, y, query=0, k=2, metric="euclidean")
    xy = lay_out(x.numpy()).positions[0]
    query = by_label(ax, "query")
    assert (query.get_marker(), query.get_color()) == ("*", ANCHOR)
    right, wrong = (by_label(ax, f"neighbour, {s} class") for s in ("same", "other"))
    np.testing.assert_allclose(right.get_xydata(), xy[[2]])
    np.testing.assert_allclose(wrong.get_xydata(), xy[[3]])
    assert (right.get_color(), right.get_marker()) == (POSITIVE, "o")
    assert (wrong.get_color(), wrong.get_marker()) == (NEGATIVE, "X")
    np.testing.assert_allclose(by_label(ax, "same class, not found").get_xydata(), xy[[4]])
    (spokes,) = [line for line in ax.lines if np.isnan(line.get_xydata()).any()]
    np.testing.assert_allclose(
        spokes.get_xydata().reshape(2, 3, 2)[:, :2], [[xy[0], xy[2]], [xy[0], xy[3]]]
    )
    assert ax.get_title().startswith("1 of 2 neighbours are of its class, 1 are nearest on the map")


def test_bad_queries_are_named():
    x, y, _ = clusters()
    with pytest.raises(ValueError, match=r"query must be a row, 0\.\.\.39, got 40"):
        plots.neighbor_map(x, y, query=40)
    with pytest.raises(ValueError, match="labels are needed"):
        plots.neighbor_map(x)


# --- similarity matrix ------------------------------------------------------------------------


def test_the_similarity_matrix_is_sorted_by_class_and_within_by_typicality():
    x, y, _ = clusters()
    mixed = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    ax = plots.similarity_matrix(x[mixed], y[mixed], classes=["ant", "bee", "cat", "d" * 40])
    shown = np.asarray(ax.images[0].get_array())
    assert shown.shape == (40, 40)
    order = plots.class_order(torch.stack([x[y == c].mean(dim=0) for c in range(4)]))
    names = [t.get_text() for t in ax.get_yticklabels()]
    wanted = ["ant", "bee", "cat", "d" * 23 + "…"]
    assert names == [wanted[c] for c in order]
    mean = x[y == order[0]].mean(dim=0)
    typical = (x[y == order[0]] @ mean).sort(descending=True)
    first = x[y == order[0]][typical.indices]
    np.testing.assert_allclose(shown[:10, :10], first @ first.T, atol=1e-5)
    assert len(ax.lines) == 2 * 3  # between four classes, in both directions
    same = y[:, None] == y
    cosine = x @ x.T
    within = float(cosine[same & ~torch.eye(40, dtype=torch.bool)].mean())
    text = f"same class {within:.2f}, different classes {float(cosine[~same].mean()):.2f}"
    assert ax.get_title() == f"mean cosine: {text}"
    assert ax.images[0].get_clim() == (-1, 1)


def test_the_similarity_matrix_shows_a_choice_of_many():
    x, y, _ = clusters(per_class=3, classes=50)
    assert plots.similarity_matrix(x, y).images[0].get_array().shape == (60, 60)
    chosen = plots.similarity_matrix(x, y, highlight=[4])
    assert [t.get_text() for t in chosen.get_yticklabels()] == ["4"]
    assert "different" not in chosen.get_title()
    x, y, _ = clusters(per_class=600, classes=2)
    assert plots.similarity_matrix(x, y).images[0].get_array().shape == (1000, 1000)
    with pytest.raises(ValueError, match=r"labels that occur, got \[0, 7\]"):
        plots.similarity_matrix(x, y, highlight=[0, 7])
    with pytest.raises(ValueError, match="labels are needed"):
        plots.similarity_matrix(x)


# --- singular values --------------------------------------------------------------------------


def test_the_spectrum_is_the_spread_along_the_axes():
    signs = torch.tensor([[a, b, c] for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)]).float()
    values = spread(signs * torch.tensor([0.5, 3.0, 0.0]) + 7)
    np.testing.assert_allclose(values, [3, 0.5, 0], atol=1e-9)
    assert effective_rank(np.array([2.0, 2.0, 0.0])) == pytest.approx(2)
    assert effective_rank(np.array([1.0, 0.5])) == pytest.approx(
        np.exp(-(2 / 3) * np.log(2 / 3) - (1 / 3) * np.log(1 / 3))
    )
    assert len(spread(torch.rand(3, 8))) == 8


def test_a_collapse_is_visible():
    x = clusters()[0]
    flat = x.clone()
    flat[:, 2:] = 0
    spaces = {"whole": x, "two axes": flat, "one point": x[:1].expand(9, -1)}
    ax = plots.singular_values(spaces)
    whole, two, point = (line.get_ydata() for line in ax.lines)
    np.testing.assert_allclose(whole, spread(x), rtol=1e-6)
    floor = 1e-4 * max(whole[0], two[0])
    np.testing.assert_allclose(two[2:], floor)
    assert (two[:2] > 100 * floor).all()
    np.testing.assert_allclose(point, floor)
    labels = [t.get_text() for t in ax.get_legend().get_texts()]
    assert labels[2] == "one point: effective rank 0.0 of 6"
    assert ax.get_yscale() == "log"
    assert ax.get_ylim()[0] < floor
    assert len({(line.get_linestyle(), line.get_marker()) for line in ax.lines}) == 3


def test_a_spectrum_takes_one_embedding_and_refuses_none():
    (line,) = plots.singular_values(history().snapshots[-1]).lines
    assert len(line.get_xdata()) == 6
    with pytest.raises(ValueError, match="at least one embedding"):
        plots.singular_values({})
