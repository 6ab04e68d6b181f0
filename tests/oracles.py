"""The losses written naively: loops over samples and proxies, no masks, no tricks."""

import math

from torch import Tensor


def distance(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).square().sum().sqrt()


def cosine(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum() / (a.square().sum().sqrt() * b.square().sum().sqrt())


def contrastive(x: Tensor, y: list[int], margin: float) -> Tensor:
    terms = []
    for i in range(len(y)):
        for j in range(i):
            d = distance(x[i], x[j])
            terms.append(0.5 * d**2 if y[i] == y[j] else 0.5 * (margin - d).clamp_min(0) ** 2)
    return sum(terms) / len(terms)


def triplet(x: Tensor, y: list[int], margin: float, mining: str) -> Tensor:
    n = len(y)
    terms = []
    for a in range(n):
        positives = [p for p in range(n) if p != a and y[p] == y[a]]
        negatives = [q for q in range(n) if y[q] != y[a]]
        if mining == "hardest":
            if positives and negatives:
                far = max(distance(x[a], x[p]) for p in positives)
                near = min(distance(x[a], x[q]) for q in negatives)
                terms.append((far - near + margin).clamp_min(0))
            continue
        for p in positives:
            for q in negatives:
                d_ap, d_an = distance(x[a], x[p]), distance(x[a], x[q])
                active = d_an < d_ap + margin
                if active and (mining == "all" or d_an > d_ap):
                    terms.append(d_ap - d_an + margin)
    return sum(terms) / len(terms) if terms else x.sum() * 0


def normalized_softmax(x: Tensor, y: list[int], proxies: Tensor, temperature: float) -> Tensor:
    total = x.new_zeros(())
    for i, label in enumerate(y):
        e = [(cosine(x[i], p) / temperature).exp() for p in proxies]
        total = total - (e[label] / sum(e)).log()
    return total / len(y)


def proxy_nca(x: Tensor, y: list[int], proxies: Tensor, temperature: float) -> Tensor:
    total = x.new_zeros(())
    for i, label in enumerate(y):
        e = [(cosine(x[i], p) / temperature).exp() for p in proxies]
        total = total - (e[label] / sum(v for c, v in enumerate(e) if c != label)).log()
    return total / len(y)


def proxy_anchor(
    x: Tensor, y: list[int], proxies: Tensor, margin: float = 0.1, alpha: float = 32
) -> Tensor:
    pull, push = x.new_zeros(()), x.new_zeros(())
    for c, p in enumerate(proxies):
        of_class = [i for i, label in enumerate(y) if label == c]
        others = [i for i, label in enumerate(y) if label != c]
        if of_class:
            pull = (
                pull
                + (1 + sum((-alpha * (cosine(x[i], p) - margin)).exp() for i in of_class)).log()
            )
        if others:
            push = (
                push + (1 + sum((alpha * (cosine(x[i], p) + margin)).exp() for i in others)).log()
            )
    return pull / len(set(y)) + push / len(proxies)


def recall_at_k(x: Tensor, y: list[int], k: int) -> float:
    """Brute force, ties against the query: a hit if under k irrelevant images stand before."""
    hits = 0
    for q in range(len(y)):
        similarity = [cosine(x[q], x[i]).item() for i in range(len(y))]
        relevant = [similarity[i] for i in range(len(y)) if i != q and y[i] == y[q]]
        best = max(relevant, default=-math.inf)
        before = sum(similarity[i] >= best for i in range(len(y)) if y[i] != y[q])
        hits += bool(relevant) and before < k
    return hits / len(y)
