"""Feature maps of two networks, paired by the names of their stages."""

from collections.abc import Mapping, Sequence

from torch import Tensor

Stages = Sequence[str] | Mapping[str, str]
Maps = Mapping[str, Tensor]


def stage_pairs(stages: Stages) -> list[tuple[str, str]]:
    """Names in target and source; a plain list stands for the same names in both."""
    if isinstance(stages, str):
        raise TypeError(f"stages must be a list or a mapping of names, got the string {stages!r}")
    pairs = list(stages.items()) if isinstance(stages, Mapping) else [(s, s) for s in stages]
    if not pairs:
        raise ValueError("stages is empty: name at least one stage, such as block2")
    return pairs


def paired(
    pairs: Sequence[tuple[str, str]], target: Maps, source: Maps
) -> list[tuple[Tensor, Tensor]]:
    """The maps `(N, C, H, W)` of each pair; they must agree in N, H and W."""
    found = []
    for name, source_name in pairs:
        for side, maps, stage in (("target", target, name), ("source", source, source_name)):
            if stage not in maps:
                raise ValueError(f"the {side} has no stage {stage!r}, there are: {', '.join(maps)}")
        a, b = target[name], source[source_name]
        if a.ndim != 4 or a.shape[0] != b.shape[0] or a.shape[2:] != b.shape[2:]:
            raise ValueError(
                f"stage {name!r} of the target has maps of shape {tuple(a.shape)}, stage "
                f"{source_name!r} of the source {tuple(b.shape)}: pair stages of equal height and "
                "width"
            )
        found.append((a, b))
    return found
