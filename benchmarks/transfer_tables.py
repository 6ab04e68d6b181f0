"""The tables of transfer.py, from the runs that are there."""

from typing import Any

from record import mean_and_spread

Run = dict[str, Any]
SETTINGS = {
    "self": "self: convnet, 64",
    "dimension": "dimension: 64 to 8",
    "network": "network: to convnet_small, 64",
}


def report(result: dict[str, Any]) -> str:
    """The tables, of whatever runs there are."""
    runs = result["runs"]
    parts = [
        f"# {result['what']}",
        f"{result['data']}. Recall@1 on the test classes after the last epoch, in per cent, mean ± "
        "standard deviation over seeds (their number in brackets). Sources are the row 'alone, 8 "
        "epochs' of the first column. The plan is in the command's docstring, every run in the "
        "JSON beside.",
        _main(runs),
        _grid([r for r in runs if r["part"] == "sigma x delta"]),
        _longer([r for r in runs if r["part"] == "longer"]),
        _ablation(runs),
        _self_supervised(runs),
        _classification(runs),
        f"{result['minutes']} minutes by the clock on {result['machine']}, two runs at a time with "
        f"one thread each, beside other work; torch {result['versions']['torch']}, commit "
        f"{result['commit']}. Made by `python benchmarks/transfer.py`.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _main(runs: list[Run]) -> str:
    """Rows: alone, and the losses; columns: settings."""
    rows: dict[str, dict[str, list[Run]]] = {}
    for run in runs:
        if run["part"] == "alone":
            name = f"alone, {run['epochs']} epochs"
        elif run["part"] == "transfer":
            name = run["loss"]
        else:
            continue
        rows.setdefault(name, {}).setdefault(run["setting"], []).append(run)
    return _table("", list(SETTINGS.values()), rows, list(SETTINGS))


def _longer(runs: list[Run]) -> str:
    rows: dict[str, dict[str, list[Run]]] = {}
    for run in runs:
        name = f"{run.get('loss', 'alone')}, {run['epochs']} epochs"
        rows.setdefault(name, {}).setdefault("test", []).append(run)
    return _table("four times as long, network", ["Recall@1"], rows, ["test"])


def _ablation(runs: list[Run]) -> str:
    unchanged = {"part": "transfer", "setting": "network", "loss": "relaxed contrastive"}
    rows: dict[str, dict[str, list[Run]]] = {}
    for run in runs:
        as_it_is = unchanged.items() <= run.items() and run["seed"] < 3  # the ablation's seeds
        if as_it_is or run["part"] == "ablation":
            rows.setdefault(run.get("ablation", "as it is"), {}).setdefault("test", []).append(run)
    return _table("relaxed contrastive, network", ["Recall@1"], rows, ["test"])


def _self_supervised(runs: list[Run]) -> str:
    rows: dict[str, list[Run]] = {}
    for run in runs:
        if run["part"] == "self-supervised source":
            rows.setdefault(f"source, {run['epochs']} epochs of images", []).append(run)
        elif run["part"] == "self-supervised transfer":
            rows.setdefault(f"transfer by {run['loss']}", []).append(run)
    lines = ["| self-supervised | Recall@1 | MAP@R | linear probe |", "|---|---|---|---|"]
    for name, of in rows.items():
        lines.append(
            f"| {name} | {' | '.join(_cell(of, f) for f in ('test', 'test MAP@R', 'probe'))} |"
        )
    return "\n".join(lines) if rows else ""


def _classification(runs: list[Run]) -> str:
    rows: dict[str, list[Run]] = {}
    for run in (r for r in runs if r["part"] == "classifier"):
        name = {"convnet": "the source, convnet", "convnet_small": "convnet_small alone"}.get(
            run.get("network", ""), ""
        ) or f"convnet_small + {run['loss']}, weight {run['weight']:g}"
        rows.setdefault(name, []).append(run)
    lines = ["| classification | accuracy |", "|---|---|"]
    lines += [f"| {name} | {_cell(of)} |" for name, of in rows.items()]
    return "\n".join(lines) if rows else ""


def _grid(runs: list[Run]) -> str:
    if not runs:
        return ""
    value = {(r["sigma"], r["delta"]): r["test"] for r in runs}
    sigmas, deltas = (sorted(set(axis)) for axis in zip(*value, strict=True))
    lines = [
        f"| relaxed contrastive, network, one seed | {' | '.join(f'δ = {d:g}' for d in deltas)} |"
    ]
    lines.append(f"|---|{'---|' * len(deltas)}")
    for s in sigmas:
        cells = [f"{100 * value[s, d]:.1f}" if (s, d) in value else "–" for d in deltas]
        lines.append(f"| σ = {s:g} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _table(
    corner: str, titles: list[str], rows: dict[str, dict[str, list[Run]]], columns: list[str]
) -> str:
    if not rows:
        return ""
    lines = [f"| {corner} | {' | '.join(titles)} |", f"|---|{'---|' * len(titles)}"]
    for name, of in rows.items():
        lines.append(f"| {name} | {' | '.join(_cell(of.get(c, [])) for c in columns)} |")
    return "\n".join(lines)


def _cell(runs: list[Run], figure: str = "test") -> str:
    return f"{mean_and_spread([r[figure] for r in runs])} ({len(runs)})" if runs else "–"
