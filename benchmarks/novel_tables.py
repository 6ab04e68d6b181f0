"""The tables of ways of making novel classes, from the runs that are there."""

import statistics
from collections.abc import Callable
from typing import Any

import frozen
from novel_plan import Best, best_trials, of_loss
from record import mean_and_spread

Run = dict[str, Any]
Figure = Callable[[Run], float]


def report(result: dict[str, Any]) -> str:
    """The tables, of whatever runs there are."""
    about = f"\n{frozen.described(result['data'])}\n" if "data" in result else ""
    losses = dict.fromkeys(r.get("loss") for r in result["runs"])
    tables = [_tables(of_loss(result["runs"], loss), loss) for loss in losses]
    return f"""# {result["what"]}
{about}
Recall@1 on unseen classes in per cent, mean ± standard deviation over seeds, by number of \
training classes. The plan is in the command's docstring, every run in the JSON beside.

{"".join(tables)}
{result["minutes"]} minutes by the clock on {result["machine"]}, one thread for each run; torch \
{result["versions"]["torch"]}, commit {result["commit"]}. Made by \
`{result["command"]}`.
"""


def at_best(trials: Best) -> Figure:
    """Where a run's own validation chose, else where tuning did; of what is not trained, at all."""

    def figure(run: Run) -> float:
        if "val" in run:
            return float(run["test"][run["val"].index(max(run["val"]))])
        look = trials[run["classes"], run["method"]]["look"] if "method" in run else 0
        return float(run["test"][look])

    return figure


def _tables(runs: list[Run], loss: str | None) -> str:
    trials = best_trials(runs)
    main = [r for r in runs if r["part"] != "tuning" and _is_chosen(r, trials)]
    tables = [
        _table(main, at_best(trials), "look that is best in validation"),
        _table(main, lambda run: float(run["test"][-1]), "last look"),
        _gains(main, at_best(trials)),
        _settings(trials),
    ]
    head = f"## {loss}\n\n" if loss else ""
    return head + "".join(f"{table}\n\n" for table in tables)


def _is_chosen(run: Run, trials: Best) -> bool:
    """False for what a smaller grid had chosen, before it grew."""
    best = trials.get((run["classes"], run.get("method", "")))
    return best is None or best["setting"] == run["setting"]


def _name(run: Run) -> str:
    return str(run.get("method", run["part"]))


def _table(runs: list[Run], figure: Figure, title: str) -> str:
    classes = sorted({r["classes"] for r in runs})
    lines = _head(title, classes)
    for name in dict.fromkeys(map(_name, runs)):
        cells = []
        for number in classes:
            of = [figure(r) for r in runs if _name(r) == name and r["classes"] == number]
            cells.append(mean_and_spread(of) if of else "–")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def gains(runs: list[Run], figure: Figure, method: str, classes: int) -> list[float]:
    """Differences to the base with the same seed, in points."""
    of: dict[str, dict[int, float]] = {"base": {}, method: {}}
    for run in runs:
        trained = run["part"] != "tuning" and run.get("method") in of
        if trained and run["classes"] == classes:
            of[run["method"]][run["seed"]] = figure(run)
    return [100 * (of[method][s] - of["base"][s]) for s in sorted(of[method]) if s in of["base"]]


def with_error(gains: list[float]) -> str:
    """Mean and standard error, if there are several."""
    if len(gains) < 2:
        return "–"
    error = statistics.stdev(gains) / len(gains) ** 0.5
    return f"{statistics.mean(gains):+.1f} ± {error:.1f}"


def _gains(runs: list[Run], figure: Figure) -> str:
    classes = sorted({r["classes"] for r in runs})
    lines = _head("gain over the base, same seeds, ± standard error", classes)
    for name in dict.fromkeys(_name(r) for r in runs if r["part"] == "main"):
        cells = [with_error(gains(runs, figure, name, number)) for number in classes]
        if name != "base":
            lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _settings(trials: Best) -> str:
    classes = sorted({number for number, _ in trials})
    lines = _head("setting that tuning chose, with as many classes", classes)
    for name in dict.fromkeys(name for _, name in trials):
        cells = [
            ", ".join(f"{k} {v:g}" for k, v in trials[number, name]["setting"].items())
            if (number, name) in trials
            else "–"
            for number in classes
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _head(title: str, classes: list[int]) -> list[str]:
    return [f"| {title} | {' | '.join(map(str, classes))} |", f"|---|{'---|' * len(classes)}"]
