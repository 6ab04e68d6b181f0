"""Splits of releases that have none for retrieval: shares of one fixed shuffled order.

The order is that of the sha256 of each image's name, so it is the same on every machine, and with
every version of every library. Every image belongs to exactly one split.
"""

import hashlib
from collections.abc import Mapping, Sequence

SHARES = {"train": 0.60, "val": 0.10, "query": 0.05, "gallery": 0.25}


def members(split: str, names: Sequence[str], shares: Mapping[str, float] = SHARES) -> list[int]:
    """The places in `names` of the images of a split, ascending.

    >>> members("query", [str(i) for i in range(20)])
    [19]

    Args:
        split: a key of `shares`.
        names: of all images; each name once.
        shares: the part of the images that each split gets; they add up to one.
    """
    order = sorted(range(len(names)), key=lambda i: hashlib.sha256(names[i].encode()).digest())
    before = 0.0
    for name, share in shares.items():
        if name == split:
            return sorted(order[round(before * len(names)) : round((before + share) * len(names))])
        before += share
    raise ValueError(f"split must be one of {', '.join(shares)}, got {split!r}")
