"""The losses of embedding transfer written naively: loops over pairs, triples and pixels."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from oracles import cosine, distance

EPSILON = 1e-7  # in the logarithms of PKT and CRD, as in their authors' code


def huber(error: Tensor) -> Tensor:
    """Smooth L1 with the corner at 1."""
    return 0.5 * error**2 if error.abs() < 1 else error.abs() - 0.5


def relaxed_label(a: Tensor, b: Tensor, sigma: float) -> float:
    a, b = a / a.square().sum().sqrt(), b / b.square().sum().sqrt()
    return math.exp(-(a - b).square().sum().item() / sigma)


def relative_distance(target: Tensor, i: int, j: int) -> Tensor:
    """Relative to the mean over the row, in which the sample itself counts as 0."""
    others = [distance(target[i], target[k]) for k in range(len(target)) if k != i]
    return distance(target[i], target[j]) / (sum(others) / len(target))


def relaxed_contrastive(target: Tensor, source: Tensor, sigma: float, delta: float) -> Tensor:
    n = len(target)
    total = target.new_zeros(())
    for i in range(n):
        for j in range(n):
            if j != i:
                w = relaxed_label(source[i], source[j], sigma)
                d = relative_distance(target, i, j)
                total = total + w * d**2 + (1 - w) * (delta - d).clamp_min(0) ** 2
    return total / n


def relaxed_multi_similarity(
    target: Tensor,
    source: Tensor,
    sigma: float,
    delta: float,
    alpha: float,
    beta: float,
    views: int,
) -> Tensor:
    n = len(target)
    total = target.new_zeros(())
    for i in range(n):
        pull, push = target.new_ones(()), target.new_ones(())
        for j in range(n):
            if j == i:
                continue
            same_image = i % (n // views) == j % (n // views)
            w = 1.0 if same_image else relaxed_label(source[i], source[j], sigma)
            d = relative_distance(target, i, j)
            pull = pull + w * (alpha * d).exp()
            push = push + (1 - w) * (beta * (delta - d)).exp()
        total = total + pull.log() / alpha + push.log() / beta
    return total / n


def rkd_distance(target: Tensor, source: Tensor) -> Tensor:
    n = len(target)
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
    mean_t = sum(distance(target[i], target[j]) for i, j in pairs) / len(pairs)
    mean_s = sum(distance(source[i], source[j]) for i, j in pairs) / len(pairs)
    terms = [
        huber(distance(target[i], target[j]) / mean_t - distance(source[i], source[j]) / mean_s)
        for i, j in pairs
    ]
    return sum(terms) / n**2


def rkd_angle(target: Tensor, source: Tensor) -> Tensor:
    n = len(target)
    total = target.new_zeros(())
    for i in range(n):
        for j in range(n):
            for k in range(n):
                if len({i, j, k}) == 3:  # else there is no angle, or it is 0 on both sides
                    ours = cosine(target[j] - target[i], target[k] - target[i])
                    theirs = cosine(source[j] - source[i], source[k] - source[i])
                    total = total + huber(ours - theirs)
    return total / n**3


def pkt(target: Tensor, source: Tensor) -> Tensor:
    n = len(target)
    total = target.new_zeros(())
    for i in range(n):
        ours = [(cosine(target[i], target[j]) + 1) / 2 for j in range(n)]
        theirs = [(cosine(source[i], source[j]) + 1) / 2 for j in range(n)]
        for j in range(n):
            p_t, p_s = ours[j] / sum(ours), theirs[j] / sum(theirs)
            total = total + p_s * ((p_s + EPSILON) / (p_t + EPSILON)).log()
    return total / n**2


def darkrank(target: Tensor, source: Tensor, alpha: float, beta: float, neighbors: int) -> Tensor:
    n = len(target)
    total = target.new_zeros(())

    def of_length_1(x: Tensor) -> Tensor:
        return x / x.square().sum().sqrt()

    for i in range(n):
        others = [j for j in range(n) if j != i]
        others.sort(key=lambda j, i=i: -cosine(source[i], source[j]).item())
        order = others[:neighbors]
        score = [
            -alpha * distance(of_length_1(target[i]), of_length_1(target[j])) ** beta for j in order
        ]
        for r in range(len(order)):
            total = total - (score[r].exp() / sum(s.exp() for s in score[r:])).log()
    return total / n


def attention(target: Tensor, source: Tensor) -> Tensor:
    """One stage."""
    n, _, height, width = target.shape
    total = target.new_zeros(())
    for i in range(n):
        maps = []
        for image in (target[i], source[i]):
            pixels = []
            for y in range(height):
                for x in range(width):
                    channels = [image[c, y, x] ** 2 for c in range(len(image))]
                    pixels.append(sum(channels) / len(channels))
            length = sum(p**2 for p in pixels).sqrt()
            maps.append([p / length for p in pixels])
        total = total + sum((a - b) ** 2 for a, b in zip(*maps, strict=True))
    return total / (n * height * width)


def fitnet(target: Tensor, source: Tensor, weight: Tensor) -> Tensor:
    """One stage; weight[b, a] takes the target's channel a to the source's channel b."""
    n, channels, height, width = target.shape
    terms = []
    for i in range(n):
        for y in range(height):
            for x in range(width):
                for b in range(source.shape[1]):
                    predicted = sum(weight[b, a] * target[i, a, y, x] for a in range(channels))
                    terms.append((predicted - source[i, b, y, x]) ** 2)
    return sum(terms) / len(terms)


def crd_side(
    v: Tensor, memory: Tensor, candidates: list[list[int]], temperature: float, Z: float
) -> tuple[Tensor, float]:
    """One side's loss, and Z; 0 for Z: this is the first batch, which decides it."""
    h = [
        [((v[i] * memory[j]).sum() / temperature).exp() for j in candidates[i]]
        for i in range(len(v))
    ]
    if Z == 0:
        everything = [e.item() for row in h for e in row]
        Z = sum(everything) / len(everything) * len(memory)
    total = v.new_zeros(())
    for row in h:
        noise = (len(row) - 1) / len(memory)
        for place, e in enumerate(row):
            share = e / Z / (e / Z + noise + EPSILON)
            wrong = noise / (e / Z + noise + EPSILON)
            total = total - (share.log() if place == 0 else wrong.log())
    return total / len(v)


def crd(
    target: Tensor,
    source: Tensor,
    state: Mapping[str, Tensor],
    candidates: list[list[int]],
    temperature: float,
) -> Tensor:
    """One step of CRD, given the module's state before it; the first candidate is the own slot."""
    sides = []
    for name, x in (("target", target), ("source", source.detach())):
        weight, bias = state[f"{name}_layer.weight"], state[f"{name}_layer.bias"]
        rows = [torch.stack([(w * row).sum() for w in weight]) + bias for row in x]
        sides.append(torch.stack([row / row.square().sum().sqrt() for row in rows]))
    Z = state["Z"].tolist()
    ours = crd_side(sides[0], state["source_memory"], candidates, temperature, Z[0])
    theirs = crd_side(sides[1], state["target_memory"], candidates, temperature, Z[1])
    return ours + theirs


def contrastive_of_two_views(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """InfoNCE in both directions, the mean over the 2N views."""
    n = len(first)
    total = first.new_zeros(())
    for a, b in ((first, second), (second, first)):
        for i in range(n):
            e = [(cosine(a[i], b[j]) / temperature).exp() for j in range(n)]
            total = total - (e[i] / sum(e)).log()
    return total / (2 * n)
