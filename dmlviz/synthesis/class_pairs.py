"""Which two classes a novel class is made of: any two, or two that are hard to tell apart.

`random_pairs` draws two different classes. `hard_pairs` draws one, i, and takes the class whose
proxy is most similar as the other::

    j = argmax_{c≠i} s(p_i, p_c)

A novel class between two near classes lies where the embedding is most likely to confuse them. The
choice is a choice: no gradient flows through it.
"""

import torch
from torch import Tensor

from dmlviz.geometry import cosine_similarity, in_float32

PAIRS = ("random", "hard")


def random_pairs(num: int, classes: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """`num` pairs of different classes, uniform, each drawn anew.

    Args:
        num: how many pairs.
        classes: C ≥ 2, how many classes there are to choose from.
        generator: a CPU generator.

    Returns:
        i and j, `(num,)` each, in 0…C-1, i ≠ j.

    Raises:
        ValueError: for fewer than two classes, or a negative `num`.
    """
    _check(num, classes)
    i = torch.randint(classes, (num,), generator=generator)
    step = torch.randint(1, classes, (num,), generator=generator)  # around the circle, never back
    return i, (i + step) % classes


@in_float32
def hard_pairs(proxies: Tensor, num: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """`num` pairs of a random class and the other class most similar to it.

    Args:
        proxies: `(C, D)`, C ≥ 2, of any length: only directions count.
        num: how many pairs.
        generator: a CPU generator.

    Returns:
        i and j, `(num,)` each, in 0…C-1, i ≠ j, on the device of `proxies`.

    Raises:
        ValueError: for fewer than two classes, or a negative `num`.
    """
    _check(num, len(proxies))
    i = torch.randint(len(proxies), (num,), generator=generator).to(proxies.device)
    p = proxies.detach()
    s = cosine_similarity(p[i], p).scatter(1, i[:, None], -torch.inf)
    return i, s.argmax(dim=1)


def draw_pairs(
    pairs: str, proxies: Tensor, num: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """`random_pairs` or `hard_pairs` of `proxies`, by name."""
    if pairs == "hard":
        return hard_pairs(proxies, num, generator)
    i, j = random_pairs(num, len(proxies), generator)
    return i.to(proxies.device), j.to(proxies.device)


def check_pairs(pairs: str) -> None:
    """Raise unless `pairs` names a way to choose two classes."""
    if pairs not in PAIRS:
        raise ValueError(f"pairs must be one of {', '.join(PAIRS)}, got {pairs!r}")


def _check(num: int, classes: int) -> None:
    if num < 0:
        raise ValueError(f"num must not be negative, got {num}")
    if classes < 2:
        raise ValueError(f"a pair needs at least 2 classes, got {classes}")
