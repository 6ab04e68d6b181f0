"""Disagreement with the neighbours against a double loop, and against planted wrong labels."""

import numpy as np
import pytest
import torch

from dmlviz import evaluation
from dmlviz.evaluation import label_errors


def data(seed, n=70, d=5, classes=6):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, d, generator=generator, dtype=torch.float64)
    return x, torch.randint(classes, (n,), generator=generator)


def naive(x, y, k, metric):
    """For each image: sort all others by hand, count other labels among the first k."""
    shares = []
    for i in range(len(y)):
        near = []
        for j in range(len(y)):
            if metric == "cosine":
                far = -float(x[i] @ x[j] / (x[i].norm() * x[j].norm()))
            else:
                far = float((x[i] - x[j]).norm())
            if j != i:
                near.append((far, int(y[j] != y[i])))
        shares.append(sum(other for _, other in sorted(near)[:k]) / k)
    return torch.tensor(shares)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize(("seed", "k"), [(0, 1), (1, 7), (2, 69)])
def test_it_equals_a_double_loop(seed, k, metric):
    x, y = data(seed)
    found = evaluation.label_disagreement(x, y, k, metric=metric)
    torch.testing.assert_close(found, naive(x, y, k, metric))


def test_an_image_is_no_neighbour_of_its_own_even_among_copies():
    x = torch.tensor([[1.0, 0.0]] * 2 + [[0.0, 1.0]] * 2)
    found = evaluation.label_disagreement(x, [0, 1, 2, 2], k=1)
    assert found.tolist() == [1, 1, 0, 0]  # the copy has the other label


def test_wrong_labels_come_first_and_more_surely_with_a_large_k():
    """Twenty tight classes with a rare look each: what k cannot see, it cannot order."""
    generator = torch.Generator().manual_seed(0)
    centres = torch.nn.functional.normalize(torch.randn(20, 16, generator=generator))
    y = torch.arange(20).repeat_interleave(20)
    x = centres[y] + 0.1 * torch.randn(400, 16, generator=generator)
    rare = torch.arange(0, 400, 20)  # half-way to another class, most of its neighbours there
    x[rare] = 0.45 * centres[y[rare]] + 0.55 * centres[(y[rare] + 1) % 20]
    wrong = torch.arange(10, 400, 20)
    y[wrong] = (y[wrong] + 7) % 20
    is_wrong = torch.zeros(400, dtype=torch.bool)
    is_wrong[wrong] = True

    def precision(k):  # among as many as there are wrong ones
        order = evaluation.label_disagreement(x, y, k).argsort(descending=True, stable=True)
        return is_wrong[order[:20]].float().mean().item()

    assert precision(5) < 0.7
    assert precision(60) > 0.9


def test_k_is_a_twentieth_of_the_images_unless_it_is_given():
    x, y = data(3, n=240)
    default = evaluation.label_disagreement(x, y)
    torch.testing.assert_close(default, evaluation.label_disagreement(x, y, 12))
    few = evaluation.label_disagreement(x[:4], y[:4])  # not even five others
    torch.testing.assert_close(few, evaluation.label_disagreement(x[:4], y[:4], 3))


def test_blocks_give_what_one_block_gives(monkeypatch):
    x, y = data(4)
    whole = evaluation.label_disagreement(x, y, 9)
    monkeypatch.setattr(label_errors, "_BLOCK", 100)  # about eleven rows at a time
    assert torch.equal(evaluation.label_disagreement(x, y, 9), whole)


def test_labels_may_be_any_integers_and_arrays_any_kind():
    x, y = data(5)
    expected = evaluation.label_disagreement(x, y, 4)
    strange = evaluation.label_disagreement(x.numpy(), np.asarray(-1000 * y - 7), 4)
    torch.testing.assert_close(strange, expected)
    assert strange.dtype == torch.float32
    with_gradient = x.clone().requires_grad_()
    assert not evaluation.label_disagreement(with_gradient, y, 4).requires_grad


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"embeddings": torch.zeros(5, 3)}, r"embeddings must have shape \(4, D\).*\(5, 3\)"),
        ({"embeddings": torch.zeros(4)}, r"embeddings must have shape \(4, D\)"),
        ({"embeddings": torch.full((4, 3), torch.nan)}, "embeddings must be finite, but 4 of 4"),
        ({"labels": [0.0, 1.0, 0.0, 1.0]}, "labels must be integers"),
        ({"embeddings": torch.zeros(1, 3), "labels": [0]}, "labels must be of at least 2 images"),
        ({"k": 0}, "k must be between 1 and 3"),
        ({"k": 4}, "k must be between 1 and 3, the number of other images, got 4"),
        ({"metric": "manhattan"}, "metric must be one of cosine, euclidean, got 'manhattan'"),
    ],
)
def test_bad_input_is_named(change, message):
    given = {"embeddings": torch.eye(4), "labels": [0, 0, 1, 1], "k": 2} | change
    with pytest.raises(ValueError, match=message):
        evaluation.label_disagreement(**given)
