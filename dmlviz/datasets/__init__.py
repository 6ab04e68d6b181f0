"""Data sets by name: `load(name, split)`.

Embedded sets render themselves and need no download. For the real benchmarks see each one's file.
"""

from dmlviz.datasets import transforms
from dmlviz.datasets.base import ImageDataset
from dmlviz.datasets.continuous import ContinuousDataset
from dmlviz.datasets.dense import DenseTripletBatchSampler
from dmlviz.datasets.features import ContinuousFeatures, Features
from dmlviz.datasets.noise import with_outliers, with_wrong_labels
from dmlviz.datasets.registry import available, load, splits
from dmlviz.datasets.roots import data_root
from dmlviz.datasets.samplers import ClassBalancedBatchSampler
from dmlviz.datasets.subset import OfClasses
from dmlviz.datasets.views import Views

__all__ = [
    "ClassBalancedBatchSampler",
    "ContinuousDataset",
    "ContinuousFeatures",
    "DenseTripletBatchSampler",
    "Features",
    "ImageDataset",
    "OfClasses",
    "Views",
    "available",
    "data_root",
    "load",
    "splits",
    "transforms",
    "with_outliers",
    "with_wrong_labels",
]
