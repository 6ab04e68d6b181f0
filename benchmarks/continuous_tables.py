"""The tables of continuous.py, from the runs that are there."""

import statistics
from typing import Any

from record import mean_and_spread

Run = dict[str, Any]
UNITS = {"poses": "pixels", "rooms": "1 - mIoU", "scenes": "caption distance"}


def report(result: dict[str, Any]) -> str:
    """The tables, of whatever runs there are."""
    runs = result["runs"]
    parts = [
        f"# {result['what']}",
        "nDCG@100 in per cent (higher is better) and mean label distance of the 10 nearest (lower "
        "is better), queries against gallery after the last epoch, mean ± standard deviation over "
        "seeds. The plan is in the command's docstring, every run in the JSON beside.",
        *(_main([r for r in runs if r["data"] == data], data) for data in UNITS),
        _sweep([r for r in runs if r["part"] == "dimension"], "dimension"),
        _sweep([r for r in runs if r["part"] == "neighbours"], "nearest"),
        f"{result['minutes']} minutes by the clock on {result['machine']}, two runs at a time with "
        f"one thread each, beside other work; torch {result['versions']['torch']}, commit "
        f"{result['commit']}. Made by `python benchmarks/continuous.py`.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _main(runs: list[Run], data: str) -> str:
    rows: dict[str, list[Run]] = {}
    for run in runs:
        if run["part"] in ("pixels", "untrained", "main"):
            rows.setdefault(str(run.get("loss", run["part"])), []).append(run)
    if not rows:
        return ""
    lines = [
        f"| {data} | seeds | nDCG@100 | label distance@10, {UNITS[data]} |",
        "|---|---|---|---|",
    ]
    for name, of in rows.items():
        ndcg = mean_and_spread([r["ndcg"] for r in of])
        lines.append(f"| {name} | {len(of)} | {ndcg} | {plain_mean([r['distance'] for r in of])} |")
    chosen = "; ".join(
        f"{name}: " + ", ".join(f"{k} {v}" for k, v in of[0]["setting"].items())
        for name, of in rows.items()
        if "setting" in of[0]
    )
    return "\n".join([*lines, "", f"Settings: {chosen}."])


def plain_mean(values: list[float]) -> str:
    mean = f"{statistics.mean(values):.3g}"
    return mean if len(values) == 1 else f"{mean} ± {statistics.stdev(values):.2g}"


def _sweep(runs: list[Run], field: str) -> str:
    if not runs:
        return ""
    columns = sorted({r[field] for r in runs})
    lines = [f"| poses, nDCG@100, by {field}, one seed | {' | '.join(map(str, columns))} |"]
    lines.append(f"|---|{'---|' * len(columns)}")
    for loss in dict.fromkeys(r["loss"] for r in runs):
        value = {r[field]: f"{100 * r['ndcg']:.1f}" for r in runs if r["loss"] == loss}
        lines.append(f"| {loss} | {' | '.join(value.get(c, '–') for c in columns)} |")
    return "\n".join(lines)
