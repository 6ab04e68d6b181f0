"""Pictures of novel classes: what their artists show, and what the explorer computes."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from PIL import Image

from dmlviz import plots, synthesis, widgets
from dmlviz.geometry import cosine_similarity, normalize
from dmlviz.plots.style import BLACK, NEGATIVE, POSITIVE, QUIET
from dmlviz.widgets.synthesis_explorer import SAMPLES
from synthesis_cases import gaussians, gen


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


X, Y, P = gaussians(classes=10, per_class=6, size=8)
NOVEL = synthesis.CarriedOffsets(3)(X, Y, P)
GENERATED, OF = normalize(P[Y[::2]] + 0.1), Y[::2]


def drawn(ax, *, hollow, marker=None, colour=None):
    """Points of the markers that are hollow or filled, legend entries left out."""
    lines = [line for line in ax.lines if line.get_marker() not in ("None", None, "")]
    lines = [line for line in lines if (line.get_markerfacecolor() == "none") == hollow]
    if marker is not None:
        lines = [line for line in lines if (line.get_marker() == "D") == (marker == "D")]
    if colour is not None:
        lines = [line for line in lines if to_hex(line.get_color()) == to_hex(colour)]
    return np.concatenate([np.empty((0, 2)), *(line.get_xydata() for line in lines)])


# --- the map ----------------------------------------------------------------------------------


def test_the_map_fills_what_is_real_and_leaves_hollow_what_is_not():
    ax = plots.novel_map(X, Y, P, NOVEL, generated=GENERATED, generated_labels=OF)
    assert len(drawn(ax, hollow=False, marker="point")) == len(X)
    assert len(drawn(ax, hollow=False, marker="D")) == len(P)
    novel = len(NOVEL.embeddings)
    assert len(drawn(ax, hollow=True, marker="point")) == len(GENERATED) + novel
    assert len(drawn(ax, hollow=True, marker="point", colour=BLACK)) == novel
    diamonds = drawn(ax, hollow=True, marker="D")
    assert len(diamonds) == len(drawn(ax, hollow=True, marker="D", colour=BLACK)) == 3
    assert len(drawn(ax, hollow=False, marker="point", colour=QUIET)) == 3 * 6  # 10 classes, 7 fit
    words = [text.get_text() for text in ax.get_legend().get_texts()]
    assert words[0] == "other classes"
    assert "class vector of a novel class" in words
    assert "10 real classes, 3 novel" in ax.get_title()
    assert "8 dimensions" in ax.get_title()


def test_one_plane_shows_everything_and_lines_lead_to_the_class_vector():
    alike = synthesis.Novel(X[:2], torch.tensor([10, 11]), 3 * P[:2])  # lengths do not count
    ax = plots.novel_map(5 * X, Y, 2 * P, alike, highlight=[0, 1])
    xy = drawn(ax, hollow=True, marker="point")
    points = {tuple(p) for p in drawn(ax, hollow=False, marker="point").round(4).tolist()}
    assert {tuple(p) for p in xy.round(4).tolist()} <= points
    proxies = drawn(ax, hollow=False, marker="D").round(4).tolist()
    diamonds = drawn(ax, hollow=True, marker="D")
    assert all(p in proxies for p in diamonds.round(4).tolist())
    (spokes,) = [line for line in ax.lines if line.get_linewidth() == 0.7]
    ends = spokes.get_xydata().reshape(2, 3, 2)
    np.testing.assert_allclose(ends[:, 0], diamonds)
    np.testing.assert_allclose(ends[:, 1], xy)


def test_no_class_of_the_map_has_the_diamonds_or_the_black_of_others():
    ax = plots.novel_map(X, Y, P, NOVEL, classes=list("abcdefghij"))
    words = [text.get_text() for text in ax.get_legend().get_texts()]
    named = [line for line in ax.lines if line.get_label() in list("abcdefghij")]
    assert len(named) == 7
    assert len({line.get_marker() for line in named}) == 7
    assert {line.get_label() for line in named} <= set(words)
    for line in named:
        assert line.get_marker() != "D"
        assert to_hex(line.get_color()) != BLACK


def test_two_dimensions_are_drawn_as_they_are_the_synthetic_outside():
    x, y, p = gaussians(classes=4, per_class=5, size=2)
    novel = synthesis.CarriedOffsets(2)(x, y, p)
    ax = plots.novel_map(x, y, p, novel)
    real = drawn(ax, hollow=False, marker="point")
    np.testing.assert_allclose(real, x, atol=1e-6)
    np.testing.assert_allclose(drawn(ax, hollow=True, marker="D"), novel.proxies, atol=1e-6)
    outside = drawn(ax, hollow=True, marker="point")
    assert (np.linalg.norm(outside, axis=1) > 1.05).all()
    circle = ax.lines[0].get_xydata()
    np.testing.assert_allclose(np.linalg.norm(circle, axis=1), 1)
    assert ax.get_title().startswith("the embedding itself")
    words = [text.get_text() for text in ax.get_legend().get_texts()]
    assert "other classes" not in words
    assert "generated, of a real class" not in words
    mixed = plots.novel_map(x, y, p, novel, novel_name="mixed, of a novel class")
    words = [text.get_text() for text in mixed.get_legend().get_texts()]
    assert "mixed, of a novel class" in words
    assert "generated, of a novel class" not in words


def test_the_map_draws_no_novel_class_and_other_projections_too():
    none = synthesis.CarriedOffsets(0)(X, Y, P)
    given = plt.figure().subplots()
    ax = plots.novel_map(X, Y, P, none, highlight=[], ax=given)
    assert ax is given
    assert len(drawn(ax, hollow=False, marker="point", colour=QUIET)) == len(X)
    assert "t-SNE" in plots.novel_map(X, Y, P, NOVEL, method="tsne").get_title()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"labels": Y[:5]}, ValueError, "labels of embeddings must be 60 integers"),
        (
            {"labels": Y + 1},
            ValueError,
            r"labels of embeddings must lie in 0\.\.\.9, got 1\.\.\.10",
        ),
        ({"proxies": P[:, :5]}, ValueError, r"embeddings must have shape \(N, 5\)"),
        ({"proxies": P[0]}, ValueError, r"proxies must have shape \(N, D\)"),
        ({"embeddings": X * torch.nan}, ValueError, "embeddings must be finite"),
        ({"novel": X}, TypeError, "novel must be a Novel"),
        ({"novel": NOVEL._replace(labels=NOVEL.labels - 1)}, ValueError, "labels of novel"),
        ({"novel": NOVEL._replace(proxies=P[:, :3])}, ValueError, r"novel.proxies must have"),
        ({"generated": GENERATED}, ValueError, "give both or neither"),
        ({"generated": X, "generated_labels": Y + 3}, ValueError, "labels of generated must lie"),
        ({"classes": ["a"]}, ValueError, "must name all 10 real classes, got 1"),
        ({"highlight": range(8)}, ValueError, r"highlight at most 7 of 0\.\.\.9"),
        ({"highlight": [10]}, ValueError, r"highlight at most 7 of 0\.\.\.9, got \[10\]"),
        ({"method": "lda"}, ValueError, "method must be one of pca, tsne, umap"),
    ],
)
def test_the_map_names_what_is_wrong(change, error, message):
    arguments = {"embeddings": X, "labels": Y, "proxies": P, "novel": NOVEL} | change
    with pytest.raises(error, match=message):
        plots.novel_map(**arguments)


# --- relations of classes ---------------------------------------------------------------------


def pairs_of_classes(pairs=4, size=12, seed=0):
    """Class vectors that come in pairs of similar ones, i and i + pairs."""
    centres = torch.randn(pairs, size, generator=gen(seed)).repeat(2, 1)
    return centres + 0.05 * torch.randn(2 * pairs, size, generator=gen(seed + 1))


def test_order_puts_similar_classes_side_by_side():
    order = plots.class_order(pairs_of_classes()).tolist()
    assert sorted(order) == list(range(8))
    assert {frozenset(order[i : i + 2]) for i in range(0, 8, 2)} == {
        frozenset((i, i + 4)) for i in range(4)
    }
    apart = plots.class_order(pairs_of_classes(), num_real=5)
    assert sorted(apart[:5]) == list(range(5))
    assert plots.class_order(torch.eye(2)).tolist() == [0, 1]


def test_relations_are_the_cosines_in_order_with_a_line_before_the_novel():
    vectors = 7 * pairs_of_classes()
    ax = plots.class_relations(vectors, num_real=5, classes=list("abcde"))
    order = plots.class_order(vectors, num_real=5)
    np.testing.assert_allclose(
        ax.images[0].get_array(), cosine_similarity(vectors, vectors)[order][:, order], atol=1e-6
    )
    across, down = ax.lines
    assert across.get_ydata() == [4.5, 4.5]
    assert down.get_xdata() == [4.5, 4.5]
    names = [*"abcde", "novel 1", "novel 2", "novel 3"]
    assert [t.get_text() for t in ax.get_yticklabels()] == [names[i] for i in order]
    words = {t.get_text() for t in ax.texts}
    assert {"real", "novel", "1.0"} <= words
    assert "-0.0" not in words


def test_relations_are_white_at_zero_and_coloured_by_sign():
    image = plots.class_relations(torch.tensor([[1.0, 0], [0, 1], [-1, 0]]), limit=0.5).images[0]
    assert image.get_clim() == (-0.5, 0.5)
    colours = {v: to_hex(image.cmap(image.norm(v))) for v in (-0.5, 0.5)}
    assert colours == {-0.5: NEGATIVE.lower(), 0.5: POSITIVE.lower()}
    assert min(image.cmap(image.norm(0.0))) > 0.99


def test_a_pair_of_pictures_may_share_an_order():
    before, after = pairs_of_classes(), pairs_of_classes(seed=5)
    order = plots.class_order(after)
    shown = plots.class_relations(before, order=order).images[0].get_array()
    np.testing.assert_allclose(shown, cosine_similarity(before[order], before[order]), atol=1e-6)
    assert not plots.class_relations(before).lines  # all real: no line
    as_given = plots.class_relations(before, order=False).images[0].get_array()
    np.testing.assert_allclose(as_given, cosine_similarity(before, before), atol=1e-6)
    large = plots.class_relations(torch.randn(50, 4, generator=gen()), classes=["x"] * 50)
    assert not large.texts  # neither figures nor names: no room
    assert not large.get_yticklabels()


@pytest.mark.parametrize(
    ("vectors", "options", "message"),
    [
        (P[0], {}, r"vectors must have shape \(N, D\)"),
        (P[:1], {}, "at least 2 classes, got 1"),
        (P * torch.inf, {}, "vectors must be finite"),
        (P, {"num_real": 11}, r"num_real must lie in 1\.\.\.10, got 11"),
        (P, {"num_real": 0}, r"num_real must lie in 1\.\.\.10, got 0"),
        (P, {"order": [0, 1]}, r"order must hold each of the rows 0\.\.\.9 once"),
        (P, {"order": range(9, -1, -1), "num_real": 5}, "order must begin with the 5 real"),
        (P, {"classes": ["a"]}, "must name the 10 real classes or all 10 rows"),
        (P, {"limit": 0}, "limit must be positive, got 0"),
    ],
)
def test_relations_name_what_is_wrong(vectors, options, message):
    with pytest.raises(ValueError, match=message):
        plots.class_relations(vectors, **options)


# --- the explorer -----------------------------------------------------------------------------


class Shades:
    """Item i is a square of grey i, so that what is found can be read off the picture."""

    classes = tuple("abcdefghij")

    def __len__(self):
        return len(X)

    def image(self, i):
        return Image.new("L", (10, 6), 4 * i)


def a_generator(size=8, seed=0):
    """Untrained, but its samples stay near their class."""
    generator = synthesis.NovelClassGenerator(size, 5, seed=seed)
    with torch.no_grad():
        generator.residual[-1].weight *= 0.5
    return generator


@pytest.fixture
def explorer():
    return widgets.SynthesisExplorer(a_generator(), X, Y, P, Shades())


START = {"first": 0, "second": 1, "mix": 0.5, "noise": 1.0, "turn": 0.0}


def test_the_ends_of_the_mix_are_the_two_classes(explorer):
    for mix, role, c in ((0.0, 0, 0), (1.0, 1, 1)):
        state = explorer.compute(**START | {"mix": mix})
        np.testing.assert_allclose(state.class_xy, explorer.project(normalize(P[[c]])), atol=1e-5)
        assert state.shares[role] == 1
        assert state.novelty == pytest.approx(1, abs=1e-5)
        own = cosine_similarity(torch.from_numpy(state.vectors), P[[c]])
        assert own.min() > 0.8
    between = explorer.compute(**START)
    assert between.novelty < 0.99
    same = explorer.compute(**START | {"first": 3, "second": 3})
    assert same.shares.tolist() == [1, 0, 0]


def test_samples_are_those_of_the_generator(explorer):
    state = explorer.compute(**START | {"mix": 1.25, "noise": 0.5, "turn": 0.25})
    p = normalize(P)
    c = (-0.25 * p[:1] + 1.25 * p[1:2]).expand(SAMPLES, -1)  # beyond the second class
    z = 0.5 * torch.randn(2, SAMPLES, 5, generator=gen(0))[1]  # a quarter turn: all z₁
    with torch.no_grad():
        v = explorer.generator(c, z)
    np.testing.assert_allclose(state.vectors, v, atol=1e-6)
    np.testing.assert_allclose(state.samples_xy, explorer.project(v), atol=1e-5)


def test_noise_spreads_and_turns_the_samples(explorer):
    def spread(noise):
        return explorer.compute(**START | {"noise": noise}).vectors.std(axis=0).sum()

    assert spread(0.0) == pytest.approx(0, abs=1e-5)
    assert spread(0.0) < spread(1.0) < spread(2.0)
    start, round_about = (explorer.compute(**START | {"turn": t}).vectors for t in (0.0, 1.0))
    np.testing.assert_allclose(start, round_about, atol=1e-5)
    half = explorer.compute(**START | {"turn": 0.5}).vectors
    assert np.abs(half - start).max() > 0.01
    step = explorer.compute(**START | {"turn": 0.02}).vectors
    assert np.abs(step - start).max() < np.abs(half - start).max()


def test_nearest_images_are_the_nearest_and_are_shown(explorer):
    state = explorer.compute(**START | {"mix": 0.2})
    cosines = cosine_similarity(torch.from_numpy(state.vectors[:1]), X)[0]
    order = cosines.argsort(descending=True)[:6]
    assert state.rows.tolist() == order.tolist()
    np.testing.assert_allclose(state.cosines, cosines[order], atol=1e-6)
    assert state.classes.tolist() == Y[order].tolist()
    explorer.update(mix=0.2)
    shades = [int(image.get_array()[0, 0, 0]) // 4 for image in explorer._nearest.images]
    assert shades == state.rows.tolist()
    words = explorer._nearest.words
    assert words[0].get_text().startswith(f"{state.cosines[0]:.2f}")


def test_roles_shares_and_figures_agree(explorer):
    state = explorer.compute(**START | {"noise": 2.0})
    owner = cosine_similarity(torch.from_numpy(state.vectors), P).argmax(dim=1).numpy()
    assert state.shares.sum() == pytest.approx(1)
    for role, mine in enumerate((owner == 0, owner == 1, owner > 1)):
        assert (state.roles == role).tolist() == mine.tolist()
        assert state.shares[role] == pytest.approx(mine.mean())
    explorer.update(noise=2.0)
    shown = [text.get_text() for text in explorer._map.figures]
    novelty = f"cosine of ◇ to its nearest proxy: {state.novelty:.2f}"
    assert shown == [novelty, *(f"{100 * s:.0f} %" for s in state.shares)]
    for role, artist in enumerate(explorer._map.samples):
        assert artist.get_markerfacecolor() == "none"
        assert len(artist.get_xdata()) == (state.roles == role).sum()
    assert len({artist.get_marker() for artist in explorer._map.samples}) == 3
    for artist, marker, xy in (
        (explorer._map.vector, "D", state.class_xy),
        (explorer._map.star, "*", state.samples_xy[:1]),
    ):
        assert (artist.get_marker(), artist.get_markerfacecolor()) == (marker, "none")
        assert to_hex(artist.get_color()) == BLACK
        np.testing.assert_allclose(artist.get_xydata(), xy)
    for c, artist in enumerate(explorer._map.proxies):
        assert artist.get_marker() == "D"
        assert artist.get_markerfacecolor() != "none"
        np.testing.assert_allclose(artist.get_xydata(), explorer.project(normalize(P[[c]])))


def test_the_mix_is_told_in_words_and_every_mark_is_named(explorer):
    for mix, words in ((0.3, "0.70 first + 0.30 second"), (-0.5, "1.50 first - 0.50 second")):
        explorer.update(mix=mix)
        assert explorer._map.mix.get_text() == f"mix ◇: {words}"
    (legend,) = explorer.view.figure.legends
    assert [text.get_text() for text in legend.texts] == [*explorer._map.key().values()]
    assert explorer._map.star in explorer._map.key()
    box = legend.get_window_extent()
    assert 0 <= box.x0 < box.x1 <= 860


def test_the_same_controls_give_the_same_state_and_picture(explorer):
    for a, b in zip(explorer.compute(**START), explorer.compute(**START), strict=True):
        np.testing.assert_array_equal(a, b)
    before, limits = explorer.view.pixels(), explorer._map.ax.axis()
    explorer.update(mix=1.5, turn=0.5)
    assert (explorer.view.pixels() != before).any()
    assert explorer._map.ax.axis() == limits
    explorer.update(mix=0.5, turn=0.0)
    np.testing.assert_array_equal(explorer.view.pixels(), before)
    other = widgets.SynthesisExplorer(a_generator(), X, Y, P, Shades(), seed=1)
    assert (other.compute(**START).vectors != explorer.compute(**START).vectors).any()


def test_blitting_draws_what_a_full_draw_would(explorer):
    explorer.update(mix=0.8, second=4)
    blitted = explorer.view.pixels()
    explorer.view._background = None
    np.testing.assert_array_equal(explorer.view.pixels(), blitted)


def test_every_control_changes_the_picture_and_sweeps_back(explorer):
    pictures = {explorer.view.png()}
    for change in ({"first": 2}, {"second": 3}, {"mix": 0.1}, {"noise": 0.2}, {"turn": 0.4}):
        explorer.update(**change)
        pictures.add(explorer.view.png())
    assert len(pictures) == 6
    before, moved = explorer.params, {name: set() for name in START}
    for name, control in explorer.controls.items():
        control.observe(lambda change, name=name: moved[name].add(change["new"]), "value")
    assert explorer.sweep() == 10 + 10 + 3 * 3
    assert explorer.params == before
    assert [len(values) for values in moved.values()] == [10, 10, 4, 4, 4]  # a start between stops
    assert {-0.5, 0.5, 1.5} <= moved["mix"]


def test_readers_without_a_kernel_get_pictures(explorer):
    assert "image/png" in explorer._repr_mimebundle_()
    figure = explorer.static()
    assert len(figure.axes) == 6
    assert [ax.get_title() for ax in figure.axes[::2]] == ["mix 0", "mix 0.5", "mix 1"]
    a, b = (explorer.classes[START[name]] for name in ("first", "second"))
    above, _ = figure.legends
    assert [text.get_text() for text in above.get_texts()] == [
        f"first class: {a}",
        f"second class: {b}",
    ]
    colours = [explorer._map.real[i].get_color() for i in range(2)]
    assert [line.get_color() for line in above.get_lines()] == colours
    captions = [text.get_text() for ax in figure.axes[1::2] for text in ax.texts]
    assert all(len(caption.strip()) == 4 for caption in captions)  # no names: they would overlap
    assert "Look for:" in explorer.widget.children[2].value
    assert not plt.get_fignums()  # no figure leaked to pyplot


def test_without_images_bars_show_the_nearest_proxies():
    explorer = widgets.SynthesisExplorer(a_generator(), X.numpy(), Y.numpy(), P.numpy())
    state = explorer.compute(**START | {"mix": -0.3})
    cosines = cosine_similarity(torch.from_numpy(state.vectors[:1]), P)[0]
    assert state.classes.tolist() == cosines.argsort(descending=True)[:6].tolist()
    explorer.update(mix=-0.3)
    widths = [bar.get_width() for bar in explorer._nearest.boxes]
    np.testing.assert_allclose(widths, state.cosines, atol=1e-6)
    assert (
        explorer._nearest.words[0].get_text() == f"{state.cosines[0]:.2f} class {state.classes[0]}"
    )
    assert len(explorer.static().axes) == 6
    assert not explorer._nearest.images


def test_few_classes_can_be_chosen_of_many_and_input_stays_as_it_is():
    x, y, p = gaussians(classes=30, per_class=4, size=8)
    kept = x.clone()
    many = widgets.SynthesisExplorer(a_generator(), x, y, p)
    assert len(many.controls["first"].options) == 12
    assert many.params["first"] != many.params["second"]
    few = widgets.SynthesisExplorer(a_generator(), x, y, p, choose=[7, 3], classes=["n"] * 30)
    assert (few.params["first"], few.params["second"]) == (7, 3)
    few.update(mix=1.0)
    assert torch.equal(x, kept)
    weights = [w.clone() for w in few.generator.parameters()]
    few.sweep()
    assert all(torch.equal(a, b) for a, b in zip(weights, few.generator.parameters(), strict=True))
    assert all(w.grad is None and w.requires_grad for w in few.generator.parameters())


def test_opposite_classes_have_a_middle_too():
    x, y, p = gaussians(classes=2, per_class=4, size=8)
    p[1] = -p[0]
    explorer = widgets.SynthesisExplorer(a_generator(), x, y, p)
    state = explorer.compute(**START)
    assert np.isfinite(state.samples_xy).all()
    assert len(state.classes) == 2  # no more than there are


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"generator": torch.nn.Linear(2, 2)}, TypeError, "must be a NovelClassGenerator"),
        ({"generator": a_generator(size=4)}, ValueError, "embedding_size=8"),
        ({"labels": Y[:3]}, ValueError, r"labels must have shape \(60,\)"),
        ({"labels": Y + 1}, ValueError, r"labels must lie in 0\.\.\.9"),
        ({"proxies": P[:, :4]}, ValueError, r"proxies must have shape \(C, 8\)"),
        ({"embeddings": X * torch.nan}, ValueError, "must be finite"),
        ({"embeddings": X[:9], "labels": Y[:9]}, ValueError, "those of 60 images, got 9"),
        ({"classes": ["a", "b"]}, ValueError, "classes must name all 10, got 2"),
        ({"choose": [1]}, ValueError, "choose must be 2 to 12 labels, got"),
        ({"choose": [1, 10]}, ValueError, "choose must be 2 to 12 labels, got"),
    ],
)
def test_the_explorer_names_what_is_wrong(change, error, message):
    arguments = {"generator": a_generator(), "embeddings": X, "labels": Y, "proxies": P}
    with pytest.raises(error, match=message):
        widgets.SynthesisExplorer(**arguments | {"dataset": Shades()} | change)
