"""Captions as bags of words, and vectors for words, learned from the captions of a training set.

A caption is a bag of words: lower case, letters and digits, without `STOP_WORDS`. Their order is
lost: "a dog bites a man" and "a man bites a dog" are the same.

Word vectors. Let tf_i(w) count the word w in all captions of image i, and let n_w of the N training
images have w in a caption:

    idf(w) = 1 + log((1 + N) / (1 + n_w))
    X_wi = tf_i(w) · idf(w) ≈ U S Vᵀ              the largest singular values only
    v_w = row w of U S, scaled to length 1

Words that are said of the same images, such as synonyms in different captions of one, get near
vectors. (Latent semantic analysis: Deerwester, Dumais, Furnas, Landauer, Harshman: Indexing by
Latent Semantic Analysis, 1990.)
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Captions = Sequence[Sequence[str]]  # of each image, its captions
CSR = Any  # scipy.sparse.csr_matrix

STOP_WORDS = frozenset(
    re.findall(
        r"\w+",
        """a an the this that these those some it its he his she her they them their there here of
        in on at to by with from for as into onto and or while is are was were be been has have
        s t""",
    )
)


def tokenize(caption: str) -> list[str]:
    """The words of a caption, in order.

    >>> tokenize("A man's dog is left of the 2 red balls.")
    ['man', 'dog', 'left', '2', 'red', 'balls']
    """
    return [w for w in re.findall(r"[^\W_]+", caption.lower()) if w not in STOP_WORDS]


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The known words; others are left out of captions. Made by `learn_vocabulary`.

    Attributes:
        rows: the number of each word.
        idf: `(V,)`, larger for words of few training images.
        vectors: `(V, D)`, of length 1.
    """

    rows: dict[str, int]
    idf: np.ndarray
    vectors: np.ndarray

    def encode(self, captions: Captions) -> "CaptionSets":
        """The captions of images as bags of words.

        A caption without a known word says nothing and is left out. An image that has no other one
        keeps it: it is at distance 0 from another such image, and as far as can be from all others.
        """
        bags, sizes = [], []
        for i, image in enumerate(_words(captions)):
            if not image:
                raise ValueError(f"image {i} has no caption: give it at least an empty one, ''")
            kept = [words for words in image if not self.rows.keys().isdisjoint(words)] or [[]]
            bags += kept
            sizes.append(len(kept))
        return CaptionSets(self, _count(bags, self.rows), np.array(sizes, dtype=np.int64))

    def same_as(self, other: "Vocabulary") -> bool:
        """Whether captions that the two encode can be compared."""
        if self is other:
            return True
        x, y = self.vectors, other.vectors
        return self.rows == other.rows and x.shape == y.shape and np.allclose(x, y, atol=1e-6)


@dataclass(frozen=True, eq=False)
class CaptionSets:
    """The captions of images as bags of words. Made by `Vocabulary.encode`.

    Attributes:
        counts: `(captions, V)`, sparse: how often each word occurs in each caption.
        sizes: `(images,)`: how many of the captions, which are in order, belong to each image.
    """

    vocabulary: Vocabulary
    counts: CSR
    sizes: np.ndarray

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def first(self) -> np.ndarray:
        """The number of the first caption of each image."""
        return np.cumsum(self.sizes) - self.sizes

    def take(self, images: Any) -> "CaptionSets":
        """The captions of some of the images, by their numbers."""
        images = np.asarray(images, dtype=np.int64)
        sizes = self.sizes[images]
        rows = np.repeat(self.first[images] - np.cumsum(sizes) + sizes, sizes)
        return CaptionSets(self.vocabulary, self.counts[rows + np.arange(len(rows))], sizes)


def learn_vocabulary(
    captions: Captions,
    *,
    dimensions: int = 100,
    vectors: Mapping[str, Sequence[float]] | None = None,
) -> Vocabulary:
    """What the captions of the training images tell about words: see the top of this file.

    Args:
        captions: of each training image, its captions.
        dimensions: of the vectors; fewer where there are fewer words or images.
        vectors: `{word in lower case: vector}` from elsewhere, of any length but 0, instead of the
            learned ones. Their words are then the known ones, in training captions or not.
    """
    from sklearn.utils.extmath import randomized_svd

    documents = [[w for caption in image for w in caption] for image in _words(captions)]
    words = sorted({w for d in documents for w in d} if vectors is None else vectors)
    if not words:
        raise ValueError("no word is known: give the captions of training images, a list for each")
    rows = {word: row for row, word in enumerate(words)}
    counts = _count(documents, rows)
    idf = 1 + np.log((1 + len(documents)) / (1 + counts.getnnz(axis=0)))
    if vectors is None:
        table = counts.multiply(idf).T.tocsr()
        u, s, _ = randomized_svd(table, min(dimensions, *table.shape), n_iter=7, random_state=0)
        x = u * s
    elif len({np.shape(vectors[word]) for word in words}) > 1:
        raise ValueError("the vectors differ in length: take all of them from one source")
    else:
        x = np.array([vectors[word] for word in words], dtype=np.float64)
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    if not (lengths > 0).all():
        word = words[int(np.argmin(lengths > 0))]
        raise ValueError(f"the vector of {word!r} has no direction: leave the word out")
    return Vocabulary(rows, idf, x / lengths)


def _count(documents: list[list[str]], rows: Mapping[str, int]) -> CSR:
    """How often each known word occurs in each document, `(documents, V)`."""
    from scipy.sparse import csr_matrix

    known = [[rows[w] for w in words if w in rows] for words in documents]
    sizes = np.array([len(words) for words in known], dtype=np.int64)
    owner = np.repeat(np.arange(len(known)), sizes)
    columns = np.array([row for words in known for row in words], dtype=np.int64)
    return csr_matrix((np.ones(len(owner)), (owner, columns)), shape=(len(known), len(rows)))


def _words(captions: Captions) -> list[list[list[str]]]:
    """The words of each caption of each image."""
    for i, image in enumerate(captions):
        if isinstance(image, str):
            raise TypeError(f"image {i} must have a list of captions, got the text {image!r}")
    return [[tokenize(caption) for caption in image] for image in captions]
