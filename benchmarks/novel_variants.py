"""The ways of making novel classes that the benchmarks compare, by their names in the tables."""

from typing import Any

from dmlviz import methods, synthesis

NUMBERS = [{"num_novel": 8}, {"num_novel": 32}]  # novel classes per batch
OWN_SETTINGS: dict[str, list[dict[str, Any]]] = {
    # Published.
    "Proxy Synthesis": [{"mixing": 0.4}, {"mixing": 1.0}],
    "MemVir": [{"num_virtual": 1}, {"num_virtual": 5}],
    # Ours: the generator with three kinds of class vectors, and two ways of mixing.
    "generator, free classes": NUMBERS,
    "generator, mixtures": NUMBERS,
    "generator, extrapolations": NUMBERS,
    "carried offsets, hard mixtures": NUMBERS,
    "Proxy Synthesis, nearest": [{"mixing": 0.4}, {"mixing": 1.0}],
}
WARM_UP = 0.15  # of all steps train with the loss alone, so that proxies mean something
NOISE_SIZE, SAMPLES = 16, 3
MEMVIR_APART = 10  # steps between two snapshots


def build(name: str, loss: Any, setting: dict[str, Any], steps: int, seed: int) -> Any:
    """The method of training, around a proxy loss."""
    made = _synthesizer(name, loss, setting, seed)
    weight = setting.get("weight", 1.0)
    return methods.NovelClasses(loss, made, warmup_steps=round(WARM_UP * steps), weight=weight)


def _synthesizer(name: str, loss: Any, setting: dict[str, Any], seed: int) -> Any:
    if name.startswith("Proxy Synthesis"):
        partner = "nearest" if "nearest" in name else "next"
        return synthesis.ProxySynthesis(setting["mixing"], partner=partner, seed=seed)
    if name == "MemVir":
        return synthesis.MemVir(MEMVIR_APART, setting["num_virtual"])
    num = setting["num_novel"]
    if name.startswith("carried"):
        return synthesis.CarriedOffsets(num, pairs="hard", seed=seed)
    size = loss.embedding_size
    makers: dict[str, Any] = {
        "generator, free classes": synthesis.FreeClasses(loss.num_classes, size, seed=seed),
        "generator, mixtures": synthesis.Mixtures(),
        "generator, extrapolations": synthesis.Extrapolations(),
    }
    generator = synthesis.NovelClassGenerator(size, NOISE_SIZE, seed=seed)
    num = min(num, loss.num_classes)  # as many as free classes can give
    return synthesis.GeneratedClasses(generator, makers[name], num, SAMPLES, seed=seed)
