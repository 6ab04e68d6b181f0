"""The table of all recipes, `recipes/README.md`: `python -m dmlviz.training.recipe_table`."""

from dmlviz.training.recipe import FOLDER, Recipe, load_recipe, recipes

HEAD = """# Recipes

Training runs as data: `dmlviz train NAME`, with any value changed by `--set lr=1e-4`. Each file
says where its values are from, and what is done otherwise than there. Published figures are
Recall@1 in per cent. The papers choose the epoch *on the test classes*; `dmlviz train` chooses it
on held-out training classes unless `--select-on test` is said, so its figures will be lower.

**We have run no recipe of a paper in full.** "One step" says that the test suite builds it, and
takes one step with it on noise, with random weights. Where a paper has Inception-BN, which
torchvision lacks, GoogLeNet stands in (`differs` in each file). Figures in the rows of Glyphs and
Poses are those of the benchmark named there, whose settings the recipe has.

**Rows of the papers without a recipe.** Proxy Synthesis and MemVir on Proxy-NCA: in their authors'
code that loss, at scale 12, *is* normalised softmax of temperature 1/24, so `--set
temperature=0.041667` (MemVir: `--set num_virtual=20 --set steps_apart=26` as well). Proxy Synthesis
on SoftTriple: the library has no such loss. MemVir on other data sets or Proxy-Anchor, the rivals
of relaxed contrastive, log-ratio on rooms and captions: we could read no settings. "Learning to
Generate Novel Classes": we could read no more than its abstract.

| recipe | data | network | published Recall@1 | source | run here |
|---|---|---|---|---|---|
"""


def table() -> str:
    """The page, from the files."""
    return HEAD + "\n".join(_row(load_recipe(name)) for name in recipes()) + "\n"


def _row(recipe: Recipe) -> str:
    model = recipe.model
    network = f"{model.get('backbone', 'convnet')}, {model.get('embedding_size', 64)}"
    figures = [p for p in recipe.published if "recall@1" in p.figures]
    values = "; ".join(f"{p.figures['recall@1']:.1f}" for p in figures) or "–"
    sources = "; ".join(p.source + (f" ({p.note})" if p.note else "") for p in figures) or "–"
    cells = [
        f"[{recipe.name}]({recipe.name}.toml)", recipe.data.name, network, values, sources,
        recipe.run_here,
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    (FOLDER / "README.md").write_text(table(), encoding="utf-8")
