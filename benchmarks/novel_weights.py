"""Are novel classes only too loud? Proxy Synthesis at full weight, and at less.

    python benchmarks/novel_weights.py              # takes the settings of novel_classes.py
    python benchmarks/novel_weights.py --render     # only the table, from the runs that are there

In `novel_classes` nothing helps Proxy-Anchor, and Proxy Synthesis with its usual weight harms it
much. A trial afterwards, with seeds 0 to 2, suggested that most of the harm goes when novel classes
count for less. So this was written down, and run once, with *other* seeds, 5 to 9:

* The loss is (1 - w) times that of the batch and w times that of the union with novel classes
  (`NovelClasses(weight=w)`), for w in WEIGHTS; w = 0 is the base, w = 1 what `novel_classes` has.
* Settings, steps and networks are those of `novel_classes`: of each loss, what tuning chose for the
  base and for Proxy Synthesis with 20 classes, nothing tuned anew. Proxy-Anchor with 20 and 50
  classes, normalised softmax with 20.
"""

import json
from collections.abc import Iterator
from typing import Any

import novel_classes
import resumable
from novel_plan import FIELDS, best_trials, of_loss
from novel_tables import at_best, gains, with_error
from record import RESULTS, mean_and_spread

METHOD, WEIGHTS, SEEDS = "Proxy Synthesis", (0.0, 0.1, 0.3, 1.0), range(5, 10)
PLACES = ((None, 20), (None, 50), ("normalised softmax", 20))  # None: Proxy-Anchor

Run = resumable.Run


def plan(_: list[Run]) -> Iterator[Run]:
    tuned = json.loads((RESULTS / "novel_classes.json").read_text())["runs"]
    for seed in SEEDS:
        for loss, classes in PLACES:
            best = best_trials(of_loss(tuned, loss))
            for weight in WEIGHTS:
                name = METHOD if weight else "base"
                setting = best[20, name]["setting"] | {"weight": weight}
                run = {"part": "main", "method": name, "classes": classes, "seed": seed}
                yield {**run, "setting": setting} | ({"loss": loss} if loss else {})


def report(result: dict[str, Any]) -> str:
    lines = []
    for loss, classes in PLACES:
        runs = [r for r in of_loss(result["runs"], loss) if r["classes"] == classes]
        of = {w: [r for r in runs if r["setting"]["weight"] == w] for w in WEIGHTS}
        cells = [
            mean_and_spread([at_best({})(r) for r in of[w]]) if of[w] else "–" for w in WEIGHTS
        ]
        lines.append(f"| {loss or 'Proxy-Anchor'}, {classes} classes | {' | '.join(cells)} |")
        pairs = [gains([*of[0.0], *of[w]], at_best({}), METHOD, classes) for w in WEIGHTS[1:]]
        lines.append(f"| gain, ± standard error | | {' | '.join(map(with_error, pairs))} |")
    return f"""# {result["what"]}

Recall@1 on unseen classes in per cent at the look that is best in validation, mean ± standard \
deviation over five seeds, by the weight of the union with novel classes. The plan is in the \
command's docstring, every run in the JSON beside.

| | {" | ".join(f"w = {w:g}" for w in WEIGHTS)} |
|---|{"---|" * len(WEIGHTS)}
{chr(10).join(lines)}

{result["minutes"]} minutes by the clock on {result["machine"]}, two runs at a time with one \
thread each; torch {result["versions"]["torch"]}, commit {result["commit"]}. Made by \
`{result["command"]}`.
"""


def main() -> None:
    about = {"weights": WEIGHTS, "command": "python benchmarks/novel_weights.py"}
    what = __doc__.splitlines()[0]
    perform = novel_classes.perform
    resumable.Study("novel_weights", what, FIELDS, perform, report, about).main(plan)


if __name__ == "__main__":
    main()
