"""From the tables of a recipe to data sets, network and method."""

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from dmlviz import datasets, losses, methods, models, synthesis
from dmlviz.datasets.roots import PathLike
from dmlviz.training.recipe import Recipe
from dmlviz.training.saved import load_model
from dmlviz.training.tables import MAKERS, METHODS, unknown


@dataclass(frozen=True)
class Sets:
    """The data of a run.

    Attributes:
        train: what is learned from.
        val: held-out training classes (or items), or None.
        test: unseen classes; the queries where the data set tells queries from gallery.
        gallery: what the queries search, or None.
    """

    train: Any
    val: Any
    test: Any
    gallery: Any

    def counts(self) -> dict[str, dict[str, int]]:
        """How many images and classes each set has."""
        return {
            name: {"images": len(part)}
            | ({"classes": len(part.classes)} if hasattr(part, "classes") else {})
            for name, part in vars(self).items()
            if part is not None
        }


def build_model(recipe: Recipe, seed: int) -> models.EmbeddingNet:
    """The network of `[model]`, untrained or with the weights it names."""
    return models.EmbeddingNet(**recipe.model, seed=seed)


def build_data(
    recipe: Recipe, model: models.EmbeddingNet, data_root: PathLike | None, select_on: str
) -> Sets:
    """The data of `[data]`; classes are held out of training only if `select_on` is "val".

    Raises:
        ValueError: if there is nothing to hold out by.
    """
    data, options = recipe.data, dict(recipe.data.options)
    held_out = select_on == "val" and data.val_classes
    hold_out = {"val_classes": data.val_classes} if held_out else {}

    def load(split: str, **more: Any) -> Any:
        augmented = split == "train" and data.transform == "model"
        transform = None if data.transform == "data" else model.transforms(train=augmented)
        return datasets.load(data.name, split, data_root, transform, **options, **more)

    splits = datasets.splits(data.name)
    if select_on == "val" and "val" not in splits:
        raise ValueError(
            f"{data.name} holds nothing out of training to choose the epoch by: say "
            'select_on="last" (--select-on last), or "test", which is the papers\' habit'
        )
    train = load("train", **hold_out)
    if data.train_classes is not None:
        if not hasattr(train, "classes"):
            raise ValueError(f"data.train_classes: {data.name} has no classes")
        train = datasets.OfClasses(train, range(data.train_classes))
    return Sets(
        train=train,
        val=load("val", **hold_out) if select_on == "val" else None,
        test=load("test" if "test" in splits else "query"),
        gallery=None if "test" in splits else load("gallery"),
    )


def build_method(
    recipe: Recipe, model: models.EmbeddingNet, train: Any, seed: int
) -> methods.Method:
    """The method of `[method]` with its loss, and its synthesizer or source."""
    options = {key: value for key, value in recipe.method.items() if key != "name"}
    cls = METHODS[recipe.method["name"]]
    known: dict[str, Any] = {
        "embedding_size": model.embedding_size,
        "target_size": model.head.in_features,
        "seed": seed,
    }
    if hasattr(train, "classes"):
        known |= {"num_classes": len(train.classes), "labels": train.targets}
    if cls is methods.EmbeddingTransfer:
        source = _source(options.pop("source", None))
        known["source_size"] = source.head.in_features
        return cls(source, _make(losses, recipe.loss, known), **options)
    loss = _make(losses, recipe.loss, known)
    if recipe.synthesizer is None:
        return cls(loss, **options)
    return cls(loss, _synthesizer(dict(recipe.synthesizer), known), **options)


def _make(room: Any, table: Any, known: dict[str, Any]) -> nn.Module:
    """The class that a table names, with the table's arguments and those known from elsewhere."""
    cls = getattr(room, table["name"])
    own = {key: value for key, value in table.items() if key != "name"}
    wanted = inspect.signature(cls).parameters
    given = {key: value for key, value in known.items() if key in wanted}
    lacking = [
        key
        for key, parameter in wanted.items()
        if parameter.default is parameter.empty and key not in own and key not in given
    ]
    if lacking:
        raise ValueError(
            f"{table['name']} needs {', '.join(lacking)}, which this data set cannot give"
        )
    return cls(**given, **own)


def _synthesizer(table: dict[str, Any], known: dict[str, Any]) -> Any:
    if table["name"] != "GeneratedClasses":
        return _make(synthesis, table, known)
    maker, noise_size = table.pop("maker"), table.pop("noise_size")
    if maker not in MAKERS:
        raise ValueError(unknown(f"synthesizer.maker {maker!r}", maker, MAKERS))
    generator = synthesis.NovelClassGenerator(
        known["embedding_size"], noise_size, seed=known["seed"]
    )
    parts = {"generator": generator, "maker": getattr(synthesis, maker)()}
    return _make(synthesis, table, known | parts)


def _source(path: str | None) -> models.EmbeddingNet:
    if path is None:
        raise ValueError(
            "method.source is missing: embedding transfer learns from a trained model. Train one, "
            "for instance by the recipe that this one's `differs` names, and give its checkpoint: "
            "--set source=CHECKPOINT"
        )
    if not Path(path).exists():
        raise FileNotFoundError(f"method.source: there is no checkpoint {path}")
    return load_model(path)
