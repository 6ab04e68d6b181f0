"""The table of omniglot.py, from the runs that are there."""

from typing import Any

from record import markdown_table

COLUMNS = ("R@1", "R@2", "R@4", "R@8", "MAP@R")
ORDER = (
    *("pixels", "PCA of pixels", "untrained network", "Triplet, semi-hard", "Proxy-NCA"),
    *("Proxy-Anchor", "Proxy Synthesis", "generator, free classes", "relaxed contrastive"),
)
NAMES = {
    ("relaxed contrastive", 512): "relaxed contrastive, from Proxy-Anchor to itself",
    ("relaxed contrastive", 64): "relaxed contrastive, from 512 to 64 dimensions",
    ("Proxy-Anchor", 64): "Proxy-Anchor, 64 dimensions directly",
    ("Proxy Synthesis", 512): "Proxy-Anchor + Proxy Synthesis",
    ("generator, free classes", 512): "Proxy-Anchor + generator, free classes",
}


def report(result: dict[str, Any]) -> str:
    """The table, of whatever runs there are."""
    rows = by_name(result["runs"])
    tuned = [r for r in result["runs"] if r["part"] == "tuning"]
    return f"""# {result["what"]}

Omniglot, complete: 19,280 drawings of 964 training classes, 13,180 drawings of 659 test classes; \
32 x 32 pixels, 512 dimensions where not said. Whole networks (convnet) from random weights. Per \
cent on the test classes after the last epoch, mean ± standard deviation over seeds. The plan is \
in the command's docstring, every run in the JSON beside.

{markdown_table(rows) if rows else "No main run is there yet."}

Settings were chosen on five background alphabets held out, {len(tuned)} runs; nothing by the test \
classes.

{result["minutes"]} minutes by the clock on {result["machine"]}, one thread for each run, beside \
other work; torch {result["versions"]["torch"]}, commit {result["commit"]}. Made by \
`python benchmarks/omniglot.py --data-root DATA`.
"""


def by_name(runs: list[dict[str, Any]]) -> dict[str, list[dict[str, float]]]:
    """The figures of the main runs of each row, one entry for each seed."""
    rows: dict[str, list[dict[str, float]]] = {}
    for run in sorted((r for r in runs if r["part"] == "main"), key=_order):
        name = NAMES.get((run["method"], run["size"]), run["method"])
        rows.setdefault(name, []).append({column: run[column] for column in COLUMNS})
    return rows


def _order(run: dict[str, Any]) -> tuple[int, int]:
    return -run["size"], ORDER.index(run["method"])
