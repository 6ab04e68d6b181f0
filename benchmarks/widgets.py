"""Do the widgets keep up with a hand and an eye? JupyterLab in Chromium, on this machine.

    python benchmarks/widgets.py                # needs Chromium; a quarter of an hour
    python benchmarks/widgets.py --minutes 1    # of play for the row on memory, instead of ten

* **Bare**: what JupyterLab, kernel and browser need for themselves. A slider over ready pictures,
  which the kernel only sends, timed as below; a message to the kernel and its answer. Once with
  `jupyter lab` as it comes, once as `dmlviz lab` starts it, like everything else here.
* **Slider to pixels**: STEPS times a key goes down on a slider's handle; it ends when the browser
  has painted the new picture, as it says itself (Element Timing).
* **Dragged**: for SECONDS the slider moves at every frame of the browser, to and fro. The kernel
  says which value each picture shows; when the next one comes it is late by the time since the
  slider had left that value.
* **Playground**: pictures that were painted, and steps of the training, in SECONDS; the same while
  another cell sleeps, and while one computes; the steps again in a loop without any picture, in
  turns with the playground, three times.
* **EmbeddingExplorer**, 10,000 points: from the mouse on a point to its image, of images that were
  not asked for before; frames a second while every frame brings an event of the mouse.
* **Memory**: of the kernel (resident) and of the page (JavaScript's heap after its garbage is
  collected), at the start and the end of minutes of play.

The goals are written beside the figures. They depend on the machine, and other work on it spoils
them: its load average is recorded, and every sitting stays in the table, the latest first.
"""

import argparse
import datetime
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1] / "tests"))  # where the driver of JupyterLab lives

from browser import jupyter
from record import RESULTS, Stopwatch, provenance, save
from widget_cells import BARE, CLOUD, EPOCHS, LOSS, MANY, PLAY, POINTS
from widget_probes import DRAG, ECHO, EVENTS, FRAMES, HEAP, HOVER, PRESS, START

STEPS, SECONDS = 60, 10
AS_IT_COMES = (
    "--ServerApp.kernel_websocket_connection_class="
    "jupyter_server.services.kernels.connection.channels.ZMQChannelsWebsocketConnection"
)
Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10, help="of play, for the memory")
    options = parser.parse_args()
    watch, rows = Stopwatch(), []

    def record(found: Iterator[Row]) -> None:
        for row in found:
            rows.append({**row, "load": round(os.getloadavg()[0], 1)})
            print(rows[-1], flush=True)

    with lab(AS_IT_COMES) as notebook:
        record(bare(notebook, "jupyter lab"))
    with lab() as notebook:
        record(bare(notebook, "dmlviz lab"))
        for measure in (sliders, playground, explorer):
            record(measure(notebook))
        record(memory(notebook, options.minutes))
    day = datetime.date.today().isoformat()
    sitting = {"day": day, "rows": rows, **provenance(watch.minutes())}
    stored = RESULTS / "widgets.json"
    earlier = json.loads(stored.read_text())["sittings"] if stored.exists() else []
    result = {"what": __doc__.splitlines()[0], "sittings": [sitting, *earlier]}
    save("widgets", result, report(result))
    print(report(result))


@contextmanager
def lab(*options: str) -> Iterator[Any]:
    """Opens notebooks of given cells, in one JupyterLab and one Chromium."""
    from playwright.sync_api import sync_playwright

    if jupyter.CHROMIUM is None:
        raise SystemExit("there is no Chromium here (Debian: apt-get install chromium)")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        home = Path(folder)
        (root := home / "notebooks").mkdir()
        flags = [*jupyter.FLAGS, "--js-flags=--expose-gc", "--enable-precise-memory-info"]
        chromium = playwright.chromium.launch(executable_path=jupyter.CHROMIUM, args=flags)
        with jupyter.jupyterlab(root, home, *options) as server:
            page = chromium.new_page(viewport={"width": 1300, "height": 1000})

            def notebook(*cells: str) -> Any:
                jupyter.write_notebook(*server, "probe.ipynb", *cells)
                opened = jupyter.Notebook(page, *server, "probe.ipynb")
                opened.run_all()
                if opened.errors():
                    raise RuntimeError(opened.errors())
                page.wait_for_timeout(2000)  # at rest
                return opened

            yield notebook
        chromium.close()


def bare(notebook: Any, server: str) -> Iterator[Row]:
    opened, name = notebook(BARE), f"Bare, {server}"
    yield from _pressed(opened, f"{name}: slider to ready pictures")
    yield from _dragged(opened, f"{name}, ready pictures")
    echo = statistics.median(opened.page.evaluate(ECHO, STEPS))
    yield row(f"{name}: a message to the kernel and back, median", echo, "", "ms")


def sliders(notebook: Any) -> Iterator[Row]:
    goals = ("≤ 60 ms", "≤ 100 ms")
    yield from _pressed(notebook(LOSS), "LossExplorer: slider to pixels", *goals)
    opened, name = notebook(EPOCHS), f"EpochExplorer, {POINTS} points"
    yield from _pressed(opened, f"{name}: slider to pixels", *goals)
    yield from _dragged(opened, name, "≤ 200 ms")


def _pressed(opened: Any, name: str, median: str = "", p95: str = "") -> Iterator[Row]:
    times = opened.page.evaluate(PRESS, STEPS)
    yield row(f"{name}, median", statistics.median(times), median, "ms")
    yield row(f"{name}, p95", quantile(times), p95, "ms")


def _dragged(opened: Any, name: str, goal: str = "") -> Iterator[Row]:
    opened.execute("shown.clear()")
    moves, painted = opened.page.evaluate(DRAG, SECONDS)
    shown = [value for _, value in opened.python("shown")][-len(painted) :]
    late = lateness(moves, painted, shown)
    yield row(f"{name}: at most late while dragged", max(late), goal, "ms")
    yield row(f"{name}: late at most in 95 % of the pictures", quantile(late), "", "ms")
    yield row(f"{name}: pictures a second meanwhile", len(painted) / SECONDS, "", "/s")


def lateness(moves: list[list[float]], painted: list[float], shown: list[int]) -> list[float]:
    """How long the slider had left the value that is seen when the next picture comes, ms."""
    late = []
    for value, end in zip(shown, painted[1:], strict=False):
        until = [min(after, end) for (start, v), (after, _) in pairwise(moves)
                 if v == value and start <= end]  # fmt: skip
        late.append(end - until[-1] if until else 0.0)
    return late


def playground(notebook: Any) -> Iterator[Row]:
    opened = notebook(PLAY)
    rates = []
    for _ in range(3):
        rates += [(opened.python("with_picture(5)"), opened.python("without_picture(5)"))]
    share = statistics.median(a / b for a, b in rates)
    name = "TrainingPlayground"
    yield row(f"{name}: steps, of those without a picture", 100 * share, "≥ 60 %", "%")
    yield row(f"{name}: steps a second", statistics.median(a for a, _ in rates), "", "/s")
    opened.execute("widget.play()")
    opened.page.wait_for_timeout(1000)
    yield row(f"{name}: painted pictures a second", frames(opened), "≥ 10", "/s")
    busy = "end = time.time() + 3.5\nwhile time.time() < end: pass"
    for what, code in (("sleeps", "time.sleep(3.5)"), ("computes", busy)):
        opened.page.evaluate(START, code)
        while_busy = f"{name}: the same while another cell {what} for 3 s"
        yield row(while_busy, frames(opened, 3), "≥ 10", "/s")
        opened.page.wait_for_timeout(1500)
    opened.execute("widget.pause()")


def frames(opened: Any, seconds: float = 5) -> float:
    return float(opened.page.evaluate(FRAMES, seconds))


def explorer(notebook: Any) -> Iterator[Row]:
    page = notebook(CLOUD).page
    times = page.evaluate(HOVER, STEPS)
    name = f"EmbeddingExplorer, {MANY:,} points"
    yield row(f"{name}: hover to image, median", statistics.median(times), "≤ 50 ms", "ms")
    yield row(f"{name}: hover to image, p95", quantile(times), "", "ms")
    for kind in ("pan", "zoom", "hover"):
        rate = statistics.median(page.evaluate(EVENTS, kind) for _ in range(3))
        yield row(f"{name}: frames a second, {kind}", rate, "≥ 30", "/s")


def memory(notebook: Any, minutes: float) -> Iterator[Row]:
    opened = notebook(PLAY)
    opened.execute("widget.play()")
    opened.page.wait_for_timeout(30_000)  # what the first steps and pictures set up is not meant
    before = opened.python("resident()"), opened.page.evaluate(HEAP)
    opened.page.wait_for_timeout(minutes * 60_000)
    after = opened.python("resident()"), opened.page.evaluate(HEAP)
    opened.execute("widget.pause()")
    for what, a, b in zip(("kernel", "page"), before, after, strict=True):
        yield row(f"Memory of the {what}, before play", a, "", "MiB")
        yield row(
            f"Memory of the {what}, after {minutes:g} minutes of play, of that",
            100 * b / a,
            "flat",
            "%",
        )


def row(what: str, value: float, goal: str, unit: str) -> Row:
    return {"what": what, "value": round(value, 1), "unit": unit, "goal": goal}


def quantile(times: list[float]) -> float:
    return statistics.quantiles(times, n=20)[-1]


def report(result: Row) -> str:
    """A column for each sitting; rows that only an earlier one has come last."""
    sittings = [{r["what"]: r for r in s["rows"]} for s in result["sittings"]]
    every = {what: r for rows in reversed(sittings) for what, r in rows.items()}
    order = dict.fromkeys(what for rows in sittings for what in rows)
    lines = []
    for what in order:
        found = [rows.get(what) for rows in sittings]
        cells = [f"{r['value']:g} {r['unit']} ({r['load']:g})" if r else "–" for r in found]
        lines.append(f"| {what} | {every[what]['goal']} | {' | '.join(cells)} |")
    days = " | ".join(s["day"] for s in result["sittings"])
    sources = "\n".join(
        f"- {s['day']}: {s['minutes']} minutes on {s['machine']}; torch {s['versions']['torch']}, "
        f"commit {s['commit']}"
        for s in result["sittings"]
    )
    return f"""# {result["what"]}

What is measured, and how, is in the command's docstring. In brackets: the machine's load average.

| | goal | {days} |
|---|---|{"---|" * len(sittings)}
{chr(10).join(lines)}

{sources}

Made by `python benchmarks/widgets.py`.
"""


if __name__ == "__main__":
    main()
