"""The commands `dmlviz course release | check | grade | rank`: what they print and return."""

import textwrap
from argparse import Namespace
from pathlib import Path

from dmlviz.course.limits import Limits
from dmlviz.course.results import Result, write_table


def release(options: Namespace, sources: Path) -> int:
    """Write the students' copies."""
    from dmlviz.course.release import write_released

    for path in write_released(sources, to=options.to, seed=options.seed):
        print(path)
    return 0


def check(options: Namespace, sources: Path) -> int:
    """Show a student which visible checks pass; returns 1 if one does not."""
    from dmlviz.course.grading import check

    result = check(options.file, sources, limits=_limits(options))
    for mark in result.marks:
        if mark.earned is None:
            print(f"✎ {mark.title}: answered; {mark.most:g} points are given by hand")
            continue
        sign = "✓" if mark.earned == mark.most else "✗"
        print(f"{sign} {mark.title}: {mark.earned:g} of {mark.most:g}")
        if mark.words:
            print(textwrap.indent(mark.words, "    "))
    if result.reason:
        print(f"({result.reason})")
    print(f"{result.total:g} of {result.automatic:g} points by the visible checks.")
    print("The hidden ones use other batches, and decide.")
    return 0 if result.total == result.automatic else 1


def grade(options: Namespace, sources: Path) -> int:
    """Grade a class; returns 1 if the grader itself failed on one of them."""
    from dmlviz.course.feedback import write_page
    from dmlviz.course.grading import grade

    table: Path = options.csv
    pages: Path = options.feedback or table.with_name(f"{table.stem}-feedback")
    results = grade(
        options.folder,
        sources,
        assignment=options.assignment,
        seed=options.seed,
        limits=_limits(options),
        skip=(table, pages),
    )
    failed = 0
    for result in write_table(results, table):
        write_page(result, pages)
        print(_line(result), flush=True)
        failed += result.failed
    print(f"written to {table}, a page for each student to {pages}")
    return 1 if failed else 0


def rank(options: Namespace, sources: Path) -> int:
    """Let every entry of the project train, and print who is ahead."""
    from dmlviz.course import league

    limits = Limits(seconds=options.seconds, memory=options.memory)
    scores = []
    for score in league.write_scores(
        league.judge(options.folder, options.seeds, limits=limits), options.csv
    ):
        scores.append(score)
        found = score.reason or f"Recall@1 {score.recall:.1%}, {score.seconds:.0f} s of training"
        print(f"seed {score.seed}, {score.entry}: {found}", flush=True)
    print(league.board(league.places(scores)))
    return 0


def _line(result: Result) -> str:
    points = "  ?" if result.failed else f"{result.total:3g} of {result.automatic:g}"
    by_hand = f" + {result.open:g} by hand" if result.open and not result.failed else ""
    reason = f"  ({result.reason})" if result.reason else ""
    return f"{result.student}: {points}{by_hand}{reason}"


def _limits(options: Namespace) -> Limits:
    return Limits(cell_seconds=options.cell_seconds, seconds=options.seconds, memory=options.memory)
