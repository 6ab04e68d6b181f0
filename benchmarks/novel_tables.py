"""The tables of novel_classes.py, from the runs that are there."""

import statistics
from typing import Any

from record import mean_and_spread

Run = dict[str, Any]


def report(result: dict[str, Any]) -> str:
    """The tables, of whatever runs there are."""
    runs = [r for r in result["runs"] if r["part"] != "tuning"]
    return f"""# {result["what"]}

Recall@1 on 200 unseen classes in per cent, mean ± standard deviation over seeds, by number of \
training classes. The plan is in the command's docstring, every run in the JSON beside.

{_table(runs, _at_best, "epoch that is best on validation")}

{_table(runs, _at_last, "last epoch")}

{_gains(runs)}

{result["minutes"]} minutes by the clock on {result["machine"]}, two runs at a time with one \
thread each; torch {result["versions"]["torch"]}, commit {result["commit"]}. Made by \
`python benchmarks/novel_classes.py`.
"""


def _at_best(run: Run) -> float:
    """Test figure in the epoch that validation chose; of what is not trained, the only one."""
    val = run.get("val", [0.0])
    return float(run["test"][val.index(max(val))])


def _at_last(run: Run) -> float:
    return float(run["test"][-1])


def _name(run: Run) -> str:
    return str(run.get("method", run["part"]))


def _table(runs: list[Run], figure: Any, title: str) -> str:
    classes = sorted({r["classes"] for r in runs})
    lines = [f"| {title} | {' | '.join(map(str, classes))} |", f"|---|{'---|' * len(classes)}"]
    for name in dict.fromkeys(map(_name, runs)):
        cells = []
        for number in classes:
            of = [figure(r) for r in runs if _name(r) == name and r["classes"] == number]
            cells.append(mean_and_spread(of) if of else "–")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _gains(runs: list[Run]) -> str:
    """Paired differences to the base, where there are at least two seeds of both."""
    base = {(r["classes"], r["seed"]): _at_best(r) for r in runs if _name(r) == "base"}
    classes = sorted({r["classes"] for r in runs})
    lines = [
        f"| gain over the base, same seeds, ± standard error | {' | '.join(map(str, classes))} |",
        f"|---|{'---|' * len(classes)}",
    ]
    for name in dict.fromkeys(_name(r) for r in runs if r["part"] == "main"):
        cells = []
        for number in classes:
            of = [
                100 * (_at_best(r) - base[number, r["seed"]])
                for r in runs
                if _name(r) == name and r["classes"] == number and (number, r["seed"]) in base
            ]
            error = statistics.stdev(of) / len(of) ** 0.5 if len(of) > 1 else 0.0
            cells.append(f"{statistics.mean(of):+.1f} ± {error:.1f}" if len(of) > 1 else "–")
        if name != "base":
            lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)
