import os
from collections.abc import Iterator

os.environ.setdefault("OMP_NUM_THREADS", "1")

from pathlib import Path

import matplotlib
import pytest
import torch

matplotlib.use("Agg")


@pytest.fixture(scope="session")
def glyph_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root in which each Glyphs split is rendered once for all tests."""
    return tmp_path_factory.mktemp("glyph_root")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Whatever a test did with torch's threads, the next has one: sums of floats depend on it."""
    torch.set_num_threads(1)


@pytest.fixture
def asked_live() -> Iterator[None]:
    """Whatever a test did with recorded answers, the next one asks functions again."""
    yield
    from dmlviz.course import answers

    answers.live()
