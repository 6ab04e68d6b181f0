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
    for side, named in (("target", target), ("source", source)):
        if not isinstance(named, Mapping):
            raise TypeError(
                f"the {side} must be feature maps by the name of their stage, such as "
                f"model.trace(images).maps, got {type(named).__name__}"
            )
    found = []
    for name, source_name in pairs:
        for side, maps, stage in (("target", target, name), ("source", source, source_name)):
            if stage not in maps:
                raise ValueError(f"the {side} has no stage {stage!r}, there are: {', '.join(maps)}")
        check_maps(
            target[name],
            source[source_name],
            f"stage {name!r} of the target",
            f"stage {source_name!r} of the source",
        )
        found.append((target[name], source[source_name]))
    return found


def check_maps(a: Tensor, b: Tensor, name: str = "the target", other: str = "the source") -> None:
    """Raise unless both are `(N, C, H, W)` of the same images and places, and N ≥ 1."""
    if a.ndim != 4 or a.shape[0] != b.shape[0] or a.shape[2:] != b.shape[2:]:
        raise ValueError(
            f"{name} has maps of shape {tuple(a.shape)}, {other} {tuple(b.shape)}: pair stages of "
            "equal height and width"
        )
    if len(a) == 0:
        raise ValueError(f"the maps of {name} are empty (N = 0): a batch needs an image")
