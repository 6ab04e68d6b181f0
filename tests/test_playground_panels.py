"""The playground's picture: its key stays, and only what moves is drawn anew."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from dmlviz import losses
from dmlviz.plots.style import CLASS_COLORS
from dmlviz.widgets.playground_panels import CORNERS, OUTSIDE, Picture, Space
from dmlviz.widgets.small_training import CLASSES, SmallTraining, small_images, small_methods


class Tensors:
    """Images of ten classes as tensors in -1…1, four of each; class c is a bar in column c."""

    name, split = "bars", "train"

    def __init__(self, channels=1, names=None):
        self.targets = torch.arange(40) % 10
        self.classes = names or [f"class {c}" for c in range(10)]
        random = torch.Generator().manual_seed(0)
        self.x = 0.1 * torch.randn(40, channels, 32, 32, generator=random)
        for x, c in zip(self.x, self.targets.tolist(), strict=True):
            x[:, :, 3 * c + 1 : 3 * c + 4] += 1

    def __len__(self):
        return 40

    def __getitem__(self, i):
        return self.x[i], int(self.targets[i])


class Pictures(Tensors):
    """The same, and pictures: 200 x 100, red says which."""

    def image(self, i):
        return Image.new("RGB", (200, 100), (i, 0, 0))


def picture(dataset, loss, dimensions=2, sides=1):
    data = small_images(dataset, None, dimensions, 0)
    made = Picture([SmallTraining(data, small_methods(loss), dimensions) for _ in range(sides)])
    made.move(0.0)
    return made


def keys(space):
    """Pictures, frames, marks and names of the key."""
    still = [line for line in space.ax.lines[1:] if line not in space.artists]
    names = [t.get_text() for t in space.ax.texts if t not in space.artists]
    return space.ax.images, space.ax.patches, still, names


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("dimensions", "sides"), [(2, 1), (2, 2), (3, 1), (3, 2)])
def test_each_class_has_a_picture_and_its_mark(channels, dimensions, sides):
    made = picture(Tensors(channels), losses.ProxyAnchorLoss(9, 5), dimensions, sides)
    count = CLASSES[dimensions]
    assert len(made.spaces) == sides
    for space in made.spaces:
        images, frames, marks, names = keys(space)
        assert len(images) == len(frames) == len(marks) == count
        assert names == ["class 0", "class 1", "class 2", "class 3"][:count]
        for i, (mark, front) in enumerate(zip(marks, space.front, strict=True)):
            assert mark.get_marker() == front.get_marker()
            assert mark.get_color() == front.get_color() == CLASS_COLORS[i]
        # Artists that move, as before: two looks of each class, its proxy, and two lines of text.
        assert len(space.artists) == 3 * count + 2
    moving = made.view.moving
    assert len(moving) == sides * (3 * count + 2 + 3)
    assert all(a.get_animated() for a in moving)
    assert not any(a.get_animated() for space in made.spaces for a in keys(space)[0])


@pytest.mark.parametrize("dimensions", [2, 3])
def test_the_key_leaves_the_circle_and_the_proxies_free(dimensions):
    (space,) = picture(Pictures(), losses.TripletLoss(), dimensions).spaces
    canvas = space.ax.figure.canvas
    canvas.draw()
    still, moving = space.ax.transData.inverted(), set(space.artists)
    inside = space.ax.get_window_extent()
    words = [t for t in space.ax.texts if t not in moving]
    images, frames, marks, _ = keys(space)
    for artist in [*images, *frames, *marks, *words]:
        box = artist.get_window_extent(canvas.get_renderer())
        assert inside.x0 <= box.x0 <= box.x1 <= inside.x1
        assert inside.y0 <= box.y0 <= box.y1 <= inside.y1
        nearest = np.abs(still.transform(box.get_points())).min(axis=0)
        assert np.hypot(*nearest) > OUTSIDE + 0.05, artist
    assert space.ax.get_xlim() == space.ax.get_ylim() == (-1.55, 1.55)
    assert space.ax.get_aspect() == 1


def test_the_picture_is_the_stored_one_of_its_class_and_keeps_its_shape():
    dataset = Pictures()
    (space,) = picture(dataset, losses.TripletLoss()).spaces
    for c, image in enumerate(keys(space)[0]):
        pixels = image.get_array()
        assert pixels.shape == (64, 128, 3)
        assert dataset.targets[int(pixels[0, 0, 0])] == c
        left, right, low, high = image.get_extent()
        assert right - left == pytest.approx(2 * (high - low))


def test_without_stored_pictures_it_is_the_tensor_from_black_to_white():
    (space,) = picture(Tensors(3), losses.TripletLoss()).spaces
    for c, image in enumerate(keys(space)[0]):
        pixels = np.asarray(image.get_array())
        assert (pixels.dtype, pixels.min(), pixels.max()) == (np.uint8, 0, 255)
        assert (pixels[:, 3 * c + 1 : 3 * c + 4] > 150).all()  # its bar
    flat = Tensors()
    flat.x.zero_()
    assert keys(picture(flat, losses.TripletLoss()).spaces[0])[0]  # one grey is a picture, too


def test_the_picture_is_the_most_ordinary_of_its_class():
    dataset = Tensors()
    dataset.x[1] = dataset.x[2]  # like those of another class
    dataset.x[11] *= 0.01  # nearest to the mean, for want of contrast
    dataset.x[11] += 0.05 * torch.randn(32, 32, generator=torch.Generator().manual_seed(1))
    pixels = small_images(dataset, None, 2, 0).pictures[1]
    assert pixels[:, 4:7].mean() > 150 > 100 > pixels[:, 7:].mean()


def test_long_names_are_left_out():
    names = ["seven", "LATIN CAPITAL LETTER W", *map(str, range(8))]
    (space,) = picture(Tensors(names=names), losses.TripletLoss()).spaces
    assert keys(space)[3] == ["seven", "0"]


def test_the_key_is_in_the_background_of_every_frame():
    made = picture(Pictures(), losses.TripletLoss())
    before = made.view.pixels().copy()
    for front in made.spaces[0].front:
        front.set_data([], [])
    after = made.view.pixels()
    assert (before != after).any()
    (space,) = made.spaces
    for image, corner in zip(keys(space)[0], CORNERS, strict=False):
        x, y = space.ax.transData.transform(np.array(corner) * 1.25)
        shown = after[round(after.shape[0] - y), round(x)].tolist()
        assert shown == image.get_array()[0, 0].tolist()


def test_a_space_on_paper_has_the_key_as_well():
    training = SmallTraining(
        small_images(Pictures(), None, 2, 0), small_methods(losses.TripletLoss()), 2
    )
    space = Space(Figure().subplots(), training)
    space.move()
    assert len(keys(space)[0]) == 3
