"""The page that a student gets back: points, what failed in words, what a person decides."""

import html
import re
from pathlib import Path

from dmlviz.course.marking import Mark
from dmlviz.course.results import Result

# Everything that came from a submission is escaped: the page shows text, and runs nothing.
PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem;
  color: #222; background: #fff; }}
h1 {{ font-size: 1.5rem; margin-bottom: 0; }}
.sum {{ font-size: 1.1rem; margin: .3rem 0 1rem; }}
.note {{ background: #f3f3f3; padding: .5rem .8rem; border-radius: .3rem; }}
section {{ border-top: 1px solid #ddd; padding: .7rem 0; }}
h2 {{ font-size: 1rem; margin: 0; display: flex; gap: .6rem; }}
h2 .points {{ margin-left: auto; font-weight: normal; white-space: nowrap; }}
.mark {{ width: 1.2rem; }}
.right .mark {{ color: #0072b2; }}
.wrong .mark {{ color: #d55e00; }}
pre {{ white-space: pre-wrap; overflow-wrap: anywhere; background: #f7f7f7; padding: .6rem .8rem;
  border-radius: .3rem; margin: .5rem 0 0 1.8rem; font-size: .85rem; }}
.rubric {{ margin: .4rem 0 0 1.8rem; color: #444; }}
.rubric ul {{ margin: .2rem 0; padding-left: 1.2rem; }}
</style>
<h1>{title}</h1>
<p class="sum">{summary}</p>
{note}
{sections}
</html>
"""


def page(result: Result) -> str:
    """The page as HTML; it fetches nothing."""
    if result.failed:
        summary = "Not graded yet: a person will look at it."
    else:
        summary = f"<b>{result.total:g} of {result.automatic:g}</b> points so far"
        if result.open:
            summary += f"; {result.open:g} more are marked by hand"
    return PAGE.format(
        title=html.escape(f"{result.student} · {result.assignment}"),
        summary=summary,
        note=f'<p class="note">{html.escape(result.reason)}</p>' if result.reason else "",
        sections="\n".join(map(_section, result.marks)),
    )


def write_page(result: Result, folder: Path) -> Path:
    """Write the page as `folder / STUDENT.html`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{result.student}.html"
    path.write_text(page(result), encoding="utf-8")
    return path


def _section(mark: Mark) -> str:
    if mark.earned is None:
        kind, sign, points = "open", "✎", f"by hand, of {mark.most:g}"
    else:
        kind, sign = ("right", "✓") if mark.earned == mark.most else ("wrong", "✗")
        points = f"{mark.earned:g} of {mark.most:g}"
    parts = [
        f'<h2><span class="mark">{sign}</span>{html.escape(mark.title or mark.name)}'
        f'<span class="points">{points}</span></h2>'
    ]
    if mark.words:
        parts.append(f"<pre>{html.escape(mark.words)}</pre>")
    if mark.rubric:
        lines = [line for line in re.split(r"(?:^|\n)- ", mark.rubric) if line]
        items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
        parts.append(f'<div class="rubric">Points for an answer that<ul>{items}</ul></div>')
    return f'<section class="{kind}">{"".join(parts)}</section>'
