"""Novel classes whose samples carry the offsets of real ones over to a new centre. Ours.

How a sample lies off its class, x̂_i - p̂_{y_i}, is pose, light, background: much of that is not
the class's own. So put a new class between two of the batch, a and b, with λ ~ Beta(α, α), and
let it inherit the offsets of the samples of both::

    c̃ ∝ λ p̂_a + (1-λ) p̂_b          v_i ∝ c̃ + x̂_i - p̂_{y_i}      for all i with y_i ∈ {a, b}

No generator is trained: the spread is real. And v is a function of the image, so that, unlike with
generated samples, the gradient of the novel classes reaches the network.
"""

from torch import Tensor

from dmlviz.geometry import in_float32, normalize
from dmlviz.losses._checks import check_not_negative, check_positive, check_proxies
from dmlviz.synthesis._draws import beta
from dmlviz.synthesis.class_pairs import check_pairs, draw_pairs
from dmlviz.synthesis.novel import Novel, Synthesizer, no_novel


class CarriedOffsets(Synthesizer):
    """Mixed classes with the offsets of both parents' samples: see the top of this file.

    A batch of one class gives nothing.

    Args:
        num_novel: K ≥ 0, novel classes per batch.
        alpha: α > 0.
        pairs: "random" or "hard" (b is the class of the batch nearest to a), see `class_pairs`.
        seed: of pairs and λ.
    """

    def __init__(
        self, num_novel: int, alpha: float = 0.4, pairs: str = "random", *, seed: int = 0
    ) -> None:
        super().__init__(seed)
        check_not_negative(num_novel=num_novel)
        check_positive(alpha=alpha)
        check_pairs(pairs)
        self.num_novel, self.alpha, self.pairs = num_novel, alpha, pairs

    @in_float32
    def forward(self, embeddings: Tensor, labels: Tensor, proxies: Tensor) -> Novel:
        check_proxies(embeddings, labels, proxies)
        y = labels.long()
        present = y.unique()
        if self.num_novel == 0 or len(present) < 2:
            return no_novel(embeddings, proxies)
        x, p = normalize(embeddings), normalize(proxies)  # x̂, p̂
        i, j = draw_pairs(self.pairs, p[present], self.num_novel, self.random)
        a, b = present[i][:, None], present[j][:, None]
        lam = beta(self.alpha, self.num_novel, self.random).to(p)[:, None]  # λ
        c = normalize(lam * p[a[:, 0]] + (1 - lam) * p[b[:, 0]])  # c̃
        k, row = ((y == a) | (y == b)).nonzero(as_tuple=True)  # sample `row` lends class k
        v = normalize(c[k] + (x - p[y])[row])
        return Novel(v, len(p) + k, c)

    def extra_repr(self) -> str:
        return f"num_novel={self.num_novel}, alpha={self.alpha}, pairs={self.pairs!r}"
