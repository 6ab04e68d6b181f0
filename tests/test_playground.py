"""The training playground without a browser: it trains, listens, and says what is wrong."""

import threading
import time
from operator import attrgetter

import numpy as np
import pytest
import torch

from dmlviz import datasets, losses, methods, synthesis, widgets
from dmlviz.widgets.playground_panels import FIRST_RANGE


@pytest.fixture
def glyphs(glyph_root):
    return datasets.load("glyphs", "train", glyph_root)


@pytest.fixture
def playground(glyphs):
    made = []

    def make(*methods, **options):
        made.append(widgets.TrainingPlayground(glyphs, *methods, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize(
    "loss",
    [losses.TripletLoss(0.4, "semihard"), losses.ProxyNCALoss(200, 64, 0.2)],
    ids=lambda loss: type(loss).__name__,
)
def test_training_sorts_the_images_on_the_circle(playground, loss):
    live = playground(loss)
    before = live.view.image.value
    live.step(150)
    assert live.view.image.value != before
    assert live.training.recalls[-1][1] > 0.8 > live.training.recalls[0][1]
    assert live.training.losses[-1] < live.training.losses[0]


def test_it_trains_in_the_background_and_pauses(playground):
    live = playground(losses.TripletLoss(0.4))
    live.toggle()
    live.run.wait(10)
    live.toggle()
    assert not live.run.playing
    assert len(live.training.losses) == live.run.steps >= 10


def test_sliders_take_effect_in_mid_run(playground):
    live = playground(losses.ProxyAnchorLoss(200, 64))
    live.step(2)
    live.update(alpha=1.0, margin=0.3, lr=1e-2)
    live.step()
    assert (live.training.loss.alpha, live.training.loss.margin) == (1.0, 0.3)
    assert live.training.optimizer.param_groups[0]["lr"] == 1e-2
    assert (
        live.training.losses[2] < 0.5 * live.training.losses[1]
    )  # a small alpha makes small numbers


def test_reset_begins_anew_with_the_same_seed(playground):
    live = playground(losses.TripletLoss(0.4))
    live.step(5)
    first = list(live.training.losses)
    live.reset()
    assert live.training.losses == []
    live.step(5)
    assert live.training.losses == first
    again = playground(losses.TripletLoss(0.4))  # ends the first: look at what is drawn by seed
    assert torch.equal(again.training.data.images, live.training.data.images)
    other = playground(losses.TripletLoss(0.4), seed=1)
    other.step(5)
    assert other.training.losses != first


def test_sweep_moves_every_slider_and_leaves_a_fresh_start(playground):
    live = playground(losses.TripletLoss(0.4))
    # margin and seed: ends and middle; lr: five choices; batch: four
    assert live.sweep() == 3 + 3 + 5 + 4
    assert live.params == {"margin": 0.4, "lr": 1e-3, "batch": 10, "seed": 0}
    assert live.training.losses == []


def test_its_twin_on_paper_shows_the_way(playground):
    figure = playground(losses.TripletLoss(0.4)).static(steps=(0, 5))
    assert [ax.get_title().split(":")[0] for ax in figure.axes] == ["step 0", "step 5"]


def test_an_error_in_training_shows_in_the_widget_and_is_raised(playground):
    live = playground(losses.TripletLoss(0.4))

    def fail(*_):
        raise RuntimeError("out of <images>")

    live.training.loss.forward = fail
    live.play()
    with pytest.raises(RuntimeError, match="out of"):
        live.run.wait(1)
    end = time.monotonic() + 5
    while "out of" not in live.message.value and time.monotonic() < end:
        time.sleep(0.02)
    assert "out of &lt;images&gt;" in live.message.value
    (shown,) = live.widget.children[-1].outputs
    assert shown["name"] == "stderr"
    assert "Traceback" in shown["text"]
    assert shown["text"].endswith("RuntimeError: out of <images>\n")
    with pytest.raises(RuntimeError, match="out of"):
        live.pause()
    with pytest.raises(RuntimeError, match="out of"):
        live._guard(live.step)  # its button
    assert "in step" in live.widget.children[-1].outputs[0]["text"]
    del live.training.loss.forward
    live.step()  # goes on
    assert (live.message.value, live.widget.children[-1].outputs) == ("", ())


def test_an_error_of_the_first_step_outlives_the_click_that_started_it(playground):
    live = playground(losses.TripletLoss(0.4))
    live.run.step = lambda _: 1 / 0

    def start():
        live.play()
        with pytest.raises(ZeroDivisionError):
            live.run.wait(1)

    live._guard(start)  # the click ends well, and later than the thread
    assert "ZeroDivisionError" in live.message.value
    live.reset()
    assert (live.message.value, live.widget.children[-1].outputs) == ("", ())


@pytest.mark.parametrize("close", ["close", "widget.close"])
def test_closed_it_leaves_no_thread(playground, close):
    live = playground(losses.TripletLoss(0.4))
    live.play()
    live.run.wait(2)
    assert "dmlviz-playground" in [thread.name for thread in threading.enumerate()]
    attrgetter(close)(live)()
    assert "dmlviz-playground" not in [thread.name for thread in threading.enumerate()]
    with pytest.raises(RuntimeError, match="ended"):
        live.play()


def test_the_proxies_are_three_in_the_plane_and_the_loss_is_left_alone(playground):
    loss = losses.ProxyAnchorLoss(200, 64)
    before = loss.proxies.detach().clone()
    live = playground(loss)
    live.step(3)
    assert live.training.loss.proxies.shape == (3, 2)
    assert torch.equal(loss.proxies, before)


def test_too_few_classes_are_refused(glyphs):
    with pytest.raises(ValueError, match="9 are needed"):
        widgets.TrainingPlayground(datasets.OfClasses(glyphs, range(5)), losses.TripletLoss())


def test_readers_without_a_kernel_get_a_picture(playground):
    bundle = playground(losses.TripletLoss(0.4))._repr_mimebundle_()
    assert {"application/vnd.jupyter.widget-view+json", "image/png"} <= bundle.keys()


def test_another_method_takes_over_in_mid_run(playground):
    live = playground({"triplet": losses.TripletLoss(0.4), "anchor": losses.ProxyAnchorLoss(9, 5)})
    assert set(live.params) == {"method", "margin", "lr", "batch", "seed"}
    live.step(3)
    weights = live.training.model.state_dict()["head.weight"].clone()
    live.update(method="anchor")
    assert set(live.params) == {"method", "margin", "alpha", "lr", "batch", "seed"}
    assert torch.equal(live.training.model.state_dict()["head.weight"], weights)  # no new start
    before = live.training.methods["anchor"].loss.proxies.detach().clone()
    live.step(2)
    assert len(live.training.losses) == 5
    assert type(live.training.loss) is losses.ProxyAnchorLoss
    assert not torch.equal(live.training.loss.proxies, before)  # the optimizer knows them
    assert next(row.children for row in live._rows)[0].value == "anchor"


def test_two_networks_start_alike_and_train_step_by_step(playground):
    live = playground(losses.TripletLoss(0.4), losses.ProxyAnchorLoss(9, 5))
    one, other = live.sides
    assert all(
        torch.equal(a, b)
        for a, b in zip(
            one.model.state_dict().values(), other.model.state_dict().values(), strict=True
        )
    )
    assert set(live.params) == {"margin", "other margin", "other alpha", "lr", "batch", "seed"}
    live.update(**{"margin": 0.2, "other margin": 0.5})
    live.step(12)
    assert len(one.losses) == len(other.losses) == 12
    assert (one.loss.margin, other.loss.margin) == (0.2, 0.5)
    figure = live.static(steps=(0, 3))
    assert [ax.get_title().split(",")[0] for ax in figure.axes].count("ProxyAnchorLoss") == 2


def test_the_same_method_twice_gives_the_same_training(playground):
    live = playground(losses.TripletLoss(0.4), losses.TripletLoss(0.4))
    live.step(5)
    assert live.sides[0].losses == live.sides[1].losses


def test_batches_are_made_as_the_control_says(playground):
    live = playground(losses.TripletLoss(0.4))
    seen = []
    live.training.method.register_forward_hook(lambda _, given, __: seen.append(given[1][1]))
    for batch, size in ((2, 6), (10, 30), (0, 30), (5, 15)):
        live.update(batch=batch)
        live.step()
        counts = seen[-1].bincount(minlength=3).tolist()
        assert sum(counts) == size
        assert batch == 0 or counts == [batch] * 3


def test_another_seed_begins_anew(playground):
    live = playground(losses.TripletLoss(0.4))
    live.step(3)
    first = list(live.training.losses)
    live.update(seed=7)
    assert live.training.losses == []
    live.step(3)
    assert live.training.losses != first
    live.update(seed=0)
    live.step(3)
    assert live.training.losses == first


def test_on_a_sphere_the_far_side_is_apart(playground):
    live = playground(losses.ProxyAnchorLoss(9, 5), dimensions=3)
    assert live.training.proxies().shape == (4, 3)
    live.step(2)
    space, n = live.picture.spaces[0], len(live.training.data.images)

    def counts():
        return [sum(len(a.get_xdata()) for a in side) for side in (space.front, space.back)]

    front, back = counts()
    assert front + back == n
    at_front = np.concatenate([a.get_xydata() for a in space.front])
    assert (np.linalg.norm(at_front, axis=1) <= 1 + 1e-5).all()
    live.update(turn=180)
    assert counts() == [back, front]  # what was behind is now before


def test_novel_classes_can_join(playground):
    method = methods.NovelClasses(losses.NormalizedSoftmaxLoss(9, 5), synthesis.ProxySynthesis())
    live = playground(losses.NormalizedSoftmaxLoss(9, 5), method)
    live.step(2)
    assert live.sides[0].losses != live.sides[1].losses
    titles = [row.children[0].value for row in live._rows]
    assert titles == ["left: NormalizedSoftmaxLoss", "right: NovelClasses"]


@pytest.mark.parametrize(
    ("method", "options", "error", "match"),
    [
        (losses.LogRatioLoss, {}, TypeError, "method must be a loss"),
        ({}, {}, ValueError, "empty"),
        (losses.TripletLoss(), {"dimensions": 4}, ValueError, "dimensions must be 2 or 3"),
        (methods.SelfSupervised(), {}, TypeError, "got SelfSupervised"),
    ],
)
def test_what_cannot_be_played_with_is_refused(playground, method, options, error, match):
    with pytest.raises(error, match=match):
        playground(method, **options)


def test_the_curves_say_how_many_steps_and_their_range_doubles(playground):
    live = playground(losses.ProxyAnchorLoss(3, 2))
    (curves,), (space,) = live.picture.curves, live.picture.spaces
    assert curves.ax.get_xlabel() == "step"
    assert curves.ax.get_xlim() == (0, FIRST_RANGE)
    live.step(FIRST_RANGE + 1)
    assert curves.ax.get_xlim() == (0, 2 * FIRST_RANGE)
    assert curves.loss.get_xdata()[-1] == FIRST_RANGE + 1
    blitted = live.view.pixels()
    live.view.refresh()  # the new ticks were drawn already
    assert (live.view.pixels() == blitted).all()
    _, seen, unseen = live.training.recalls[-1]
    words = f"Recall@1: these images {100 * seen:.0f} %, unseen classes {100 * unseen:.0f} %"
    assert words in space.caption.get_text()
    assert "proxies" in space.below.get_text()
    live.reset()
    assert curves.ax.get_xlim() == (0, FIRST_RANGE)
    assert playground(losses.TripletLoss(0.4)).picture.spaces[0].below.get_text() == ""
