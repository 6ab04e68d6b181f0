"""Where novel classes lie: three makers of class vectors.

A maker is called `maker(proxies (C, D), num, generator)` and returns `num` class vectors of length
1. For two classes i ≠ j of the real ones (see `class_pairs`), with p̂ proxies of length 1::

    FreeClasses     c̃ = f_k / ||f_k||,            learned vectors that know nothing of p
    Mixtures        c̃ ∝ λ p̂_i + (1-λ) p̂_j,        λ ~ Beta(α, α), between the two
    Extrapolations  c̃ ∝ p̂_i + t (p̂_i - p̂_j),     t ~ U(low, high), beyond i, away from j

Mixtures and extrapolations move with the real proxies, and their gradient reaches those. Mixtures
of class vectors are the idea of Proxy Synthesis (see `proxy_synthesis`); the other two are ours.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dmlviz.geometry import in_float32, normalize
from dmlviz.losses._checks import check_not_negative, check_positive
from dmlviz.synthesis._draws import beta, uniform
from dmlviz.synthesis.class_pairs import check_pairs, draw_pairs

Maker = Callable[[Tensor, int, torch.Generator], Tensor]


class FreeClasses(nn.Module):
    """Learned class vectors that start at random and are tied to no real class.

    Args:
        num_novel: how many vectors there are.
        embedding_size: D.
        seed: of their start.

    Calling it draws `num` of the vectors, each at most once.

    Raises:
        ValueError: for sizes below 1; when called for more vectors than there are, or with proxies
            of another dimension.
    """

    def __init__(self, num_novel: int, embedding_size: int, *, seed: int = 0) -> None:
        super().__init__()
        if num_novel < 1 or embedding_size < 1:
            raise ValueError(
                "num_novel and embedding_size must be at least 1, got "
                f"{num_novel} and {embedding_size}"
            )
        start = torch.randn(
            num_novel, embedding_size, generator=torch.Generator().manual_seed(seed)
        )
        self.vectors = nn.Parameter(start * (2 / num_novel) ** 0.5)  # as long as a loss's proxies

    @in_float32
    def forward(self, proxies: Tensor, num: int, generator: torch.Generator) -> Tensor:
        have, size = self.vectors.shape
        if not 0 <= num <= have:
            raise ValueError(
                f"{num} novel classes were asked for, but FreeClasses holds {have}: build it with "
                f"num_novel={num} or more"
            )
        if proxies.ndim != 2 or proxies.shape[1] != size:
            raise ValueError(
                f"proxies must have shape (C, {size}), got {tuple(proxies.shape)}: build "
                "FreeClasses with the embedding_size of the loss"
            )
        rows = torch.randperm(have, generator=generator)[:num].to(self.vectors.device)
        return normalize(self.vectors[rows].to(proxies.dtype))

    def extra_repr(self) -> str:
        return f"num_novel={len(self.vectors)}, embedding_size={self.vectors.shape[1]}"


@dataclass(frozen=True)
class Mixtures:
    """Class vectors between two real ones: λ p̂_i + (1-λ) p̂_j, scaled to length 1.

    Args:
        alpha: α > 0 of λ ~ Beta(α, α), drawn for each novel class. 0.4 is the value of the Proxy
            Synthesis authors' code: most λ are near 0 or 1, so most mixtures are near a real class.
        pairs: "random" or "hard" (the other class is the nearest), see `class_pairs`.
    """

    alpha: float = 0.4
    pairs: str = "random"

    def __post_init__(self) -> None:
        check_positive(alpha=self.alpha)
        check_pairs(self.pairs)

    def __call__(self, proxies: Tensor, num: int, generator: torch.Generator) -> Tensor:
        p = _unit(proxies)
        i, j = draw_pairs(self.pairs, p, num, generator)
        lam = beta(self.alpha, num, generator).to(p)[:, None]  # λ
        return normalize(lam * p[i] + (1 - lam) * p[j])


@dataclass(frozen=True)
class Extrapolations:
    """Class vectors beyond a real one, away from another: p̂_i + t (p̂_i - p̂_j), of length 1.

    Args:
        low, high: bounds of t ~ U(low, high), drawn for each novel class; 0 ≤ low ≤ high. t = 0 is
            a copy of class i.
        pairs: "random" or "hard" (the other class is the nearest), see `class_pairs`.
    """

    low: float = 0.2
    high: float = 0.6
    pairs: str = "random"

    def __post_init__(self) -> None:
        check_not_negative(low=self.low, high=self.high)
        if self.low > self.high:
            raise ValueError(f"low must not exceed high, got {self.low} and {self.high}")
        check_pairs(self.pairs)

    def __call__(self, proxies: Tensor, num: int, generator: torch.Generator) -> Tensor:
        p = _unit(proxies)
        i, j = draw_pairs(self.pairs, p, num, generator)
        t = uniform(self.low, self.high, num, generator).to(p)[:, None]
        return normalize(p[i] + t * (p[i] - p[j]))


@in_float32
def _unit(proxies: Tensor) -> Tensor:
    if proxies.ndim != 2 or not proxies.is_floating_point():
        raise ValueError(
            f"proxies must be floats of shape (C, D), got {proxies.dtype} of shape "
            f"{tuple(proxies.shape)}"
        )
    return normalize(proxies)
