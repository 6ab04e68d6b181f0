"""Distances between captions, against loops over words that share no code with them."""

import math
import sys
from collections import Counter

import numpy as np
import pytest
import torch

from dmlviz.datasets import captions

TRAINING = [
    ["A red ball lies on the grass.", "a crimson ball in a field", "The ball is red"],
    ["a red car on a road", "a crimson car"],
    ["a dog runs over the grass", "A brown dog is running in a field", "dog"],
    ["a brown dog in a car", "a dog looks out of a car"],
    ["two children play with a ball", "kids playing in a field", "children and a red ball"],
]
IMAGES = [
    ["a red ball", "the crimson ball in the grass", "ball ball field"],
    ["a dog on a road"],
    ["two dogs and a dog", "children play", "a car"],
    ["a brown car", "a red car, a car"],
]


@pytest.fixture(scope="module")
def vocabulary():
    return captions.learn_vocabulary(TRAINING, dimensions=4)


def bags(vocabulary, image):
    """Of each caption that says something, the share of each known word."""
    counts = [Counter(w for w in captions.tokenize(c) if w in vocabulary.rows) for c in image]
    return [{w: n / c.total() for w, n in c.items()} for c in counts if c]


def cost(vocabulary, w, u):
    v = vocabulary.vectors
    difference = v[vocabulary.rows[w]] - v[vocabulary.rows[u]]
    return math.sqrt(sum(x * x for x in difference))


def naive_relaxed(vocabulary, s, t):
    there = sum(p * min(cost(vocabulary, w, u) for u in t) for w, p in s.items())
    back = sum(p * min(cost(vocabulary, w, u) for u in s) for w, p in t.items())
    return max(there, back)


def naive_exact(vocabulary, s, t):
    """The linear program as the top of `captions` has it."""
    from scipy.optimize import linprog

    costs = [cost(vocabulary, w, u) for w in s for u in t]
    rows = [[float(w == a) for a in s for _ in t] for w in s]
    columns = [[float(u == b) for _ in s for b in t] for u in t]
    return linprog(costs, A_eq=rows + columns, b_eq=[*s.values(), *t.values()]).fun


def naive_between(vocabulary, a, b, distance):
    s, t = bags(vocabulary, a), bags(vocabulary, b)
    there = sum(min(distance(vocabulary, x, y) for y in t) for x in s) / len(s)
    back = sum(min(distance(vocabulary, x, y) for x in s) for y in t) / len(t)
    return (there + back) / 2


def table(vocabulary, distance, first=IMAGES, second=IMAGES):
    return torch.tensor(
        [[naive_between(vocabulary, a, b, distance) for b in second] for a in first]
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A man's dog .", ["man", "dog"]),
        (
            "Two RED balls, 3 blue-green ones!",
            ["two", "red", "balls", "3", "blue", "green", "ones"],
        ),
        ("the cafés_of Zürich", ["cafés", "zürich"]),
        ("It is on the .", []),
        ("", []),
    ],
)
def test_words_are_letters_and_digits_without_stop_words(text, words):
    assert captions.tokenize(text) == words


def test_vocabulary_has_the_words_of_the_training_captions(vocabulary):
    words = {w for image in TRAINING for c in image for w in captions.tokenize(c)}
    assert set(vocabulary.rows) == words
    assert sorted(vocabulary.rows.values()) == list(range(len(words)))


def test_idf_counts_images_not_captions(vocabulary):
    # "crimson" is in captions of two of the five images, "grass" in two, "dog" in two
    for word, images in (("ball", 2), ("crimson", 2), ("field", 3), ("road", 1)):
        expected = 1 + math.log((1 + 5) / (1 + images))
        assert vocabulary.idf[vocabulary.rows[word]] == pytest.approx(expected)


def test_word_vectors_are_rows_of_the_decomposition(vocabulary):
    words = list(vocabulary.rows)
    x = np.zeros((len(words), len(TRAINING)))
    for i, image in enumerate(TRAINING):
        for caption in image:
            for w in captions.tokenize(caption):
                x[vocabulary.rows[w], i] += vocabulary.idf[vocabulary.rows[w]]
    u, s, _ = np.linalg.svd(x, full_matrices=False)
    expected = u[:, :4] * s[:4]
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    # signs of singular vectors are arbitrary: compare inner products
    found = vocabulary.vectors
    np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=1e-8)


def test_synonyms_that_are_said_of_the_same_images_are_near(vocabulary):
    assert cost(vocabulary, "red", "crimson") < cost(vocabulary, "red", "dog") / 2


def test_learning_is_deterministic(vocabulary):
    again = captions.learn_vocabulary(TRAINING, dimensions=4)
    assert again.rows == vocabulary.rows
    np.testing.assert_allclose(again.vectors, vocabulary.vectors, atol=1e-12)


def test_same_vocabulary_learned_twice_is_the_same(vocabulary):
    sets = vocabulary.encode(IMAGES)
    again = captions.learn_vocabulary(TRAINING, dimensions=4).encode(IMAGES)
    assert captions.relaxed_distance(sets, again).diagonal().max() < 1e-6


def test_there_are_no_more_dimensions_than_images_or_words():
    assert captions.learn_vocabulary(TRAINING, dimensions=50).vectors.shape[1] == len(TRAINING)
    assert captions.learn_vocabulary([["a dog"]]).vectors.shape == (1, 1)


def test_vocabulary_distance_is_the_naive_one(vocabulary):
    def weights(image):
        counts = Counter(w for bag in image for w in captions.tokenize(bag))
        known = {w: n for w, n in counts.items() if w in vocabulary.rows}
        return {w: n * vocabulary.idf[vocabulary.rows[w]] for w, n in known.items()}

    def naive(a, b):
        x, y = weights(a), weights(b)
        product = sum(x[w] * y.get(w, 0) for w in x)
        return 1 - product / math.hypot(*x.values()) / math.hypot(*y.values())

    sets = vocabulary.encode(IMAGES)
    expected = torch.tensor([[naive(a, b) for b in IMAGES] for a in IMAGES]).float()
    found = captions.vocabulary_distance(sets, sets)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)


def test_relaxed_distance_is_the_naive_one(vocabulary):
    a, b = vocabulary.encode(IMAGES), vocabulary.encode(TRAINING)
    expected = table(vocabulary, naive_relaxed, IMAGES, TRAINING)
    torch.testing.assert_close(captions.relaxed_distance(a, b), expected, atol=1e-6, rtol=1e-5)


def test_blocks_do_not_change_the_result(vocabulary, monkeypatch):
    a, b = vocabulary.encode(IMAGES), vocabulary.encode(TRAINING)
    whole = captions.relaxed_distance(a, b)
    monkeypatch.setattr(captions, "_ROWS", 3)
    monkeypatch.setattr(captions, "_COLUMNS", 2)
    torch.testing.assert_close(captions.relaxed_distance(a, b), whole)


def test_exact_distance_is_the_solution_of_the_linear_program(vocabulary):
    pytest.importorskip("ot")
    sets = vocabulary.encode(IMAGES)
    expected = table(vocabulary, naive_exact)
    torch.testing.assert_close(captions.exact_distance(sets, sets), expected, atol=1e-6, rtol=1e-5)


def test_relaxed_distance_is_never_above_the_exact_one(vocabulary):
    pytest.importorskip("ot")
    a, b = vocabulary.encode(IMAGES), vocabulary.encode(TRAINING)
    slack = captions.exact_distance(a, b) - captions.relaxed_distance(a, b)
    assert slack.min() > -1e-6
    assert slack.max() > 0.01


DISTANCES = ["vocabulary_distance", "relaxed_distance", "exact_distance"]


@pytest.fixture(params=DISTANCES)
def distance(request):
    if request.param == "exact_distance":
        pytest.importorskip("ot")
    return getattr(captions, request.param)


def test_distances_are_symmetric_not_negative_and_zero_to_itself(vocabulary, distance):
    a, b = vocabulary.encode(IMAGES), vocabulary.encode(TRAINING)
    torch.testing.assert_close(distance(a, b), distance(b, a).T)
    assert distance(a, b).dtype == torch.float32
    assert distance(a, b).min() >= 0
    assert distance(a, a).diagonal().max() < 1e-6


def test_order_and_repetition_of_captions_and_order_of_words_do_not_matter(vocabulary, distance):
    a = vocabulary.encode([["a dog on grass", "a red ball"], ["dog", "car"]])
    b = vocabulary.encode([["the red ball!", "grass on a dog"], ["car", "dog"]])
    assert distance(a, b).diagonal().max() < 1e-6


def test_unknown_words_are_left_out(vocabulary, distance):
    a = vocabulary.encode([["a zebra and a dog", "zebra zebra"], ["red quagga ball"]])
    b = vocabulary.encode([["a dog"], ["red ball"]])
    torch.testing.assert_close(distance(a, b), distance(b, b))


def test_images_that_say_nothing_are_far_from_all_but_each_other(vocabulary, distance):
    sets = vocabulary.encode([["", "the"], ["zebra"], ["a dog", ""], ["a dog"]])
    farthest = 1.0 if distance is captions.vocabulary_distance else captions.LARGEST
    f = farthest
    expected = torch.tensor([[0, 0, f, f], [0, 0, f, f], [f, f, 0, 0], [f, f, 0, 0]])
    torch.testing.assert_close(distance(sets, sets), expected, atol=1e-6, rtol=0)


def test_no_images_have_no_distances(vocabulary, distance):
    some, none = vocabulary.encode(IMAGES), vocabulary.encode([])
    assert distance(none, some).shape == (0, 4)
    assert distance(some, some.take([])).shape == (4, 0)


def test_take_chooses_images_with_their_captions(vocabulary, distance):
    sets = vocabulary.encode(IMAGES)
    assert len(sets.take([2, 0])) == 2
    torch.testing.assert_close(
        distance(sets.take([2, 0, 2]), sets), distance(sets, sets)[[2, 0, 2]]
    )


def test_captions_of_two_vocabularies_have_no_distance(vocabulary, distance):
    other = captions.learn_vocabulary(TRAINING, dimensions=3)
    with pytest.raises(ValueError, match="two vocabularies: encode both with the same one"):
        distance(vocabulary.encode(IMAGES), other.encode(IMAGES))


VECTORS = {"dog": [2.0, 0.0], "cat": [1.0, 0.0], "car": [0.0, 0.1], "tree": [-3.0, 0.0]}


def test_given_vectors_replace_learned_ones_at_length_one():
    vocabulary = captions.learn_vocabulary(TRAINING, vectors=VECTORS)
    sets = vocabulary.encode([["a dog"], ["cat"], ["a car"], ["tree"], ["a red dog"]])
    expected = torch.tensor([0, 0, math.sqrt(2), 2, 0])
    torch.testing.assert_close(captions.relaxed_distance(sets, sets)[0], expected)


def test_a_vector_without_a_direction_is_refused():
    with pytest.raises(ValueError, match="vector of 'cat' has no direction: leave the word out"):
        captions.learn_vocabulary(TRAINING, vectors={**VECTORS, "cat": [0.0, 0.0]})


def test_vectors_of_two_lengths_are_refused():
    with pytest.raises(ValueError, match="vectors differ in length"):
        captions.learn_vocabulary(TRAINING, vectors={**VECTORS, "cat": [1.0]})


@pytest.mark.parametrize("training", [[], [["", "the"]]])
def test_training_captions_without_a_word_are_refused(training):
    with pytest.raises(ValueError, match="no word is known: give the captions of training images"):
        captions.learn_vocabulary(training)


def test_a_text_in_place_of_a_list_is_refused(vocabulary):
    with pytest.raises(TypeError, match="image 1 must have a list of captions, got the text 'dog'"):
        captions.learn_vocabulary([["cat"], "dog"])
    with pytest.raises(TypeError, match="image 0 must have a list of captions"):
        vocabulary.encode(["a dog"])


def test_an_image_without_a_caption_is_refused(vocabulary):
    with pytest.raises(ValueError, match="image 1 has no caption: give it at least an empty one"):
        vocabulary.encode([["dog"], []])


def test_without_pot_the_error_names_the_remedy(vocabulary, monkeypatch):
    monkeypatch.setitem(sys.modules, "ot", None)
    sets = vocabulary.encode(IMAGES)
    with pytest.raises(ImportError, match="pip install POT, or use relaxed"):
        captions.exact_distance(sets, sets)


def test_relaxation_gap_compares_the_two_distances(vocabulary):
    pytest.importorskip("ot")
    a, b = vocabulary.encode(IMAGES), vocabulary.encode(TRAINING)
    gap = captions.relaxation_gap(a, b, pairs=40, seed=3)
    exact, relaxed = captions.exact_distance(a, b), captions.relaxed_distance(a, b)
    pairs = {(round(e, 5), round(r, 5)) for e, r in zip(gap.exact, gap.relaxed, strict=True)}
    every = zip(exact.flatten().tolist(), relaxed.flatten().tolist(), strict=True)
    assert pairs <= {(round(e, 5), round(r, 5)) for e, r in every}
    assert gap.relative == pytest.approx(np.mean((gap.exact - gap.relaxed) / gap.exact))
    assert 0.5 < gap.rank_correlation <= 1
    again = captions.relaxation_gap(a, b, pairs=40, seed=3)
    assert np.array_equal(again.exact, gap.exact)


def test_relaxation_gap_of_equal_pairs_says_what_to_do(vocabulary):
    pytest.importorskip("ot")
    one = vocabulary.encode(IMAGES[:1])
    with pytest.raises(ValueError, match="equally far: give more images, or more pairs"):
        captions.relaxation_gap(one, one, pairs=3)
