"""The tables of own_images.py, from the runs that are there."""

import statistics
from typing import Any

from record import mean_and_spread

Run = dict[str, Any]


def report(result: dict[str, Any]) -> str:
    """The tables, of whatever runs there are."""
    runs, plan = result["runs"], result["plan"]
    labels = [r for r in runs if r["part"] == "labels"]
    parts = [
        f"# {result['what']}",
        "Glyphs, a small network from random weights, Proxy-Anchor. Figures in per cent, mean ± "
        "standard deviation over seeds, which draw the classes, too (their number in brackets). "
        "The plan is in the command's docstring, every run in the JSON beside.",
        _how_many(runs, plan),
        _recalls(labels),
        *(
            _precision(labels, gallery)
            for gallery in ("all", "ten of each class", "twenty classes")
        ),
        f"{result['minutes']} minutes by the clock on {result['machine']}, one run at a time with "
        f"one thread, beside other work; torch {result['versions']['torch']}, commit "
        f"{result['commit']}. Made by `python benchmarks/own_images.py`.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _of(runs: list[Run], **wanted: Any) -> list[Run]:
    return [r for r in runs if wanted.items() <= r.items()]


def _cell(values: list[float]) -> str:
    return f"{mean_and_spread(values)} ({len(values)})" if values else "–"


def best_look(run: Run) -> float:
    """Recall@1 on the test classes where validation was best."""
    return run["test"][run["val"].index(max(run["val"]))]


def _how_many(runs: list[Run], plan: dict[str, int]) -> str:
    columns = {
        f"{plan['steps']:,} steps, convnet_small": ("images", best_look),
        f"the first plan: {plan['first_steps']} steps, convnet": ("how many", _last),
    }
    lines = [
        f"| classes | images of each | images | {' | '.join(columns)} |",
        "|---|---|---|---|---|",
    ]
    pairs = list(dict.fromkeys((r["classes"], r["images"]) for r in runs if r["part"] != "labels"))
    for classes, images in pairs:
        cells = [
            _cell([figure(r) for r in _of(runs, part=part, classes=classes, images=images)])
            for part, figure in columns.values()
        ]
        lines.append(f"| {classes} | {images} | {classes * images:,} | {' | '.join(cells)} |")
    head = (
        "Recall@1 on 200 test classes, trained on some classes with some images of each. "
        "With 30 images, and enough steps: [novel_classes.md](novel_classes.md), row 'base'."
    )
    return head + "\n\n" + "\n".join(lines) if pairs else ""


def _last(run: Run) -> float:
    return run["recall@1"]


def _name(wrong: float, kind: str) -> str:
    return f"{wrong:.0%} wrong, {kind}" if wrong else "none wrong"


def _conditions(runs: list[Run]) -> dict[str, list[Run]]:
    named: dict[str, list[Run]] = {}
    for run in runs:
        named.setdefault(_name(run["wrong"], run["kind"]), []).append(run)
    return named


def _recalls(runs: list[Run]) -> str:
    columns = {
        "Recall@1, 50 test classes": "recall@1",
        "the same, judged by the labels as they are": "recall@1 as labelled",
        "wrong ones among the first 2 n": "found by looking at 2n",
        "Recall@1 with these put right": "put right",
        "Recall@1 without the first n": "dropped",
    }
    lines = [f"| labels | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    for name, of in _conditions(runs).items():
        cells = [_cell([r[field] for r in of if field in r]) for field in columns.values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) if runs else ""


def _precision(runs: list[Run], gallery: str) -> str:
    """Rows: what is wrong; columns: k."""
    runs = [r for r in runs if "precision" in r]
    if not runs:
        return ""
    ks = [
        k for k in runs[0]["precision"][gallery] if all(k in r["precision"][gallery] for r in runs)
    ]
    images = statistics.mean(r["sizes"][gallery] for r in runs)
    head = f"| wrong among the first n, {gallery}, {images:,.0f} images |"
    lines = [head + "".join(f" k = {k} |" for k in ks), f"|---|{'---|' * len(ks)}"]
    for name, of in _conditions(runs).items():
        cells = [mean_and_spread([r["precision"][gallery][k] for r in of]) for k in ks]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)
