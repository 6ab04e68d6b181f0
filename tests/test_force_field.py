"""ForceField without a browser: its angles and forces, what it sends to the page, how it fails."""

import base64
import io
import re

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from dmlviz import losses, plots
from dmlviz.plots import forces
from dmlviz.widgets import ForceField, LossExplorer

MIXED = (31, 78, 102, 179, 151, 198, 222, 299, 271, 318, 342, 59)
ANCHOR, TRIPLET = losses.ProxyAnchorLoss(200, 64), losses.TripletLoss(0.4)


def on_circle(degrees):
    angle = torch.deg2rad(torch.tensor(degrees, dtype=torch.float64))
    return torch.stack([angle.cos(), angle.sin()], dim=1)


def plots_forces(field):
    proxies = on_circle(field.proxy_angles)
    loss = forces.in_the_plane(field.loss, proxies)
    return forces.forces(loss, on_circle(field.angles), field.labels)


def agree(field):
    value, force = plots_forces(field)
    assert field.value == pytest.approx(value)
    np.testing.assert_allclose(field.force, force, atol=1e-9)


def sent_by(field):
    """What the widget sends to the page from now on."""
    sent = []
    field._send = lambda message, buffers=None: sent.append(message)
    return sent


class Breaking(torch.nn.Module):
    """A loss that fails, or is not a number, where the first point is in the lower half."""

    margin = 0.1

    def __init__(self, *, silently=False):
        super().__init__()
        self.silently = silently

    def forward(self, x, y):
        if len(x) == 3 or x[0, 1] >= 0:  # three: those of the profile
            return x.square().sum(dim=1).mean() + x[:, 0].sum()
        if self.silently:
            return x.sum() * torch.nan
        raise RuntimeError("the first point is <too> low")


# --- forces ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", [TRIPLET, losses.ContrastiveLoss(0.8), ANCHOR], ids=repr)
def test_it_begins_with_the_mixed_points_and_the_forces_of_plots(loss):
    field = ForceField(loss)
    assert field.angles == pytest.approx(MIXED)
    assert field.proxy_angles == ((90, 210, 330) if loss is ANCHOR else ())
    x, y, proxies = forces.configuration()
    value, force = forces.forces(forces.in_the_plane(loss, proxies), x, y)
    assert field.value == pytest.approx(value)
    np.testing.assert_allclose(field.force, force, atol=1e-9)


def test_the_page_draws_arrows_along_the_circle():
    field = ForceField(ANCHOR)
    along = np.array(field._arrows["along"])
    assert np.abs(along).max() == pytest.approx(0.45)
    angle = np.deg2rad(field.angles)
    tangent = np.stack([-np.sin(angle), np.cos(angle)], axis=1)
    size = np.linalg.norm(field.force, axis=1).max()
    np.testing.assert_allclose(along[:, None] * tangent * size / 0.45, field.force, atol=1e-9)
    assert field._arrows["caption"] == f"loss {field.value:.3g}, longest arrow: force {size:.3g}"


def test_a_drag_moves_the_angle_and_brings_new_arrows():
    field = ForceField(ANCHOR)
    sent, before = sent_by(field), field._arrows
    field.set_state({"angles": [45.3, *field.angles[1:]]})  # what the page sends
    assert field.angles[0] == 45.3
    assert field._arrows != before
    agree(field)
    updates = [m["state"] for m in sent if m["method"] == "update"]
    assert any("_arrows" in state for state in updates)
    assert not any("angles" in state for state in updates)  # it would tear the point from the mouse


def test_proxies_can_be_dragged():
    field = ForceField(ANCHOR)
    before = field.force
    field.set_state({"proxy_angles": [120, 210, 330]})
    assert field.proxy_angles == (120, 210, 330)
    assert np.abs(field.force - before).max() > 0.1
    agree(field)
    assert ANCHOR.proxies.shape == (200, 64)  # the loss is not changed


def test_from_python_angles_wrap_and_another_loss_shows_its_forces():
    field = ForceField(TRIPLET, [[3, 0], [0, 0.5], [-1, 0]], [4, 4, -1])
    assert field.angles == (0, 90, 180)
    field.angles = np.array([-10, 370, 180.0])
    assert field.angles == pytest.approx((350, 10, 180))
    seen = []
    field.observe(lambda change: seen.append(change.new), "angles")
    field.angles = torch.tensor([0.0, 90.0, 200.0], requires_grad=True)
    assert seen == [(0, 90, 200)]
    field.loss = losses.TripletLoss(0.9)
    agree(field)


def test_a_step_follows_the_arrows():
    field = ForceField(ANCHOR)
    before, along, value = np.array(field.angles), field._arrows["along"], field.value
    assert field.step(size=2) == 2.0
    moved = (np.array(field.angles) - before + 180) % 360 - 180
    np.testing.assert_allclose(moved, 2 * np.array(along) / 0.45, atol=1e-9)
    assert field.value < value
    assert field.proxy_angles == (90, 210, 330)
    for size in 4 * 0.97 ** np.arange(100):  # as the page does when they are let go
        field.step(size)
    assert field.value < 0.1 * value


def test_without_a_force_nothing_moves():
    field = ForceField(losses.ContrastiveLoss(0.5), [[1, 0], [-1, 0]], [0, 1])
    assert field._arrows == {"along": [0, 0], "caption": "loss 0, longest arrow: force 0"}
    assert field.step() == 0.0
    assert field.angles == (0, 180)


def test_where_the_strongest_force_is_faint_there_is_no_arrow():
    x, y, proxies = forces.configuration("sorted")
    for temperature, drawn in ((0.1, False), (0.2, True)):  # 0.0007 and 0.014
        loss = losses.NormalizedSoftmaxLoss(3, 2, temperature)
        field = ForceField(loss, x, y, proxies=proxies)
        assert any(field._arrows["along"]) == drawn
        ax = plots.force_field(loss, x, y, proxies=proxies)
        path = np.stack(ax.lines[1].get_data()).reshape(2, len(x), 6)[:, :, :2]
        assert (np.ptp(path, axis=2).max() > 0.1) == drawn


def test_reset_puts_back_or_begins_anew():
    field = ForceField(ANCHOR)
    field.step()
    field.proxy_angles = (0, 100, 200)
    field._handle_custom_msg({"type": "reset"}, [])
    assert field.angles == pytest.approx(MIXED)
    assert field.proxy_angles == (90, 210, 330)
    x, _, proxies = forces.configuration("sorted")
    field.reset(x, proxies[[1, 2, 0]])
    field.step()
    field.reset()
    assert field.angles[:4] == pytest.approx((56, 78, 102, 124))
    assert field.proxy_angles == (210, 330, 90)


def test_the_page_hears_when_a_step_is_done():
    field = ForceField(Breaking(), [[0, 1], [1, 0]], [0, 1])
    sent = sent_by(field)
    field._handle_custom_msg({"type": "step", "size": 3.0}, [])
    assert [m["content"] for m in sent if m["method"] == "custom"] == [
        {"type": "stepped", "moved": 3.0}
    ]
    sent.clear()
    with pytest.raises(RuntimeError, match="too> low"):
        field.angles = (270, 0)
    with pytest.raises(RuntimeError, match="too> low"):
        field._handle_custom_msg({"type": "step", "size": 3.0}, [])
    assert {"type": "stepped", "moved": 0.0} in [m.get("content") for m in sent]


def test_sweep_visits_every_point_and_proxy_and_returns():
    field = ForceField(ANCHOR)
    field.proxy_angles = (0, 100, 200)
    field.step()
    before = field.angles
    assert field.sweep() == 12 + 3 + 1
    assert (field.angles, field.proxy_angles) == (before, (0, 100, 200))
    with pytest.raises(RuntimeError, match="too> low"):
        ForceField(Breaking(), on_circle([100, 0]), [0, 1]).sweep()


# --- failures -------------------------------------------------------------------------------------

X, Y = torch.eye(2), [0, 1]


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (
            {"loss": "triplet"},
            TypeError,
            "loss must be a module called as loss(embeddings, labels)",
        ),
        ({"embeddings": [1, 2]}, ValueError, "embeddings must have shape (N, 2) with N ≥ 1"),
        ({"embeddings": np.zeros((0, 2))}, ValueError, "embeddings must have shape (N, 2)"),
        ({"embeddings": [[0, 0], [1, 0]]}, ValueError, "embeddings must not hold (0, 0)"),
        ({"embeddings": [[np.nan, 0], [1, 0]]}, ValueError, "embeddings must be finite"),
        ({"embeddings": [["a", "b"]]}, TypeError, "embeddings must be numbers"),
        ({"labels": None}, ValueError, "labels must be given with embeddings"),
        ({"labels": [0]}, ValueError, "labels must have shape (2,), got (1,)"),
        ({"labels": [0.5, 1]}, TypeError, "labels must be whole numbers"),
        ({"embeddings": None}, ValueError, "give both, or neither"),
        ({"loss": ANCHOR}, ValueError, "proxies must be given: ProxyAnchorLoss compares"),
        ({"loss": ANCHOR, "proxies": [1, 0]}, ValueError, "proxies must have shape (N, 2)"),
        (
            {"loss": ANCHOR, "proxies": [[1, 0]]},
            ValueError,
            "labels must be in 0…0, one proxy each",
        ),
    ],
)
def test_bad_input_is_refused_in_words(arguments, error, words):
    with pytest.raises(error, match=re.escape(words)):
        ForceField(**{"loss": TRIPLET, "embeddings": X, "labels": Y} | arguments)


@pytest.mark.parametrize(
    ("name", "value", "error", "words"),
    [
        ("angles", [1, 2, 3], ValueError, "angles must be 2 angles, got shape (3,)"),
        ("angles", [1, np.inf], ValueError, "angles must be finite"),
        ("angles", "north", TypeError, "angles must be numbers, got 'north'"),
        ("proxy_angles", [0], ValueError, "proxy_angles must be 0 angles, got shape (1,)"),
        ("loss", ANCHOR, ValueError, "loss must be one without proxies, like that before"),
        ("loss", 3, ValueError, "loss must be one without proxies, like that before, got 3"),
    ],
)
def test_a_bad_state_is_refused_in_words(name, value, error, words):
    field = ForceField(TRIPLET, X, Y)
    before = getattr(field, name)
    with pytest.raises(error, match=re.escape(words)):
        setattr(field, name, value)
    assert getattr(field, name) is before
    for size in (0, -1, np.nan, "far"):
        with pytest.raises(ValueError, match="size must be a positive number of degrees"):
            field.step(size)


def test_an_error_shows_in_words_and_is_raised():
    field = ForceField(Breaking(), X, Y)
    with pytest.raises(RuntimeError, match="too> low"):
        field.set_state({"angles": [300, 90]})
    assert field._message == "RuntimeError: the first point is <too> low"
    assert field._arrows == {"along": [], "caption": ""}
    assert np.isnan(field.value)
    field.set_state({"angles": [60, 90]})
    assert field._message == ""
    assert len(field._arrows["along"]) == 2


def test_a_loss_that_is_no_number_is_an_error():
    field = ForceField(Breaking(silently=True), X, Y)
    with pytest.raises(ValueError, match="the loss is nan here"):
        field.angles = (300, 90)
    assert field._message.startswith("ValueError: the loss is nan here")


# --- on paper -------------------------------------------------------------------------------------


def test_static_is_the_force_field_of_plots():
    import matplotlib.pyplot as plt

    plt.close("all")
    field = ForceField(ANCHOR)
    field.angles = (10, *field.angles[1:])
    figure = field.static()
    assert isinstance(figure, Figure)
    assert plt.get_fignums() == []
    (ax,) = figure.axes
    assert ax.get_title() == field._arrows["caption"]
    assert ax.get_xlabel().replace("\n", " · ") == field.key
    expected = plots.force_field(
        ANCHOR, on_circle(field.angles), field.labels, proxies=on_circle(field.proxy_angles)
    )
    plt.close("all")
    for drawn, line in zip(ax.lines, expected.lines, strict=True):
        np.testing.assert_allclose(drawn.get_xydata(), line.get_xydata(), atol=1e-9)


def test_the_key_names_the_marks_that_there_are():
    assert field_key(ANCHOR).startswith("◇ proxy · ● ■ ▲ images of three classes · no arrow")
    assert field_key(TRIPLET).startswith("● ■ ▲ images of three classes")
    assert ForceField(TRIPLET, [[1, 0], [0, 1]], [5, 5]).key.startswith("✚ images of one class")


def field_key(loss):
    field = ForceField(loss)
    assert field._look["key"] == field.key
    return field.key


def test_readers_without_a_kernel_get_a_picture():
    data, _ = ForceField(TRIPLET)._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).size == (420, 420)
    assert data["text/plain"] == "Forces of TripletLoss on 12 points of a circle"


def test_a_broken_loss_keeps_nobody_from_the_live_widget():
    field = ForceField(Breaking(), X, Y)
    with pytest.raises(RuntimeError):
        field.angles = (270, 90)
    data, _ = field._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert "image/png" not in data


# --- in the loss explorer -------------------------------------------------------------------------


def test_the_sliders_of_the_loss_explorer_turn_the_loss_where_the_points_are():
    explorer = LossExplorer(ANCHOR)
    field = explorer.field
    agree(field)
    field.angles = (10, *field.angles[1:])
    explorer.update(alpha=4.0)
    assert field.angles[0] == 10
    assert field.loss.alpha == 4.0
    agree(field)
    assert ANCHOR.alpha == 32


def test_its_dropdown_puts_the_points_back():
    explorer = LossExplorer(ANCHOR)
    explorer.field.angles = range(12)
    explorer.field.proxy_angles = (0, 1, 2)
    explorer.update(points="sorted")
    assert explorer.field.angles[:4] == pytest.approx((56, 78, 102, 124))
    assert explorer.field.proxy_angles == (90, 210, 330)
    assert LossExplorer(TRIPLET, points="sorted").field.angles == explorer.field.angles


def test_its_sweep_leaves_the_points_where_they_were_dragged():
    explorer = LossExplorer(ANCHOR)
    explorer.field.angles = range(12)
    assert explorer.sweep() == 3 + 7 + 3 + 16  # margin, alpha, points, the field
    assert explorer.field.angles == tuple(range(12))
    assert explorer.message.value == ""


def test_its_errors_show_in_words_and_are_raised():
    explorer = LossExplorer(Breaking())  # the mixed points begin in the upper half
    with pytest.raises(RuntimeError, match="too> low"):
        explorer.field.set_state({"angles": [300, *MIXED[1:]]})
    assert "too> low" in explorer.field._message
    with pytest.raises(RuntimeError, match="too> low"):
        explorer.update(margin=0.2)
    assert "&lt;too&gt; low" in explorer.message.value
    explorer.update(points="sorted")
    assert (explorer.message.value, explorer.field._message) == ("", "")


def test_its_readers_without_a_kernel_see_field_and_profile():
    explorer = LossExplorer(ANCHOR)
    explorer.field.angles = (10, *explorer.field.angles[1:])
    bundle = explorer._repr_mimebundle_()
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(bundle["image/png"]))))
    profile = explorer.view.pixels()
    assert picture.shape == (420, 420 + profile.shape[1], 4)
    np.testing.assert_allclose(picture[:, 420:, :3], profile[..., :3], atol=2)
    assert (picture[:, :420, :3] < 50).all(axis=-1).sum() > 300  # arrows
    assert bundle["text/plain"].startswith("Forces of ProxyAnchorLoss on points of a circle")
