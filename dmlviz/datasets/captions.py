"""Distances between images, by the captions that describe them.

**Vocabulary distance.** With x_i(w) = tf_i(w) · idf(w) as in `datasets._words`, where tf_i(w)
counts the word w in all captions of image i:

    d(i, j) = 1 - cos(x_i, x_j)                                                     in 0…1

**Word mover's distance** (Kusner, Sun, Kolkin, Weinberger: From Word Embeddings To Document
Distances, ICML 2015). A caption s gives its word w the weight s(w), its share of the words. With a
vector v_w of length 1 for each word, moving one to another costs c(w, u) = |v_w - v_u|, and

    WMD(s, t)  = min Σ_wu T_wu c(w, u)  over T ≥ 0 with Σ_u T_wu = s(w) and Σ_w T_wu = t(u)
    RWMD(s, t) = max(Σ_w s(w) min_{u in t} c(w, u), Σ_u t(u) min_{w in s} c(w, u))

The relaxed one drops one of the two conditions at a time, so RWMD ≤ WMD, and needs no solver.
Between images i and j, with captions s_1…s_m and t_1…t_n:

    d(i, j) = ½ mean_k min_l WMD(s_k, t_l) + ½ mean_l min_k WMD(s_k, t_l)           in 0…2

That formula is our choice: Kim et al. (Deep Metric Learning Beyond Binary Supervision, CVPR 2019)
learn from distances between captions, but the paper's exact formula was not available to us. Nor
are the word vectors theirs, be they learned from the training captions or brought along.

>>> words = learn_vocabulary([["a red ball", "a crimson ball"], ["a blue ball"], ["a dog"]])
>>> images = words.encode([["a red ball"], ["crimson ball"], ["a dog"]])
>>> relaxed_distance(images, images).round(decimals=1)
tensor([[0.0000, 0.0000, 1.4000],
        [0.0000, 0.0000, 1.4000],
        [1.4000, 1.4000, 0.0000]])
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dmlviz.datasets._words import CSR, CaptionSets, Vocabulary, learn_vocabulary, tokenize

__all__ = [
    "CaptionSets",
    "RelaxationGap",
    "Vocabulary",
    "exact_distance",
    "learn_vocabulary",
    "relaxation_gap",
    "relaxed_distance",
    "tokenize",
    "vocabulary_distance",
]

LARGEST = 2.0  # of all c(w, u), between opposite vectors

_ROWS, _COLUMNS = 64, 512  # images that are compared at a time


def vocabulary_distance(a: CaptionSets, b: CaptionSets) -> Tensor:
    """1 - cosine of the idf-weighted words of images, `(A, B)`; it needs no word vectors."""
    _check_same_vocabulary(a, b)
    if not (len(a) and len(b)):
        return torch.zeros(len(a), len(b))
    x, y = (_directions(sets) for sets in (a, b))
    d = 1 - (x @ y.T).toarray()
    d[np.ix_(x.getnnz(axis=1) == 0, y.getnnz(axis=1) == 0)] = 0
    return torch.from_numpy(d.clip(0, 1)).float()


def relaxed_distance(a: CaptionSets, b: CaptionSets) -> Tensor:
    """d(i, j) between images, `(A, B)`, with RWMD in place of WMD."""
    return _between_images(a, b, _rwmd)


def exact_distance(a: CaptionSets, b: CaptionSets) -> Tensor:
    """d(i, j) between images, `(A, B)`; solved by POT (Python Optimal Transport) pair by pair."""
    return _between_images(a, b, _wmd)


@dataclass(frozen=True)
class RelaxationGap:
    """How far the relaxed distance is from the exact one, on a sample of pairs of images.

    Attributes:
        exact, relaxed: `(pairs,)` distances.
        relative: mean of (exact - relaxed) / exact, over the pairs whose exact one is not 0.
        rank_correlation: Spearman's, between exact and relaxed.
    """

    exact: np.ndarray
    relaxed: np.ndarray
    relative: float
    rank_correlation: float


def relaxation_gap(
    a: CaptionSets, b: CaptionSets, *, pairs: int = 300, seed: int = 0
) -> RelaxationGap:
    """Compare the two on random pairs of an image of a and one of b: some ten ms a pair."""
    from scipy.stats import spearmanr

    numbers = np.random.default_rng(seed).integers([[len(a)], [len(b)]], size=(2, pairs))
    chosen = [(a.take([i]), b.take([j])) for i, j in numbers.T]
    exact = np.array([exact_distance(s, t).item() for s, t in chosen])
    relaxed = np.array([relaxed_distance(s, t).item() for s, t in chosen])
    if len(np.unique(exact)) < 2 or len(np.unique(relaxed)) < 2:
        raise ValueError("all pairs of the sample are equally far: give more images, or more pairs")
    relative = 1 - relaxed[exact > 0] / exact[exact > 0]
    correlation = spearmanr(exact, relaxed).statistic
    return RelaxationGap(exact, relaxed, float(relative.mean()), float(correlation))


def _between_images(
    a: CaptionSets, b: CaptionSets, distance: Callable[[CaptionSets, CaptionSets], np.ndarray]
) -> Tensor:
    """d(i, j) from distances between captions, a block of images at a time."""
    _check_same_vocabulary(a, b)
    result = np.empty((len(a), len(b)), dtype=np.float32)
    blocks = _blocks(b, _COLUMNS)
    for rows, s in _blocks(a, _ROWS):
        for columns, t in blocks:
            d = distance(s, t)
            s_empty, t_empty = s.counts.getnnz(axis=1) == 0, t.counts.getnnz(axis=1) == 0
            d[s_empty] = LARGEST
            d[:, t_empty] = LARGEST
            d[np.ix_(s_empty, t_empty)] = 0
            there = np.add.reduceat(np.minimum.reduceat(d, t.first, axis=1), s.first, axis=0)
            back = np.add.reduceat(np.minimum.reduceat(d, s.first, axis=0), t.first, axis=1)
            result[rows, columns] = (there / s.sizes[:, None] + back / t.sizes) / 2
    return torch.from_numpy(result)


def _blocks(sets: CaptionSets, size: int) -> list[tuple[slice, CaptionSets]]:
    numbers = range(len(sets))
    return [(slice(i, i + size), sets.take(numbers[i : i + size])) for i in numbers[::size]]


def _rwmd(s: CaptionSets, t: CaptionSets) -> np.ndarray:
    """RWMD of all captions s and t."""
    return np.maximum(_to_nearest_word(s, t), _to_nearest_word(t, s).T)


def _to_nearest_word(s: CaptionSets, t: CaptionSets) -> np.ndarray:
    """Σ_w s(w) min_{u in t} c(w, u) of all captions s and t."""
    of_s, of_t = np.unique(s.counts.indices), np.unique(t.counts.indices)
    cost = _word_costs(s.vocabulary, of_t, of_s).astype(np.float32)
    # nearest[t, w] = min_{u in t} c(w, u): over the first words of all captions t, the second, …
    first, length = t.counts.indptr[:-1], np.diff(t.counts.indptr)
    words = np.searchsorted(of_t, t.counts.indices)
    nearest = np.full((len(length), len(of_s)), LARGEST, dtype=np.float32)
    for k in range(length.max(initial=0)):
        longer = np.flatnonzero(length > k)
        nearest[longer] = np.minimum(nearest[longer], cost[words[first[longer] + k]])
    return _shares(s.counts)[:, of_s].astype(np.float32) @ nearest.T


def _wmd(s: CaptionSets, t: CaptionSets) -> np.ndarray:
    """WMD of all captions s and t, but for empty ones."""
    try:
        import ot
    except ImportError as error:
        raise ImportError(
            "the exact word mover's distance needs POT: pip install POT, or use relaxed_distance"
        ) from error
    d = np.zeros((s.counts.shape[0], t.counts.shape[0]))
    for i, p in enumerate(_shares(s.counts)):
        for j, q in enumerate(_shares(t.counts)):
            if p.nnz and q.nnz:
                cost = _word_costs(s.vocabulary, p.indices, q.indices)
                d[i, j] = ot.emd2(p.data, q.data, cost)
    return d


def _word_costs(vocabulary: Vocabulary, w: np.ndarray, u: np.ndarray) -> np.ndarray:
    """c(w, u) = |v_w - v_u| = √(2 - 2 v_w·v_u), and exactly 0 for a word and itself."""
    dots = vocabulary.vectors[w] @ vocabulary.vectors[u].T
    return np.where(w[:, None] == u, 0, np.sqrt((2 - 2 * dots).clip(min=0)))


def _shares(counts: CSR) -> CSR:
    """s(w): each row of counts divided by its sum."""
    from sklearn.preprocessing import normalize

    return normalize(counts, norm="l1")


def _directions(sets: CaptionSets) -> CSR:
    """x_i / |x_i| of each image."""
    from scipy.sparse import csr_matrix
    from sklearn.preprocessing import normalize

    # A row of ones for each image, over its captions, adds them up.
    n = len(sets.counts.indptr) - 1
    spans = np.append(sets.first, n)
    of_image = csr_matrix((np.ones(n), np.arange(n), spans), shape=(len(sets), n))
    return normalize((of_image @ sets.counts).multiply(sets.vocabulary.idf))


def _check_same_vocabulary(a: CaptionSets, b: CaptionSets) -> None:
    if not a.vocabulary.same_as(b.vocabulary):
        raise ValueError(
            "the captions were encoded with two vocabularies: encode both with the same one"
        )
