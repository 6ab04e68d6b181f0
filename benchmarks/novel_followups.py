"""Novel classes, asked again: do they want another weight, or another temperature?

    python benchmarks/novel_followups.py            # takes the settings of novel_classes.py
    python benchmarks/novel_followups.py --render   # only the tables, from the runs that are there

In `novel_classes` nothing helps a well-tuned base. Two objections came up when its results were
there, each with a trial on seeds 0 to 2. So this was written down, and run once, with other seeds,
5 to 9, on 20 training classes, with the steps and networks of `novel_classes`:

* **Weight.** Proxy Synthesis makes as many novel classes as a batch has images: to Proxy-Anchor, a
  mean over proxies, three classes of four do not exist. The loss is (1 - w) times that of the batch
  and w times that of the union (`NovelClasses(weight=w)`), for w in WEIGHTS; w = 0 is the base,
  w = 1 what `novel_classes` has. Other settings are those that tuning chose.
* **Temperature.** Tuning chose 0.2 for the normalised softmax alone, and all methods inherited it.
  Novel classes may want a lower one: base, Proxy Synthesis and the generator with mixtures for all
  of TEMPERATURES, other settings as tuned.
"""

import json
from collections.abc import Iterator
from typing import Any

import novel_classes
import resumable
from novel_plan import FIELDS, best_trials, of_loss
from novel_tables import at_best, gains, with_error
from record import RESULTS, mean_and_spread

CLASSES, SEEDS = 20, range(5, 10)
WEIGHTS = (0.0, 0.1, 0.3, 1.0)
TEMPERATURES = (0.05, 0.1, 0.2)
METHODS = ("base", "Proxy Synthesis", "generator, mixtures")

Run = resumable.Run


def plan(_: list[Run]) -> Iterator[Run]:
    tuned = json.loads((RESULTS / "novel_classes.json").read_text())["runs"]
    anchor, softmax = (best_trials(of_loss(tuned, loss)) for loss in (None, "normalised softmax"))
    for seed in SEEDS:
        for weight in WEIGHTS:
            method = "Proxy Synthesis" if weight else "base"
            setting = anchor[CLASSES, method]["setting"] | {"weight": weight}
            yield _run("weight", "Proxy-Anchor", method, seed, setting)
        for method in METHODS:
            for temperature in TEMPERATURES:
                setting = softmax[CLASSES, method]["setting"] | {"temperature": temperature}
                yield _run("temperature", "normalised softmax", method, seed, setting)


def _run(part: str, loss: str, method: str, seed: int, setting: dict[str, Any]) -> Run:
    run = {"part": part, "loss": loss, "method": method, "classes": CLASSES, "seed": seed}
    return {**run, "setting": setting}


def report(result: dict[str, Any]) -> str:
    weight, temperature = (
        [r for r in result["runs"] if r["part"] == part] for part in ("weight", "temperature")
    )
    of = {w: [r for r in weight if r["setting"]["weight"] == w] for w in WEIGHTS}
    lines = [f"| Proxy-Anchor, Proxy Synthesis | {' | '.join(map(_recall, of.values()))} |"]
    pairs = [_gains(of[0.0], of[w]) for w in WEIGHTS]
    lines.append(f"| gain, ± standard error | {' | '.join(pairs)} |")
    rows = []
    for method in METHODS:
        by = [[r for r in temperature if (r["method"], r["setting"]["temperature"]) == (method, t)]
              for t in TEMPERATURES]  # fmt: skip
        rows.append(f"| {method} | {' | '.join(map(_recall, by))} |")
    return f"""# {result["what"]}

Recall@1 on unseen classes in per cent at the look that is best in validation, mean ± standard \
deviation over five seeds, with {CLASSES} training classes. The plan is in the command's \
docstring, every run in the JSON beside.

| weight of the union | {" | ".join(f"{w:g}" for w in WEIGHTS)} |
|---|{"---|" * len(WEIGHTS)}
{chr(10).join(lines)}

| normalised softmax, temperature | {" | ".join(f"{t:g}" for t in TEMPERATURES)} |
|---|{"---|" * len(TEMPERATURES)}
{chr(10).join(rows)}

{result["minutes"]} minutes by the clock on {result["machine"]}, two runs at a time with one \
thread each; torch {result["versions"]["torch"]}, commit {result["commit"]}. Made by \
`{result["command"]}`.
"""


def _recall(runs: list[Run]) -> str:
    return mean_and_spread([at_best({})(r) for r in runs]) if runs else "–"


def _gains(base: list[Run], runs: list[Run]) -> str:
    return (
        "" if runs == base else with_error(gains([*base, *runs], at_best({}), METHODS[1], CLASSES))
    )


def main() -> None:
    about = {
        "grid": {"weight": WEIGHTS, "temperature": TEMPERATURES},
        "command": "python benchmarks/novel_followups.py",
    }
    what = __doc__.splitlines()[0]
    perform = novel_classes.perform
    resumable.Study("novel_followups", what, FIELDS, perform, report, about).main(plan)


if __name__ == "__main__":
    main()
