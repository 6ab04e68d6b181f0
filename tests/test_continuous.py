"""Continuous labels around the losses: distances, batches, the method, nDCG, reports."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dmlviz import evaluation, losses, methods, models, plots, training, widgets
from dmlviz.datasets import (
    ContinuousDataset,
    ContinuousFeatures,
    DenseTripletBatchSampler,
)
from dmlviz.datasets.transforms import glyph


class Greys(ContinuousDataset):
    """Grey squares whose label is their shade: the distance of two is that of the shades."""

    name, unit, smallest_distance, flips = "greys", "shades", 0.5, True

    def __init__(self, n=40, seed=0, split="train"):
        super().__init__(split, glyph())
        generator = torch.Generator().manual_seed(seed)
        self.shades = torch.randperm(200, generator=generator)[:n].float()

    def __len__(self):
        return len(self.shades)

    def image(self, index):
        return Image.new("L", (8, 8), int(self.shades[index]))

    def _distances(self, rows, other, columns):
        return (self.shades[rows][:, None] - other.shades[columns][None, :]).abs()


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


# --- the data set -----------------------------------------------------------------------------


def test_items_are_numbered_and_asked_for_distances():
    greys, others = Greys(), Greys(10, seed=1)
    image, number = greys[3]
    assert (image.shape, number) == ((1, 8, 8), 3)
    assert greys[-1][1] == 39
    assert greys.label_distances().shape == (40, 40)
    assert greys.label_distances(other=others).shape == (40, 10)
    rows, columns = torch.tensor([1, 2]), torch.tensor([5])
    r = greys.label_distances(rows, columns=columns)
    assert r.tolist() == [[abs(greys.shades[i] - greys.shades[5])] for i in (1, 2)]
    assert greys.label_distance(1, 5) == r[0, 0]
    assert repr(greys) == "<greys train: 40 images, labels with a distance>"
    assert greys.targets.tolist() == list(range(40))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda g: g[40], IndexError, "index 40 is outside a data set of 40 images"),
        (lambda g: g.label_distances(torch.tensor([40])), ValueError, r"rows must be numbers .*39"),
        (lambda g: g.label_distances(torch.tensor([0.5])), ValueError, "rows must be integers"),
        (lambda g: g.label_distances(columns=torch.tensor([-1])), ValueError, "columns must be"),
        (lambda g: g.label_distances(other=[1]), TypeError, "other must be a Greys, too, got list"),
    ],
)
def test_bad_questions_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call(Greys())


def test_features_keep_the_distances_of_their_source():
    greys, others = Greys(), Greys(10, seed=1)
    features, more = (
        ContinuousFeatures(d.shades[:, None].repeat(1, 3), d) for d in (greys, others)
    )
    assert features[-1][1] == 39
    assert torch.equal(features[4][0], greys.shades[4].repeat(3))
    assert torch.equal(features.label_distances(), greys.label_distances())
    assert torch.equal(features.label_distances(other=more), greys.label_distances(other=others))
    assert (features.unit, features.smallest_distance, features.flips) == ("shades", 0.5, False)
    assert features.image(2).getpixel((0, 0)) == greys.shades[2]
    with pytest.raises(ValueError, match=r"features must have shape \(40, F\).*got \(3, 2\)"):
        ContinuousFeatures(torch.zeros(3, 2), greys)


# --- batches ----------------------------------------------------------------------------------


def test_a_batch_holds_anchors_their_neighbours_and_others():
    greys = Greys()
    sampler = DenseTripletBatchSampler(greys, anchors=3, nearest=4, random=5, seed=0)
    batches = list(sampler)
    assert len(batches) == len(sampler) == 13
    seen = [i for batch in batches for i in batch[:3]]
    assert len(set(seen)) == len(seen) == 39  # each image is an anchor once
    r = greys.label_distances().fill_diagonal_(torch.inf)
    for batch in batches:
        assert len(batch) == len(set(batch)) == 3 * 5 + 5
        for anchor in batch[:3]:
            assert set(r[anchor].topk(4, largest=False).indices.tolist()) <= set(batch)


def test_neighbours_may_be_drawn_from_a_pool_and_found_on_the_fly():
    greys = Greys()
    wide = [set(b) for b in DenseTripletBatchSampler(greys, 1, 3, 0, pool=12, seed=0)]
    r = greys.label_distances().fill_diagonal_(torch.inf)
    drawn = []
    for batch in DenseTripletBatchSampler(greys, 1, 3, 0, pool=12, seed=0):
        anchor, *neighbours = batch
        order = r[anchor].argsort().tolist()
        ranks = [order.index(i) for i in neighbours]
        assert max(ranks) < 12
        drawn += ranks
    assert len(set(drawn)) > 8  # not always the same
    on_the_fly = DenseTripletBatchSampler(greys, 1, 3, 0, pool=12, precompute=False, seed=0)
    assert [set(b) for b in on_the_fly] == wide


def test_passes_differ_and_seeds_repeat():
    def passes(seed):
        sampler = DenseTripletBatchSampler(Greys(), 2, 2, 4, seed=seed)
        return [list(sampler), list(sampler)]

    assert passes(0) == passes(0)
    assert passes(0)[0] != passes(0)[1]
    assert passes(0) != passes(1)
    random = list(DenseTripletBatchSampler(Greys(), 2, 0, 6))
    assert {len(batch) for batch in random} == {8}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"anchors": 0}, "anchors must be at least 1"),
        ({"nearest": -1}, "nearest and random not negative"),
        ({"pool": 1}, "pool must be at least nearest=2, got 1"),
        ({"random": 40}, "a batch of 46 images .* is more than the 40 images"),
        ({"pool": 40}, "neighbours out of 40 is more than"),
    ],
)
def test_impossible_batches_are_named(options, message):
    arguments = {"anchors": 2, "nearest": 2, "random": 4} | options
    with pytest.raises(ValueError, match=message):
        DenseTripletBatchSampler(Greys(), **arguments)


# --- nDCG and mean label distance -------------------------------------------------------------


def naive_order(x, y, r, own):
    """Nearest first; of ties the farthest label first."""
    ranked = []
    for q in range(len(x)):
        items = [i for i in range(len(y)) if not (own and i == q)]
        items.sort(key=lambda i: (round((x[q] - y[i]).norm().item(), 9), -r[q, i].item()))
        ranked.append(items)
    return ranked


def naive_ndcg(x, y, r, k, own):
    values = []
    for q, items in enumerate(naive_order(x, y, r, own)):
        found = [r[q, i].item() for i in items]
        gain = sum(1 / (1 + d) / np.log2(rank + 2) for rank, d in enumerate(found[:k]))
        ideal = sum(1 / (1 + d) / np.log2(rank + 2) for rank, d in enumerate(sorted(found)[:k]))
        values.append(gain / ideal)
    return np.mean(values)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.booleans(), st.booleans())
def test_graded_figures_equal_the_loops(seed, own, ties):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(6, 2, generator=generator, dtype=torch.float64)
    y = x if own else torch.randn(9, 2, generator=generator, dtype=torch.float64)
    if ties:
        x, y = x.round(), y.round()
    r = 5 * torch.rand(len(x), len(y), generator=generator, dtype=torch.float64)
    gallery = None if own else y
    for k in (1, 3, 5):
        value = evaluation.ndcg(x, r, [k], gallery=gallery)[k]
        assert value == pytest.approx(naive_ndcg(x, y, r, k, own))
        found = [
            [r[q, i].item() for i in items] for q, items in enumerate(naive_order(x, y, r, own))
        ]
        expected = np.mean([np.mean(of[:k]) for of in found])
        value = evaluation.mean_label_distance(x, r, [k], gallery=gallery)[k]
        assert value == pytest.approx(expected)


def test_ndcg_of_the_worked_example():
    """Label distances 0, 1, 3, 7, 15, found in the order 1, 0, 3, 2, 4: 1.19343 / 1.44046."""
    r = np.array([[0.0, 1, 3, 7, 15]])
    places = np.array([[2.0], [1], [4], [3], [5]])
    assert evaluation.ndcg([[0.0]], r, [3], gallery=places)[3] == pytest.approx(0.82850, abs=5e-6)


def test_a_collapsed_embedding_is_the_worst_ranking():
    r = torch.tensor([[0.0, 1.0, 9.0]])
    collapsed = evaluation.ndcg(torch.zeros(1, 2), r, [1], gallery=torch.zeros(3, 2))[1]
    assert collapsed == pytest.approx((1 / 10) / 1)
    assert evaluation.mean_label_distance(torch.zeros(1, 2), r, [1], gallery=torch.zeros(3, 2)) == {
        1: 9.0
    }


def test_cosine_looks_at_directions():
    x = torch.tensor([[1.0, 0.0]])
    gallery = torch.tensor([[9.0, 0.1], [0.9, 0.5]])
    r = torch.tensor([[0.0, 4.0]])
    assert evaluation.mean_label_distance(x, r, [1], gallery=gallery) == {1: 4.0}
    assert evaluation.mean_label_distance(x, r, [1], gallery=gallery, metric="cosine") == {1: 0.0}


@pytest.mark.parametrize("figure", [evaluation.ndcg, evaluation.mean_label_distance])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"r": torch.zeros(2, 3)}, r"label_distances must have shape \(4, 4\), queries by gallery"),
        ({"r": -torch.ones(4, 4)}, "label_distances must be finite and not negative"),
        ({"x": torch.full((4, 2), torch.nan)}, "embeddings must be finite"),
        ({"ks": [0]}, r"ks must lie between 1 and 3, got \[0\]"),
        ({"ks": [4]}, r"ks must lie between 1 and 3, got \[4\]"),
        ({"ks": []}, "ks must lie between"),
        ({"metric": "manhattan"}, "metric must be one of cosine, euclidean"),
    ],
)
def test_bad_figures_are_named(figure, change, message):
    arguments = {"x": torch.randn(4, 2), "r": torch.ones(4, 4), "ks": [1], "metric": "cosine"}
    x, r, ks, metric = (arguments | change).values()
    with pytest.raises(ValueError, match=message):
        figure(x, r, ks, metric=metric)


# --- the method -------------------------------------------------------------------------------


def net(size=4, seed=0, **options):
    return models.EmbeddingNet("convnet_small", size, in_channels=1, seed=seed, **options)


def test_it_learns_shades_and_watches_ndcg():
    model, train, val = net(normalize=False), Greys(60), Greys(30, seed=1, split="val")
    history = training.fit(
        model,
        methods.ContinuousLabels(losses.LogRatioLoss()),
        train,
        val=val,
        epochs=6,
        batch_size=32,
        lr=3e-3,
        progress=False,
    )
    assert history["loss"][-1] < 0.5 * history["loss"][1]
    assert history["val_ndcg@100"][-1] > history["val_ndcg@100"][0]
    distance = history["val_mean_label_distance@10"]
    assert min(distance) < distance[0]
    assert history.best_epoch == int(np.argmax(history["val_ndcg@100"]))


def test_the_loss_gets_floored_distances_and_the_anchors():
    seen = []

    class Spy(torch.nn.Module):
        def forward(self, embeddings, label_distances, anchors):
            seen.append((label_distances, anchors))
            return embeddings.square().mean()

    train = Greys()
    options = {"epochs": 1, "batch_size": 12, "progress": False}
    training.fit(net(), methods.ContinuousLabels(Spy(), anchors=2, nearest=1), train, **options)
    assert all(r.shape == (12, 12) and r.min() == 0.5 and a is None for r, a in seen)
    seen.clear()
    few = methods.ContinuousLabels(
        Spy(), anchors=2, nearest=1, all_anchors=False, smallest_distance=3.0
    )
    training.fit(net(), few, train, **options)
    assert all(r.min() == 3 and a.tolist() == [0, 1] for r, a in seen)


def test_a_batch_is_mirrored_as_a_whole_or_not_at_all():
    class Watched(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(64, 2)
            self.seen = []

        def forward(self, images):
            self.seen.append(images)
            return self.layer(images.flatten(1))

    train = Greys()
    train.transform = lambda image: torch.arange(64.0).view(1, 8, 8)
    model = Watched()
    method = methods.ContinuousLabels(losses.LogRatioLoss(), anchors=1, nearest=1)
    training.fit(model, method, train, epochs=1, batch_size=8, progress=False)
    plain, mirrored = train.transform(None), train.transform(None).flip(-1)
    kinds = [[torch.equal(i, plain) for i in images] for images in model.seen]
    assert all(
        all(kind) or all(torch.equal(i, mirrored) for i in images)
        for kind, images in zip(kinds, model.seen, strict=True)
    )
    assert {all(kind) for kind in kinds} == {True, False}


def test_impossible_training_is_named():
    method = methods.ContinuousLabels(losses.LogRatioLoss(), anchors=4, nearest=5)
    with pytest.raises(ValueError, match=r"batch_size=16 is too small .* it must be at least 24"):
        training.fit(net(), method, Greys(), epochs=1, batch_size=16, progress=False)
    with pytest.raises(TypeError, match=r"labels have distances.*got list"):
        training.fit(net(), method, [], epochs=1, progress=False)
    greys = Greys()
    greys.flips = False
    with pytest.raises(ValueError, match="flip=True, but mirroring an image of greys changes"):
        training.fit(
            net(), methods.ContinuousLabels(losses.LogRatioLoss(), flip=True), greys, progress=False
        )


def test_evaluate_reports_graded_figures():
    query, gallery = Greys(12, seed=1), Greys(30, seed=2)
    report = evaluation.evaluate(net(), query, gallery=gallery)
    assert set(report.ndcg) == {10}  # the gallery has no hundred
    assert set(report.mean_label_distance) == {1, 10}
    assert (report.queries, report.gallery_size, report.unit) == (12, 30, "shades")
    assert "nDCG@10" in str(report)
    assert "label distance in shades" in report._repr_html_()
    itself = evaluation.evaluate(net(), query, ks=[11])
    assert set(itself.ndcg) == {11}


# --- pictures ---------------------------------------------------------------------------------


def test_scatter_shows_slope_one_where_ratios_are_kept():
    greys = Greys()
    r = greys.label_distances()
    ax = plots.log_ratio_scatter(greys.shades[:, None], r)
    assert ax.get_title() == "slope 1.00, correlation 1.00"
    squared = plots.log_ratio_scatter(greys.shades[:, None], r.square())
    assert squared.get_title().startswith("slope 0.50")
    with pytest.raises(ValueError, match=r"label_distances must have shape \(40, 40\)"):
        plots.log_ratio_scatter(greys.shades[:, None], r[:3])


def test_gallery_writes_the_label_distance_under_each_image():
    greys = Greys()
    ax = plots.label_gallery(
        greys, {"found": -greys.shades[:, None], "labels": None}, queries=[4], k=3
    )
    nearest = greys.label_distances()[4].sort().values[1:4]
    shown = [t.get_text() for t in ax.texts if t.get_text()[0].isdigit()]
    assert shown == [f"{v:.3g}" for v in nearest] * 2
    assert len(ax.images) == 1 + 6


def test_curves_are_the_reports():
    ax = plots.ndcg_curves({"a": {10: 0.5, 20: 0.4}, "b": {10: 0.9}})
    assert ax.lines[0].get_xydata().tolist() == [[10, 0.5], [20, 0.4]]
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["a", "b"]


@pytest.mark.parametrize("label", [0.3, 0.5, 1.4])
def test_ratio_explorer_draws_the_losses_of_the_library(label):
    explorer = widgets.RatioExplorer()
    state = explorer.compute(label=label, place=1.0, margin=0.1)
    r = torch.zeros(5, 5, dtype=torch.float64)
    r[0, 1:] = torch.tensor([0.5, 1.0, 2.0, label], dtype=torch.float64)
    for i in range(0, len(explorer.places), 13):
        place = torch.tensor(explorer.places[i], requires_grad=True)
        x = torch.cat([torch.tensor([0, 0.5, 1.0, 2.0]).double(), place[None]])[:, None]
        for loss, values, slopes in (
            (losses.LogRatioLoss(), state.ratio, state.ratio_slope),
            (losses.DenseTripletLoss(0.1), state.triplet, state.triplet_slope),
        ):
            value = loss(x, r, torch.tensor([0]))
            assert values[i] == pytest.approx(value.item())
            slope = torch.autograd.grad(value, place, retain_graph=True)[0].item()
            assert slopes[i] == pytest.approx(slope, abs=1e-9)


def test_ratio_explorer_shows_where_each_loss_is_content():
    explorer = widgets.RatioExplorer()
    state = explorer.compute(label=1.4, place=1.0, margin=0.1)
    places = explorer.places
    assert places[state.ratio.argmin()] == pytest.approx(1.4, rel=0.05)
    content = places[state.triplet < 1e-9]  # anywhere between its neighbours 1 and 2
    assert content.min() == pytest.approx(np.sqrt(1.1), rel=0.05)
    assert content.max() == pytest.approx(np.sqrt(3.9), rel=0.05)
    other = explorer.compute(label=1.7, place=1.0, margin=0.1)
    np.testing.assert_array_equal(other.triplet, state.triplet)  # the order is the same
    explorer.update(label=explorer.controls["label"].options[0][1])
    assert {line.get_xdata()[0] for line in explorer._wanted} == {explorer.params["label"]}
    assert (
        len({artist.get_color() for artist, _ in explorer._dots} | {explorer._item.get_color()})
        == 1
    )
    now = explorer.compute(**explorer.params)
    words = f"loss: log-ratio {now.loss:.2f}, dense triplet {now.triplet_loss:.2f}"
    assert explorer._caption.get_text() == words
    assert explorer.sweep() == 9
    assert len(explorer.static().axes) == 6  # losses, and their slopes
    assert "image/png" in explorer._repr_mimebundle_()
