"""Lesson 07's table to decide by: each of its values is a cell of a committed result."""

from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
CLAIMS = [  # file, row, column, value
    ("cub_head", "ImageNet features, no head", "R@1", "75.1"),
    ("cub_head", "Proxy-Anchor head", "R@1", "77.3 ± 0.5"),
    ("cub_head", "ImageNet features, no head", "MAP@R", "25.1"),
    ("cub_head", "Proxy-Anchor head", "MAP@R", "31.7 ± 0.1"),
    ("cub_novel", "untrained", "20", "75.1 ± 0.0"),
    ("cub_novel", "base", "20", "75.0 ± 0.4"),
    ("cub_novel", "base", "20", "53.1 ± 2.0"),
    ("baselines", "Proxy-Anchor", "Recall@1", "59.7 ± 4.2"),
    ("baselines", "multi-similarity", "Recall@1", "61.8 ± 1.6"),
    ("baselines", "triplet, all", "Recall@1", "53.9 ± 1.2"),
    ("baselines", "Proxy-Anchor", "clean", "59.8 ± 5.7"),
    ("baselines", "Proxy-Anchor", "20% wrong labels", "29.4 ± 2.9"),
    ("baselines", "Proxy-NCA", "20% wrong labels", "20.0 ± 4.5"),
    ("baselines", "triplet, semi-hard", "20% wrong labels", "15.8 ± 4.9"),
    ("novel_classes", "base", "20", "30.6 ± 2.5"),
    ("novel_classes", "base", "100", "63.3 ± 1.1"),
    ("novel_classes", "generator, free classes", "20", "29.8 ± 1.9"),
    ("novel_classes", "PCA", "200", "15.0 ± 0.1"),
    ("transfer", "source, 16 epochs of images", "Recall@1", "37.3 ± 2.6 (3)"),
    ("transfer", "PKT", "network: to convnet_small, 64", "33.2 ± 2.7 (3)"),
    ("transfer", "alone, 8 epochs", "network: to convnet_small, 64", "38.6 ± 7.4 (5)"),
    ("transfer", "alone, 16 epochs", "self: convnet, 64", "79.3 ± 1.8 (3)"),
    ("own_images", "53", "the first plan: 400 steps, convnet", "56.3 (1)"),
    ("own_images", "200", "the first plan: 400 steps, convnet", "30.0 (1)"),
    ("own_images", "200", "the first plan: 400 steps, convnet", "46.4 (1)"),
    ("cub_transfer", "64: PKT", "R@1", "69.1 ± 0.1"),
    ("cub_transfer", "64: Proxy-Anchor directly", "R@1", "68.4 ± 0.7"),
    ("cub_transfer", "64: PCA, untrained", "R@1", "65.7"),
    ("continuous", "triplet, binary", "nDCG@100", "73.3 ± 0.2"),
    ("continuous", "log-ratio, binary", "nDCG@100", "72.6 ± 0.5"),
    ("continuous", "pixels", "nDCG@100", "61.6"),
]


def tables(text):
    """All cells of all tables, `{(row, column, value)}`."""
    cells = set()
    for table in text.split("\n\n"):
        rows = [[c.strip() for c in line.split("|")[1:-1]] for line in table.splitlines()]
        for row in rows[2:]:
            cells |= {(row[0], column, cell) for column, cell in zip(rows[0], row, strict=True)}
    return cells


@pytest.fixture(scope="module")
def lesson():
    notebook = nbformat.read(ROOT / "tutorials" / "07_your_own_images.ipynb", as_version=4)
    return "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")


@pytest.mark.parametrize("claim", CLAIMS, ids=" ".join)
def test_the_value_is_a_cell_of_a_result_and_stands_in_the_lesson(claim, lesson):
    file, *cell = claim
    result = ROOT / "benchmarks" / "results" / f"{file}.md"
    assert tuple(cell) in tables(result.read_text(encoding="utf-8"))
    value = cell[-1].split(" (")[0].removesuffix(" ± 0.0")
    assert value in lesson or f"{float(value):.0f}" in lesson
