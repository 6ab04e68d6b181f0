"""Novel classes: embeddings and proxies of classes that do not exist join the training.

A `Synthesizer` is called with a batch and the proxies and returns `Novel` classes;
`methods.NovelClasses(loss, synthesizer)` trains with them. What is whose:

- `ProxySynthesis` mixes the batch's own embeddings and proxies: a published method (Gu, Ko, Kim,
  AAAI 2021). Its `partner="nearest"` is ours.
- `MemVir` brings back the classes of earlier steps: a published method (Ko, Gu, Kim, ICCV 2021).
- `NovelClassGenerator` draws a random embedding for a class and a noise. The idea is that of the
  abstract of Lee, Kim, Hong, Kwak (Learning to Generate Novel Classes for Deep Metric Learning,
  BMVC 2021); of its method more was not available to us. `GeneratedClasses`, which trains the
  generator and uses it, the makers of class vectors, and the diagnostics are our own design.
- `CarriedOffsets` gives a mixed class the offsets of real samples: ours.

`sliced_wasserstein` and `energy_distance` compare two sets of vectors; `diagnose` says whether a
generator is any good.
"""

from dmlviz.synthesis.carried import CarriedOffsets
from dmlviz.synthesis.class_pairs import hard_pairs, random_pairs
from dmlviz.synthesis.class_vectors import Extrapolations, FreeClasses, Mixtures
from dmlviz.synthesis.diagnostics import (
    Diagnosis,
    diagnose,
    distance_ratio,
    nearest_proxy_accuracy,
    nearest_real_class,
    noise_use,
    spread_ratio,
)
from dmlviz.synthesis.divergences import energy_distance, sliced_wasserstein
from dmlviz.synthesis.generated import GeneratedClasses
from dmlviz.synthesis.generator import LabelledGenerator, NovelClassGenerator
from dmlviz.synthesis.memvir import MemVir
from dmlviz.synthesis.novel import Novel, Synthesizer
from dmlviz.synthesis.proxy_synthesis import ProxySynthesis

__all__ = [
    "CarriedOffsets",
    "Diagnosis",
    "Extrapolations",
    "FreeClasses",
    "GeneratedClasses",
    "LabelledGenerator",
    "MemVir",
    "Mixtures",
    "Novel",
    "NovelClassGenerator",
    "ProxySynthesis",
    "Synthesizer",
    "diagnose",
    "distance_ratio",
    "energy_distance",
    "hard_pairs",
    "nearest_proxy_accuracy",
    "nearest_real_class",
    "noise_use",
    "random_pairs",
    "sliced_wasserstein",
    "spread_ratio",
]
