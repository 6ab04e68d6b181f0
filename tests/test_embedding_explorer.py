"""EmbeddingExplorer without a browser: what it finds, sends, draws, and how it fails."""

import base64
import io
import re
import shutil
import subprocess

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.markers import MarkerStyle
from PIL import Image

from dmlviz import evaluation
from dmlviz.history import History, Snapshot
from dmlviz.plots.style import ANCHOR, CLASS_MARKERS, NEGATIVE, POSITIVE
from dmlviz.widgets import EmbeddingExplorer
from dmlviz.widgets.browser_traits import STATIC, one_module

N, D, CLASSES = 60, 6, 12


def cloud(n=N, d=D, classes=CLASSES, epochs=None, seed=0):
    """Embeddings around class centres, which drift apart epoch by epoch; and labels."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    centres, noise = rng.normal(size=(classes, d)), rng.normal(size=(n, d))
    steps = [t * centres[y] + noise + 5 for t in range(epochs or 2)]
    return (np.stack(steps) if epochs else steps[-1]).astype(np.float32), y


def pixels(n=N, side=12):
    return np.random.default_rng(1).integers(0, 255, (n, side, side), dtype=np.uint8)


class Pictures:
    """A data set as far as a widget needs one; counts how often an image is opened."""

    def __init__(self, n=N, classes=CLASSES, broken=(), size=(12, 10)):
        self.targets = torch.arange(n) % classes
        self.classes = [f"class {c}" for c in range(classes)]
        self.broken, self.size, self.opened = broken, size, []

    def __len__(self):
        return len(self.targets)

    def image(self, index):
        self.opened.append(index)
        if index in self.broken:
            raise ValueError(f"the image {index} cannot be decoded")
        return Image.new("RGB", self.size, (index, 2 * index, 0))


class Poses(Pictures):
    """A data set of continuous labels: label i is the number i."""

    unit = "steps"

    def label_distances(self, rows, *, columns):
        return (rows[:, None] - columns[None, :]).abs().float()


def history(indices=None, epochs=(0, 5, 10)):
    x, y = cloud(epochs=len(epochs))
    rows = torch.arange(N) if indices is None else indices
    names = [f"class {c}" for c in range(CLASSES)]
    snapshots = [
        Snapshot(e, torch.from_numpy(v), torch.from_numpy(y), rows, names)
        for e, v in zip(epochs, x, strict=True)
    ]
    return History([], snapshots)


def answers(explorer):
    """What the widget sends to the page from now on."""
    sent = []
    explorer.send = lambda content, buffers=None: sent.append((content, buffers))
    return sent


def ask(explorer, rows):
    explorer._handle_custom_msg({"type": "thumbnails", "lane": "shown", "rows": rows}, [])


def nearest_by_loop(x, row, k, metric):
    """Every distance by itself."""
    scores = []
    for i in range(len(x)):
        if metric == "cosine":
            score = -(x[i] @ x[row]) / np.linalg.norm(x[i]) / np.linalg.norm(x[row])
        else:
            score = np.linalg.norm(x[i] - x[row])
        if i != row:
            scores.append((score, i))
    return [i for _, i in sorted(scores)[:k]], [s for s, _ in sorted(scores)[:k]]


# --- what it finds --------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_neighbours_are_those_in_the_embedding_space(metric):
    x, y = cloud()
    explorer = EmbeddingExplorer(x, labels=y, metric=metric, k=5)
    explorer.selected = 7
    rows, scores = nearest_by_loop(x.astype(float), 7, 5, metric)
    sign = -1 if metric == "cosine" else 1
    assert explorer.found[0].rows.tolist() == rows
    np.testing.assert_allclose(sign * explorer.found[0].values, scores, atol=1e-5)
    on_the_map, _ = nearest_by_loop(explorer.scene.spaces[0].places[0], 7, 5, "euclidean")
    assert on_the_map != rows


def test_the_page_gets_the_neighbours_and_their_marks():
    x, y = cloud()
    explorer = EmbeddingExplorer(x, labels=y, k=5)
    explorer.selected = 7
    found = explorer._found
    rows = np.frombuffer(found["spaces"][0]["rows"], np.int32)
    marks = np.frombuffer(found["spaces"][0]["marks"], np.uint8)
    assert found["row"] == 7
    assert rows.tolist() == explorer.found[0].rows.tolist()
    assert marks.tolist() == (y[rows] == y[7]).astype(int).tolist()
    explorer.k = 3
    assert len(explorer.found[0].rows) == 3
    explorer.selected = None
    assert explorer.found == []
    assert explorer._found == {}


def test_neighbours_follow_the_epoch():
    x, y = cloud(epochs=3)
    explorer = EmbeddingExplorer(x, labels=y, epochs=["start", "middle", "end"])
    assert explorer.epoch == "end"
    explorer.selected = 0
    for t, name in enumerate(explorer.epochs):
        explorer.epoch = name
        rows, _ = nearest_by_loop(x[t].astype(float), 0, 6, "cosine")
        assert explorer.found[0].rows.tolist() == rows
        assert explorer._found["epoch"] == name


def test_correct_is_recall_at_1_of_the_epoch_on_show():
    x, y = cloud(epochs=3)
    explorer = EmbeddingExplorer(x, labels=y)
    assert explorer._correct == {}  # found when first asked for: it takes a while
    explorer.colour = "correct"
    for t in (2, 0, 1):
        explorer.epoch = t
        right = np.frombuffer(explorer._correct["right"][0], np.uint8)
        assert explorer._correct["epoch"] == t
        assert right.mean() == pytest.approx(evaluation.recall_at_k(x[t], y, [1])[1])


def test_two_spaces_are_searched_side_by_side():
    (a, y), (b, _) = cloud(), cloud(d=9, seed=1)
    explorer = EmbeddingExplorer(a, labels=y, other=b, names=("before", "after"))
    explorer.selected = 4
    for x, found in zip((a, b), explorer.found, strict=True):
        assert found.rows.tolist() == nearest_by_loop(x.astype(float), 4, 6, "cosine")[0]
    assert [s["name"] for s in explorer._scene["spaces"]] == ["before", "after"]
    explorer.colour = "correct"
    assert len(explorer._correct["right"]) == 2


def test_one_still_space_beside_several_epochs():
    (x, y), (b, _) = cloud(epochs=3), cloud(seed=1)
    explorer = EmbeddingExplorer(b, labels=y, other=x)
    assert explorer.epochs == [0, 1, 2]
    explorer.selected = 0
    still = explorer.found[0].rows.tolist()
    explorer.epoch = 0
    assert explorer.found[0].rows.tolist() == still
    assert explorer.found[1].rows.tolist() == nearest_by_loop(x[0].astype(float), 0, 6, "cosine")[0]


# --- the map --------------------------------------------------------------------------------------


def test_two_dimensions_are_drawn_as_they_are():
    x, y = cloud(d=2)
    space = EmbeddingExplorer(x, labels=y).scene.spaces[0]
    scale = (x[1] - x[0]) / (space.places[0, 1] - space.places[0, 0])
    assert scale[0] == pytest.approx(scale[1], rel=1e-4)
    assert np.abs(space.places).max() == pytest.approx(1)
    assert space.how == "the embedding itself"
    assert space.circle is None


def test_the_unit_circle_is_drawn_where_the_embeddings_lie_on_it():
    x, y = cloud(d=2)
    x -= x.mean(axis=0)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    space = EmbeddingExplorer(x, labels=y).scene.spaces[0]
    assert space.circle == (0, 0, 1)
    np.testing.assert_allclose(space.places[0], x, atol=1e-6)


@pytest.mark.parametrize("plane", ["classes", "points"])
def test_all_epochs_are_seen_from_one_side_and_on_one_scale(plane):
    x, y = cloud(epochs=3)
    space = EmbeddingExplorer(x, labels=y, metric="euclidean", plane=plane).scene.spaces[0]
    centred = x - x.mean(axis=1, keepdims=True)
    # One affine map takes the centred embeddings of all epochs to their places.
    inputs = np.concatenate([centred.reshape(-1, D), np.ones((3 * N, 1))], axis=1)
    turn = np.linalg.lstsq(inputs, space.places.reshape(-1, 2), rcond=None)[0]
    np.testing.assert_allclose(inputs @ turn, space.places.reshape(-1, 2), atol=1e-5)
    assert "by one PCA of" in space.how
    assert np.abs(space.places).max() == pytest.approx(1)


def test_the_plane_of_classes_parts_them_better():
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    x = np.zeros((90, 8))
    x[np.arange(90), y] = 1  # classes differ in the first three dimensions,
    x[:, 5:7] = rng.normal(size=(90, 2)) * 3  # and vary more in others

    def apart(plane):
        explorer = EmbeddingExplorer(x, labels=y, plane=plane, metric="euclidean")
        p = explorer.scene.spaces[0].places[0]
        means = np.stack([p[y == c].mean(axis=0) for c in range(3)])
        return np.linalg.norm(means - means.mean(axis=0)) / p.std()

    assert apart("classes") > 1.5 * apart("points")


def test_positions_made_elsewhere():
    x, y = cloud()
    positions = np.random.default_rng(0).normal(size=(N, 2))
    explorer = EmbeddingExplorer(x, labels=y, positions=positions)
    places = explorer.scene.spaces[0].places[0]
    assert np.corrcoef(places[:, 0], positions[:, 0])[0, 1] == pytest.approx(1)
    explorer.selected = 3
    assert explorer.found[0].rows.tolist() == nearest_by_loop(x.astype(float), 3, 6, "cosine")[0]


def test_proxies_lie_on_the_same_plane():
    x, y = cloud(epochs=2)
    proxies = np.stack([x[-1][y == c].mean(axis=0) for c in range(CLASSES)])
    space = EmbeddingExplorer(x, labels=y, proxies=proxies, metric="euclidean").scene.spaces[0]
    assert np.isnan(space.proxy_places[0]).all()  # they are those of the last epoch
    means = np.stack([space.places[1][y == c].mean(axis=0) for c in range(CLASSES)])
    np.testing.assert_allclose(space.proxy_places[1], means, atol=1e-4)
    by_epoch = EmbeddingExplorer(x, labels=y, proxies=np.stack([proxies, proxies]))
    assert not np.isnan(by_epoch.scene.spaces[0].proxy_places).any()


def test_under_the_cosine_proxies_lie_where_their_directions_do():
    angle = np.linspace(0, 2 * np.pi, N, endpoint=False)
    x, y = np.stack([np.cos(angle), np.sin(angle)], axis=1), np.arange(N) % 2
    explorer = EmbeddingExplorer(x, labels=y, proxies=[[7.0, 0], [0, 0.1]])
    places = explorer.scene.spaces[0].proxy_places[0]
    np.testing.assert_allclose(places, [[1, 0], [0, 1]], atol=1e-5)


def test_numbers_travel_as_bytes():
    x, y = cloud(epochs=2)
    explorer = EmbeddingExplorer(x, pixels(), y, values=np.arange(N) / 7)
    space = explorer._scene["spaces"][0]
    places = np.frombuffer(space["places"], np.float32).reshape(2, N, 2)
    np.testing.assert_array_equal(places, explorer.scene.spaces[0].places)
    assert np.frombuffer(explorer._scene["labels"], np.int32).tolist() == y.tolist()
    values = np.frombuffer(explorer._shades["values"], np.float32)
    np.testing.assert_allclose(values, np.arange(N) / 7, rtol=1e-6)
    state = explorer.get_state()
    assert not re.search(r"(\d+, ){20}", str({k: v for k, v in state.items() if k[0] == "_"}))


# --- labels and images ----------------------------------------------------------------------------


def test_a_history_brings_epochs_labels_names_and_which_images():
    dataset = Pictures(4 * N)
    explorer = EmbeddingExplorer(history(torch.arange(0, 4 * N, 4)), dataset)
    assert explorer.epochs == [0, 5, 10]
    assert explorer.epoch == 10
    assert explorer.scene.labels.names[3] == "class 3"
    sent = answers(explorer)
    ask(explorer, [2])
    assert dataset.opened == [8]
    assert tuple(sent[0][1][0][:3]) == (8, 16, 0)
    chosen = Pictures(N)  # the images of the snapshot alone
    answers(explorer := EmbeddingExplorer(history(torch.arange(0, 4 * N, 4)), chosen))
    ask(explorer, [2])
    assert chosen.opened == [2]


def test_one_snapshot_or_a_list_of_them_will_do():
    snapshots = history().snapshots
    assert EmbeddingExplorer(snapshots[1]).epochs == [5]
    assert EmbeddingExplorer(snapshots[:2]).epochs == [0, 5]
    assert EmbeddingExplorer([s.embeddings for s in snapshots], labels=cloud()[1]).epochs[-1] == 2


def test_labels_and_names_come_from_the_data_set():
    x, y = cloud()
    own = EmbeddingExplorer(x, Pictures()).scene.labels
    given = EmbeddingExplorer(x, Pictures(), y).scene.labels
    assert own.names == given.names == Pictures().classes
    other = EmbeddingExplorer(x, Pictures(), y + 100).scene.labels  # not the data set's own
    assert other.names[0] == "class 100"


def test_more_than_eight_classes_are_grey_but_for_a_few():
    x, y = cloud()
    assert len(EmbeddingExplorer(x, labels=y).scene.coloured) == 8
    explorer = EmbeddingExplorer(x, labels=y + 5, highlight=[9, 16])
    assert explorer._scene["coloured"] == [4, 11]


@pytest.mark.parametrize(
    "images",
    [pixels(), list(map(Image.fromarray, pixels())), np.stack([pixels()] * 3, axis=-1)],
    ids=["grey bytes", "PIL", "colour bytes"],
)
def test_images_in_any_container(images):
    x, y = cloud()
    explorer = EmbeddingExplorer(x, images, y)
    sent = answers(explorer)
    ask(explorer, [5, 3])
    content, buffers = sent[0]
    height, width = pixels().shape[1:]
    asked = {"asked": [5, 3], "rows": [5, 3], "sizes": [[width, height]] * 2}
    assert content == {"type": "thumbnails", "lane": "shown", **asked}
    for row, buffer in zip([5, 3], buffers, strict=True):
        seen = np.frombuffer(buffer, np.uint8).reshape(height, width, 3)
        np.testing.assert_array_equal(seen[..., 0], pixels()[row])  # small ones are exact


def test_photographs_become_small_and_are_made_once():
    dataset = Pictures(size=(1600, 800))
    explorer = EmbeddingExplorer(cloud()[0], dataset)
    sent = answers(explorer)
    ask(explorer, [1, 2])
    ask(explorer, [2])
    assert dataset.opened == [1, 2]
    image = Image.open(io.BytesIO(sent[0][1][0]))
    assert (image.format, image.size) == ("JPEG", (128, 64))
    assert sent[0][0]["sizes"] == [None, None]


def test_a_continuous_label_alone():
    x, _ = cloud()
    explorer = EmbeddingExplorer(x, labels=np.arange(N) / 10)
    assert explorer.colours == ["label"]
    assert explorer._shades["low"] == 0
    assert explorer._shades["high"] == pytest.approx(5.9)
    explorer.selected = 3
    assert set(explorer._found["spaces"][0]["marks"]) == {2}  # neither right nor wrong


def test_distances_of_labels_are_seen_from_the_clicked_image():
    explorer = EmbeddingExplorer(cloud()[0], Poses())
    assert explorer.colours == ["label"]
    assert explorer._shades == {}
    explorer.selected = 10
    r = np.frombuffer(explorer._shades["values"], np.float32)
    np.testing.assert_array_equal(r, np.abs(np.arange(N) - 10))
    assert explorer._shades["high"] == np.median(r)  # as in plots.label_gallery
    assert explorer._shades["what"] == "label distance, steps"


# --- state ----------------------------------------------------------------------------------------


def test_the_page_and_python_share_the_state():
    x, y = cloud(epochs=3)
    explorer = EmbeddingExplorer(x, labels=y)
    seen = []
    explorer.observe(lambda change: seen.append(change["new"]), "selection")
    lasso = memoryview(np.array([3, 8, 20], np.int32).tobytes())
    explorer.set_state({"selection": lasso, "selected": 8, "epoch": 0, "k": 4, "colour": "correct"})
    assert seen == [[3, 8, 20]]
    assert y[explorer.selection].tolist() == [3, 8, 8]
    assert (explorer.selected, explorer.epoch, explorer.k) == (8, 0, 4)
    assert len(explorer.found[0].rows) == 4
    explorer.selection = np.flatnonzero(y == 2)
    assert seen[-1] == [2, 14, 26, 38, 50]
    assert explorer.get_state("selection") == {
        "selection": np.array([2, 14, 26, 38, 50], np.int32).tobytes()
    }


@pytest.mark.parametrize(
    ("name", "value", "error", "words"),
    [
        ("selected", N, ValueError, "selected must be in 0…59, got 60"),
        ("selected", 1.5, TypeError, "selected must be a whole number, got 1.5"),
        ("selection", [0, -1], ValueError, "selection must be in 0…59, got -1"),
        ("selection", 3, TypeError, "selection must be row numbers, got 3"),
        ("epoch", 7, ValueError, "epoch must be one of 0, 1, got 7"),
        ("colour", "size", ValueError, "colour must be one of class, correct, got 'size'"),
        ("k", 0, ValueError, "k must be in 1…24, got 0"),
        ("k", "many", TypeError, "k must be a whole number"),
    ],
)
def test_a_bad_state_is_refused_in_words(name, value, error, words):
    x, y = cloud(epochs=2)
    explorer = EmbeddingExplorer(x, labels=y)
    before = getattr(explorer, name)
    with pytest.raises(error, match=re.escape(words)):
        setattr(explorer, name, value)
    assert getattr(explorer, name) == before


X, Y = cloud()


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"embeddings": np.zeros(5)}, ValueError, "embeddings must have shape"),
        ({"embeddings": X[:1], "labels": [0]}, ValueError, "N ≥ 2"),
        ({"embeddings": []}, ValueError, "holds no epoch"),
        ({"embeddings": [X, X[:9]]}, ValueError, "must have one shape"),
        ({"embeddings": X * np.nan}, ValueError, "embeddings must be finite"),
        ({"labels": None}, ValueError, "labels must be given"),
        ({"labels": Y[:9]}, ValueError, r"labels must have shape \(60,\).*got \(9,\)"),
        ({"labels": list("ab" * 30)}, TypeError, "numpy.unique"),
        ({"labels": Y / 2, "values": Y / 2}, ValueError, "labels must be integers where"),
        ({"classes": ["a"]}, ValueError, "classes must name every label"),
        ({"values": np.ones(3)}, ValueError, r"values must have shape \(60,\)"),
        ({"values": np.full(N, np.inf)}, ValueError, "values must be finite"),
        ({"images": pixels(9)}, ValueError, r"images must be one per embedding \(60\), got 9"),
        ({"images": 3}, TypeError, "images must be a data set or a sequence"),
        ({"images": ["a.png"] * N}, TypeError, "images must be a data set with .image"),
        ({"proxies": np.zeros((3, D))}, ValueError, "proxies must be one per class"),
        ({"proxies": np.zeros((12, 2))}, ValueError, "proxies must be finite, of shape"),
        ({"other": X[:9]}, ValueError, "other must be of the same 60 images, got 9"),
        ({"embeddings": [X, X], "other": [X, X, X]}, ValueError, "one epoch or as many"),
        ({"other": X, "names": ["a"]}, ValueError, r"names must be one per map \(2\)"),
        ({"positions": X}, ValueError, r"positions must have shape \(60, 2\)"),
        ({"positions": X[:, :2], "proxies": X[:12]}, ValueError, "leave one out"),
        ({"highlight": [99]}, ValueError, "highlight must be labels that there are, got 99"),
        ({"highlight": range(9)}, ValueError, "at most 8"),
        ({"epochs": [1, 2]}, ValueError, "epochs must be 1 different names"),
        ({"metric": "hamming"}, ValueError, "metric must be one of cosine, euclidean"),
        ({"plane": "xy"}, ValueError, "plane must be classes or points"),
        ({"k": 99}, ValueError, "k must be in 1…24, got 99"),
    ],
)
def test_bad_input_is_refused_in_words(arguments, error, words):
    with pytest.raises(error, match=words):
        EmbeddingExplorer(**{"embeddings": X, "labels": Y} | arguments)


def test_snapshots_of_different_images_are_refused():
    two = [history().snapshots[0], history(torch.arange(N) + 1).snapshots[1]]
    with pytest.raises(ValueError, match="must all be of the same images"):
        EmbeddingExplorer(two)
    with pytest.raises(ValueError, match="its snapshots hold other ones"):
        EmbeddingExplorer(two[0], other=two[1])


def test_an_error_shows_in_words_and_is_raised():
    explorer = EmbeddingExplorer(cloud()[0], Pictures(broken=[4]))
    sent = answers(explorer)
    with pytest.raises(ValueError, match="image 4 cannot be decoded"):
        ask(explorer, [3, 4, 5])
    assert explorer._message == "ValueError: the image 4 cannot be decoded"
    assert sent[0][0]["asked"] == [3, 4, 5]
    assert sent[0][0]["rows"] == [3, 5]  # the others arrive
    ask(explorer, [3])
    assert explorer._message == ""

    def fail(*_):
        raise RuntimeError("no index")

    explorer.scene.search = fail
    with pytest.raises(RuntimeError, match="no index"):
        explorer.selected = 1
    assert explorer._message == "RuntimeError: no index"


def test_sweep_visits_every_state_and_returns():
    x, y = cloud(epochs=3)
    dataset = Pictures()
    explorer = EmbeddingExplorer(x, dataset, y, values=np.arange(N), k=4)
    explorer.selected, explorer.epoch = 9, 1
    # clicks 3, epochs 3, colours 3, k's 3, and a lasso, none, no click
    assert explorer.sweep() == 15
    assert (explorer.selected, explorer.epoch, explorer.colour, explorer.k) == (9, 1, "class", 4)
    assert explorer.selection == []
    assert {0, 30, 59} <= set(dataset.opened)
    with pytest.raises(ValueError, match="image 30 cannot be decoded"):
        EmbeddingExplorer(x, Pictures(broken=[30]), y).sweep()


# --- on paper -------------------------------------------------------------------------------------


def stars(ax):
    return [line for line in ax.lines if line.get_marker() == "*"]


def test_static_shows_the_clicked_point_and_its_neighbours():
    import matplotlib.pyplot as plt

    plt.close("all")
    x, y = cloud()
    explorer = EmbeddingExplorer(x, Pictures(), y, k=5)
    figure = explorer.static(row=7)
    assert isinstance(figure, Figure)
    assert plt.get_fignums() == []
    space_ax, tiles = figure.axes
    (star,) = stars(space_ax)
    assert star.get_color() == ANCHOR
    places = explorer.scene.spaces[0].places[0]
    np.testing.assert_allclose(np.column_stack(star.get_data()), places[[7]])
    found = explorer.scene.search(7, 5, 0)[0].rows
    lines = [line for line in space_ax.lines if len(line.get_xdata()) == 2]
    for line, row in zip(lines, found, strict=True):
        np.testing.assert_allclose(np.column_stack(line.get_data()), places[[7, row]])
        right = y[row] == y[7]
        assert to_hex(line.get_color()).upper() == (POSITIVE if right else NEGATIVE)
        assert line.get_linestyle() == ("-" if right else "--")
    assert len(tiles.images) == 6
    texts = [t.get_text() for t in tiles.texts]
    assert sum(text.startswith("cos ") and "\nclass " in text for text in texts) == 5
    assert space_ax.get_title().startswith("each mark is an image")
    signs = [t.get_text() for t in tiles.texts if t.get_text() in "★✓✗"]
    assert signs == ["★", *("✓" if y[row] == y[7] else "✗" for row in found)]


@pytest.mark.parametrize("colour", ["class", "correct", "label"])
def test_static_of_every_colour_and_of_two_maps(colour):
    x, y = cloud(epochs=2)
    explorer = EmbeddingExplorer(x, labels=y, values=np.arange(N), other=x[0], names=("a", "b"))
    explorer.colour = colour
    figure = explorer.static()
    assert len(figure.axes) == 4
    assert [ax.get_title()[:2] for ax in figure.axes[::2]] == ["a:", "b:"]
    figure.canvas.draw()


def test_static_chooses_an_image_with_right_and_wrong_neighbours():
    x, y = cloud()
    explorer = EmbeddingExplorer(x, labels=y)
    (tiles,) = explorer.static().axes[1:]
    assert {"✓", "✗"} <= {t.get_text() for t in tiles.texts}
    assert EmbeddingExplorer(x, Poses()).static().axes  # without classes, too


def test_readers_without_a_kernel_get_a_picture():
    explorer = EmbeddingExplorer(*cloud()[:1], labels=cloud()[1])
    data, _ = explorer._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).size == (880, 460)
    assert data["text/plain"] == "Map of 60 images of 12 classes, embedded in 6 dimensions"


def test_a_broken_image_keeps_nobody_from_the_live_widget():
    explorer = EmbeddingExplorer(cloud()[0], Pictures(broken=range(N)))
    data, _ = explorer._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert "image/png" not in data
    assert "cannot be decoded" in explorer._message


def legend_marks(ax):
    """Marks by the names in the legend: outlines of points."""
    handles = zip(ax.get_legend().texts, ax.get_legend().legend_handles, strict=True)
    return {
        text.get_text(): handle.get_marker()
        if hasattr(handle, "get_marker")
        else handle.get_paths()[0].vertices.round(3).tolist()
        for text, handle in handles
    }


def outline(marker):
    style = MarkerStyle(marker)
    path = style.get_path().transformed(style.get_transform())
    return path.vertices.round(3).tolist()


def test_a_diamond_is_a_proxy_and_never_a_class_beside_proxies():
    x, y = cloud(classes=8)
    proxies = np.stack([x[y == c].mean(axis=0) for c in range(8)])
    plain, beside = (EmbeddingExplorer(x, labels=y, proxies=p) for p in (None, proxies))
    assert plain._scene["style"]["markers"] == list(CLASS_MARKERS)
    page = beside._scene["style"]["markers"]
    assert "D" not in page
    known = (STATIC / "sprites.js").read_text(encoding="utf-8").split("};")[0]
    assert all(re.search(rf'^  "?{re.escape(m)}"?: ', known, re.M) for m in page)
    # As in plots.embedding_map, the class takes a triangle to the left.
    assert legend_marks(plain.static(0).axes[0])["class 3"] == outline("D")
    marks = legend_marks(beside.static(0).axes[0])
    assert marks["proxy"] == "D"
    assert marks["class 3"] == outline("<")
    assert all(marks[f"class {c}"] == outline(CLASS_MARKERS[c]) for c in range(8) if c != 3)


# --- the page's code ------------------------------------------------------------------------------


def run_in_node(code):
    if shutil.which("node") is None:
        pytest.skip("no node here")
    command = ["node", "--input-type=module", "--eval", code]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_points_are_found_where_they_are():
    """The grid index, the lasso and the arrow keys against plain loops."""
    code = (
        one_module("point_index.js")
        + """
      let seed = 1;
      const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
      const places = Float32Array.from({ length: 2000 }, () => 2 * random() - 1);
      const rows = [...Array(1000).keys()];
      const at = (row) => [places[2 * row], places[2 * row + 1]];
      const index = new PointIndex(places);
      for (let trial = 0; trial < 100; trial++) {
        const [x, y, reach] = [3 * random() - 1.5, 3 * random() - 1.5, 0.3 * random()];
        const away = (row) => Math.hypot(at(row)[0] - x, at(row)[1] - y);
        const near = rows.filter((row) => away(row) <= reach).sort((a, b) => away(a) - away(b));
        const found = index.near(x, y, reach, 1000);
        if (String(found) !== String(near)) throw Error(`near: ${found} instead of ${near}`);
      }
      const square = [[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]];
      const inside = rows.filter((row) => at(row).every((v) => Math.abs(v) < 0.5));
      if (String(rowsInside(places, square)) !== String(inside)) throw Error("lasso");
      const few = Float32Array.from([0, 0, 1, 0, 3, 0.1, 0, 1, -1, -0.2]);
      const next = [[1, 0], [-1, 0], [0, 1], [0, -1]].map((d) => nextTowards(few, 0, ...d));
      if (String(next) !== "1,4,3,-1") throw Error(`towards: ${next}`);
      const same = new PointIndex(new Float32Array(20)); // all in one place
      if (same.near(0, 0, 0.1, 99).length !== 10) throw Error("collapsed");
      console.log("ok");
    """
    )
    assert run_in_node(code) == "ok\n"


def test_a_stamp_is_laid_over_what_is_below():
    code = (
        one_module("sprites.js")
        + """
      const sprite = { half: 1, dx: [0], dy: [0], colour: [pack(100, 0, 50, 128)], below: [127] };
      const picture = new Uint32Array(9).fill(pack(200, 100, 0));
      stamp(picture, 3, 3, sprite, 1, 1);
      stamp(picture, 3, 3, sprite, -1, 7); // outside
      const bytes = new Uint8Array(picture.buffer);
      console.log(String(bytes.slice(16, 19)), String(bytes.slice(0, 3)));
      const order = stackingOrder(Uint8Array.from([WRONG, QUIET, 0, RIGHT, QUIET]));
      console.log(order[4], [...order.slice(0, 2)].sort().join());
    """
    )
    assert run_in_node(code) == "199,49,50 200,100,0\n0 1,4\n"
