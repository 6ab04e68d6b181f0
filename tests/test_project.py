"""The files around the code agree with each other."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import dmlviz

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONDA_NAMES = {"torch": "pytorch"}


def bounds(requirements):
    """`{name: specifier}` of lines such as `torch>=2.6`."""
    return dict(
        re.match(r"([A-Za-z0-9_.-]+)(.*)", line.replace(" ", "")).groups() for line in requirements
    )


def test_environment_yml_asks_for_what_pyproject_does():
    packages = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    conda = bounds(p for p in packages if isinstance(p, str))
    assert conda.pop("python") == PROJECT["requires-python"]
    assert conda.pop("pip") == ""
    ours = bounds(PROJECT["dependencies"])
    assert conda == {CONDA_NAMES.get(name, name): bound for name, bound in ours.items()}
    assert {"pip": ["-e .[dev]"]} in packages


def test_the_extras_exist():
    assert {"captions", "course", "dev"} <= PROJECT["optional-dependencies"].keys()


def test_import_is_light():
    code = (
        "import sys, dmlviz; heavy = {'torch', 'torchvision', 'matplotlib', 'umap', 'faiss', "
        "'ipywidgets', 'sklearn'} & sys.modules.keys(); assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_losses_and_glyphs_need_no_torchvision_umap_or_faiss(glyph_root):
    code = (
        "import sys; from dmlviz import datasets, losses, models; "
        f"datasets.load('glyphs', 'val', {str(glyph_root)!r})[0]; models.EmbeddingNet(); "
        "heavy = {'torchvision', 'umap', 'faiss', 'matplotlib.pyplot'} & sys.modules.keys(); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_public_name_exists_and_is_documented():
    for room in dmlviz.__all__:
        module = getattr(dmlviz, room)
        assert module.__doc__
        for name in getattr(module, "__all__", []):
            assert getattr(module, name).__doc__, f"{room}.{name} has no docstring"
    with pytest.raises(AttributeError, match="no attribute 'loss'"):
        dmlviz.loss  # noqa: B018


ROOMS = [
    "geometry", "losses", "synthesis", "datasets", "models", "evaluation", "methods", "history",
    "watch", "training", "plots", "widgets", "course", "doctor", "demo", "serve", "cli",
]  # fmt: skip


def test_each_room_imports_only_from_rooms_above_it():
    for path in (ROOT / "dmlviz").rglob("*.py"):
        room = path.relative_to(ROOT / "dmlviz").parts[0].removesuffix(".py")
        if room.startswith("__"):
            continue
        for used in re.findall(r"(?:from|import) dmlviz\.(\w+)", path.read_text()):
            assert ROOMS.index(used) <= ROOMS.index(room), f"{path} imports dmlviz.{used}"


def test_files_stay_short():
    for path in (ROOT / "dmlviz").rglob("*.py"):
        lines = len(path.read_text().splitlines())
        assert lines <= 260, f"{path} has {lines} lines: it holds more than one idea"


def test_contributing_fits_on_a_page():
    assert len((ROOT / "CONTRIBUTING.md").read_text().splitlines()) <= 60


def test_links_between_files_resolve():
    below = [*ROOT.glob("benchmarks/results/*.md"), *ROOT.glob("tutorials/*/**/*.md")]
    for page in [*ROOT.glob("*.md"), *ROOT.glob("*/*.md"), *below]:
        if ".venv" in page.parts:
            continue
        for target in re.findall(r"\]\((?!https?://|#|mailto:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page} links to {target}"


def test_results_in_the_readme_are_those_of_the_benchmarks():
    results = "".join(p.read_text() for p in (ROOT / "benchmarks" / "results").glob("*.md"))
    quoted = re.findall(r"\d+\.\d ± \d+\.\d", (ROOT / "README.md").read_text())
    assert len(quoted) > 5
    for figure in quoted:
        assert figure in results, f"README quotes {figure}, which no result holds"


def test_the_table_beside_published_figures_is_that_of_the_present_results():
    command = [sys.executable, "-c", "import published; print(published.report(), end='')"]
    place = ROOT / "benchmarks"
    made = subprocess.run(command, cwd=place, check=True, capture_output=True, text=True)
    page = ROOT / "benchmarks" / "results" / "published.md"
    assert made.stdout == page.read_text(encoding="utf-8"), "run python benchmarks/published.py"
    table = made.stdout.split("\n\n")[1]
    assert table in (ROOT / "README.md").read_text(encoding="utf-8"), "README has an older table"


def test_the_readmes_code_runs(tmp_path):
    """Every python block of the README, in order, in one process; training cut to one epoch."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert blocks
    code = "\n".join(blocks).replace("epochs=10", "epochs=1")
    environment = os.environ | {"DMLVIZ_DATA": str(tmp_path), "MPLBACKEND": "Agg"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, cwd=tmp_path)


def test_the_readme_names_every_command_and_data_set():
    from dmlviz import datasets

    readme = (ROOT / "README.md").read_text()
    for word in ("make lab", "make test", "dmlviz doctor", "dmlviz demo", *datasets.available()):
        assert word in readme
