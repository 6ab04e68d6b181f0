"""Assignment 2, the experiment: what wrong labels take of the pull, and what they cost.

A row of the table is one α: Recall@1 after training with right and with partly wrong labels, and
the share of the pull that the wrongly labelled images get.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from dmlviz.course.exercise import Case, Exercise
from dmlviz.course.proxy_gradients import similarity_gradient
from dmlviz.evaluation import recall_at_k
from dmlviz.geometry import normalize

DELTA = 0.1
SHARE = 0.2  # of the labels that are wrong


class Batch(NamedTuple):
    """A batch of training images: what a proxy loss sees of it, and what it does not see."""

    s: Tensor  # (N, C), similarities to the proxies
    y: Tensor  # (N,), labels as they were trained with
    wrong: Tensor  # (N,), which of them are wrong


class Trained(NamedTuple):
    """What came of a training."""

    embeddings: Tensor  # of images of other classes
    labels: Tensor
    batches: list[Batch]  # of the training images


def noisy_batch(seed: int, *, alpha: float = 4.0, n: int = 12, classes: int = 4) -> Case:
    """A batch in which the images of a class lie near its proxy, and some labels are wrong."""
    draw = torch.Generator().manual_seed(seed)
    true = torch.randint(classes, (n,), generator=draw)
    s = 0.3 * torch.randn(n, classes, generator=draw, dtype=torch.float64)
    s = torch.where(torch.arange(classes) == true[:, None], 0.4 + s, s).clamp(-1, 1)
    wrong = torch.rand(n, generator=draw) < 0.3
    wrong[0], wrong[-1] = True, False
    y = torch.where(wrong, (true + 1) % classes, true)
    name = f"{n} images of {classes} classes, {int(wrong.sum())} wrong, α = {alpha:g} (seed {seed})"
    return Case(name, (s, y, wrong, DELTA, alpha))


def _own(g: Tensor, y: Tensor) -> Tensor:
    return -g.gather(1, y[:, None])[:, 0]


def _share(
    part: Callable[[Tensor, Tensor], Any], *, felt: Callable[[Tensor, Tensor], Tensor] = _own
) -> Any:
    """`part(the pull on each image, which are wrong)`; the pull is `felt(G, y)`."""

    def share(s: Tensor, y: Tensor, wrong: Tensor, delta: float, alpha: float) -> float:
        g = similarity_gradient(s, y, delta, alpha)
        return float(part(felt(g, y), wrong))

    return share


def _of_all(pull: Tensor, wrong: Tensor) -> Tensor:
    return pull[wrong].sum() / pull.sum()


WRONG_SHARE = Exercise(
    "wrong_share",
    _share(_of_all),
    {
        "this is the share of the images; it should be the share of the pull that they get": (
            _share(lambda pull, wrong: wrong.double().mean())
        ),
        "the pushes of the other proxies are in it as well: the pull on an image is its entry at "
        "the proxy of its label": _share(_of_all, felt=lambda g, y: g.abs().sum(dim=1)),
        "all of G is summed: the pull on an image is one entry of it, that at the proxy of its "
        "label": _share(_of_all, felt=lambda g, y: g.sum(dim=1)),
        "this is the pull on wrong labels, undivided: divide by the whole pull": _share(
            lambda pull, wrong: pull[wrong].sum()
        ),
        "this is the pull on wrong labels by that on right ones; divide by the whole pull": _share(
            lambda pull, wrong: pull[wrong].sum() / pull[~wrong].sum()
        ),
        "this is the share of the right labels": _share(lambda pull, wrong: _of_all(pull, ~wrong)),
        "this is a mean pull by a mean pull; the share is a sum by a sum": _share(
            lambda pull, wrong: pull[wrong].mean() / pull.mean()
        ),
        "these are percent; the share lies between 0 and 1": _share(
            lambda pull, wrong: 100 * _of_all(pull, wrong)
        ),
    },
)


def _sweep(
    *,
    order: tuple[float, float] = (0.0, SHARE),
    percent: float = 1.0,
    batches: Callable[[list[Batch]], list[Batch]] = lambda b: b,
    fixed: float | None = None,
) -> Any:
    def sweep(learn: Any, alphas: Sequence[float]) -> list[dict[str, float]]:
        rows = []
        for alpha in alphas:
            clean, noisy = (learn(alpha, share) for share in order)
            recall = [percent * recall_at_k(r[0], r[1], ks=[1])[1] for r in (clean, noisy)]
            spoilt = noisy if order[1] else clean
            felt = [
                WRONG_SHARE.reference(*b, DELTA, fixed or alpha) for b in batches(spoilt.batches)
            ]
            share = sum(felt) / len(felt)
            rows.append({"alpha": alpha, "clean": recall[0], "noisy": recall[1], "share": share})
        return rows

    return sweep


SWEEP = Exercise(
    "sweep",
    _sweep(),
    {
        "clean and noisy are swapped": _sweep(order=(SHARE, 0.0)),
        "recall comes in percent: leave it between 0 and 1": _sweep(percent=100.0),
        "the share is that of the first batch: take the mean over all of them": _sweep(
            batches=lambda b: b[:1]
        ),
        "the share is measured with α = 32 in every row: take the α of the row": _sweep(fixed=32.0),
    },
)


def make_believe(seed: int, alphas: Sequence[float]) -> Case:
    """A `learn` that trains nothing and answers at once, to try a `sweep` on."""

    def learn(alpha: float, share: float) -> Trained:
        number = 1000 * seed + round(10 * alpha) + (share > 0)
        draw = torch.Generator().manual_seed(number)
        y = torch.randint(8, (60,), generator=draw)
        centers = torch.randn(8, 4, generator=draw, dtype=torch.float64)
        noise = torch.randn(60, 4, generator=draw, dtype=torch.float64)
        batches = []
        for i in range(3):
            s, labels, wrong, _, _ = noisy_batch(number + 7 * i, n=12 + i).arguments
            batches.append(Batch(s, labels, wrong if share else torch.zeros_like(wrong)))
        return Trained(normalize(centers[y] + noise), y, batches)

    return Case(f"a make-believe training at α = {tuple(alphas)} (seed {seed})", (learn, alphas))
