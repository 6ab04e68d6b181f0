"""Retrieval figures against brute force, on ties, duplicates, singletons and large sets."""

import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import oracles
from dmlviz import evaluation, models


def data(seed, n=60, d=6, classes=8):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, d, generator=generator, dtype=torch.float64)
    return x, torch.randint(classes, (n,), generator=generator)


def average_precision_at_r(similarity, relevant):
    """One query by the definition, irrelevant images first among equals."""
    order = sorted(range(len(relevant)), key=lambda i: (-similarity[i], relevant[i]))
    R = sum(relevant)
    hits, total = 0, 0.0
    for rank, i in enumerate(order[:R], start=1):
        hits += relevant[i]
        total += relevant[i] * hits / rank
    return (hits / R, total / R) if R else (0.0, 0.0)


def brute_force(x, y):
    unit = x / x.norm(dim=1, keepdim=True).clamp_min(1e-30)
    rp, ap = [], []
    for q in range(len(y)):
        others = [i for i in range(len(y)) if i != q]
        similarity = [float(unit[q] @ unit[i]) for i in others]
        result = average_precision_at_r(similarity, [bool(y[i] == y[q]) for i in others])
        rp.append(result[0])
        ap.append(result[1])
    return np.mean(rp), np.mean(ap)


@pytest.mark.parametrize("seed", range(3))
def test_every_figure_equals_brute_force(seed):
    x, y = data(seed)
    report = evaluation.retrieval_metrics(x, y, ks=(1, 2, 3, 50), nmi=False)
    for k, share in report.recall.items():
        assert share == pytest.approx(oracles.recall_at_k(x, y.tolist(), k))
    r_precision, map_at_r = brute_force(x, y)
    assert report.r_precision == pytest.approx(r_precision)
    assert report.map_at_r == pytest.approx(map_at_r)


def test_figures_agree_with_pytorch_metric_learning():
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator

    x, y = data(1, n=200)
    x = torch.nn.functional.normalize(x).float()
    names = ("precision_at_1", "r_precision", "mean_average_precision_at_r")
    theirs = AccuracyCalculator(include=names, k="max_bin_count").get_accuracy(x, y)
    ours = evaluation.retrieval_metrics(x, y, ks=[1], nmi=False)
    assert ours.recall[1] == pytest.approx(theirs["precision_at_1"], abs=1e-6)
    assert ours.r_precision == pytest.approx(theirs["r_precision"], abs=1e-6)
    assert ours.map_at_r == pytest.approx(theirs["mean_average_precision_at_r"], abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), copies=st.integers(1, 3), classes=st.integers(1, 6))
def test_duplicates_equal_brute_force(seed, copies, classes):
    """Few distinct rows, so that many pairs are exactly alike."""
    generator = torch.Generator().manual_seed(seed)
    distinct = torch.randn(6, 4, generator=generator)
    x = distinct.repeat(copies, 1)
    y = torch.randint(classes, (len(x),), generator=generator)
    recall = evaluation.recall_at_k(x, y, [1, 2, 4])
    normal = distinct / distinct.norm(dim=1, keepdim=True)
    similarity = (normal @ normal.T).repeat(copies, copies)  # alike to the last bit
    for k, share in recall.items():
        hits = 0
        for q in range(len(x)):
            relevant = [i for i in range(len(x)) if i != q and y[i] == y[q]]
            best = max((similarity[q, i] for i in relevant), default=None)
            if best is not None:
                before = sum(bool(similarity[q, i] >= best) for i in range(len(x)) if y[i] != y[q])
                hits += before < k
        assert share == pytest.approx(hits / len(x))


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
@pytest.mark.parametrize("value", [0.0, 0.37])
def test_a_collapsed_embedding_scores_zero(metric, dtype, value):
    x = torch.full((500, 61), value, dtype=dtype)
    report = evaluation.retrieval_metrics(
        x, torch.arange(500) // 5, ks=(1, 8), metric=metric, nmi=False
    )
    assert report.recall == {1: 0.0, 8: 0.0}
    assert report.map_at_r == 0
    assert report.r_precision == 0


def test_a_perfect_embedding_scores_one():
    y = torch.arange(40) // 4
    x = torch.eye(10)[y]
    report = evaluation.retrieval_metrics(x, y)
    assert report.recall[1] == 1
    assert report.map_at_r == pytest.approx(1)
    assert report.nmi > 0.9  # k-means itself may divide a class


def test_classes_of_one_image_count_as_misses_and_are_reported():
    x = torch.eye(3)[[0, 0, 1, 2]]
    report = evaluation.retrieval_metrics(x, [0, 0, 1, 2], ks=[1, 100], nmi=False)
    assert report.recall[1] == 0.5
    assert report.recall[100] == 0.5  # no K makes up for a class with nobody else in it
    assert report.without_relevant == 2
    assert "2 queries without a relevant image" in report.note()


def test_a_copy_of_the_query_in_another_class_stands_before_its_own():
    x = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.9, 0.1]])
    recall = evaluation.recall_at_k(x, [0, 1, 0], [1, 2])
    assert recall == {1: 0.0, 2: pytest.approx(2 / 3)}


def test_euclidean_and_cosine_differ_where_lengths_do():
    x = torch.tensor([[1.0, 0.0], [10.0, 0.0], [0.8, 0.5], [8.0, 5.0]])
    y = [0, 0, 1, 1]
    assert evaluation.recall_at_k(x, y, [1], "cosine")[1] == 1
    assert evaluation.recall_at_k(x, y, [1], "euclidean")[1] == 0


def test_euclidean_keeps_its_digits_far_from_the_origin():
    x, y = data(4)
    near = evaluation.recall_at_k(x.float(), y, [1, 4], "euclidean")
    far = evaluation.recall_at_k((x + 1000).float(), y, [1, 4], "euclidean")
    assert far == pytest.approx(near, abs=0.02)


def test_a_gallery_is_searched_instead_of_the_queries():
    gallery, gallery_labels = torch.eye(3), torch.tensor([5, 6, 7])
    query, labels = torch.eye(3)[[0, 1, 1]], torch.tensor([5, 6, 9])  # 9 is not in the gallery
    report = evaluation.retrieval_metrics(
        query, labels, [1], gallery=gallery, gallery_labels=gallery_labels, nmi=False
    )
    assert report.recall[1] == pytest.approx(2 / 3)
    assert (report.queries, report.gallery_size, report.without_relevant) == (3, 3, 1)


def test_labels_may_be_any_integers_and_arrays_any_kind():
    x, y = data(2)
    expected = evaluation.recall_at_k(x, y, [1])
    assert evaluation.recall_at_k(x.numpy(), (y * 1000 - 7).tolist(), [1]) == expected
    assert evaluation.recall_at_k(x.tolist(), y.numpy(), [1]) == expected


def test_blocks_give_what_one_block_gives(monkeypatch):
    x, y = data(3)
    whole = evaluation.retrieval_metrics(x, y, nmi=False)
    monkeypatch.setattr("dmlviz.evaluation.retrieval._BLOCK", 7 * len(x))
    assert evaluation.retrieval_metrics(x, y, nmi=False) == whole


def test_memory_is_bounded_by_the_block():
    """12,000 x 12,000 similarities would be 550 MiB in float32."""
    import resource

    x = torch.randn(12_000, 16, generator=torch.Generator().manual_seed(0))
    y = torch.arange(12_000) // 6
    evaluation.recall_at_k(x[:100], y[:100], [1])  # warm up
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tracemalloc.start()
    evaluation.retrieval_metrics(x, y, nmi=False)
    tracemalloc.stop()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < 450


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"embeddings": [[float("nan"), 0.0]] * 4}, "finite"),
        ({"embeddings": [[float("inf"), 0.0]] * 4}, "finite"),
        ({"embeddings": [[0.0, 1.0]] * 3}, "one entry per row"),
        ({"embeddings": np.zeros((0, 2))}, "shape"),
        ({"embeddings": [0.0, 1.0]}, "shape"),
        ({"labels": [0.5, 1.0, 1.0, 2.0]}, "integers"),
        ({"ks": [0]}, "at least 1"),
        ({"ks": []}, "at least 1"),
        ({"ks": [1.5]}, "integers"),
        ({"metric": "manhattan"}, "metric must be"),
        ({"protocol": "in-shop"}, "protocol must be one of standard, inshop, got 'in-shop'"),
        ({"gallery": [[0.0, 1.0]]}, "together"),
        ({"gallery": [[0.0, 1.0, 2.0]], "gallery_labels": [1]}, "dimensions"),
    ],
)
def test_bad_input_is_named(change, message):
    arguments = {"embeddings": torch.eye(2)[[0, 0, 1, 1]], "labels": [0, 0, 1, 1], "ks": [1]}
    with pytest.raises(ValueError, match=message):
        evaluation.recall_at_k(**(arguments | change))


def test_the_report_prints_and_renders():
    report = evaluation.retrieval_metrics(*data(0), ks=(1, 10))
    assert "Recall@10" in str(report)
    assert "NMI" in str(report)
    assert "<th>MAP@R</th>" in report._repr_html_()


# --- the rule of In-shop Clothes --------------------------------------------------------------


def searched(seed):
    """Corners of a cube in four dimensions: their cosines are exact, and many are equal."""
    generator = torch.Generator().manual_seed(seed)
    query, gallery = (2 * torch.randint(2, (n, 4), generator=generator) - 1 for n in (30, 40))
    labels, gallery_labels = (torch.randint(5, (n,), generator=generator) for n in (30, 40))
    return query.double(), labels, gallery.double(), gallery_labels


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("protocol", ["standard", "inshop"])
def test_protocols_equal_a_naive_loop_on_ties(seed, protocol):
    query, labels, gallery, gallery_labels = searched(seed)
    hits, ties, ks = dict.fromkeys((1, 2, 5, 10), 0), 0, (1, 2, 5, 10)
    for q, label in zip(query, labels, strict=True):
        near = [(q @ g).item() for g in gallery]
        same = [bool(g == label) for g in gallery_labels]
        best = max(s for s, positive in zip(near, same, strict=True) if positive)
        others = [s for s, positive in zip(near, same, strict=True) if not positive]
        ties += best in others
        for k in ks:
            nearer = sum(s > best if protocol == "inshop" else s >= best for s in others)
            hits[k] += nearer < k
    assert ties > 5
    recall = evaluation.recall_at_k(
        query, labels, ks, gallery=gallery, gallery_labels=gallery_labels, protocol=protocol
    )
    assert recall == {k: pytest.approx(count / len(query)) for k, count in hits.items()}


def test_inshops_rule_lets_a_collapsed_embedding_win_and_says_so():
    x, y = torch.ones(6, 2), torch.arange(6) // 2
    report = evaluation.retrieval_metrics(x, y, [1], nmi=False, protocol="inshop")
    assert report.recall == {1: 1.0}
    assert report.map_at_r == 0  # the rule concerns Recall@K alone
    assert "protocol 'inshop'" in report.note()
    standard = evaluation.retrieval_metrics(x, y, [1], nmi=False)
    assert standard.recall == {1: 0.0}
    assert "protocol" not in standard.note()


def test_inshops_rule_keeps_queries_without_a_relevant_image_as_misses():
    recall = evaluation.recall_at_k(
        [[1.0, 0.0]], [3], [1, 9], gallery=[[0.0, 1.0]], gallery_labels=[4], protocol="inshop"
    )
    assert recall == {1: 0.0, 9: 0.0}


def test_evaluate_passes_the_protocol_on_and_refuses_one_before_the_work():
    query, labels, gallery, gallery_labels = searched(0)
    queries = torch.utils.data.TensorDataset(query.float(), labels)
    searched_set = torch.utils.data.TensorDataset(gallery.float(), gallery_labels)
    strict, lenient = (
        evaluation.evaluate(
            torch.nn.Identity(), queries, gallery=searched_set, nmi=False, protocol=protocol
        )
        for protocol in ("standard", "inshop")
    )
    assert lenient.recall[1] > strict.recall[1]
    assert (strict.protocol, lenient.protocol) == ("standard", "inshop")
    with pytest.raises(ValueError, match="protocol must be"):
        evaluation.evaluate(torch.nn.Identity(), [], protocol="sop")


# --- neighbours -------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_neighbours_equal_a_full_sort(metric):
    x, _ = data(7, n=40)
    found, values = evaluation.nearest_neighbors(x, 5, metric=metric)
    unit = torch.nn.functional.normalize(x)
    score = unit @ unit.T if metric == "cosine" else -torch.cdist(x, x)
    score.fill_diagonal_(-torch.inf)
    best = score.topk(5)
    assert (found == best.indices.numpy()).all()
    np.testing.assert_allclose(values, best.values.abs().numpy(), rtol=1e-4, atol=1e-5)


def test_a_query_never_finds_itself_even_among_copies():
    found, _ = evaluation.nearest_neighbors(torch.ones(6, 3), 4, queries=[2, 5])
    assert 2 not in found[0]
    assert 5 not in found[1]


def test_vectors_may_be_queries():
    found, _ = evaluation.nearest_neighbors(torch.eye(3), 1, queries=torch.eye(3)[[2, 0]])
    assert found.ravel().tolist() == [2, 0]


@pytest.mark.parametrize(("k", "queries"), [(0, None), (3, None), (1, [3]), (1, [-1])])
def test_impossible_searches_are_refused(k, queries):
    with pytest.raises(ValueError, match="must be"):
        evaluation.nearest_neighbors(torch.eye(3), k, queries=queries)


# --- from a model -----------------------------------------------------------------------------


def test_embed_keeps_order_and_the_models_mode():
    model = models.EmbeddingNet("identity", 3, in_channels=6)
    x, y = data(0)
    dataset = torch.utils.data.TensorDataset(x.float(), y)
    model.train()
    embeddings, labels = evaluation.embed(model, dataset, batch_size=7)
    assert model.training
    assert torch.equal(labels, y)
    torch.testing.assert_close(embeddings, model.eval()(x.float()).detach())
    assert evaluation.embed(model, dataset, features=True)[0].shape == (60, 6)


def test_evaluate_measures_an_unnormalised_model_by_euclidean_distance():
    x, y = data(0)
    dataset = torch.utils.data.TensorDataset(x.float(), y)
    raw = models.EmbeddingNet("identity", 3, in_channels=6, normalize=False)
    assert evaluation.evaluate(raw, dataset, nmi=False).metric == "euclidean"
    unit = models.EmbeddingNet("identity", 3, in_channels=6)
    assert evaluation.evaluate(unit, dataset, nmi=False).metric == "cosine"


def test_items_that_do_not_stack_are_explained():
    class Ragged(torch.utils.data.Dataset):
        def __len__(self):
            return 2

        def __getitem__(self, i):
            return torch.zeros(3, 8 + i, 8), 0

    with pytest.raises(ValueError, match="fixed size"):
        evaluation.embed(models.EmbeddingNet(), Ragged())


def test_items_that_are_not_float_tensors_are_explained(glyph_root):
    from dmlviz import datasets

    raw = datasets.load("glyphs", "val", glyph_root, transform=lambda image: image)
    with pytest.raises(TypeError, match="float tensors, got Image"):
        evaluation.embed(models.EmbeddingNet(in_channels=1), raw)
