"""A conditional generator: a class and a noise in, a random embedding of that class out.

The idea is from Lee, Kim, Hong, Kwak: Learning to Generate Novel Classes for Deep Metric Learning,
BMVC 2021 (arXiv 2201.01008). Its abstract describes a conditional generative model which, given a
class label and a noise, produces a random embedding vector of the class, so that embeddings of
classes that do not exist can join the training of a proxy-based loss. **Beyond the abstract the
paper was not available to us.** Architecture, objective, schedule and all settings here are our
own design on that idea, and none of our results is a result of that paper.

Our condition is a class *vector* c (a proxy, say) rather than the number of a class: any vector,
real or made up, names a class. With ĉ = c/||c||, a noise z ~ N(0, I) and a small network r::

    v = (ĉ + r(ĉ, z)) / ||ĉ + r(ĉ, z)||

r learns how samples lie around their class. It is made of three linear layers with leaky ReLUs and
*without* batch norm, so that a sample does not depend on who else is in the batch.
"""

import torch
from torch import Tensor, nn

from dmlviz.geometry import in_float32, normalize
from dmlviz.losses._checks import as_labels, check_embeddings, check_tensors
from dmlviz.synthesis._draws import normal

SLOPE = 0.2  # of the leaky ReLUs below zero


class NovelClassGenerator(nn.Module):
    """From class vectors and noise to embeddings: `generator(class_vectors, noise=None)`.

    Args:
        embedding_size: D.
        noise_size: of z.
        hidden_size: of the two hidden layers; None: D.
        seed: of the random start; the global random state is left alone.

    Shapes: class vectors `(N, D)` of any length, noise `(N, noise_size)` → `(N, D)` of length 1.

    >>> generator = NovelClassGenerator(embedding_size=4, noise_size=2)
    >>> generator(torch.eye(4), noise=torch.zeros(4, 2)).shape
    torch.Size([4, 4])
    """

    def __init__(
        self,
        embedding_size: int,
        noise_size: int,
        hidden_size: int | None = None,
        *,
        seed: int = 0,
    ) -> None:
        super().__init__()
        hidden_size = embedding_size if hidden_size is None else hidden_size
        if min(embedding_size, noise_size, hidden_size) < 1:
            raise ValueError(
                "embedding_size, noise_size and hidden_size must be at least 1, got "
                f"{embedding_size}, {noise_size} and {hidden_size}"
            )
        self.embedding_size, self.noise_size = embedding_size, noise_size
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.residual = nn.Sequential(
                nn.Linear(embedding_size + noise_size, hidden_size),
                nn.LeakyReLU(SLOPE),
                nn.Linear(hidden_size, hidden_size),
                nn.LeakyReLU(SLOPE),
                nn.Linear(hidden_size, embedding_size),
            )

    @in_float32
    def forward(
        self,
        class_vectors: Tensor,
        noise: Tensor | None = None,
        *,
        random: torch.Generator | None = None,
    ) -> Tensor:
        """One random embedding for each row of `class_vectors`.

        Args:
            class_vectors: `(N, D)` floats, of any length: only directions count.
            noise: z, `(N, noise_size)` floats; None: drawn from N(0, I).
            random: a CPU generator to draw from; None: torch's global one.

        Returns:
            `(N, D)`, of length 1.

        Raises:
            ValueError: for other shapes.
        """
        check_tensors(class_vectors=class_vectors)
        check_embeddings(class_vectors=class_vectors)
        if class_vectors.shape[1] != self.embedding_size:
            raise ValueError(
                f"class_vectors must have shape (N, {self.embedding_size}), got "
                f"{tuple(class_vectors.shape)}: build the generator with "
                f"embedding_size={class_vectors.shape[1]}"
            )
        n = len(class_vectors)
        z = normal(n, self.noise_size, random) if noise is None else noise
        check_tensors(noise=z)
        if z.shape != (n, self.noise_size):
            raise ValueError(
                f"noise must have shape ({n}, {self.noise_size}), got {tuple(z.shape)}"
            )
        c = normalize(class_vectors)  # ĉ
        weights = next(self.parameters())
        r = self.residual(torch.cat([c.to(weights), z.to(weights)], dim=1))
        return normalize(c + r.to(c.dtype))

    def extra_repr(self) -> str:
        return f"embedding_size={self.embedding_size}, noise_size={self.noise_size}"


class LabelledGenerator(nn.Module):
    """A label and a noise in: a `NovelClassGenerator` behind a look-up of class vectors.

    Args:
        class_vectors: `(C, D)`, row y is the vector of label y. A parameter, such as
            `loss.proxies`, is shared, not copied: it goes on learning where it came from.
        generator: takes the class vectors.
    """

    class_vectors: Tensor

    def __init__(self, class_vectors: Tensor, generator: NovelClassGenerator) -> None:
        super().__init__()
        check_tensors(class_vectors=class_vectors)
        check_embeddings(class_vectors=class_vectors)
        if isinstance(class_vectors, nn.Parameter):
            self.class_vectors = class_vectors
        else:
            self.register_buffer("class_vectors", class_vectors)
        self.generator = generator

    def forward(
        self,
        labels: Tensor,
        noise: Tensor | None = None,
        *,
        random: torch.Generator | None = None,
    ) -> Tensor:
        """One random embedding for each of `labels (N,)`, `(N, D)`; the rest as above.

        Raises:
            ValueError: for labels that are not rows of the class vectors.
        """
        check_tensors(labels=labels)
        y, classes = as_labels(labels), len(self.class_vectors)
        if len(y) and not 0 <= int(y.min()) <= int(y.max()) < classes:
            raise ValueError(
                f"labels must lie in 0...{classes - 1} (one class vector per label), got "
                f"{int(y.min())}...{int(y.max())}"
            )
        return self.generator(self.class_vectors[y], noise, random=random)
