"""The loss landscape on the circle, and the race of several histories: what is drawn."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from dmlviz import losses, plots
from dmlviz.history import History
from dmlviz.plots.forces import configuration
from dmlviz.plots.landscape import HIGHEST, landscape
from dmlviz.plots.style import ANCHOR, NEGATIVE, POSITIVE


@pytest.fixture(autouse=True)
def no_figure_left():
    yield
    plt.close("all")


# --- landscape --------------------------------------------------------------------------------


def arrows(ax):
    return [t for t in ax.texts if getattr(t, "arrow_patch", None) is not None]


def hills(ax):
    (line,) = [line for line in ax.lines if line.get_gid() == "landscape"]
    return line.get_xydata()


def test_the_landscape_is_the_loss_with_one_sample_moved():
    x, y, _ = configuration()
    loss = losses.ContrastiveLoss(margin=1.0)
    angles, values = landscape(loss, x, y, sample=3, points=8)
    assert np.allclose([np.cos(angles[0]), np.sin(angles[0])], x[3])
    for angle, value in zip(angles, values, strict=True):
        moved = x.clone()
        moved[3] = torch.tensor([np.cos(angle), np.sin(angle)])
        assert value == pytest.approx(float(loss(moved, y)))


def test_hills_stand_on_the_circle_as_high_as_the_loss():
    x, y, _ = configuration()
    ax = plots.loss_landscape(losses.ContrastiveLoss(margin=1.0), x, y, sample=3, points=90)
    _, values = landscape(losses.ContrastiveLoss(margin=1.0), x, y, 3, 90)
    height = np.linalg.norm(hills(ax)[:-1], axis=1) - 1
    wanted = HIGHEST * (values - values.min()) / np.ptp(values)
    np.testing.assert_allclose(height, wanted, atol=1e-9)
    (star,) = [line for line in ax.lines if line.get_marker() == "*"]
    assert star.get_color() == ANCHOR
    np.testing.assert_allclose(star.get_xydata()[0], (1 + wanted[0]) * x[3].numpy())
    colours = {line.get_marker(): line.get_color() for line in ax.lines}
    assert (colours["o"], colours["X"]) == (POSITIVE, NEGATIVE)
    drawn = {m: next(line for line in ax.lines if line.get_marker() == m) for m in "oX"}
    assert len(drawn["o"].get_xdata()) == 3  # four of a class, one of them moves
    assert len(drawn["X"].get_xdata()) == 8
    here, low, high = (f"{v:.3g}" for v in (values[0], values.min(), values.max()))
    assert ax.get_title() == f"loss here {here}, lowest {low}, highest {high}"


@pytest.mark.parametrize("sample", [3, 7])
def test_the_arrow_leads_where_the_gradient_moves_the_sample(sample):
    x, y, p = configuration()
    loss = losses.ProxyAnchorLoss(3, 2)
    ax = plots.loss_landscape(loss, proxies=p, embeddings=x, labels=y, sample=sample)
    (arrow,) = arrows(ax)
    step = np.array(arrow.xy) - np.array(arrow.xyann)
    own = p[y[sample]].numpy() - x[sample].numpy()
    assert step @ own > 0  # this loss pulls an astray sample to its proxy
    diamonds = [line for line in ax.lines if line.get_marker() == "D"]
    assert [len(d.get_xdata()) for d in diamonds] == [1, 2]
    assert [d.get_markeredgecolor() for d in diamonds] == [POSITIVE, NEGATIVE]


def test_a_flat_landscape_has_no_hill_and_no_arrow():
    class Flat(torch.nn.Module):
        def forward(self, embeddings, labels):
            return 0 * embeddings.sum() + 2

    ax = plots.loss_landscape(Flat())
    np.testing.assert_allclose(np.linalg.norm(hills(ax), axis=1), 1)
    assert not arrows(ax)


@pytest.mark.parametrize(
    ("loss", "options", "message"),
    [
        (losses.ContrastiveLoss(0.5), {"sample": 12}, r"sample must be a row, 0\.\.\.11, got 12"),
        (
            losses.ContrastiveLoss(0.5),
            {"embeddings": torch.eye(3), "labels": torch.arange(3)},
            r"shapes \(N, 2\) and \(N,\), got \(3, 3\) and \(3,\)",
        ),
        (
            losses.ProxyNCALoss(2, 2, temperature=1.0),
            {"embeddings": torch.eye(2), "labels": torch.arange(2), "sample": 0},
            r"proxies \(C, 2\) are needed",
        ),
    ],
)
def test_bad_input_of_a_landscape_is_named(loss, options, message):
    with pytest.raises(ValueError, match=message):
        plots.loss_landscape(loss, **options)


# --- race -------------------------------------------------------------------------------------


def run(*recalls, name="test_recall@1", pace=10.0):
    records = [{"epoch": i, "seconds": pace * i, name: r} for i, r in enumerate(recalls)]
    return History(records)


def labels(ax):
    return [t.get_text() for t in ax.texts]


def test_a_race_draws_every_history_and_ranks_them():
    ax = plots.race({"slow": run(0.1, 0.2, 0.3), "fast": run(0.1, 0.5, 0.6)})
    assert [line.get_ydata().tolist() for line in ax.lines] == [[0.1, 0.2, 0.3], [0.1, 0.5, 0.6]]
    assert labels(ax) == ["1. fast 60.0 %", "2. slow 30.0 %"]
    assert len({(line.get_linestyle(), line.get_marker()) for line in ax.lines}) == 2
    assert ax.get_ylabel() == "test Recall@1"
    ends = {t.get_text()[3:7]: t.xy for t in ax.texts}
    assert ends == {"fast": (2, 0.6), "slow": (2, 0.3)}


def test_seeds_are_a_mean_and_a_band():
    ax = plots.race({"a": [run(0.0, 0.2), run(0.0, 0.4)], "b": run(0.0, 0.1)})
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [0, 0.3])
    (band,) = ax.collections
    outline = band.get_paths()[0].vertices
    assert outline[outline[:, 0] == 1, 1].min() == pytest.approx(0.2)
    assert outline[outline[:, 0] == 1, 1].max() == pytest.approx(0.4)


def test_labels_of_a_close_race_do_not_lie_over_each_other():
    ax = plots.race({str(i): run(0.0, 0.5 + i / 1000) for i in range(6)})
    heights = [t.xyann[1] for t in ax.texts]
    assert labels(ax)[0].startswith("1. 5 ")
    assert (np.diff(heights) <= -0.0599 * np.ptp(ax.get_ylim())).all()
    low = plots.race({str(i): run(0.5, 0.001 * i) for i in range(6)})
    assert min(t.xyann[1] for t in low.texts) >= low.get_ylim()[0]


def test_a_race_against_time_and_of_a_loss_where_the_lowest_wins():
    against_time = plots.race({"a": run(0.1, 0.2, pace=5.0)}, against="seconds")
    assert against_time.lines[0].get_xdata().tolist() == [0, 5]
    losing = {"a": run(3.0, 1.0, name="loss"), "b": run(3.0, 2.0, name="loss")}
    assert labels(plots.race(losing, figure="loss")) == ["1. a 1", "2. b 2"]


def test_epochs_without_a_figure_are_left_out():
    sparse = History([{"epoch": 0, "test_recall@1": 0.1}, {"epoch": 1}, {"epoch": 2}])
    sparse.records[2]["test_recall@1"] = 0.3
    assert plots.race({"a": sparse}).lines[0].get_xdata().tolist() == [0, 2]


@pytest.mark.parametrize(
    ("histories", "options", "message"),
    [
        ({}, {}, "at least one history"),
        ({"a": []}, {}, "at least one history"),
        ({"a": run(1.0, name="loss")}, {}, "test= or val="),
        ({"a": run(0.1), "b": run(1.0, name="loss")}, {}, "'test_recall@1' is not recorded in 'b'"),
        ({"a": run(0.1)}, {"against": "steps"}, "against must be epoch or seconds"),
        ({"a": [run(0.1), run(0.1, 0.2)]}, {}, "at the same epochs"),
    ],
)
def test_bad_input_of_a_race_is_named(histories, options, message):
    with pytest.raises(ValueError, match=message):
        plots.race(histories, **options)
