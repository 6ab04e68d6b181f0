"""The tables of a recipe: which keys each may have, and of what type. They are the arguments of
the functions that the recipe is for, so a recipe can say whatever those take, and nothing else."""

import difflib
import inspect
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dmlviz import losses, methods, models, synthesis
from dmlviz.evaluation.retrieval import check_protocol
from dmlviz.training.fit import fit

METHODS: dict[str, Any] = {
    "supervised": methods.Supervised,
    "novel-classes": methods.NovelClasses,
    "embedding-transfer": methods.EmbeddingTransfer,
    "continuous-labels": methods.ContinuousLabels,
}
SYNTHESIZERS = ("ProxySynthesis", "MemVir", "CarriedOffsets", "GeneratedClasses")
MAKERS = ("Mixtures", "Extrapolations")
TRANSFORMS = ("data", "model", "plain")
TABLES = ("data", "model", "method", "loss", "synthesizer", "fit")
NAMED = ("data", "method", "loss", "synthesizer")  # tables whose `name` decides the other keys

# What `run` supplies, so that no recipe has to.
_FROM_DATA = {"num_classes", "embedding_size", "seed", "labels", "target_size", "source_size"}
_FROM_RUN = {
    "val", "gallery", "select_on", "seed", "device", "workers", "checkpoint", "resume", "about",
    "progress",
}  # fmt: skip


@dataclass(frozen=True)
class Data:
    """The table `[data]`.

    Attributes:
        name: one of `datasets.available()`.
        transform: "data" (the data set's own), "model" (`model.transforms(train=…)`), or "plain"
            (the model's without random crops and flips, for labels that they would change).
        val_classes: so many training classes are held out where the epoch is chosen on "val", and
            the data set takes `val_classes`; 0: the data set has a "val" of its own.
        train_classes: train on so many classes, the first ones; None: on all.
        protocol: of the final evaluation, see `evaluation.evaluate`.
        options: more arguments of `datasets.load`.
    """

    name: str
    transform: str = "data"
    val_classes: int = 0
    train_classes: int | None = None
    protocol: str = "standard"
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.transform not in TRANSFORMS:
            raise ValueError(unknown(f"data.transform {self.transform!r}", "", TRANSFORMS))
        check_protocol(self.protocol)
        if self.val_classes < 0:
            raise ValueError(f"data.val_classes must not be negative, got {self.val_classes}")


class Key(typing.NamedTuple):
    """A key that a table may have: its type, and whether it must be there."""

    type: Any
    required: bool


def keys(table: str, values: Mapping[str, Any]) -> dict[str, Key]:
    """The keys that `table` may have, given its `name`."""
    if table == "data":
        return _arguments(Data)
    if table == "model":
        return _arguments(models.EmbeddingNet, without={"seed"})
    if table == "fit":
        found = _arguments(fit, without=_FROM_RUN)
        return {name: key for name, key in found.items() if not key.required}
    name = {"name": Key(str, True)}
    if "name" not in values:
        return name
    if table == "method":
        cls = _choose("method.name", values["name"], METHODS)
        own = _arguments(cls, without={"loss", "synthesizer", "source", "label_loss"})
        if cls is methods.EmbeddingTransfer:
            own["source"] = Key(str | None, False)
        return name | own
    if table == "loss":
        modules = {n: getattr(losses, n) for n in losses.__all__ if n.endswith("Loss")}
        return name | _arguments(_choose("loss.name", values["name"], modules), without=_FROM_DATA)
    known = {n: getattr(synthesis, n) for n in SYNTHESIZERS}
    cls = _choose("synthesizer.name", values["name"], known)
    own = _arguments(cls, without=_FROM_DATA | {"generator", "maker", "divergence"})
    if cls is synthesis.GeneratedClasses:
        own |= {"noise_size": Key(int, True), "maker": Key(str, True)}
    return name | own


def checked(table: str, values: Any) -> dict[str, Any]:
    """The table with "none" read as None; raises for unknown or missing keys and wrong types."""
    if not isinstance(values, Mapping):
        raise TypeError(f"[{table}] must be a table, got {values!r}")
    if isinstance(values.get("name", ""), str):
        known = keys(table, values)
    else:
        known = {"name": Key(str, True)} | dict.fromkeys(values, Key(Any, False))
    for key in values:
        if key not in known:
            where = f"[{table}]" + (f" {values['name']}" if "name" in values else "")
            raise ValueError(unknown(f"key {key!r} in {where}", key, known))
    missing = [key for key, (_, required) in known.items() if required and key not in values]
    if missing:
        raise ValueError(f"[{table}] lacks {', '.join(missing)}")
    result = {}
    for key, value in values.items():
        hint = known[key].type
        value = None if value == "none" and _fits(None, hint) else value
        if not _fits(value, hint):
            raise TypeError(f"{table}.{key} must be {_words(hint)}, got {value!r}")
        result[key] = value
    return result


def unknown(what: str, word: str, known: Iterable[str]) -> str:
    """An error message that names the nearest of what is known."""
    known = list(known)
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return f"unknown {what}{hint}: there are {', '.join(known)}"


def _choose(what: str, name: str, known: Mapping[str, Any]) -> Any:
    if name not in known:
        raise ValueError(unknown(f"{what} {name!r}", name, known))
    return known[name]


def _arguments(function: Callable[..., Any], without: Iterable[str] = ()) -> dict[str, Key]:
    with_hints = getattr(function, "__init__") if isinstance(function, type) else function  # noqa: B009
    hints = typing.get_type_hints(with_hints)
    return {
        name: Key(hints.get(name, Any), parameter.default is parameter.empty)
        for name, parameter in inspect.signature(function).parameters.items()
        if name not in without
    }


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value from TOML may be given for an argument with this annotation."""
    origin = typing.get_origin(hint)
    if hint is Any:
        return True
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, part) for part in typing.get_args(hint))
    if hint is None or hint is type(None):
        return value is None
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if hint in (bool, str):
        return isinstance(value, hint)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return isinstance(value, Mapping)
    if isinstance(origin, type) and issubclass(origin, Iterable):
        inner = typing.get_args(hint)[0]
        return isinstance(value, list | tuple) and all(_fits(v, inner) for v in value)
    return False


def _words(hint: Any) -> str:
    """A type as a reader of TOML calls it."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        words = [_words(part) for part in typing.get_args(hint)]
        return " or ".join(dict.fromkeys(w for w in words if w))
    named = {float: "a number", int: "a whole number", bool: "true or false", str: "a word"}
    if hint in named:
        return named[hint]
    if hint is type(None):
        return '"none"'
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "a table"
    if isinstance(origin, type) and issubclass(origin, Iterable):
        return "a list of which each is " + _words(typing.get_args(hint)[0])
    return ""
