"""Does the network wait for its images? Images a second, of the input, the network and both.

    python benchmarks/throughput.py --data cub --data-root DATA --backbone mobilenet_v2

* **network alone**: training steps (forward, loss, backward, AdamW) on one batch that is in memory.
* **input alone**: batches out of the data loader as `training.fit` makes them: decoded, cropped and
  flipped by torchvision's v2 transforms, stacked.
* **both**: training steps on those batches. With enough workers it should come near to the network
  alone; what is missing is the time that the network waits.

All are measured in turns, ROUNDS times for about SECONDS each, and the median is shown: ratios hold
on a busy machine, absolute figures do not. The results have one entry for each way it was called.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from dmlviz import datasets, losses, methods, models
from dmlviz.datasets.base import collate
from record import RESULTS, Stopwatch, provenance, save

ROUNDS, SECONDS, BATCH = 5, 8.0, 32
WORKERS = (0, 1, 2)
EMBEDDING_SIZE = 512


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="glyphs", help="a data set with classes")
    parser.add_argument("--data-root")
    parser.add_argument("--backbone", default="convnet")
    parser.add_argument("--workers", type=int, nargs="+", default=WORKERS, help="to compare")
    options = parser.parse_args()
    watch = Stopwatch()
    measured = measure(options)
    entry = {
        "data": options.data, "backbone": options.backbone, "batch": BATCH, "images_a_second":
        measured, "threads": torch.get_num_threads(), **provenance(watch.minutes()),
    }  # fmt: skip
    stored = RESULTS / "throughput.json"
    before = json.loads(stored.read_text())["entries"] if stored.exists() else []
    same = entry["data"], entry["backbone"], entry["machine"]
    kept = [e for e in before if (e["data"], e["backbone"], e["machine"]) != same]
    result = {"what": __doc__.splitlines()[0], "entries": [*kept, entry]}
    save("throughput", result, report(result))
    print(report(result))


def measure(options: argparse.Namespace) -> dict[str, float]:
    """Images a second of each way, the median over the rounds."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    channels = 1 if options.data in ("glyphs", "omniglot") else 3
    model = models.EmbeddingNet(options.backbone, EMBEDDING_SIZE, in_channels=channels)
    view = model.transforms(train=True) if channels == 3 else None
    train = datasets.load(options.data, "train", options.data_root, view)
    loss = losses.ProxyAnchorLoss(len(train.classes), EMBEDDING_SIZE)
    method = methods.Supervised(loss)
    model.to(device).train()
    method.to(device)
    optimizer = torch.optim.AdamW([*model.parameters(), *method.parameters()], lr=1e-5)

    def step(batch: list[Tensor]) -> None:
        value = method(model, tuple(part.to(device) for part in batch))
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        value.item()  # as fit does: it waits until the step is done

    streams = {workers: endless(train, method, workers) for workers in options.workers}
    ready = next(streams[options.workers[0]])
    ways: dict[str, Callable[[], None]] = {"network alone": lambda: step(ready)}
    for workers, stream in streams.items():
        name = f"{workers} worker{'s' * (workers != 1)}"
        ways[f"input alone, {name}"] = lambda stream=stream: next(stream)  # type: ignore[misc]
        ways[f"both, {name}"] = lambda stream=stream: step(next(stream))  # type: ignore[misc]
    for way in ways.values():
        way()  # the first call starts workers and chooses algorithms
    rates = [{name: rate(way) for name, way in ways.items()} for _ in range(ROUNDS)]
    return {name: round(statistics.median(r[name] for r in rates), 1) for name in ways}


def endless(train: Any, method: methods.Method, workers: int) -> Iterator[list[Tensor]]:
    """Batches as in `training.fit`, for ever."""
    loader = DataLoader(
        method.dataset(train),
        batch_sampler=method.batch_sampler(train, BATCH, 0),
        num_workers=workers,
        collate_fn=collate,
        persistent_workers=workers > 0,
    )
    for _ in cycle([None]):
        yield from loader


def rate(way: Callable[[], Any]) -> float:
    """Images a second. What lay ready in the loaders' queues is used up first."""
    for _ in range(4):
        way()
    start, batches = time.perf_counter(), 0
    while (passed := time.perf_counter() - start) < SECONDS:
        way()
        batches += 1
    return BATCH * batches / passed


def report(result: dict[str, Any]) -> str:
    parts = [f"# {result['what']}\n\nThe command's docstring says what is measured.\n"]
    for entry in result["entries"]:
        speed = entry["images_a_second"]
        alone = speed["network alone"]
        lines = [f"| {way} | {v:g} | {100 * v / alone:.0f} % |" for way, v in speed.items()]
        parts.append(f"""
## {entry["data"]}, {entry["backbone"]}, batches of {entry["batch"]}

| | images a second | of the network alone |
|---|---|---|
{chr(10).join(lines)}

{entry["minutes"]} minutes on {entry["machine"]}, {entry["threads"]} threads; torch \
{entry["versions"]["torch"]}, commit {entry["commit"]}. Made by `python benchmarks/throughput.py \
--data {entry["data"]} --backbone {entry["backbone"]}`.
""")
    return "".join(parts)


if __name__ == "__main__":
    main()
