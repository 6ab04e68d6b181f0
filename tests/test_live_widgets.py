"""The loss explorer, and the loop behind the playground, without a browser."""

import inspect
import sys
import threading
import time

import numpy as np
import pytest
import torch
from pytorch_metric_learning import losses as pml

from dmlviz import losses, plots, widgets
from dmlviz.plots import forces
from dmlviz.widgets import live, loss_explorer
from dmlviz.widgets.controls import stops
from dmlviz.widgets.hyperparameters import controls_for, hyperparameters, set_hyperparameter
from dmlviz.widgets.live import LiveRun

ALL = [
    losses.ContrastiveLoss(0.8),
    losses.TripletLoss(0.4),
    losses.TripletLoss(0.4, "semihard"),
    losses.TripletLoss(0.4, "hardest"),
    losses.NormalizedSoftmaxLoss(200, 64),
    losses.ProxyNCALoss(200, 64),
    losses.ProxyAnchorLoss(200, 64),
]


def name(loss):
    return f"{type(loss).__name__} {getattr(loss, 'mining', '')}"


# --- forces -----------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ALL, ids=name)
def test_forces_are_minus_the_gradient_along_the_circle(loss):
    x, y, proxies = forces.configuration("mixed")
    small = forces.in_the_plane(loss, proxies)
    value, force = forces.forces(small, x, y)
    assert value == pytest.approx(small(x, y).item())
    torch.testing.assert_close((force * x).sum(dim=1), torch.zeros(12).double())
    step = 1e-5
    moved = torch.nn.functional.normalize(x + step * force)
    predicted = value - step * (force**2).sum().item()
    assert small(moved, y).item() == pytest.approx(predicted, rel=1e-3, abs=1e-8)


@pytest.mark.parametrize("loss", ALL, ids=name)
@pytest.mark.parametrize("positive", [True, False])
def test_profiles_are_the_slope_of_the_loss(loss, positive):
    where = torch.tensor([0.3, 0.30001, 0.9, 0.90001]).double()
    values, slopes = forces.profile(loss, where, positive=positive)
    for i in (0, 2):
        measured = (values[i + 1] - values[i]) / 1e-5
        torch.testing.assert_close(measured, slopes[i], rtol=1e-2, atol=1e-3)


def test_proxy_nca_pulls_every_positive_alike_and_proxy_anchor_does_not():
    """The point of the Proxy-Anchor paper's section 3.2."""
    nca = forces.pull_and_push(losses.ProxyNCALoss(9, 4))[1]
    assert nca.max() - nca.min() < 1e-9
    anchor = forces.pull_and_push(losses.ProxyAnchorLoss(9, 4))[1]
    assert anchor[0] > 30
    assert anchor[-1] < 1e-6


def test_the_force_field_draws_points_arrows_and_proxies():
    ax = plots.force_field(losses.ProxyAnchorLoss(9, 4))
    drawn = {len(line.get_xdata()) for line in ax.lines}
    assert {4, 1, 12 * 6} <= drawn
    assert plots.loss_profile(losses.TripletLoss()).get_xlabel() == "distance d to the anchor"
    import matplotlib.pyplot as plt

    plt.close("all")


def test_unknown_configurations_are_refused():
    with pytest.raises(ValueError, match="mixed, sorted or collapsed"):
        forces.configuration("round")


# --- loss explorer ----------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ALL, ids=name)
def test_every_loss_gets_sliders_of_its_own_hyperparameters(loss):
    explorer = widgets.LossExplorer(loss)
    assert set(explorer.controls) == {*hyperparameters(loss), "points"}
    before = explorer.view.image.value
    slider = next(iter(hyperparameters(loss)))
    end = controls_for(loss)[slider]
    explorer.update(**{slider: end.options[0][1] if hasattr(end, "options") else end.max})
    assert explorer.view.image.value != before
    assert explorer.sweep() >= 6
    assert hyperparameters(loss) == hyperparameters(explorer.loss)  # the loss is not changed


def test_losses_of_pytorch_metric_learning_can_be_explored():
    assert "temperature" in widgets.LossExplorer(pml.NormalizedSoftmaxLoss(9, 4)).controls
    multi_similarity = widgets.LossExplorer(pml.MultiSimilarityLoss())
    assert set(multi_similarity.controls) == {"alpha", "beta", "base", "points"}
    assert widgets.LossExplorer(pml.ProxyAnchorLoss(9, 4)).sweep() > 6


def test_a_loss_without_numbers_is_refused():
    with pytest.raises(ValueError, match="no numeric hyper-parameter"):
        widgets.LossExplorer(torch.nn.Identity())


# Every loss of the library and of pytorch-metric-learning is explored, or refused in these words.
TRANSFER, RATIO = r"called as loss\(target.*TransferExplorer", r"label_distances\).*RatioExplorer"
REFUSED = {
    "AttentionTransferLoss": TRANSFER,
    "CRDLoss": TRANSFER,
    "DarkRankLoss": TRANSFER,
    "FitNetLoss": TRANSFER,
    "PKTLoss": TRANSFER,
    "RKDLoss": TRANSFER,
    "RelaxedContrastiveLoss": TRANSFER,
    "RelaxedMultiSimilarityLoss": TRANSFER,
    "BinaryTripletLoss": RATIO,
    "DenseTripletLoss": RATIO,
    "LogRatioLoss": RATIO,
    "CrossBatchMemory": "memory of earlier batches",
    "DynamicSoftMarginLoss": "histogram of earlier batches",
    "HistogramLoss": "no two coincide",
    "ManifoldLoss": "draws at random",
    "MultipleLosses": "no numeric hyper-parameter",
    "NPairsLoss": "no numeric hyper-parameter",
    "P2SGradLoss": "no numeric hyper-parameter",
    "SelfSupervisedLoss": "two views of each image",
    "SmoothAPLoss": "as many images of every class",
    "VICRegLoss": "two views of each image",
}
SIZES = {"num_classes": 200, "embedding_size": 64}
MADE_WITH = {
    "AttentionTransferLoss": {"stages": ["a"]},
    "CRDLoss": {"target_size": 4, "source_size": 4, "labels": torch.arange(3).repeat(4)},
    "FitNetLoss": {"stages": ["a"], "target_channels": [2], "source_channels": [2]},
    "CrossBatchMemory": {"loss": pml.ContrastiveLoss(), "embedding_size": 2},
    "ManifoldLoss": {"l": 2},
    "MultipleLosses": {"losses": [pml.ContrastiveLoss()]},
    "P2SGradLoss": {"descriptors_dim": 2, "num_classes": 3},
    "RankedListLoss": {"margin": 0.4, "Tn": 5.0},
    "SelfSupervisedLoss": {"loss": pml.ContrastiveLoss()},
    "CosFaceLoss": SIZES,
    "SubCenterArcFaceLoss": SIZES,
}
BASES = {pml.BaseLossWrapper, pml.BaseMetricLossFunction, pml.GenericPairLoss}
EVERY = [
    pytest.param(cls, id=f"{cls.__module__.split('.')[0]}-{name}")
    for module, names in ((losses, losses.__all__), (pml, dir(pml)))
    for name in names
    if inspect.isclass(cls := getattr(module, name))
    if issubclass(cls, torch.nn.Module) and cls not in BASES
]


def made(cls, **arguments):
    owns_proxies = "embedding_size" in inspect.signature(cls).parameters
    return cls(**MADE_WITH.get(cls.__name__, SIZES if owns_proxies else {}), **arguments)


def felt_at(explorer, **params):
    """Loss and forces of the mixed points, and the profile, at these sliders."""
    state = explorer.compute(**explorer.params | params)
    x, y, proxies = forces.configuration("mixed")
    value, force = forces.forces(forces.in_the_plane(state.module, proxies), x, y)
    return np.concatenate([[value], force.numpy().ravel(), state.pull, state.push])


@pytest.mark.filterwarnings("ignore::UserWarning")  # about pytorch-metric-learning, as below
@pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")
@pytest.mark.parametrize("cls", EVERY)
def test_every_loss_is_explored_or_refused_in_words(cls, monkeypatch):
    loss = made(cls)
    if cls.__name__ in REFUSED:
        with pytest.raises((TypeError, ValueError), match=REFUSED[cls.__name__]):
            widgets.LossExplorer(loss)
        return
    few = lambda loss: forces.pull_and_push(loss, 7)  # noqa: E731 - there are many losses
    monkeypatch.setattr(loss_explorer, "pull_and_push", few)
    explorer = widgets.LossExplorer(loss)
    assert explorer.sweep() > 16
    assert explorer.message.value == explorer.field._message == ""
    for name in hyperparameters(loss):
        low, *_, high = stops(explorer.controls[name])
        ends = felt_at(explorer, **{name: low}), felt_at(explorer, **{name: high})
        assert np.isfinite(ends).all(), name
        assert not np.allclose(*ends, rtol=1e-4, atol=1e-6), f"{name} does nothing"


def test_words_stand_for_losses_that_there_are():
    assert REFUSED.keys() | MADE_WITH.keys() <= {p.values[0].__name__ for p in EVERY}


@pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")
@pytest.mark.parametrize(
    ("cls", "argument", "value", "name", "to"),
    [
        (pml.CircleLoss, "m", 0.1, "m", 0.1),
        (pml.FastAPLoss, "num_bins", 5, "num_bins", 5),
        (pml.AngularLoss, "alpha", 20, "alpha", np.radians(20)),
        (pml.ArcFaceLoss, "margin", 10, "margin", np.radians(10)),
        (pml.MarginLoss, "beta", 0.7, "beta", 0.7),
        (pml.LargeMarginSoftmaxLoss, "margin", 2, "margin", 2),
        (pml.SphereFaceLoss, "margin", 3, "margin", 3),
        (pml.SoftTripleLoss, "gamma", 0.5, "gamma", 2.0),
    ],
)
def test_a_slider_sets_what_the_argument_sets(cls, argument, value, name, to):
    x, y, proxies = forces.configuration("mixed")
    turned, fresh = made(cls), made(cls, **{argument: value})
    before = forces.forces(forces.in_the_plane(turned, proxies), x, y)[0]
    set_hyperparameter(turned, name, to)
    here, there = (forces.forces(forces.in_the_plane(of, proxies), x, y) for of in (turned, fresh))
    assert here[0] == pytest.approx(there[0], rel=1e-6)
    assert here[0] != pytest.approx(before, rel=1e-3)
    torch.testing.assert_close(here[1], there[1], rtol=1e-5, atol=1e-7)


def test_numbers_of_unknown_names_get_sliders_around_their_value():
    class Odd(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.softness, self.order, self.power, self.bias = 0.3, 2, 40.0, -1.0
            self.offset = torch.tensor(0.0)
            self.learned = torch.nn.Parameter(torch.tensor(1.0))
            self.eps, self.embedding_size, self.seed, self._hidden = 1e-6, 2, 7, 0.5
            self.swap, self.unbounded = True, float("inf")

        def forward(self, embeddings, labels):
            return embeddings.sum() * self.softness

    found = hyperparameters(Odd())
    assert found == {"softness": 0.3, "order": 2, "power": 40.0, "bias": -1.0, "offset": 0.0}
    reach = {name: stops(control) for name, control in controls_for(Odd()).items()}
    assert reach["order"] == [1, 3, 6]
    assert all(isinstance(stop, int) for stop in reach["order"])
    assert reach["power"] == [5, 10, 20, 40, 80, 160, 320]
    assert (reach["offset"][0], reach["offset"][-1]) == (0, 1)
    ends = [reach["softness"][0], reach["softness"][-1], reach["bias"][0], reach["bias"][-1]]
    assert ends == pytest.approx([0.03, 0.9, -3, -0.1])


def test_a_loss_that_fails_on_the_points_is_refused_with_what_it_says():
    class Picky(torch.nn.Module):
        margin = 0.1

        def forward(self, embeddings, labels):
            raise IndexError("I want images")

    with pytest.raises(ValueError, match=r"Picky cannot be explored.*IndexError: I want images"):
        widgets.LossExplorer(Picky())
    with pytest.raises(TypeError, match="loss must be a module"):
        widgets.LossExplorer("triplet")
    with pytest.raises(TypeError, match="RatioExplorer"):
        widgets.ForceField(losses.DenseTripletLoss())


def test_alpha_decides_how_many_points_proxy_anchor_pulls():
    explorer = widgets.LossExplorer(losses.ProxyAnchorLoss(200, 64))

    def felt(alpha):
        explorer.update(alpha=alpha)
        force = explorer.field.force
        size = np.linalg.norm(force, axis=1)
        return (size > 0.05 * size.max()).sum()

    assert felt(1.0) > felt(64.0)


def test_the_twin_on_paper_shows_three_values():
    figure = widgets.LossExplorer(losses.ProxyAnchorLoss(200, 64)).static()
    fields, profiles = figure.axes[:3], figure.axes[3:]
    titles = [ax.get_title() for ax in fields]
    assert [t.split(":")[0] for t in titles] == ["alpha = 1", "alpha = 32", "alpha = 64"]
    heights = [ax.lines[0].get_ydata().max() for ax in profiles]  # the pull, in its own unit
    assert heights == pytest.approx([0.75, 32, 64], rel=0.05)


def test_the_twin_on_paper_shows_what_is_asked_for():
    explorer = widgets.LossExplorer(losses.ProxyAnchorLoss(3, 2))
    figure = explorer.static("sorted", margin=(0.0, 0.3))
    assert [ax.get_title().split(":")[0] for ax in figure.axes[:2]] == [
        "margin = 0",
        "margin = 0.3",
    ]
    ends = []  # of the pull: where it has fallen to a half
    for ax in figure.axes[2:]:
        where, pull = ax.lines[0].get_data()
        ends.append(where[pull > pull.max() / 2].max())
    assert ends == pytest.approx([0, 0.3], abs=0.05)
    with pytest.raises(ValueError, match="one control out of: margin, alpha"):
        explorer.static(temperature=(1, 2))
    with pytest.raises(ValueError, match="mixed, sorted or collapsed"):
        explorer.static("strewn")


# --- live run ---------------------------------------------------------------------------------


def live_threads():
    return [t for t in threading.enumerate() if t.name.startswith("test-run")]


def test_it_plays_pauses_and_goes_on():
    seen = []
    run = LiveRun(seen.append, lambda: None, "test-run")
    run.params["margin"] = 0.1
    run.play()
    run.wait(5)
    run.pause()
    stopped = run.steps
    time.sleep(0.1)
    assert run.steps == stopped
    run.params["margin"] = 0.5  # takes effect with the next step
    run.play()
    run.wait(stopped + 3)
    assert seen[0] == {"margin": 0.1}
    assert seen[-1] == {"margin": 0.5}
    run.close()
    assert not live_threads()


def test_frames_are_limited():
    frames = []
    run = LiveRun(lambda _: time.sleep(0.001), lambda: frames.append(time.monotonic()), "test-run")
    run.play()
    run.wait(300)
    run.close()
    assert len(frames) <= run.steps / 10


class Clock:
    """Time that passes only in steps and frames, whatever else the machine does."""

    sleep = staticmethod(time.sleep)

    def __init__(self):
        self.now, self.waited, self.spent = 0.0, 0.0, {"step": 0.0, "frame": 0.0}

    def monotonic(self):
        return self.now

    def thread_time(self):
        return self.now - self.waited

    def spend(self, seconds, on):
        self.now += seconds
        self.spent[on] += seconds

    def wait(self, seconds):
        self.now += seconds
        self.waited += seconds


@pytest.mark.parametrize("slow", [0.01, 0.1, 1.0])
def test_slow_frames_leave_most_of_the_time_to_steps(slow, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(live, "time", clock)
    step, frame = (lambda _: clock.spend(0.02, "step")), (lambda: clock.spend(slow, "frame"))
    run = LiveRun(step, frame, "test-run")
    run.play()
    run.wait(500)
    run.close()
    assert clock.spent["frame"] >= slow
    # The first frame has nothing before it to share with.
    assert clock.spent["frame"] - slow <= 0.4 * clock.now


def test_frames_that_wait_for_a_computing_cell_still_come(monkeypatch):
    clock, frames = Clock(), []
    monkeypatch.setattr(live, "time", clock)

    def frame():
        clock.spend(0.02, "frame")
        clock.wait(0.04)
        frames.append(clock.now)

    run = LiveRun(lambda _: clock.spend(0.02, "step"), frame, "test-run")
    run.play()
    run.wait(500)
    run.close()
    assert len(frames) / clock.now > 10


def test_threads_take_short_turns_while_it_plays():
    usual, inside = sys.getswitchinterval(), []
    torch.set_num_threads(2)  # as in a notebook
    run = LiveRun(lambda _: inside.append(torch.get_num_threads()), lambda: None, "test-run")
    run.play()
    run.wait(3)
    assert sys.getswitchinterval() < usual
    run.pause()
    assert sys.getswitchinterval() == usual
    run.play()
    run.wait(6)
    run.close()
    assert sys.getswitchinterval() == usual
    assert set(inside) == {1}  # of the loop alone
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)


def test_nothing_is_drawn_in_the_middle_of_a_step():
    within, begun = [], threading.Event()

    def step(_):
        within.append(True)
        begun.set()
        time.sleep(0.2)
        within.pop()

    drawn = []
    run = LiveRun(step, lambda: drawn.append(not within), "test-run")
    stepping = threading.Thread(target=run.once)
    stepping.start()
    begun.wait()
    run.draw()  # as a slider does, from the notebook's thread
    stepping.join()
    run.close()
    assert drawn == [True, True]


def test_a_second_run_of_the_same_name_ends_the_first():
    first = LiveRun(lambda _: None, lambda: None, "test-run")
    first.play()
    second = LiveRun(lambda _: None, lambda: None, "test-run")
    second.play()
    second.wait(3)
    assert len(live_threads()) == 1
    with pytest.raises(RuntimeError, match="has ended"):
        first.play()
    second.close()
    assert not live_threads()


def test_an_error_in_the_loop_is_kept_shown_and_raised():
    shown = []

    def fail(_):
        raise ZeroDivisionError("no batch")

    run = LiveRun(fail, lambda: shown.append(run.error), "test-run")
    run.play()
    with pytest.raises(ZeroDivisionError, match="no batch"):
        run.wait(1)
    assert isinstance(shown[-1], ZeroDivisionError)
    assert not run.playing
    run.close()


def test_waiting_for_too_long_says_how_far_it_came():
    run = LiveRun(lambda _: time.sleep(0.05), lambda: None, "test-run")
    run.play()
    with pytest.raises(TimeoutError, match="of 1000 steps"):
        run.wait(1000, seconds=0.2)
    run.close()
