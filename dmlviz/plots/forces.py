"""What a loss does to points: the force on each, and its profile along one distance.

Gradient descent moves a point against the gradient of the loss, so -∂l/∂x is the *force* that the
loss puts on the embedding x. All points here lie on the unit circle, as normalised embeddings do,
and only the part of a force along the circle moves them.
"""

import copy
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor, nn

from dmlviz.plots.style import (
    NEGATIVE,
    POSITIVE,
    QUIET,
    bare,
    class_edge,
    class_style,
    ink,
    new_axes,
    plain,
)

FAINT = 1e-3  # where the strongest force is weaker, there is no arrow: all rest, near enough


def in_the_plane(loss: nn.Module, proxies: Tensor) -> nn.Module:
    """A copy of `loss` with the given proxies `(C, D)`, or just a copy if it owns none.

    A loss made for 200 classes in 64 dimensions can so be looked at with three in the plane. Works
    for `.proxies` `(C, D)` and for pytorch-metric-learning's `.W` and `.fc` `(D, C)`. Where a class
    has several centres, they lie in a fan around its proxy.
    """
    small = copy.deepcopy(loss).double()
    name = _name_of_proxies(loss)
    if name is None:
        return small
    centres = getattr(loss, "sub_centers", getattr(loss, "centers_per_class", 1))
    values = _fan(proxies, centres) if centres > 1 else proxies
    values = values if name == "proxies" else values.T.contiguous()
    setattr(small, name, nn.Parameter(values.clone()))
    # What pytorch-metric-learning reads:
    setattr(small, "num_classes", len(proxies))  # noqa: B010
    if hasattr(small, "proxy_labels"):
        setattr(small, "proxy_labels", torch.arange(len(proxies)))  # noqa: B010
    return small


def owns_proxies(loss: nn.Module) -> bool:
    """Whether the loss compares samples with a parameter of its own instead of each other."""
    return _name_of_proxies(loss) is not None


def _name_of_proxies(loss: nn.Module) -> str | None:
    return next(
        (n for n in ("proxies", "W", "fc") if isinstance(getattr(loss, n, None), Tensor)), None
    )


def _fan(proxies: Tensor, centres: int) -> Tensor:
    """Several centres around each proxy, `(C * centres, D)`, up to 20° to either side."""
    proxies = nn.functional.normalize(proxies)
    other = proxies.roll(1, dims=0)
    across = other - (other * proxies).sum(dim=1, keepdim=True) * proxies
    turn = torch.linspace(-0.36, 0.36, centres, dtype=proxies.dtype)[:, None]
    side = nn.functional.normalize(across)[:, None]
    return (proxies[:, None] + turn * side).flatten(0, 1)


def forces(loss: nn.Module, embeddings: Tensor, labels: Tensor) -> tuple[float, Tensor]:
    """The loss of a batch, and the force -∂l/∂x on each embedding along the sphere, `(N, D)`."""
    x = embeddings.detach().clone().requires_grad_()
    value = loss(x, labels) + 0 * x.sum()  # where nothing counts, some losses give a plain 0
    (gradient,) = torch.autograd.grad(value, x)
    unit = nn.functional.normalize(x.detach())
    along = gradient - (gradient * unit).sum(dim=1, keepdim=True) * unit
    return value.item(), -along


def profile(loss: nn.Module, positions: Tensor, *, positive: bool) -> tuple[Tensor, Tensor]:
    """Loss and its slope as *one* similarity or distance varies and everything else stays.

    With proxies the variable is the cosine similarity s of a sample to its own proxy (`positive`)
    or to one other; its similarities to the two remaining proxies stay 0. Without, it is the
    distance d of an anchor to a positive or to a negative on the unit circle; the other one stays
    at distance 1, on the other side.

    Args:
        loss: any loss of the library, or of pytorch-metric-learning.
        positions: `(P,)` values of s in -1…1, or of d in 0…2.
        positive: vary the pair of one class.

    Returns:
        Losses `(P,)` and slopes ∂l/∂s or ∂l/∂d `(P,)`.
    """
    small = in_the_plane(loss, torch.eye(4, dtype=torch.float64)[:3])

    def by_similarity(s: Tensor) -> Tensor:
        zero, rest = 0 * s, (1 - s * s).clamp_min(1e-12).sqrt()
        x = torch.stack([s, zero, zero, rest] if positive else [zero, s, zero, rest])[None]
        return small(x, torch.tensor([0])) + 0 * s

    def by_distance(d: Tensor) -> Tensor:
        zero, one = 0 * d, 1 + 0 * d
        d_positive, d_negative = (d, one) if positive else (one, d)
        # Anchor in the middle, so that the positive as an anchor changes little.
        x = torch.stack([_on_one_side(-d_positive), _on_one_side(zero), _on_one_side(d_negative)])
        return small(x, torch.tensor([0, 0, 1])) + 0 * d

    value = by_similarity if owns_proxies(loss) else by_distance
    try:  # all positions in one go: many times as fast
        where = positions.double().requires_grad_()
        values = torch.func.vmap(value)(where)
        (slopes,) = torch.autograd.grad(values.sum(), where)
    except RuntimeError:  # a loss that chooses pairs by their values cannot be batched
        pairs = [torch.func.grad_and_value(value)(t) for t in positions.double()]
        slopes, values = (torch.stack(of) for of in zip(*pairs, strict=True))
    return values.detach(), slopes.detach()


def pull_and_push(loss: nn.Module, points: int = 61) -> tuple[Tensor, Tensor, Tensor]:
    """Where, and how strongly a positive is pulled and a negative pushed there; each `(P,)`."""
    proxies = owns_proxies(loss)
    where = torch.linspace(-0.99, 0.99, points) if proxies else torch.linspace(0.01, 1.49, points)
    pull, push = (profile(loss, where, positive=p)[1] for p in (True, False))
    # A positive is pulled to higher s or smaller d, a negative pushed the other way.
    return (where, -pull, push) if proxies else (where, pull, -push)


def _on_one_side(distance: Tensor) -> Tensor:
    """The point of the unit circle at this chord distance from (1, 0); its sign is the side."""
    cosine = 1 - distance * distance / 2
    sine = distance * (1 - distance * distance / 4).clamp_min(1e-12).sqrt()
    return torch.stack([cosine, sine])


def loss_profile(loss: nn.Module, *, points: int = 61, ax: Axes | None = None) -> Axes:
    """Draw the pull on a positive and the push on a negative against similarity or distance.

    Args:
        loss: any loss of the library, or of pytorch-metric-learning.
        points: resolution.
        ax: Axes to draw on; None: a new figure.
    """
    ax = plain(new_axes(ax))
    where, pull, push = pull_and_push(loss, points)
    proxies = owns_proxies(loss)
    ax.plot(where, pull, color=POSITIVE, linestyle="-", label="pull on a positive")
    ax.plot(where, push, color=NEGATIVE, linestyle="--", label="push on a negative")
    ax.axhline(0, color=QUIET, linewidth=1, zorder=0)
    ax.set(xlabel="similarity s to the proxy" if proxies else "distance d to the anchor")
    ax.set(ylabel="force", xlim=(-1, 1) if proxies else (0, 1.5))
    ax.legend(frameon=False, fontsize=9)
    return ax


def configuration(name: str = "mixed") -> tuple[Tensor, Tensor, Tensor]:
    """Twelve points of three classes on the circle, and the three proxies.

    Args:
        name: "mixed" (two points of each class astray), "sorted" or "collapsed" (all but equal).

    Returns:
        Points `(12, 2)`, labels `(12,)`, proxies `(3, 2)`, float64.
    """
    centre = torch.tensor([90.0, 210.0, 330.0]).double()
    labels = torch.arange(3).repeat_interleave(4)
    offsets = torch.tensor([-34.0, -12.0, 12.0, 34.0]).double().repeat(3)
    angle = centre[labels] + offsets
    if name == "mixed":
        angle[[3, 7, 11]] += 55.0
        angle[[0, 4, 8]] -= 25.0
    elif name == "collapsed":
        angle = 90 + 3.0 * torch.arange(12).double() * torch.tensor([1.0, -1.0]).repeat(6) / 4
    elif name != "sorted":
        raise ValueError(f"name must be mixed, sorted or collapsed, got {name!r}")
    return _on_circle(angle), labels, _on_circle(centre)


def _on_circle(degrees: Tensor) -> Tensor:
    radians = torch.deg2rad(degrees)
    return torch.stack([radians.cos(), radians.sin()], dim=1)


def force_field(
    loss: nn.Module,
    embeddings: Any = None,
    labels: Any = None,
    *,
    proxies: Any = None,
    length: float = 0.45,
    ax: Axes | None = None,
) -> Axes:
    """Points on the unit circle, and an arrow for the force of the loss on each.

    Args:
        loss: any loss of the library, or of pytorch-metric-learning.
        embeddings, labels, proxies: `(N, 2)`, `(N,)`, `(C, 2)`; None: `configuration("mixed")`.
        length: of the longest arrow; the others are in proportion. There is none where the
            strongest force is below 0.001.
        ax: Axes to draw on; None: a new figure.
    """
    if embeddings is None:
        embeddings, labels, proxies = configuration()
    x, y = torch.as_tensor(embeddings).double(), torch.as_tensor(labels)
    p = torch.eye(2).double() if proxies is None else torch.as_tensor(proxies).double()
    value, force = forces(in_the_plane(loss, p), x, y)
    ax = circle(new_axes(ax, (4.4, 4.4)))
    segments = arrows(x.numpy(), force.numpy(), length)
    ax.plot(*segments, color=ink(), linewidth=1.4, zorder=2)
    for label in y.unique().tolist():
        style: dict[str, Any] = class_style(label)
        ax.plot(
            *x[y == label].T.numpy(),
            linestyle="",
            markersize=8,
            mec=class_edge(label),
            **style,
            mew=0.6,
        )
        if owns_proxies(loss):
            px, py = p[label].tolist()
            ax.plot(px, py, "D", markersize=12, mfc="none", mec=style["color"], mew=2)
    ax.set_title(f"loss {value:.3g}", fontsize=10)
    return ax


def circle(ax: Axes) -> Axes:
    """Bare axes with the unit circle."""
    angle = np.linspace(0, 2 * np.pi, 200)
    bare(ax).plot(np.cos(angle), np.sin(angle), color=QUIET, linewidth=1, zorder=0)
    ax.set(xlim=(-1.55, 1.55), ylim=(-1.55, 1.55), aspect="equal")
    return ax


def arrows(x: np.ndarray, force: np.ndarray, length: float) -> tuple[np.ndarray, np.ndarray]:
    """All arrows as one line with gaps (NaN), shafts and heads: much cheaper than a quiver."""
    strongest = np.linalg.norm(force, axis=1).max()
    step = force * (length / strongest if strongest > FAINT else 0.0)
    tip, gap = x + step, np.full(len(x), np.nan)
    side = np.stack([-step[:, 1], step[:, 0]], axis=1)
    left, right = tip - 0.25 * step + 0.13 * side, tip - 0.25 * step - 0.13 * side
    path = [
        np.stack([x[:, i], tip[:, i], left[:, i], tip[:, i], right[:, i], gap], axis=1).ravel()
        for i in (0, 1)
    ]
    return path[0], path[1]
