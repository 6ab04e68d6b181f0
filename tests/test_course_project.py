"""The final project: what a seed draws, what entries get, and who is ahead."""

import csv
import json
import math
from pathlib import Path

import pytest

from dmlviz import cli
from dmlviz.course import contest, league
from dmlviz.course.league import Score
from dmlviz.course.limits import Limits

PROJECT = Path(__file__).parents[1] / "tutorials" / "assignments" / "project"
SMALL = contest.Contest(classes=4, images=4, dimensions=16)
FLAT = "from torch import nn\n"  # the start of most entries below

ENTRIES = {
    "constant": FLAT + "class Zero(nn.Module):\n"
    "    def forward(self, x):\n        return x.flatten(1)[:, :3] * 0 + 1\n"
    "def fit(train, seed):\n    return Zero()\n",
    "pooled": FLAT + "def fit(train, seed):\n"
    "    return nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten())\n",
    "wide": FLAT + "def fit(train, seed):\n    return nn.Flatten()\n",
    "lost": FLAT + "def fit(train, seed):\n"
    "    return nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), Nan())\n"
    "class Nan(nn.Module):\n    def forward(self, x):\n        return x / 0 * 0\n",
    "nameless": "def train(train, seed):\n    pass\n",
    "broken": "def fit(train, seed:\n",
    "raises": "def fit(train, seed):\n    raise RuntimeError('out of ideas')\n",
    "quits": "import os\ndef fit(train, seed):\n    os._exit(0)\n",
    "nothing": "def fit(train, seed):\n    print('trained')\n",
    "heavy": "weights = '" + "x" * 100_001 + "'\n",
}
REASONS = {
    "wide": "embeddings of (16, 1 to 16) were expected, (16, 1024) came",
    "lost": "finite",
    "nameless": "no function fit(train, seed)",
    "broken": "SyntaxError",
    "raises": "RuntimeError: out of ideas",
    "quits": "it left no embeddings behind",
    "nothing": "fit must return a torch.nn.Module",
    "heavy": "refused: more than 100,000 bytes",
}


def test_a_seed_draws_classes_and_images():
    train, test = SMALL.sets(0)
    assert len(train) == len(test) == 16
    assert len({*train.classes, *test.classes}) == 8
    again, _ = SMALL.sets(0)
    assert train.classes == again.classes
    assert train.image(3).tobytes() == again.image(3).tobytes()
    other, _ = SMALL.sets(1)
    assert train.classes != other.classes
    assert test[0][0].shape == (1, 32, 32)
    assert test[0][0].equal(test[0][0])  # judged without random shifts


def test_all_characters_of_glyphs_take_part():
    drawn = {
        c for dataset in contest.Contest(classes=220, images=2).sets(0) for c in dataset.classes
    }
    assert len(drawn) == 440


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"classes": 221}, "classes must be 2 to 220"), ({"images": 1}, "images must be at least 2")],
)
def test_rules_that_cannot_be_played_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        contest.Contest(**settings)


def test_a_seed_below_zero_is_refused():
    with pytest.raises(ValueError, match="seed must not be negative"):
        SMALL.sets(-1)


@pytest.mark.slow
def test_every_entry_gets_a_score_or_a_reason(tmp_path):
    for name, source in ENTRIES.items():
        (tmp_path / f"{name}.py").write_text(source)
    scores = {score.entry: score for score in league.judge(tmp_path, [5], SMALL)}
    assert list(scores) == sorted(ENTRIES)
    assert scores["constant"].recall == 0  # all alike: ties count against the query
    assert 0 < scores["pooled"].recall <= 1
    assert scores["pooled"].seconds >= 0
    for name, words in REASONS.items():
        assert scores[name].recall is None
        assert words in scores[name].reason
    ranked = league.places(scores.values())
    assert [place.entry for place in ranked[:2]] == ["pooled", "constant"]
    assert {place.entry for place in ranked[2:]} == REASONS.keys()


def test_an_entry_that_never_ends_is_ended(tmp_path):
    (tmp_path / "forever.py").write_text("def fit(train, seed):\n    while True:\n        pass\n")
    (score,) = league.judge(tmp_path, [0], SMALL, Limits(seconds=3))
    assert score.reason == "it took longer than 3 seconds"


def test_a_folder_without_entries_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"put one NAME\.py per team into it"):
        list(league.judge(tmp_path, [0], SMALL))


def test_places_take_differences_seed_by_seed():
    curves = {"b": (0.5, 0.7), "a": (0.6, 0.9), "c": (0.1, 0.2)}
    scores = [Score(e, seed, r) for e, of in curves.items() for seed, r in enumerate(of)]
    scores.append(Score("late", 0, reason="it took longer than 3 seconds"))
    scores.append(Score("late", 1, 0.9))  # one seed of two is no place
    first, second, third, last = league.places(scores)
    assert (first.entry, second.entry, third.entry, last.entry) == ("a", "b", "c", "late")
    assert first.recall == pytest.approx(0.75)
    assert first.ahead == pytest.approx((0.1 + 0.2) / 2)
    assert first.error == pytest.approx(0.05)  # of 0.1 and 0.2: stdev 0.0707, over the root of 2
    assert math.isnan(third.ahead)
    assert "longer than 3 seconds" in last.reason


def test_the_command_writes_scores_and_prints_the_board(tmp_path, capsys, monkeypatch):
    (tmp_path / "entries").mkdir()
    for name in ("pooled", "raises"):
        (tmp_path / "entries" / f"{name}.py").write_text(ENTRIES[name])
    monkeypatch.setattr(contest.Contest, "__init__", _small)
    table = tmp_path / "scores.csv"
    command = ["course", "rank", str(tmp_path / "entries"), "--csv", str(table), "--seeds", "3"]
    assert cli.main(command) == 0
    printed = capsys.readouterr().out
    assert "1. pooled: Recall@1" in printed
    assert "–  raises: RuntimeError: out of ideas" in printed
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["entry"] for row in rows] == ["pooled", "raises"]
    assert float(rows[0]["recall"]) > 0


def _small(self):
    """The rules of the tests in place of the usual ones."""
    for name, value in vars(SMALL).items():
        object.__setattr__(self, name, value)


@pytest.mark.slow
def test_the_entries_that_come_along_run(tmp_path):
    """With few characters: that they learn, the leaderboard shows."""
    scores = list(league.judge(PROJECT / "entries", [0], contest.Contest(classes=6, images=12)))
    assert {score.entry for score in scores} == {"pixels", "proxy_anchor", "triplet", "untrained"}
    assert all(score.recall is not None for score in scores), scores


def test_the_leaderboard_has_been_run():
    notebook = json.loads((PROJECT / "leaderboard.ipynb").read_text())
    outputs = [o for cell in notebook["cells"] for o in cell.get("outputs", [])]
    text = "".join("".join(o.get("text", "")) for o in outputs)
    assert "1. proxy_anchor: Recall@1" in text
    assert all(o["output_type"] != "error" for o in outputs)
