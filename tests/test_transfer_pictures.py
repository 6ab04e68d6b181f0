"""Pictures of embedding transfer: what their artists show, and what the explorer computes."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.image import AxesImage
from PIL import Image

from dmlviz import evaluation, losses, plots, widgets
from dmlviz.datasets import transforms
from dmlviz.plots.style import NEGATIVE, POSITIVE
from dmlviz.widgets import transfer_explorer


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def clusters(classes=3, per_class=4, size=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(classes).repeat_interleave(per_class)
    centres = 3 * torch.randn(classes, size, generator=generator)
    return centres[y] + 0.3 * torch.randn(len(y), size, generator=generator), y


# --- plots ------------------------------------------------------------------------------------


def test_label_map_shows_the_labels_sorted_by_class():
    x, y = clusters()
    mixed = torch.randperm(len(x), generator=torch.Generator().manual_seed(1))
    ax = plots.relaxed_label_map(x[mixed], y[mixed], sigma=0.5)
    order = mixed[y[mixed].argsort(stable=True)]
    shown = ax.images[0].get_array()
    np.testing.assert_allclose(shown, losses.relaxed_labels(x[order], 0.5), atol=1e-6)
    assert ax.get_title() == "σ = 0.5"
    assert len(ax.collections) == 2  # lines between classes, across and down


def test_label_map_puts_one_picture_beside_each_class_or_row():
    x, y = clusters()
    pictures = [Image.new("L", (8, 8), 20 * i) for i in range(12)]
    by_class = plots.relaxed_label_map(x, y, images=pictures)
    beside = [a for a in by_class.get_children() if isinstance(a, AxesImage)][1:]
    assert [int(np.asarray(a.get_array())[0, 0]) for a in beside] == [0, 80, 160]
    by_row = plots.relaxed_label_map(x, images=pictures)
    assert len(by_row.images) == 1 + 12
    with pytest.raises(ValueError, match=r"labels must have shape \(12,\)"):
        plots.relaxed_label_map(x, y[:5])


def test_label_curves_fall_from_one_and_cross_where_the_formula_says():
    ax = plots.relaxed_label_curves((0.5, 2.0))
    for line, sigma in zip(ax.lines, (0.5, 2.0), strict=True):
        cosine, w = line.get_data()
        np.testing.assert_allclose(w, np.exp(-(2 - 2 * cosine) / sigma))
        assert w[-1] == pytest.approx(1)


@pytest.mark.parametrize("w", [0.25, 0.5, 0.75])
def test_forces_vanish_where_the_pair_rests(w):
    for kind in ("relaxed", "rkd"):
        ax = plots.transfer_forces([w], delta=1.0, kind=kind)
        curve, dot = ax.lines[1], ax.lines[2]
        d, slope = curve.get_data()
        np.testing.assert_allclose(np.interp(1 - w, d, slope), 0, atol=1e-9)
        assert dot.get_xdata()[0] == pytest.approx(1 - w)
        assert slope[0] < 0 < slope[-1]


def test_far_unlike_pairs_are_left_alone_by_relaxed_labels_and_pulled_by_rkd():
    relaxed, rkd = (
        plots.transfer_forces([0.0], kind=kind).lines[1].get_ydata() for kind in ("relaxed", "rkd")
    )
    assert np.all(relaxed[-50:] == 0)
    assert np.all(rkd[-50:] > 0)
    assert len(plots.transfer_forces(kind="hard").lines) == 1 + 2  # w = 0 and 1 only
    with pytest.raises(ValueError, match="kind must be one of relaxed, hard, rkd"):
        plots.transfer_forces(kind="soft")


def test_a_label_has_one_colour_in_all_panels_of_forces():
    colours = {}
    for kind in ("hard", "relaxed", "rkd"):
        ax = plots.transfer_forces(kind=kind, legend=False)
        assert ax.get_legend() is None
        for line in ax.lines:
            if line.get_label().startswith("w = "):
                colours.setdefault(line.get_label(), set()).add(line.get_color())
    assert [len(seen) for seen in colours.values()] == [1] * 5
    darkness = {w: -sum(next(iter(seen))[:3]) for w, seen in colours.items()}
    assert sorted(darkness, key=darkness.get) == [
        "w = 0",
        "w = 0.25",
        "w = 0.5",
        "w = 0.75",
        "w = 1",
    ]
    assert plots.transfer_forces().get_legend() is not None


def test_scatter_shows_distances_against_goals():
    x, _ = clusters()
    ax = plots.relative_distance_scatter(2 * x, x, sigma=0.5, delta=1.5, pairs=40)
    goal, d = ax.lines[0].get_data()
    assert len(goal) == 40
    off = ~torch.eye(12, dtype=torch.bool)
    pairs = torch.stack([1.5 * (1 - losses.relaxed_labels(x, 0.5)), losses.relative_distances(x)])
    known = {(round(a, 4), round(b, 4)) for a, b in pairs[:, off].T.tolist()}
    assert {(round(a, 4), round(b, 4)) for a, b in zip(goal.tolist(), d.tolist(), strict=True)} <= (
        known
    )
    with pytest.raises(ValueError, match="got 12 and 5"):
        plots.relative_distance_scatter(x, x[:5])


class Shades:
    """A grey shade per item: what is found can be read off the picture."""

    targets = torch.tensor([0, 0, 1, 1, 2, 2])

    def __len__(self):
        return 6

    def image(self, i):
        return Image.new("L", (4, 4), 40 * i)


def test_a_gallery_of_two_spaces_searches_each():
    line = torch.tensor([[0.0], [1.0], [3.0], [6.0], [10.0], [15.0]])
    ax = plots.retrieval_gallery(
        Shades(), {"near": line, "far": -1 / (1 + line)}, queries=[0], k=2, metric="euclidean"
    )
    tiles = sorted(ax.images, key=lambda tile: tile.get_extent()[0])
    shades = [int(np.asarray(tile.get_array())[0, 0]) // 40 for tile in tiles]
    assert shades == [0, 1, 2, 1, 2]
    assert {"query", "near", "far"} <= {text.get_text() for text in ax.texts}
    with pytest.raises(ValueError, match=r"one row per image of the data set \(6\), got 3"):
        plots.retrieval_gallery(Shades(), {"near": line, "far": line[:3]})


# --- the explorer -----------------------------------------------------------------------------


@pytest.fixture
def explorer():
    x, y = clusters()
    return widgets.TransferExplorer(x, y)


def test_explorer_descends_the_loss(explorer):
    path = explorer.path(1.0, 1.0)
    assert path.shape == (transfer_explorer.STEPS + 1, 12, 2)
    values = [losses.relaxed_contrastive(x, explorer.source).item() for x in path[::20]]
    assert values[-1] < values[1] < values[0]
    assert explorer.path(1.0, 1.0) is path  # kept, so that the steps slider is quick


def test_explorer_draws_pull_and_push_with_the_sign_of_the_slope(explorer):
    state = explorer.compute(sigma=1.0, delta=1.0, steps=20, anchor=3)
    explorer.update(steps=20, anchor=3)
    others = np.arange(12) != 3
    for sign, colour in ((1, POSITIVE), (-1, NEGATIVE)):
        assert explorer._dots[sign].get_color() == colour
        assert len(explorer._dots[sign].get_xdata()) == (np.sign(state.force[others]) == sign).sum()
    below = state.distance[others] < state.goal[others]
    assert ((state.force[others] < 0) == below).all()
    np.testing.assert_allclose(explorer._map.get_array(), state.labels)


def test_explorer_parts_the_classes_in_its_heat_maps_if_rows_are_sorted(explorer):
    for ax in (explorer._map.axes, *explorer.static().axes[:3]):
        parted = [tuple(lines.get_segments()[0][0]) for lines in ax.collections]
        assert parted == [(-0.5, 3.5), (3.5, -0.5)]  # the first of the lines across, and down
    pixels = explorer.view.pixels()[..., :3].astype(int)
    left = pixels[:, : pixels.shape[1] // 3]  # the moving heat map must not hide them
    assert (np.abs(left - np.array([230, 159, 0])).max(axis=-1) < 40).sum() > 200
    x, y = clusters()
    mixed = torch.randperm(len(x), generator=torch.Generator().manual_seed(1))
    assert not widgets.TransferExplorer(x[mixed], y[mixed])._map.axes.collections


def test_explorer_tells_of_the_marks_that_there_are(explorer):
    explorer.update(steps=20, anchor=3, delta=1.5)
    state = explorer.compute(**explorer.params)
    others = np.arange(12) != 3
    pull, push = ((np.sign(state.force[others]) == sign).sum() for sign in (1, -1))
    words = explorer._lines.get_text()
    assert (f"{pull} pulled (blue)" in words) == (pull > 0)
    assert (f"{push} pushed (dashed)" in words) == (push > 0)
    np.testing.assert_allclose(explorer._line.get_xydata(), [[0, 0], [1, 1.5]])
    for artist in explorer._dots.values():  # above the line where pulled, below where pushed
        difference = artist.get_ydata() - 1.5 * artist.get_xdata()
        assert (difference > 0).all() or (difference < 0).all()


def test_explorer_answers_every_control_with_another_picture(explorer):
    explorer.update(steps=10)
    pictures = {explorer.view.png()}
    for change in ({"sigma": 0.25}, {"delta": 2.0}, {"steps": 40}, {"anchor": 5}):
        explorer.update(**change)
        pictures.add(explorer.view.png())
    assert len(pictures) == 5


def test_explorer_sweeps_and_returns(explorer):
    before = explorer.params
    assert explorer.sweep() >= 12
    assert explorer.params == before
    assert "image/png" in explorer._repr_mimebundle_()
    assert len(explorer.static().axes) == 9
    assert not plt.get_fignums()  # no figure leaked to pyplot


def test_explorer_leaves_its_input_alone_and_takes_a_start():
    x, y = clusters()
    kept, start = x.clone(), torch.randn(12, 2, generator=torch.Generator().manual_seed(2))
    own = start.clone()
    explorer = widgets.TransferExplorer(x, y, start)
    explorer.update(steps=30)
    assert torch.equal(x, kept)
    assert torch.equal(start, own)
    np.testing.assert_allclose(explorer.path(1.0, 1.0)[0], start.double())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((torch.randn(2, 3),), "3 to 60 embeddings, got 2"),
        ((torch.randn(61, 3),), "3 to 60 embeddings, got 61"),
        ((torch.randn(5, 3), [0, 1]), r"labels must have shape \(5,\)"),
        ((torch.randn(5, 3), None, torch.randn(5, 3)), r"target must have shape \(5, 2\)"),
    ],
)
def test_explorer_names_what_is_wrong(arguments, message):
    with pytest.raises(ValueError, match=message):
        widgets.TransferExplorer(*arguments)


# --- what the lesson uses beside ---------------------------------------------------------------


def test_linear_probe_finds_what_is_linear_and_guesses_the_rest():
    x, y = clusters(per_class=20)
    assert evaluation.linear_probe(x, y) > 0.99
    noise = torch.randn(60, 6, generator=torch.Generator().manual_seed(0))
    assert 0.15 < evaluation.linear_probe(noise, y) < 0.55
    assert evaluation.linear_probe(100 * x + 7, y, folds=2) > 0.99  # standardised


@pytest.mark.parametrize(
    ("x", "y", "options", "message"),
    [
        (torch.randn(6, 2), [0, 0, 1, 1, 2], {}, r"embeddings must have shape \(5, D\)"),
        (torch.randn(4, 2), [0, 0, 1, 1], {"folds": 3}, "smallest with 2 images"),
        (torch.randn(4, 2), [0, 0, 0, 0], {"folds": 2}, "got 1 classes"),
        (torch.randn(4, 2), [0, 0, 1, 1], {"folds": 1}, "folds=1 needs at least 2 folds"),
    ],
)
def test_linear_probe_names_what_is_wrong(x, y, options, message):
    with pytest.raises(ValueError, match=message):
        evaluation.linear_probe(x, y, **options)


def test_glyph_views_differ_keep_their_size_and_follow_the_seed():
    image = Image.fromarray(np.linspace(0, 255, 32 * 32).reshape(32, 32).astype(np.uint8))
    view = transforms.glyph_views()
    torch.manual_seed(0)
    first, second = view(image), view(image)
    torch.manual_seed(0)
    assert torch.equal(view(image), first)
    assert first.shape == (1, 32, 32)
    assert first.dtype == torch.float32
    assert (first - second).abs().mean() > 0.05
