"""The Scenes data set: graphs, captions that are true of them, pictures, two label distances."""

import re
from itertools import permutations
from random import Random

import numpy as np
import pytest
import torch
from PIL import Image

from dmlviz.datasets import captions
from dmlviz.datasets.rendered import _scene_graphs, scenes
from dmlviz.datasets.rendered._scene_graphs import INVERSE, SceneGraph, SceneObject, compose
from dmlviz.datasets.rendered._scene_words import NUMBERS, WORDS, describe
from dmlviz.datasets.rendered._shapes import draw
from dmlviz.datasets.rendered.scenes import Scenes

FIRST_CAPTIONS = [
    "There is a tiny turquoise square inside a big violet box.",
    "A tiny teal box and a big violet square.",
    "A large purple square surrounding a turquoise square.",
    "A picture of a big purple box and a turquoise box.",
    "A teal box within a violet box.",
]
MEAN_OF_FIRST = 122.43  # pixel value of the first 20 pictures
CACHE = f"v{scenes.VERSION}-query.npz"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A data root in which each split is rendered once for all tests."""
    return tmp_path_factory.mktemp("scenes_root")


@pytest.fixture(scope="module")
def query(root):
    return Scenes("query", root)


@pytest.fixture(scope="module")
def query_graphs(root):
    return Scenes("query", root, labels="graph")


@pytest.fixture(scope="module")
def drawn():
    """Scenes with the places of their objects, and their pictures."""
    random = Random("test")
    made = [compose(random) for _ in range(300)]
    graphs, places = [graph for graph, _ in made], [places for _, places in made]
    return graphs, places, draw(graphs, places, np.random.default_rng(0))


def pixels(dataset):
    return np.stack([np.asarray(dataset.image(i)) for i in range(len(dataset))])


@pytest.mark.parametrize(
    ("split", "count"), [("train", 3000), ("val", 500), ("query", 250), ("gallery", 1000)]
)
def test_splits_have_the_promised_sizes_and_labels(root, split, count):
    dataset = Scenes(split, root)
    assert len(dataset) == len(dataset.captions) == len(dataset.graphs) == count
    assert {len(texts) for texts in dataset.captions} == {5}
    assert dataset.targets.tolist() == list(range(count))


def test_splits_differ(root):
    first = {split: Scenes(split, root).captions[0] for split in Scenes.splits}
    assert len({tuple(texts) for texts in first.values()}) == 4


def test_scenes_are_the_same_on_every_machine(query):
    # Composed with Python's generator alone; pictures may round otherwise elsewhere.
    assert query.captions[0] == FIRST_CAPTIONS
    assert pixels(query)[:20].mean() == pytest.approx(MEAN_OF_FIRST, abs=0.5)


def test_objects_and_relations_of_a_graph_fit_together(root):
    for graph in Scenes("gallery", root).graphs:
        n = len(graph.objects)
        assert 2 <= n <= 4
        assert len({(o.shape, o.colour) for o in graph.objects}) == n
        assert set(graph.relations) == set(permutations(range(n), 2))
        for (i, j), relation in graph.relations.items():
            assert graph.relations[j, i] == INVERSE[relation]


def test_every_word_of_the_graphs_occurs(root):
    graphs = Scenes("gallery", root).graphs
    assert {o.shape for g in graphs for o in g.objects} == set(_scene_graphs.SHAPES)
    assert {o.colour for g in graphs for o in g.objects} == set(_scene_graphs.COLOURS)
    assert {o.size for g in graphs for o in g.objects} == set(_scene_graphs.SIZES)
    assert {r for g in graphs for r in g.relations.values()} == set(_scene_graphs.RELATIONS)


def test_relations_are_those_of_the_places(drawn):
    graphs, places, _ = drawn
    for graph, where in zip(graphs, places, strict=True):
        for (i, j), relation in graph.relations.items():
            a, b = where[i], where[j]
            apart = np.hypot(a.x - b.x, a.y - b.y)
            if relation in ("left of", "above"):
                assert apart > a.radius + b.radius
                step = (b.x - a.x, b.y - a.y) if relation == "left of" else (b.y - a.y, b.x - a.x)
                assert step[0] > 1.5 * abs(step[1])
            elif relation == "inside":
                assert apart + 0.8 * a.radius < b.radius
            elif relation == "in front of":
                assert i > j  # drawn later
                assert abs(a.radius - b.radius) < apart < 0.7 * (a.radius + b.radius)


def test_whole_objects_are_in_the_picture(drawn):
    for places in drawn[1]:
        for p in places:
            assert p.radius <= min(p.x, p.y) <= max(p.x, p.y) <= 48 - p.radius


def test_last_object_shows_its_colour_in_the_picture(drawn):
    graphs, places, images = drawn
    paint = {"red": (214, 39, 40), "green": (46, 150, 54), "blue": (38, 92, 205)}
    seen = 0
    for graph, where, image in zip(graphs, places, images, strict=True):
        shape, colour, _ = graph.objects[-1]
        if colour in paint and shape not in ("moon",):  # all others cover their centre
            x, y = int(where[-1].x), int(where[-1].y)
            found = image[y - 1 : y + 2, x - 1 : x + 2].astype(float).mean(axis=(0, 1))
            assert abs(found - paint[colour]).mean() < 45
            seen += 1
    assert seen > 50


def parse(caption):
    """The things and relations that a caption tells: `[(thing, relation, thing) or (thing,)]`.

    A thing is the set of its properties. Written against the English, not the templates: a relation
    is between the subject (the first thing of a clause) and the thing that follows it.
    """
    meaning = {word: name for name, words in WORDS.items() for word in words}
    longest_first = sorted(meaning, key=len, reverse=True)
    tokens = re.findall("|".join(rf"\b{w}\b" for w in longest_first), caption.lower())
    found, thing, subject, relation = [], set(), None, None
    for token in (meaning[t] for t in tokens):
        if token in _scene_graphs.RELATIONS:
            relation = token
            continue
        thing.add(token)
        if token in _scene_graphs.SHAPES:  # ends a noun phrase
            if relation is None:
                subject = thing
                found.append((thing,))
            else:
                found.append((subject, relation, thing))
            thing, relation = set(), None
    return found


def is_true(statement, graph):
    fits = [{i for i, o in enumerate(graph.objects) if part <= set(o)} for part in statement[::2]]
    if len(statement) == 1:
        return bool(fits[0])
    return any(graph.relations.get((i, j)) == statement[1] for i in fits[0] for j in fits[1])


def test_captions_are_true_of_the_graph(root):
    dataset = Scenes("gallery", root)
    relations = 0
    for graph, texts in zip(dataset.graphs, dataset.captions, strict=True):
        for text in texts:
            statements = parse(text)
            assert statements
            for statement in statements:
                assert is_true(statement, graph), (text, statement, graph)
                relations += len(statement) == 3
            numbers = [n for n, word in NUMBERS.items() if re.search(rf"\b{word}\b", text.lower())]
            assert numbers in ([], [len(graph.objects)])
    assert relations > 2 * len(dataset)


def test_the_parser_tells_true_from_false():
    star, circle = SceneObject("star", "red", "small"), SceneObject("circle", "blue", "large")
    relations = {(0, 1): "inside", (1, 0): "around"}
    graph = SceneGraph((star, circle), relations)
    texts = {
        "A crimson star within a blue disc.": True,
        "A big blue circle surrounding a star.": True,
        "A star around a blue disc.": False,
        "A blue star inside a circle.": False,
    }
    for text, expected in texts.items():
        assert all(is_true(s, graph) for s in parse(text)) == expected


def test_captions_of_one_scene_differ_and_equal_scenes_are_told_differently(query):
    for graph, texts in zip(query.graphs, query.captions, strict=True):
        assert len(set(texts)) == 5
        assert all(re.fullmatch(r"[A-Z][a-z ,:]+\.", text) for text in texts)
        assert set(describe(graph, Random(1))) != set(texts)


def test_articles_fit(query):
    for texts in query.captions:
        for text in texts:
            assert not re.search(r"\b(a [aeiou]|an [^aeiou])", text.lower())


def naive_distance(g, h):
    """The formula at the top of `_scene_graphs`, over all ways to match."""
    if len(g.objects) < len(h.objects):
        g, h = h, g
    m = len(g.objects)
    best = np.inf
    for match in permutations(range(m)):  # object i of g and match[i] of h, if there is that many
        objects = relations = 0.0
        for i in range(m):
            if match[i] >= len(h.objects):
                objects += 1
                continue
            a, b = g.objects[i], h.objects[match[i]]
            objects += 0.4 * (a.shape != b.shape) + 0.4 * (a.colour != b.colour)
            objects += 0.2 * (a.size != b.size)
        for i in range(m):
            for j in range(i):
                other = h.relations.get((match[i], match[j]))
                relations += g.relations[i, j] != other
        best = min(best, objects / m / 2 + relations / (m * (m - 1) / 2) / 2)
    return best


def test_graph_distance_is_the_naive_one(query_graphs):
    rows, columns = torch.arange(25), torch.arange(10, 60)
    expected = [
        [naive_distance(query_graphs.graphs[i], query_graphs.graphs[j]) for j in columns]
        for i in rows
    ]
    found = query_graphs.label_distances(rows, columns=columns)
    torch.testing.assert_close(found, torch.tensor(expected).float())


def test_graph_distance_does_not_depend_on_the_order_of_objects():
    random = Random(2)
    graphs, turned = [], []
    for _ in range(50):
        graph, _ = compose(random)
        n = len(graph.objects)
        order = random.sample(range(n), n)
        relations = {(i, j): graph.relations[order[i], order[j]] for i, j in graph.relations}
        graphs.append(graph)
        turned.append(SceneGraph(tuple(graph.objects[k] for k in order), relations))
    (
        a,
        b,
    ) = _scene_graphs.encode(graphs), _scene_graphs.encode(turned)
    assert (_scene_graphs.graph_distances(a, b).diagonal() == 0).all()


def test_distances_of_a_few_graphs_by_hand():
    star, heart = SceneObject("star", "red", "small"), SceneObject("heart", "blue", "large")
    moon = SceneObject("moon", "pink", "small")

    def pair(a, b, relation):
        return SceneGraph((a, b), {(0, 1): relation, (1, 0): INVERSE[relation]})

    around = {(0, 2): "above", (2, 0): "below", (1, 2): "above", (2, 1): "below"}
    graphs = [
        pair(star, heart, "left of"),
        pair(heart, star, "left of"),
        pair(heart, star, "right of"),
        pair(star._replace(colour="blue"), heart, "left of"),
        SceneGraph((star, heart, moon), {(0, 1): "left of", (1, 0): "right of", **around}),
    ]
    codes = _scene_graphs.encode(graphs)
    found = _scene_graphs.graph_distances(codes, codes)[0]
    # none, the relation, none, a colour of two objects, one of three objects and 2 of 3 relations
    np.testing.assert_allclose(found, [0, 0.5, 0, 0.1, 1 / 6 + 1 / 3], rtol=1e-6)


def test_graphs_survive_their_code(query):
    graphs = query.graphs
    assert _scene_graphs.decode(_scene_graphs.encode(graphs)) == graphs


def test_caption_distance_is_that_of_captions_with_the_training_words(root, query):
    training = Scenes("train", root).captions
    words = captions.learn_vocabulary(training, dimensions=scenes.DIMENSIONS)
    sets = words.encode(query.captions)
    expected = captions.relaxed_distance(sets, sets)
    torch.testing.assert_close(query.label_distances(), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("labels", "largest"), [("captions", 2), ("graph", 1)])
def test_label_distances_are_symmetric_and_zero_to_itself(root, labels, largest):
    dataset = Scenes("query", root, labels=labels)
    d = dataset.label_distances()
    torch.testing.assert_close(d, d.T)
    assert d.dtype == torch.float32
    assert d.diagonal().abs().max() < 1e-6
    assert 0 <= d.min() < d.max() <= largest
    assert dataset.label_distance(3, 7) == pytest.approx(d[3, 7].item(), abs=1e-6)


@pytest.mark.parametrize("labels", ["captions", "graph"])
def test_labels_say_what_pixels_do_not(root, labels):
    query, gallery = (Scenes(split, root, labels=labels) for split in ("query", "gallery"))
    d = query.label_distances(other=gallery)
    assert d.shape == (250, 1000)
    near = torch.topk(d, 10, largest=False).values.mean()
    x, y = (torch.from_numpy(pixels(s).reshape(len(s), -1)).float() for s in (query, gallery))
    by_pixels = d.gather(1, torch.cdist(x, y).topk(10, largest=False).indices).mean()
    assert near < 0.6 * d.mean()
    assert 0.9 * d.mean() < by_pixels < 1.1 * d.mean()


def test_captions_and_graphs_agree_in_part(query, query_graphs):
    by_captions, by_graph = query.label_distances(), query_graphs.label_distances()
    off = ~torch.eye(len(query), dtype=torch.bool)
    both = torch.stack([by_captions[off], by_graph[off]])
    assert 0.3 < torch.corrcoef(both)[0, 1] < 0.8


@pytest.mark.parametrize("labels", ["captions", "graph"])
def test_smallest_distance_is_below_nearly_all(root, labels):
    dataset = Scenes("query", root, labels=labels)
    d = dataset.label_distances()[~torch.eye(len(dataset), dtype=torch.bool)]
    assert (d < dataset.smallest_distance).float().mean() < 0.01
    assert ("word mover" in dataset.unit) == (labels == "captions")


@pytest.mark.parametrize("labels", ["captions", "graph"])
def test_no_images_have_no_distances(root, labels):
    dataset, none = Scenes("query", root, labels=labels), torch.zeros(0, dtype=torch.long)
    assert dataset.label_distances(none, columns=torch.arange(3)).shape == (0, 3)
    assert dataset.label_distances(torch.arange(3), columns=none).shape == (3, 0)


def test_images_may_not_be_mirrored(query):
    assert not query.flips


def test_the_two_labels_have_no_distance_to_each_other(query, query_graphs):
    with pytest.raises(ValueError, match="load both splits with the same labels"):
        query.label_distances(other=query_graphs)


def test_unknown_labels_are_refused(root):
    with pytest.raises(ValueError, match="labels must be one of captions, graph, got 'text'"):
        Scenes("query", root, labels="text")


def test_unknown_split_is_refused(root):
    with pytest.raises(ValueError, match="one of train, val, query, gallery, got 'test'"):
        Scenes("test", root)


def test_second_load_reads_the_cache(root, query, monkeypatch):
    monkeypatch.setattr(scenes, "_render", lambda *_: pytest.fail("rendered again"))
    again = Scenes("query", root)
    assert np.array_equal(pixels(again), pixels(query))
    assert again.captions == query.captions
    assert again.graphs == query.graphs


@pytest.mark.parametrize("damage", ["empty", "cut short", "other bytes", "other shapes"])
def test_damaged_cache_is_rendered_again_and_replaced(query, root, tmp_path, damage):
    cache = tmp_path / "scenes" / CACHE
    cache.parent.mkdir()
    content = bytearray((root / "scenes" / CACHE).read_bytes())
    if damage == "cut short":
        del content[len(content) // 2 :]
    elif damage == "other bytes":
        content[5000:5200] = bytes(200)
    cache.write_bytes(b"" if damage == "empty" else content)
    if damage == "other shapes":
        np.savez(cache, images=np.zeros(3), captions=np.array(["a"]))
    again = Scenes("query", tmp_path, labels="graph")
    assert np.array_equal(pixels(again), pixels(query))
    assert again.captions == query.captions
    assert list(cache.parent.iterdir()) == [cache]
    with np.load(cache) as stored:
        assert len(stored["images"]) == 250


def test_root_that_cannot_be_written_only_costs_the_cache(tmp_path):
    (tmp_path / "file").touch()
    dataset = Scenes("query", tmp_path / "file" / "root", labels="graph")
    assert dataset.image(0).size == (48, 48)


def test_rendering_leaves_the_global_random_states_alone():
    state, random = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    scenes._render("query")
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], random)  # noqa: NPY002


def test_default_item_is_three_channels_in_minus_one_to_one(query):
    x, number = query[25]
    assert (x.shape, x.dtype, number) == ((3, 48, 48), torch.float32, 25)
    expected = torch.from_numpy(np.array(query.image(25))).permute(2, 0, 1).float() / 127.5 - 1
    torch.testing.assert_close(x, expected)
    assert query[-1][1] == 249


def test_only_training_images_are_shifted(root):
    train, val = Scenes("train", root), Scenes("val", root)
    assert len({tuple(train[0][0].flatten().tolist()) for _ in range(10)}) > 1
    assert all(torch.equal(val[0][0], val[0][0]) for _ in range(10))
    stored = np.asarray(train.image(0))
    inner = [train[0][0][:, 6:-6, 6:-6] for _ in range(5)]
    for x in inner:  # the middle is somewhere in the stored picture
        found = ((x + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
        places = [(i, j) for i in range(13) for j in range(13)]
        assert any(np.array_equal(found, stored[i : i + 36, j : j + 36]) for i, j in places)


def test_custom_transform_gets_the_stored_image(root):
    dataset = Scenes("query", root, transform=lambda image: image)
    image, _ = dataset[7]
    assert isinstance(image, Image.Image)
    assert (image.mode, image.size) == ("RGB", (48, 48))


@pytest.mark.parametrize("index", [250, -251])
def test_index_outside_the_data_set_is_an_index_error(query, index):
    with pytest.raises(IndexError, match=f"{index} is outside a data set of 250 images"):
        query[index]


def test_repr_names_data_set_split_and_size(query):
    assert repr(query) == "<scenes query: 250 images, labels with a distance>"
