"""The tables of baselines.py, from the runs that are there."""

import statistics
from typing import Any

from record import mean_and_spread

Run = dict[str, Any]


def recall(run: Run) -> float:
    """Recall@1 on the test classes in the epoch that was best on validation."""
    return run["test_recall@1"][run["best_epoch"]]


def report(result: dict[str, Any]) -> str:
    """The tables, of whatever runs there are."""
    runs, plan = result["runs"], result["plan"]
    parts = [
        f"# {result['what']}",
        f"{result['data']}; {plan['epochs']} epochs, batches of {plan['batch']}. Recall@1 on the "
        "test classes in the epoch that was best on the validation classes, in per cent, mean ± "
        "standard deviation over seeds. The plan is in the command's docstring, every run in the "
        "JSON beside.",
        _main_table([r for r in runs if r["part"] == "main"]),
        _noise_table(runs),
        _grid_table([r for r in runs if r["part"] == "alpha x delta"]),
        _sweep_tables(runs, plan),
        f"{result['minutes']} minutes by the clock on {result['machine']}, two runs at a time with "
        f"one thread each, beside other work; torch {result['versions']['torch']}, commit "
        f"{result['commit']}. Made by `python benchmarks/baselines.py`.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _main_table(runs: list[Run]) -> str:
    if not runs:
        return ""
    of_loss: dict[str, list[Run]] = {}
    for run in runs:
        of_loss.setdefault(run["loss"], []).append(run)
    lines = ["| loss | setting | seeds | Recall@1 | last epoch | by epoch, from 0 |"]
    lines.append("|---|---|---|---|---|---|")
    for loss, of in sorted(of_loss.items(), key=lambda item: -_mean(item[1])):
        setting = ", ".join(f"{k} {v:.3g}" for k, v in of[0]["setting"].items())
        best = mean_and_spread([recall(r) for r in of])
        last = mean_and_spread([r["test_recall@1"][-1] for r in of])
        curve = zip(*(r["test_recall@1"] for r in of), strict=True)
        by_epoch = " ".join(f"{100 * statistics.mean(values):.0f}" for values in curve)
        lines.append(f"| {loss} | {setting} | {len(of)} | {best} | {last} | {by_epoch} |")
    return "\n".join(lines)


def _mean(runs: list[Run]) -> float:
    return statistics.mean(recall(r) for r in runs)


def _noise_table(runs: list[Run]) -> str:
    """Rows: losses; columns: clean, then each kind and share of spoilt training images."""
    columns: dict[str, dict[str, list[Run]]] = {}
    for run in runs:
        if run["part"] == "wrong labels":
            title = f"{run['wrong_labels']:.0%} wrong labels"
        elif run["part"] == "outliers":
            title = f"{run['outliers']:.0%} outliers, 160 classes"
        elif run["part"] == "main" and run["seed"] < 3:
            title = "clean"
        else:
            continue
        columns.setdefault(title, {}).setdefault(run["loss"], []).append(run)
    titles = sorted(columns, key=lambda title: (title.split()[-1], title))
    losses = sorted({loss for title in titles if title != "clean" for loss in columns[title]})
    if not losses:
        return ""
    lines = [f"| three seeds | {' | '.join(titles)} |", f"|---|{'---|' * len(titles)}"]
    for loss in losses:
        of = [columns[title].get(loss) for title in titles]
        cells = [mean_and_spread([recall(r) for r in c]) if c else "–" for c in of]
        lines.append(f"| {loss} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _grid_table(runs: list[Run]) -> str:
    if not runs:
        return ""
    value = {(r["setting"]["alpha"], r["setting"]["margin"]): recall(r) for r in runs}
    alphas, deltas = (sorted(set(axis)) for axis in zip(*value, strict=True))
    lines = [f"| Proxy-Anchor, one seed | {' | '.join(f'δ = {d:g}' for d in deltas)} |"]
    lines.append(f"|---|{'---|' * len(deltas)}")
    for a in alphas:
        cells = [f"{100 * value[a, d]:.1f}" if (a, d) in value else "–" for d in deltas]
        lines.append(f"| α = {a:g} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _sweep_tables(runs: list[Run], plan: dict[str, Any]) -> str:
    tables = []
    anchor = [r for r in runs if r["part"] == "main" and r["loss"] == "Proxy-Anchor"]
    usual = [recall(r) for r in anchor if r["seed"] == 0]
    for part, field in (("batch size", "batch"), ("dimension", "dimension")):
        of = {r[field]: recall(r) for r in runs if r["part"] == part}
        if not of:
            continue
        if usual:
            of[plan[field]] = usual[0]
        head = " | ".join(str(v) for v in sorted(of))
        body = " | ".join(f"{100 * of[v]:.1f}" for v in sorted(of))
        rule = "---|" * len(of)
        tables.append(f"| Proxy-Anchor, {part} | {head} |\n|---|{rule}\n| one seed | {body} |")
    return "\n\n".join(tables)
