"""Captions of a scene: sentences that are true of its graph, each in other words.

A noun phrase may leave out the size or the colour, a caption may leave out objects and relations,
words have synonyms, and each relation can be told from either end ("a star inside a circle", "a
circle around a star"). So captions of equal scenes differ, and some say little.
"""

from random import Random

from dmlviz.datasets.rendered._scene_graphs import SceneGraph

WORDS: dict[str, tuple[str, ...]] = {
    "small": ("small", "little", "tiny"),
    "large": ("large", "big"),
    "red": ("red", "crimson"),
    "orange": ("orange",),
    "yellow": ("yellow", "golden"),
    "green": ("green",),
    "turquoise": ("turquoise", "teal"),
    "blue": ("blue",),
    "purple": ("purple", "violet"),
    "pink": ("pink",),
    "circle": ("circle", "disc"),
    "square": ("square", "box"),
    "triangle": ("triangle",),
    "star": ("star",),
    "heart": ("heart",),
    "cross": ("cross", "plus"),
    "moon": ("moon", "crescent"),
    "left of": ("left of", "to the left of"),
    "right of": ("right of", "to the right of"),
    "above": ("above", "over"),
    "below": ("below", "under"),
    "inside": ("inside", "within", "surrounded by"),
    "around": ("around", "surrounding"),
    "in front of": ("in front of", "partly covering", "overlapping"),
    "behind": ("behind", "partly covered by"),
}
NUMBERS = {2: "two", 3: "three", 4: "four"}
CAPTIONS = 5


def describe(graph: SceneGraph, random: Random) -> list[str]:
    """Five captions of a scene, all different."""
    captions: list[str] = []
    kinds = (_one, _list, _two, _among, _one) if len(graph.objects) > 2 else (_one, _list, _one)
    while len(captions) < CAPTIONS:
        text = kinds[len(captions) % len(kinds)](graph, random)
        caption = text[0].upper() + text[1:] + "."
        if caption not in captions:
            captions.append(caption)
    random.shuffle(captions)
    return captions


def _one(graph: SceneGraph, random: Random) -> str:
    """One relation."""
    a, b = random.choice(list(graph.relations))
    return random.choice(("", "there is ")) + _relation(graph, a, b, random)


def _two(graph: SceneGraph, random: Random) -> str:
    """Two relations among three or four objects: of the same one, or one after the other."""
    a, b, c = random.sample(range(len(graph.objects)), 3)
    first = _relation(graph, a, b, random)
    if random.random() < 0.5:
        return f"{first} and {_to(graph, a, c, random)}"
    d = random.choice([i for i in range(len(graph.objects)) if i != c])
    return f"{first}, and {_relation(graph, c, d, random)}"


def _list(graph: SceneGraph, random: Random) -> str:
    """All objects, and no relation."""
    number = len(graph.objects)
    things = [_thing(graph, i, random) for i in random.sample(range(number), number)]
    start = random.choice(("", "a picture of ", f"{NUMBERS[number]} shapes: "))
    return f"{start}{', '.join(things[:-1])} and {things[-1]}"


def _among(graph: SceneGraph, random: Random) -> str:
    """The number of objects, and one relation."""
    a, b = random.choice(list(graph.relations))
    return f"{NUMBERS[len(graph.objects)]} shapes, with {_relation(graph, a, b, random)}"


def _relation(graph: SceneGraph, a: int, b: int, random: Random) -> str:
    """How object a lies to object b: "a star inside a circle"."""
    return f"{_thing(graph, a, random)} {_to(graph, a, b, random)}"


def _to(graph: SceneGraph, a: int, b: int, random: Random) -> str:
    return f"{random.choice(WORDS[graph.relations[a, b]])} {_thing(graph, b, random)}"


def _thing(graph: SceneGraph, i: int, random: Random) -> str:
    """An object: "a large red star", or less."""
    shape, colour, size = graph.objects[i]
    told = [size] * (random.random() < 0.5) + [colour] * (random.random() < 0.85) + [shape]
    words = " ".join(random.choice(WORDS[w]) for w in told)
    return ("an " if words[0] in "aeiou" else "a ") + words
