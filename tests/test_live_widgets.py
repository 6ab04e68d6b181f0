"""The loss explorer, and the loop behind the playground, without a browser."""

import sys
import threading
import time

import numpy as np
import pytest
import torch

from dmlviz import losses, plots, widgets
from dmlviz.plots import forces
from dmlviz.widgets import live
from dmlviz.widgets.controls import controls_for, hyperparameters
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
    from pytorch_metric_learning import losses as pml

    assert "temperature" in widgets.LossExplorer(pml.NormalizedSoftmaxLoss(9, 4)).controls
    multi_similarity = widgets.LossExplorer(pml.MultiSimilarityLoss())
    assert set(multi_similarity.controls) == {"alpha", "beta", "base", "points"}
    assert widgets.LossExplorer(pml.ProxyAnchorLoss(9, 4)).sweep() > 6


def test_a_loss_without_numbers_is_refused():
    with pytest.raises(ValueError, match="no numeric hyper-parameter"):
        widgets.LossExplorer(torch.nn.Identity())


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
