"""Is a generator any good? Six questions, each with a figure, and all of them as a table.

| question | figure | healthy |
|---|---|---|
| is a sample of its class? | share whose nearest proxy is its own | over 95 % |
| do samples spread as real ones? | variance within classes, generated / real | 0.5 to 2 |
| do they lie where real ones do? | generated to real, over real to real | under 2 |
| and do their offsets x̂ - p̂_y? | the same of the offsets | under 2 |
| are novel classes new? | cosine to the nearest real class | below 1 |
| is the noise used? | variance of the samples of one class | above 0 |

The bounds are rules of thumb of ours. Classes made by mixing with Beta(0.4, 0.4) include near
copies of real ones by design: look at the whole distribution of `nearest_real_class`.
Variances are of vectors of length 1, unbiased, summed over the dimensions.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from dmlviz.geometry import cosine_similarity, in_float32, normalize
from dmlviz.losses._checks import check_batch, check_embeddings, check_proxies, check_tensors
from dmlviz.synthesis.divergences import sliced_wasserstein
from dmlviz.synthesis.generator import NovelClassGenerator


@torch.no_grad()
@in_float32
def nearest_proxy_accuracy(vectors: Tensor, labels: Tensor, proxies: Tensor) -> float:
    """Share of `vectors (N, D)` whose most similar proxy of `(C, D)` is that of their label.

    >>> nearest_proxy_accuracy(torch.eye(2), torch.tensor([0, 0]), torch.eye(2))
    0.5
    """
    check_proxies(vectors, labels, proxies)
    nearest = cosine_similarity(vectors, proxies).argmax(dim=1)
    return (nearest == labels).float().mean().item()


@torch.no_grad()
@in_float32
def spread_ratio(
    generated: Tensor, generated_labels: Tensor, real: Tensor, real_labels: Tensor
) -> float:
    """Mean variance within a class of generated vectors, over that of real ones.

    Args:
        generated, real: `(M, D)` and `(N, D)`, of any length: only directions count.
        generated_labels, real_labels: `(M,)` and `(N,)`, any integers.

    Raises:
        ValueError: if no class has two vectors, or all real ones of a class coincide everywhere.
    """
    real_spread = _spread("real", real, real_labels)
    if real_spread == 0:
        raise ValueError("the real vectors of each class coincide: there is no spread to compare")
    return _spread("generated", generated, generated_labels) / real_spread


@torch.no_grad()
@in_float32
def distance_ratio(real: Tensor, generated: Tensor, *, splits: int = 10, seed: int = 0) -> float:
    """Sliced Wasserstein distance of generated to real vectors, over that of real to real ones.

    Real vectors are halved at random; one half is compared with the other and with as many
    generated vectors, so that both distances are of samples of one size. Other vectors of the same
    distribution get about 1, and less if each class has as many of them as of real ones.

    Args:
        real, generated: `(N, D)` and `(M, D)`, compared as they are, lengths included.
        splits: halves are drawn so often; the ratio is that of the mean distances.
        seed: of halves and directions.

    Raises:
        ValueError: for fewer than two real vectors, or real vectors that all coincide.
    """
    check_tensors(real=real, generated=generated)
    check_embeddings(real=real, generated=generated)
    if len(real) < 2 or splits < 1:
        raise ValueError(
            f"it takes two real vectors and splits=1 or more, got {len(real)} and {splits}"
        )
    random = torch.Generator().manual_seed(seed)
    size = min(len(real) // 2, len(generated))
    to_generated = to_real = 0.0
    for _ in range(splits):
        half, other = _some(real, 2 * size, random).chunk(2)
        drawn = _some(generated, size, random)
        to_generated += sliced_wasserstein(half, drawn, generator=random).item()
        to_real += sliced_wasserstein(half, other, generator=random).item()
    if to_real == 0:
        raise ValueError("all real vectors coincide: there is no distance to compare with")
    return to_generated / to_real


@torch.no_grad()
@in_float32
def nearest_real_class(class_vectors: Tensor, proxies: Tensor) -> Tensor:
    """Cosine of each of the novel `class_vectors (K, D)` to the most similar of `proxies (C, D)`.

    Returns:
        `(K,)`; 1 is a copy.
    """
    check_tensors(class_vectors=class_vectors, proxies=proxies)
    check_embeddings(class_vectors=class_vectors, proxies=proxies)
    return cosine_similarity(class_vectors, proxies).amax(dim=1)


@torch.no_grad()
@in_float32
def noise_use(
    generator: NovelClassGenerator, class_vectors: Tensor, samples: int = 32, seed: int = 0
) -> float:
    """Variance over the noise of the samples of one class, the mean over `class_vectors (K, D)`.

    Args:
        generator: draws the samples.
        class_vectors: `(K, D)`.
        samples: of each class, at least 2.
        seed: of the noise.
    """
    vectors, labels = _samples(generator, class_vectors, samples, seed)
    return _spread("class_vectors", vectors, labels)


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What `diagnose` found; prints as a table.

    Attributes:
        real_accuracy: `nearest_proxy_accuracy` of samples of the real classes, among the proxies.
        novel_accuracy: the same of the novel classes, among the proxies and their own vectors.
        spread_ratio, distance_ratio: of samples of the real classes, see the functions.
        offset_distance_ratio: `distance_ratio` of their offsets from the class vectors, which shows
            a wrong spread that the distances between classes hide.
        nearest_real_class: `(K,)`.
        noise_use: over the real classes.
    """

    real_accuracy: float
    novel_accuracy: float
    spread_ratio: float
    distance_ratio: float
    offset_distance_ratio: float
    nearest_real_class: Tensor
    noise_use: float

    def rows(self) -> list[tuple[str, str, str]]:
        """Name, value and healthy range of each figure, ready to print."""
        cosine = self.nearest_real_class
        near = f"{cosine.mean():.2f} (up to {cosine.max():.2f})"
        return [
            ("nearest proxy is its own, real classes", f"{self.real_accuracy:.1%}", "over 95 %"),
            ("nearest proxy is its own, novel classes", f"{self.novel_accuracy:.1%}", "over 95 %"),
            ("spread within classes, generated / real", f"{self.spread_ratio:.2f}", "0.5 to 2"),
            ("generated to real, over real to real", f"{self.distance_ratio:.2f}", "under 2"),
            ("the same of offsets from the class", f"{self.offset_distance_ratio:.2f}", "under 2"),
            ("cosine of novel to nearest real class", near, "below 1"),
            ("variance over the noise", f"{self.noise_use:.3g}", "above 0"),
        ]

    def __str__(self) -> str:
        return "\n".join(f"{a:<40}  {b:>18}   {c}" for a, b, c in [HEAD, *self.rows()])


HEAD = ("", "found", "healthy")


@torch.no_grad()
@in_float32
def diagnose(
    generator: NovelClassGenerator,
    embeddings: Tensor,
    labels: Tensor,
    proxies: Tensor,
    novel_vectors: Tensor,
    *,
    samples: int = 8,
    seed: int = 0,
) -> Diagnosis:
    """All figures of this file for one generator.

    Args:
        generator: draws one vector for each real embedding, of its class.
        embeddings: `(N, D)` real ones.
        labels: `(N,)`, in 0…C-1.
        proxies: `(C, D)`.
        novel_vectors: `(K, D)` class vectors of novel classes.
        samples: of each novel class, at least 2.
        seed: of everything drawn.
    """
    check_proxies(embeddings, labels, proxies)
    random = torch.Generator().manual_seed(seed)
    p_y = normalize(proxies)[labels.long()]
    x, s = normalize(embeddings), generator(p_y, random=random)
    v, k = _samples(generator, novel_vectors, samples, seed)
    every = torch.cat([normalize(proxies), normalize(novel_vectors)])
    return Diagnosis(
        real_accuracy=nearest_proxy_accuracy(s, labels, proxies),
        novel_accuracy=nearest_proxy_accuracy(v, len(proxies) + k, every),
        spread_ratio=spread_ratio(s, labels, x, labels),
        distance_ratio=distance_ratio(x, s, seed=seed),
        offset_distance_ratio=distance_ratio(x - p_y, s - p_y, seed=seed),
        nearest_real_class=nearest_real_class(novel_vectors, proxies),
        noise_use=noise_use(generator, proxies, seed=seed),
    )


def _samples(
    generator: NovelClassGenerator, class_vectors: Tensor, samples: int, seed: int
) -> tuple[Tensor, Tensor]:
    """`samples` vectors of each class, and the row of their class."""
    check_tensors(class_vectors=class_vectors)
    check_embeddings(class_vectors=class_vectors)
    if samples < 2:
        raise ValueError(f"samples must be at least 2, to have a variance, got {samples}")
    k = torch.arange(len(class_vectors), device=class_vectors.device).repeat_interleave(samples)
    random = torch.Generator().manual_seed(seed)
    return generator(class_vectors[k], random=random), k


def _some(vectors: Tensor, num: int, random: torch.Generator) -> Tensor:
    """`num` rows of `vectors`, each at most once."""
    return vectors[torch.randperm(len(vectors), generator=random)[:num].to(vectors.device)]


def _spread(name: str, vectors: Tensor, labels: Tensor) -> float:
    """Unbiased variance within a class, summed over dimensions, the mean over classes."""
    check_batch(vectors, labels)
    x = normalize(vectors)
    _, y, counts = labels.unique(return_inverse=True, return_counts=True)
    if counts.max() < 2:
        raise ValueError(f"no class of the {name} vectors has two of them: there is no spread")
    mean = x.new_zeros(len(counts), x.shape[1]).index_add(0, y, x) / counts[:, None]
    squares = x.new_zeros(len(counts)).index_add(0, y, (x - mean[y]).square().sum(dim=1))
    several = counts > 1
    return (squares[several] / (counts[several] - 1)).mean().item()
