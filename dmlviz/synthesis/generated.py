"""Novel classes whose samples a conditional generator draws. Ours: see `generator` for its origin.

A maker says where the novel classes lie, c̃_k (see `class_vectors`), and the generator G draws S
samples of each, v = G(c̃_k, z). They join the batch of the *embedding loss*, which trains the
network, the proxies and, through c̃ and v, the proxies that c̃ was made of. G's parameters are
detached there: **the embedding loss never updates the generator.**

The *own loss* trains G alone: **it never reaches the network or the proxies.** With real x̂, y and
p̂ detached, samples s = G(p̂_y, z) of the real classes, and v = G(c̃, z') of novel ones::

    L_G = a J( {s} ∪ {v}, {y} ∪ {C+k}; [P; c̃] )                   each is of its class
        + b [ Div(x̂, s) + Div(x̂ - p̂_y, s - p̂_y)                   as real ones are, all together
                                                                  and around their classes
              + κ Div(x̂, v) ]                                     novel ones lie where real ones do

J is the proxy loss itself. The first term alone would draw all samples of a class onto its proxy
(Proxy-NCA) or far apart (Proxy-Anchor); the divergence gives them the spread of the real ones. It
is the sliced Wasserstein distance (see `divergences`) times D: a mean over directions counts each
of them 1/D, and would weigh the less the more dimensions there are. Whether a and b keep the
balance, `diagnose` tells.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import functional_call

from dmlviz.geometry import in_float32, normalize
from dmlviz.losses._checks import check_not_negative, check_proxies
from dmlviz.synthesis.class_vectors import Maker
from dmlviz.synthesis.divergences import sliced_wasserstein
from dmlviz.synthesis.generator import NovelClassGenerator
from dmlviz.synthesis.novel import Novel, ProxyLoss, Synthesizer, no_novel

Divergence = Callable[[Tensor, Tensor], Tensor]


class GeneratedClasses(Synthesizer):
    """Novel classes with generated samples: see the top of this file.

    Args:
        generator: G; trained by the own loss.
        maker: of class vectors, for instance `Mixtures()`. A `FreeClasses` is trained by the
            embedding loss, as the real proxies are.
        num_novel: K ≥ 0, novel classes per batch; 0: none, and nothing is trained here.
        samples_per_class: S ≥ 1, samples of each.
        loss_weight: a.
        divergence_weight: b.
        novel_divergence: κ.
        divergence: Div of two sets of vectors, called `divergence(x, y)`; None: D times
            `sliced_wasserstein`, its directions drawn from this synthesizer's own random source.
        detach: the novel classes are constants to the embedding loss: no gradient through c̃ and v,
            and a `FreeClasses` stays as it starts.
        seed: of class vectors, noise and directions.
    """

    def __init__(
        self,
        generator: NovelClassGenerator,
        maker: Maker,
        num_novel: int,
        samples_per_class: int = 3,
        *,
        loss_weight: float = 0.1,
        divergence_weight: float = 10.0,
        novel_divergence: float = 0.0,
        divergence: Divergence | None = None,
        detach: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__(seed)
        if not isinstance(generator, NovelClassGenerator):
            raise TypeError(
                f"generator must be a NovelClassGenerator, got {type(generator).__name__}"
            )
        if not callable(maker):
            raise TypeError(
                "maker must make class vectors, as Mixtures() does, got " + type(maker).__name__
            )
        check_not_negative(
            num_novel=num_novel, loss_weight=loss_weight, divergence_weight=divergence_weight,
            novel_divergence=novel_divergence,
        )  # fmt: skip
        if samples_per_class < 1:
            raise ValueError(f"samples_per_class must be at least 1, got {samples_per_class}")
        self.generator, self.maker = generator, maker
        self.num_novel, self.samples_per_class = num_novel, samples_per_class
        self.loss_weight, self.divergence_weight = loss_weight, divergence_weight
        self.novel_divergence, self.divergence = novel_divergence, divergence
        self.detach = detach

    @in_float32
    def forward(self, embeddings: Tensor, labels: Tensor, proxies: Tensor) -> Novel:
        check_proxies(embeddings, labels, proxies)
        if self.num_novel == 0:
            return no_novel(embeddings, proxies)
        c = self.maker(proxies, self.num_novel, self.random)  # c̃
        frozen = {name: p.detach() for name, p in self.generator.named_parameters()}
        v = functional_call(self.generator, frozen, self._repeated(c), {"random": self.random})
        if self.detach:
            c, v = c.detach(), v.detach()
        return Novel(v, self._labels(proxies), c)

    @in_float32
    def own_loss(
        self, embeddings: Tensor, labels: Tensor, proxies: Tensor, loss: ProxyLoss
    ) -> Tensor | None:
        check_proxies(embeddings, labels, proxies)
        if self.num_novel == 0:
            return None
        x, p = normalize(embeddings.detach()), normalize(proxies.detach())  # x̂, p̂
        c = self.maker(p, self.num_novel, self.random).detach()
        p_y = p[labels.long()]
        s = self.generator(p_y, random=self.random)
        v = self.generator(self._repeated(c), random=self.random)
        y = torch.cat([labels, self._labels(p)])
        own = self.loss_weight * loss.with_proxies(torch.cat([s, v]), y, torch.cat([p, c]))
        unlike = self._divergence(x, s) + self._divergence(x - p_y, s - p_y)
        if self.novel_divergence:
            unlike = unlike + self.novel_divergence * self._divergence(x, v)
        return own + self.divergence_weight * unlike

    def proxies(self) -> list[nn.Parameter]:
        """What a maker learns: the vectors of `FreeClasses`."""
        return list(self.maker.parameters()) if isinstance(self.maker, nn.Module) else []

    def _repeated(self, class_vectors: Tensor) -> Tensor:
        return class_vectors.repeat_interleave(self.samples_per_class, dim=0)

    def _labels(self, proxies: Tensor) -> Tensor:
        k = torch.arange(self.num_novel, device=proxies.device)
        return len(proxies) + k.repeat_interleave(self.samples_per_class)

    def _divergence(self, x: Tensor, y: Tensor) -> Tensor:
        if self.divergence is None:
            return x.shape[1] * sliced_wasserstein(x, y, generator=self.random)
        return self.divergence(x, y)

    def extra_repr(self) -> str:
        numbers = f"num_novel={self.num_novel}, samples_per_class={self.samples_per_class}"
        made_by = "" if isinstance(self.maker, nn.Module) else f", maker={self.maker}"
        return f"{numbers}{made_by}, detach={self.detach}"
