"""What the figures hold: positions, colours, words. Not a comparison of pixels."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex

from dmlviz import datasets, evaluation, plots
from dmlviz.history import History, Snapshot
from dmlviz.plots.style import NEGATIVE, POSITIVE, QUIET


@pytest.fixture(autouse=True)
def no_figure_left():
    yield
    plt.close("all")


def cloud(n=40, d=5, classes=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator), torch.arange(n) % classes


def coloured(ax):
    """The scatters of highlighted classes: all but the grey one."""
    return [c for c in ax.collections if to_hex(c.get_facecolor()[0]) != QUIET.lower()]


# --- maps -------------------------------------------------------------------------------------


def test_a_map_draws_every_point_once_and_names_the_classes():
    x, y = cloud()
    ax = plots.embedding_map(x, y, classes=["ant", "bee", "cat", "dog"])
    assert sum(len(c.get_offsets()) for c in coloured(ax)) == 40
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["ant", "bee", "cat", "dog"]
    assert "PCA of 5 dimensions" in ax.get_title()


def test_many_classes_are_grey_but_for_eight():
    x, y = cloud(n=60, classes=20)
    ax = plots.embedding_map(x, y)
    assert len(coloured(ax)) == 8
    assert len(ax.collections[0].get_offsets()) == 60 - 8 * 3
    only = plots.embedding_map(x, y, highlight=[3, 19])
    assert [t.get_text() for t in only.get_legend().get_texts()] == ["3", "19"]


def test_two_dimensions_are_drawn_as_they_are():
    x, y = cloud(d=2)
    ax = plots.embedding_map(x, y)
    drawn = np.concatenate([c.get_offsets() for c in coloured(ax)])
    expected = np.concatenate([x[y == c].numpy() for c in range(4)])
    np.testing.assert_allclose(drawn, expected, rtol=1e-6)


def test_unit_vectors_lie_on_a_circle_or_a_sphere():
    for d, word in ((2, "circle"), (3, "sphere")):
        x = torch.nn.functional.normalize(cloud(d=d)[0])
        ax = plots.embedding_map(x, cloud()[1])
        assert word in ax.get_title()
        drawn = np.concatenate([c.get_offsets() for c in coloured(ax)])
        assert (np.linalg.norm(drawn, axis=1) <= 1 + 1e-5).all()


def test_the_far_side_of_the_sphere_is_fainter():
    ax = plots.embedding_map([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]], [0, 0])
    near, far = coloured(ax)[0].get_alpha()
    assert near > 2 * far


def test_pca_shows_the_directions_of_largest_variance():
    x = torch.zeros(50, 6)
    generator = torch.Generator().manual_seed(0)
    x[:, 4] = 10 * torch.randn(50, generator=generator)
    x[:, 1] = torch.randn(50, generator=generator)
    flat = plots.project(x)
    assert abs(np.corrcoef(flat[:, 0], x[:, 4])[0, 1]) > 0.99
    assert abs(np.corrcoef(flat[:, 1], x[:, 1])[0, 1]) > 0.99


def test_pca_of_one_dimension_is_a_line():
    assert plots.project(torch.arange(5.0)[:, None])[:, 1].tolist() == [0] * 5


def test_tsne_keeps_clusters_apart_and_follows_its_seed():
    y = torch.arange(60) % 3
    x = 20 * torch.eye(10)[y] + cloud(n=60, d=10)[0]
    flat = plots.project(x, "tsne")
    assert evaluation.recall_at_k(flat, y, [1], "euclidean")[1] == 1
    assert np.array_equal(flat, plots.project(x, "tsne"))


@pytest.mark.slow
def test_umap_keeps_clusters_apart():
    y = torch.arange(60) % 3
    x = 20 * torch.eye(10)[y] + cloud(n=60, d=10)[0]
    threads = torch.get_num_threads()
    flat = plots.project(x, "umap")
    assert torch.get_num_threads() == threads
    assert flat.shape == (60, 2)
    assert evaluation.recall_at_k(flat, y, [1], "euclidean")[1] == 1


def test_a_snapshot_brings_labels_classes_and_items(glyph_root):
    test = datasets.load("glyphs", "test", glyph_root)
    rows = torch.arange(0, 400, 10)
    x = cloud(n=40)[0]
    snapshot = Snapshot(3, x, test.targets[rows], rows, test.classes)
    ax = plots.embedding_map(snapshot, dataset=test, thumbnails=9)
    names = [t.get_text() for t in ax.get_legend().get_texts()]
    assert names[0] == test.classes[0]
    assert len(ax.artists) == 9


@pytest.mark.parametrize(
    ("x", "y", "options", "message"),
    [
        ([[float("nan")] * 3] * 4, [0] * 4, {}, "finite"),
        (np.zeros((0, 3)), [], {}, "shape"),
        ([[0.0] * 3] * 4, [0] * 3, {}, "labels must have shape"),
        ([[0.0] * 3] * 4, [0] * 4, {"method": "mds"}, "method must be"),
        ([[0.0] * 3] * 4, [0] * 4, {"method": "tsne"}, "at least 5 points"),
        ([[0.0] * 3] * 4, [0] * 4, {"highlight": range(9)}, "at most 8"),
    ],
)
def test_bad_input_of_a_map_is_named(x, y, options, message):
    with pytest.raises(ValueError, match=message):
        plots.embedding_map(x, y, **options)


# --- distances --------------------------------------------------------------------------------


def test_pair_distances_say_how_often_a_same_class_pair_is_nearer():
    y = torch.arange(30) // 10
    apart = 10 * torch.eye(3)[y] + 0.1 * cloud(n=30, d=3)[0]
    ax = plots.pair_distances(apart, y)
    assert "100.0 %" in ax.get_title()
    assert {t.get_text() for t in ax.get_legend().get_texts()} == {
        "same class",
        "different classes",
    }
    noise = plots.pair_distances(cloud(n=400, d=8)[0], cloud(n=400)[1])
    assert 45 < float(noise.get_title().split()[4]) < 55


def test_pair_distances_need_both_kinds_of_pairs():
    for y in (torch.zeros(5, dtype=torch.long), torch.arange(5)):
        with pytest.raises(ValueError, match="pairs of one class"):
            plots.pair_distances(cloud(n=5)[0], y)


# --- gallery ----------------------------------------------------------------------------------


def test_the_gallery_frames_right_and_wrong_by_colour_and_sign(glyph_root):
    test = datasets.load("glyphs", "test", glyph_root)
    x = torch.nn.functional.one_hot(test.targets).float()
    x[21] = x[0]  # an image of class 1 that looks like class 0
    ax = plots.retrieval_gallery(test, x, queries=[0], k=20)
    frames = [to_hex(p.get_edgecolor()).upper() for p in ax.patches]
    assert len(ax.images) == 21
    assert frames.count(POSITIVE) == 19
    assert frames.count(NEGATIVE) == 1
    signs = [t.get_text() for t in ax.texts]
    assert signs.count("✓") == 19
    assert signs.count("✗") == 1


def test_the_gallery_needs_an_embedding_of_every_image(glyph_root):
    test = datasets.load("glyphs", "test", glyph_root)
    with pytest.raises(ValueError, match=r"one row per image of the data set \(4000\), got 3"):
        plots.retrieval_gallery(test, torch.eye(3))


# --- curves -----------------------------------------------------------------------------------


def test_recall_curves_draw_the_numbers():
    ax = plots.recall_curves({"a": {1: 0.5, 4: 0.75}, "b": {1: 0.1, 4: 0.2}})
    assert [line.get_ydata().tolist() for line in ax.lines] == [[0.5, 0.75], [0.1, 0.2]]
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["a", "b"]
    assert ax.lines[0].get_marker() != ax.lines[1].get_marker()
    single = plots.recall_curves(evaluation.retrieval_metrics(*cloud(), nmi=False))
    assert single.get_legend() is None


def records():
    loss = [None, 3.0, 2.0]
    test, val = [0.1, 0.5, 0.4], [0.2, 0.6, 0.5]
    return [
        {"epoch": i, "loss": loss[i], "test_recall@1": test[i], "val_recall@1": val[i]}
        for i in range(3)
    ]


def test_training_curves_draw_recall_and_loss_and_mark_the_best():
    ax = plots.training_curves(History(records(), best_epoch=1))
    drawn = [line.get_ydata() for line in ax.lines]
    assert list(drawn[0]) == [0.2, 0.6, 0.5]
    assert list(drawn[1]) == [0.1, 0.5, 0.4]
    assert ax.texts[0].get_text() == "best"
    right = next(a for a in ax.figure.axes if a is not ax)
    assert list(right.lines[0].get_ydata()) == [3.0, 2.0]


def test_training_curves_without_recall_say_what_is_missing():
    with pytest.raises(ValueError, match="test= or val="):
        plots.training_curves(History([{"epoch": 0, "loss": 1.0}]))


# --- conventions ------------------------------------------------------------------------------


def test_plots_draw_on_the_given_axes_and_touch_no_global_setting(glyph_root):
    test = datasets.load("glyphs", "test", glyph_root)
    x, y = cloud()
    settings = dict(plt.rcParams)
    figure, (a, b, c, d, e) = plt.subplots(1, 5)
    assert plots.embedding_map(x, y, ax=a) is a
    assert plots.pair_distances(x, y, ax=b) is b
    assert plots.recall_curves({"a": {1: 0.5}}, ax=c) is c
    assert plots.training_curves(History(records()), ax=d) is d
    assert plots.retrieval_gallery(test, torch.rand(4000, 3), queries=1, k=1, ax=e) is e
    assert plt.get_fignums() == [figure.number]
    assert dict(plt.rcParams) == settings
