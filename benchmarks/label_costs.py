"""What label distances cost: log-ratio for all anchors of a batch, and relaxed captions.

    python benchmarks/label_costs.py                     # Scenes
    python benchmarks/label_costs.py --data-root DATA    # and Flickr8k, which is there

**Log-ratio.** For batches of N images, all of them anchors, loss and gradient by
`losses.LogRatioLoss` and by the plain formula over all triplets (a, i, j),

    mean of ( log(d_ai / d_aj) - log(r_ai / r_aj) )²

written down as it stands with tensors of N³ entries, up to the N where these take LIMIT bytes.

* Memory: the profiler's record of everything that torch's CPU allocator gives and takes back,
  temporaries inside of operators included; the peak of their sum, above the embeddings and label
  distances themselves. Embeddings have 8 dimensions, so that O(N · dimensions) does not show.
* Time: plain / ours, the median of REPEATS ratios, each of CALLS calls of either; CPU time of one
  thread, because other work runs beside. It includes the system's: tensors of more than 32 MB, as
  from N = 256 on, get fresh pages at every call, so there the ratio leaps.

**Captions.** Relaxed and exact word mover's distance (`datasets.captions`) of PAIRS random pairs of
a query and a gallery image, the same ones every time, in the vocabulary of the training captions.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from dmlviz import datasets, losses
from dmlviz.datasets import captions
from dmlviz.datasets.rendered import scenes
from dmlviz.geometry import pairwise_distances
from record import Stopwatch, provenance, save

SIZES = (64, 128, 256, 512, 1024, 2048)
DIMENSION = 8
LIMIT = 2e9
REPEATS, CALLS, PAIRS, SEED = 9, 5, 1000, 0

Loss = Callable[[Tensor, Tensor], Tensor]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-root", help="the folder that holds flickr8k/; without it: Scenes")
    parser.add_argument("--note", default="", help="what is special about this copy of Flickr8k")
    options = parser.parse_args()
    watch = Stopwatch()
    torch.set_num_threads(1)
    gaps = {"Scenes": gap("scenes", None, dimensions=scenes.DIMENSIONS)}
    if options.data_root is not None:
        gaps["Flickr8k"] = gap("flickr8k", options.data_root)
    print(gaps, flush=True)
    result = {
        "what": __doc__.splitlines()[0],
        "note": options.note,
        "log-ratio": log_ratio_costs(),
        "captions": gaps,
        "seed": SEED,
        **provenance(watch.minutes()),
    }
    save("label_costs", result, report(result))
    print(report(result))


def log_ratio_costs() -> list[dict[str, Any]]:
    """Bytes and time of each N; those of the plain formula while it fits."""
    ours = losses.LogRatioLoss()
    rows: list[dict[str, Any]] = []
    next_bytes = 0.0  # of the plain formula, as far as the last N tells
    for n in SIZES:
        x, r = batch(n)
        row: dict[str, Any] = {"n": n, "bytes": peak_bytes(ours, x, r)}
        if next_bytes <= LIMIT:
            torch.testing.assert_close(plain_log_ratio(x, r), ours(x, r), rtol=1e-4, atol=0)
            row["plain_bytes"] = peak_bytes(plain_log_ratio, x, r)
            row["ratios"] = time_ratios(plain_log_ratio, ours, x, r)
            next_bytes = 8 * row["plain_bytes"]  # the next N is twice this one
        rows.append(row)
        print(row, flush=True)
    return rows


def batch(n: int) -> tuple[Tensor, Tensor]:
    """Embeddings, and distances of labels that are points of a plane."""
    random = torch.Generator().manual_seed(SEED)
    labels = torch.rand(n, 2, generator=random)
    x = torch.randn(n, DIMENSION, generator=random)
    return x.requires_grad_(), pairwise_distances(labels)


def plain_log_ratio(x: Tensor, r: Tensor) -> Tensor:
    """Over all triplets of three images, as the formula stands."""
    n = len(x)
    itself = torch.eye(n)
    d, r = pairwise_distances(x) + itself, r + itself  # log 1 instead of log 0; masked below
    e = (d[:, :, None] / d[:, None, :]).log() - (r[:, :, None] / r[:, None, :]).log()
    triplets = (1 - itself)[:, :, None] * (1 - itself)[:, None, :]  # pairs i = j add nothing
    return (e.square() * triplets).sum() / (n * (n - 1) * (n - 2))


def peak_bytes(loss: Loss, x: Tensor, r: Tensor) -> int:
    """The most memory that loss and gradient hold at a time, beyond x and r."""
    torch.autograd.grad(loss(x, r), x)  # what the first call alone sets up is not meant
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        torch.autograd.grad(loss(x, r), x)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        record.export_chrome_trace(str(path))
        trace = json.loads(path.read_text())["traceEvents"]
    changes = sorted((e for e in trace if e.get("name") == "[memory]"), key=lambda e: e["ts"])
    held = most = 0
    for change in changes:
        held += change["args"]["Bytes"]
        most = max(most, held)
    if held != 0 or most == 0:
        raise RuntimeError(f"the profiler's record has gaps: {most} bytes held, {held} kept")
    return most


def time_ratios(plain: Loss, ours: Loss, x: Tensor, r: Tensor) -> list[float]:
    return sorted(round(seconds(plain, x, r) / seconds(ours, x, r), 2) for _ in range(REPEATS))


def seconds(loss: Loss, x: Tensor, r: Tensor) -> float:
    torch.autograd.grad(loss(x, r), x)  # pays for the state in which the other left the allocator
    start = time.process_time()
    for _ in range(CALLS):
        torch.autograd.grad(loss(x, r), x)
    return time.process_time() - start


def gap(name: str, root: str | None, **vocabulary: Any) -> dict[str, Any]:
    """Relaxed and exact distances of one data set."""
    splits = ("train", "query", "gallery")
    train, query, gallery = (datasets.load(name, split, root) for split in splits)
    words = captions.learn_vocabulary(train.captions, **vocabulary)
    a, b = words.encode(query.captions), words.encode(gallery.captions)
    found = captions.relaxation_gap(a, b, pairs=PAIRS, seed=SEED)
    return {
        "pairs": len(found.exact),
        "relaxed": float(found.relaxed.mean()),
        "exact": float(found.exact.mean()),
        "relative": found.relative,
        "spearman": found.rank_correlation,
        "images": {"train": len(train), "query": len(query), "gallery": len(gallery)},
    }


def report(result: dict[str, Any]) -> str:
    costs = ["| N | bytes / N² | MB | plain formula: bytes / N³ | MB | time, plain / ours |"]
    costs.append("|---|---|---|---|---|---|")
    for row in result["log-ratio"]:
        n, plain, time_ratio = row["n"], "– | –", "–"
        if "ratios" in row:
            plain = f"{row['plain_bytes'] / n**3:.1f} | {row['plain_bytes'] / 1e6:,.1f}"
            time_ratio = f"{statistics.median(row['ratios']):,.1f}"
        ours = f"{row['bytes'] / n**2:.1f} | {row['bytes'] / 1e6:,.1f}"
        costs.append(f"| {n:,} | {ours} | {plain} | {time_ratio} |")
    gaps = ["| captions | pairs | mean relaxed | mean exact | mean relative gap | Spearman |"]
    gaps.append("|---|---|---|---|---|---|")
    for name, g in result["captions"].items():
        means = f"{g['relaxed']:.3f} | {g['exact']:.3f} | {100 * g['relative']:.1f} %"
        gaps.append(f"| {name} | {g['pairs']:,} | {means} | {g['spearman']:.3f} |")
    sizes = "; ".join(
        f"{name}: " + ", ".join(f"{split} {n:,}" for split, n in g["images"].items())
        for name, g in result["captions"].items()
    )
    images = f"Images: {sizes}. {result['note']}".strip()
    newline = "\n"
    return f"""# {result["what"]}

Log-ratio loss and its gradient where all N images of a batch are anchors, and the plain formula \
over all triplets of the batch. Memory: the most that torch's CPU allocator has given out at a \
time, by the profiler's record, beyond embeddings ({DIMENSION} dimensions) and label distances; \
float32. Time: median of {REPEATS} ratios of CPU time, one thread, getting memory included. \
"–": the plain formula would take more than {LIMIT / 1e9:g} GB.

{newline.join(costs)}

Word mover's distance between the captions of a query and of a gallery image, random pairs (seed \
{result["seed"]}); relative gap: (exact - relaxed) / exact. {images}

{newline.join(gaps)}

{result["minutes"]} minutes on {result["machine"]}; torch {result["versions"]["torch"]}, commit \
{result["commit"]}. Made by `python benchmarks/label_costs.py --data-root DATA`.
"""


if __name__ == "__main__":
    main()
