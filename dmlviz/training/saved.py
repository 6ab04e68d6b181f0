"""What a run left behind: its model again, and its figures again."""

from pathlib import Path
from typing import Any

from dmlviz import datasets, evaluation, models
from dmlviz.datasets.roots import PathLike
from dmlviz.training.checkpoint import read_checkpoint

NAME = "checkpoint.pt"


def load_model(checkpoint: PathLike) -> models.EmbeddingNet:
    """The model of a checkpoint that `training.run` wrote: of its best epoch, else its last.

    Args:
        checkpoint: the file, or the folder that it is in.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is damaged, or says nothing about how the model is built.
    """
    return _model(_read(checkpoint))


def evaluate_checkpoint(
    checkpoint: PathLike,
    *,
    data: str | None = None,
    data_root: PathLike | None = None,
    split: str = "test",
    device: str | None = None,
    workers: int = 0,
) -> Any:
    """The report of `evaluation.evaluate` on a checkpoint's model.

    Args:
        checkpoint: as for `load_model`.
        data: another data set than the recipe's, by name.
        data_root: where the data lives; None: see `datasets.data_root`.
        split: which split to search in. "test" of a data set with queries and a gallery: its
            queries search its gallery.
        device: None: a GPU if there is one.
        workers: processes that load images.
    """
    import torch

    state = _read(checkpoint)
    model = _model(state)
    model.to(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    tables = state["about"]["recipe"]
    transform = None if tables["data"]["transform"] == "data" else model.transforms()
    options = dict(tables["data"]["options"]) if data is None else {}
    if split in ("val", "train") and data is None and state["about"]["val_classes"]:
        options["val_classes"] = state["about"]["val_classes"]
    name = data or tables["data"]["name"]

    def load(split: str) -> Any:
        return datasets.load(name, split, data_root, transform, **options)

    if split == "test" and "test" not in datasets.splits(name):
        found, gallery = load("query"), load("gallery")
    else:
        found, gallery = load(split), None
    protocol = tables["data"]["protocol"] if data is None else "standard"
    return report(model, found, gallery, tables["fit"].get("ks"), protocol, workers)


def report(
    model: Any, test: Any, gallery: Any, ks: list[int] | None, protocol: str, workers: int
) -> Any:
    """`evaluation.evaluate` as a recipe wants it: its own K's and protocol, and no clusters."""
    continuous = isinstance(test, datasets.ContinuousDataset)
    return evaluation.evaluate(
        model,
        test,
        gallery=gallery,
        ks=None if continuous else ks,
        protocol=protocol,
        nmi=False,
        workers=workers,
    )


def _read(checkpoint: PathLike) -> dict[str, Any]:
    path = Path(checkpoint)
    path = path / NAME if path.is_dir() else path
    state = read_checkpoint(path)
    if "recipe" not in state["about"]:
        raise ValueError(
            f"{path} does not say how its model is built: training.run writes that, training.fit "
            "does not. Build the model yourself, then load_state_dict(torch.load(path)['model'])"
        )
    return state


def _model(state: dict[str, Any]) -> models.EmbeddingNet:
    table = dict(state["about"]["recipe"]["model"])
    if table.get("weights") is not None:
        table["weights"] = "later"  # no download: they are replaced at once
    model = models.EmbeddingNet(**table)
    best = state["watch"]["best_state"]
    model.load_state_dict(state["model"] if best is None else best)
    return model.eval()
