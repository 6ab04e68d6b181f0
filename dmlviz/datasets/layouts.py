"""How far apart two layouts are: masks that say for each pixel which surface of the room it shows.

The distance of masks a and b, with S the surfaces in a or in b:

    d(a, b) = 1 - mIoU = 1 - mean over s in S of  |a = s and b = s| / |a = s or b = s|    in 0…1

A surface that has only just come into view counts as much as a large one, so d jumps there.
"""

import torch
from torch import Tensor


def layout_distances(a: Tensor, b: Tensor, surfaces: int = 5) -> Tensor:
    """1 - mIoU of all masks a and b, one matrix product per surface.

    Args:
        a, b: masks `(R, H, W)` and `(C, H, W)`, of integers in 0…surfaces-1.
        surfaces: how many there are.

    Returns:
        `(R, C)` float32.
    """
    if len(a) > 1024:  # a few matrices of 1024 x C at a time
        return torch.cat([layout_distances(block, b, surfaces) for block in a.split(1024)])
    total, count = torch.zeros(len(a), len(b)), torch.zeros(len(a), len(b))
    for surface in range(surfaces):
        in_a, in_b = ((m == surface).flatten(1).float() for m in (a, b))
        both = in_a @ in_b.T
        either = in_a.sum(1)[:, None] + in_b.sum(1) - both
        total += both / either.clamp(min=1)
        count += either > 0
    return 1 - total / count
