"""Recipes say nothing that the library does not take, and where each value is from."""

import inspect
import tomllib

import pytest
import torch

from dmlviz import datasets, models, training
from dmlviz.training import build, recipe_table
from dmlviz.training.recipe import FOLDER

RECIPES = {name: training.load_recipe(name) for name in training.recipes()}
PAPERS = [name for name, recipe in RECIPES.items() if recipe.paper]
REAL = [n for n, r in RECIPES.items() if r.model.get("weights") == "imagenet"]
GLYPHS = RECIPES["proxy-anchor-glyphs"]


def test_the_benchmarks_and_the_embedded_sets_have_recipes():
    assert {f"proxy-anchor-{d}" for d in ("cub-resnet50", "cars-resnet50", "glyphs")} < set(RECIPES)
    assert {f"proxy-anchor-{d}-googlenet" for d in ("cub", "cars", "sop", "inshop")} < set(RECIPES)
    for on in ("", "anchor-"):
        sets = ("cub", "cars", "sop", "inshop")
        assert {f"proxy-synthesis-{on}{d}-googlenet" for d in sets} < set(RECIPES)
    assert "memvir-cars-googlenet" in RECIPES
    for loss in ("log-ratio", "dense-triplet", "binary-triplet"):
        assert f"{loss}-mpii-resnet34" in RECIPES
    for setting in ("self", "dimension", "network"):
        assert {f"relaxed-contrastive-{setting}-{d}" for d in ("cub", "cars", "sop")} < set(RECIPES)
        assert f"transfer-{setting}-glyphs" in RECIPES


@pytest.mark.parametrize("name", RECIPES)
def test_the_data_of_a_recipe_exists(name):
    data = RECIPES[name].data
    splits = datasets.splits(data.name)
    assert "train" in splits
    assert "test" in splits or {"query", "gallery"} <= set(splits)
    loader = datasets.registry.loader(data.name)
    takes = inspect.signature(loader).parameters
    assert set(data.options) <= set(takes)
    assert not data.val_classes or "val_classes" in takes


@pytest.mark.parametrize("name", PAPERS)
def test_every_value_of_a_papers_recipe_has_a_source(name):
    recipe = RECIPES[name]
    for table, values in recipe.tables().items():
        if table == "data":
            values = {"name", "transform", *(["val_classes"] if values["val_classes"] else [])}
        for key in values:
            known = f"{table}.{key}" in recipe.sources or table in recipe.sources
            assert known, f"{table}.{key} has no source"
    assert recipe.run_here == "one step"  # what the last test here does; more must be shown


def test_stand_ins_are_said_plainly():
    for recipe in RECIPES.values():
        if recipe.paper and recipe.model["backbone"] == "googlenet":
            assert any("Inception-BN" in words for words in recipe.differs)
            assert recipe.sources["model.backbone"].startswith("stand-in")


def test_published_figures_are_per_cent_and_named_as_ours_are():
    for recipe in RECIPES.values():
        for entry in recipe.published:
            assert entry.source
            for name, value in entry.figures.items():
                assert name.startswith(("recall@", "ndcg@"))
                assert 1 < value < 100


def test_the_page_of_all_recipes_is_up_to_date():
    assert (FOLDER / "README.md").read_text() == recipe_table.table()


def test_a_value_may_be_named_alone_or_with_its_table():
    changed = GLYPHS.changed({"lr": 5e-4, "loss.alpha": 8, "clip_gradient": "none"})
    assert changed.fit["lr"] == 5e-4
    assert changed.loss["alpha"] == 8
    assert changed.fit["clip_gradient"] is None
    assert GLYPHS.fit["lr"] == 1e-3
    assert GLYPHS.changed({}) == GLYPHS


def test_what_is_changed_is_not_from_the_source_any_more():
    recipe = RECIPES["proxy-anchor-cub-resnet50"]
    changed = recipe.changed({"lr": 1e-3, "loss": "ProxyNCALoss"})
    assert set(recipe.sources) - set(changed.sources) == {"fit.lr", "loss"}
    assert changed.loss == {"name": "ProxyNCALoss"}  # the margin was the other loss's


def test_another_method_begins_anew():
    new = GLYPHS.changed(
        {"synthesizer.alpha": 1.0, "synthesizer": "ProxySynthesis", "method": "novel-classes"}
    )
    assert new.synthesizer == {"name": "ProxySynthesis", "alpha": 1.0}
    assert new.changed({"method": "supervised"}) == GLYPHS


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"lrr": 1}, ValueError, "did you mean 'lr'"),
        ({"loss.alfa": 1}, ValueError, "did you mean 'loss.alpha'"),
        ({"loss": "ProxyNCALos"}, ValueError, "did you mean 'ProxyNCALoss'"),
        ({"method": "supervized"}, ValueError, "did you mean 'supervised'"),
        ({"name": "cub"}, ValueError, "say data.name or method.name"),
        ({"synthesizer": "ProxySynthesis"}, ValueError, "novel-classes"),
        ({"transform": "photo"}, ValueError, "there are data, model, plain"),
        ({"lr": "fast"}, TypeError, "fit.lr must be a number, got 'fast'"),
        ({"epochs": 2.5}, TypeError, "a whole number"),
        ({"epochs": True}, TypeError, "a whole number"),
        ({"normalize": 1}, TypeError, "true or false"),
        ({"ks": [1, "a"]}, TypeError, "a list of which each is a whole number"),
        ({"weights": 3}, TypeError, 'a word or "none"'),
    ],
)
def test_settings_that_cannot_be_are_named(settings, error, words):
    with pytest.raises(error, match=words):
        GLYPHS.changed(settings)


GOOD = (FOLDER / "proxy-anchor-glyphs.toml").read_text()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("margin = ", "margn = ", r"mine\.toml.*margn.*did you mean 'margin'"),
        ("[data]", "[dta]", "did you mean 'data'"),
        ('name = "glyphs"\n', "", r"\[data\] lacks name"),
        ("[model]", "[model", r"mine\.toml"),
        ("fit = ", '"fit.lrr" = ', "'fit.lrr', which no table has"),
        ("figures = ", "figurs = ", "needs figures and source"),
    ],
)
def test_mistakes_in_a_file_are_named(old, new, words, tmp_path):
    assert old in GOOD
    (tmp_path / "mine.toml").write_text(GOOD.replace(old, new, 1))
    with pytest.raises(ValueError, match=words):
        training.load_recipe(tmp_path / "mine.toml")


def test_a_file_of_ones_own_is_a_recipe(tmp_path):
    (tmp_path / "mine.toml").write_text(GOOD.replace("epochs = 10", "epochs = 3"))
    recipe = training.load_recipe(tmp_path / "mine.toml")
    assert (recipe.name, recipe.fit["epochs"]) == ("mine", 3)
    with pytest.raises(FileNotFoundError, match=r"none\.toml"):
        training.load_recipe(tmp_path / "none.toml")
    with pytest.raises(ValueError, match="did you mean 'proxy-anchor-glyphs'"):
        training.load_recipe("proxy-anchor-glyph")


def test_the_files_are_part_of_the_package():
    project = tomllib.loads((FOLDER.parents[1] / "pyproject.toml").read_text())
    # The build takes whole packages, whatever their files are called.
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"] == {"packages": ["dmlviz"]}
    assert FOLDER.parent.name == "dmlviz"


# --- one step of every recipe that needs data from elsewhere ----------------------------------


class Noise(torch.utils.data.Dataset):
    """Random pictures of four classes."""

    targets, classes = torch.arange(16) % 4, list("abcd")

    def __len__(self):
        return 16

    def __getitem__(self, i):
        return torch.randn(3, 64, 64), int(self.targets[i])


class ContinuousNoise(datasets.ContinuousDataset):
    """Random pictures with random labels."""

    name, unit, smallest_distance, flips = "noise", "units", 0.01, True

    def __init__(self):
        super().__init__("train", torch.nn.Identity())
        self.labels = torch.rand(16, 1)

    def __len__(self):
        return 16

    def __getitem__(self, i):
        return torch.randn(3, 64, 64), i

    def _distances(self, rows, other, columns):
        return torch.cdist(self.labels[rows], other.labels[columns])


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """The checkpoint of a small model to learn from."""
    path = tmp_path_factory.mktemp("source") / "checkpoint.pt"
    table = {"backbone": "convnet_small", "embedding_size": 8, "in_channels": 3}
    model = models.EmbeddingNet(**table)
    model.head.bias.data += 0.1  # trained, as far as anybody can tell
    method = build.build_method(GLYPHS, model, Noise(), 0)
    about = {"recipe": {"model": table}}
    training.fit(model, method, Noise(), epochs=0, checkpoint=path, about=about, progress=False)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_one_step_of_every_recipe(name, source):
    settings = {"weights": "none", "batch_size": 8, "epochs": 1, "warmup_epochs": 0}
    if RECIPES[name].method["name"] == "embedding-transfer":
        settings["source"] = str(source)
    if "pool" in RECIPES[name].method:
        settings["pool"] = 8  # there are only 16 images
    recipe = RECIPES[name].changed(settings)
    continuous = recipe.method["name"] == "continuous-labels"
    train = ContinuousNoise() if continuous else Noise()
    model = build.build_model(recipe, seed=0)
    before = model.head.weight.detach().clone()
    method = build.build_method(recipe, model, train, seed=0)
    history = training.fit(model, method, train, progress=False, **recipe.fit)
    assert history["loss"][1] > 0
    assert not torch.equal(model.head.weight, before)


def test_a_transfer_without_source_says_how_to_get_one():
    recipe = RECIPES["transfer-self-glyphs"]
    model = build.build_model(recipe, seed=0)
    with pytest.raises(ValueError, match="--set source=CHECKPOINT"):
        build.build_method(recipe, model, Noise(), 0)
    with pytest.raises(FileNotFoundError, match=r"none\.pt"):
        build.build_method(recipe.changed({"source": "none.pt"}), model, Noise(), 0)
