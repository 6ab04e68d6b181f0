"""The joints of a human body, and how far apart two poses are on the joints that both have.

The **distance** of two poses x, y looks at the set K of joints that both have. There, either pose
is moved so that its mean is zero, and scaled so that its root mean square radius is one:

    u_k = (x_k - m) / s,   m = mean_K x_k,   s² = mean_K |x_k - m|²,
    D(x, y) = mean_K |u_k(x) - u_k(y)|   in body sizes, 0…2.

Scaled, because photographs are at different scales, of near and far people, tall and small ones:
in pixels the large figures would be far from everybody. m and s belong to the pair: a joint that
one photograph hides then has no part at all, where a mean over other joints would move the pose.
"""

import torch
from torch import Tensor

JOINTS = (
    *("right ankle", "right knee", "right hip", "left hip", "left knee", "left ankle"),
    *("right wrist", "right elbow", "right shoulder", "left shoulder", "left elbow", "left wrist"),
    *("neck", "head top"),
)

_BLOCK = 2**20  # pairs of poses at a time, 4 MB for each of some ten matrices


def shared_joint_distances(x: tuple[Tensor, Tensor], y: tuple[Tensor, Tensor]) -> Tensor:
    """The distance D of the formula above.

    Args:
        x, y: J joints `(R, J, 2)` and `(C, J, 2)`, and which of them are known, `(R, J)` and
            `(C, J)`. Every two poses must share a joint.

    Returns:
        `(R, C)`.
    """
    rows = max(1, _BLOCK // max(1, len(y[0])))
    if len(x[0]) > rows:
        parts = zip(x[0].split(rows), x[1].split(rows), strict=True)
        return torch.cat([shared_joint_distances(part, y) for part in parts])
    (xs, x_known), (ys, y_known) = _near_origin(*x), _near_origin(*y)
    shared = x_known @ y_known.T  # |K| of each pair
    mx, sx = _frames(xs, y_known, shared)
    my, sy = (value.transpose(-1, -2) for value in _frames(ys, x_known, shared.T))
    total = torch.zeros_like(shared)
    for k in range(xs.shape[1]):  # joint by joint: never (R, C, J, 2)
        ux = (xs[:, k].T[:, :, None] - mx) / sx
        uy = (ys[:, k].T[:, None, :] - my) / sy
        total += torch.hypot(*(ux - uy)) * (x_known[:, k, None] * y_known[:, k])
    return total / shared


def _near_origin(joints: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Poses at the origin, of size one, unknown joints at zero: for the sake of rounding only."""
    weight = known.to(joints.dtype)
    number = weight.sum(dim=1)[:, None, None]
    joints = joints - (joints * weight[:, :, None]).sum(dim=1, keepdim=True) / number
    joints = joints * weight[:, :, None]
    size = (joints.square().sum(dim=(1, 2), keepdim=True) / number).sqrt()
    return joints / size.clamp_min(1e-6), weight


def _frames(poses: Tensor, others_known: Tensor, shared: Tensor) -> tuple[Tensor, Tensor]:
    """m `(2, R, C)` and s `(R, C)` of each pose, on what it shares with each of the others."""
    # Unknown joints are zero, so a sum over K is a product with what the others know.
    m = poses.permute(2, 0, 1) @ others_known.T / shared
    square = poses.square().sum(dim=2) @ others_known.T / shared
    # Shared joints on a single point have no size; they stay there, at no distance from m.
    return m, (square - m.square().sum(dim=0)).clamp_min(1e-8).sqrt()
