"""Data sets by name: `load(name, split)`.

Embedded sets render themselves and need no download. For the real benchmarks see each one's file.
"""

from dmlviz.datasets.base import ImageDataset
from dmlviz.datasets.features import Features
from dmlviz.datasets.registry import available, load
from dmlviz.datasets.roots import data_root
from dmlviz.datasets.samplers import ClassBalancedBatchSampler

__all__ = [
    "ClassBalancedBatchSampler",
    "Features",
    "ImageDataset",
    "available",
    "data_root",
    "load",
]
