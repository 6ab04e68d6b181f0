"""Random numbers from a given `torch.Generator` on the CPU: the same on every device."""

import numpy as np
import torch
from torch import Tensor


def beta(alpha: float, num: int, generator: torch.Generator) -> Tensor:
    """`(num,)` numbers from Beta(α, α), float64: symmetric about ½, near 0 and 1 for α < 1."""
    # PyTorch's own Beta takes no generator.
    seed = int(torch.randint(2**63 - 1, (), generator=generator))
    return torch.from_numpy(np.random.default_rng(seed).beta(alpha, alpha, num))


def uniform(low: float, high: float, num: int, generator: torch.Generator) -> Tensor:
    """`(num,)` numbers, uniform between `low` and `high`, float64."""
    return low + (high - low) * torch.rand(num, generator=generator, dtype=torch.float64)


def normal(rows: int, columns: int, generator: torch.Generator | None) -> Tensor:
    """`(rows, columns)` standard normal numbers; None: from torch's global generator."""
    return torch.randn(rows, columns, generator=generator)
