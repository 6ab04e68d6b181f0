"""Recipes: a training run as data. One TOML file says data, network, method, loss and settings,
where each value is from, what was published, and what is done differently here."""

import copy
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dmlviz
from dmlviz.datasets.roots import PathLike
from dmlviz.training.tables import NAMED, TABLES, Data, checked, keys, unknown

FOLDER = Path(dmlviz.__file__).parent / "recipes"
WORDS = ("about", "paper", "run_here")
REQUIRED = ("about", "data", "model", "method", "loss", "fit")


@dataclass(frozen=True)
class Published:
    """Figures that somebody published for this or nearly this recipe.

    Attributes:
        figures: in per cent, such as `{"recall@1": 69.7}`.
        source: where they are from.
        note: what to know about them.
    """

    figures: Mapping[str, float]
    source: str
    note: str = ""


@dataclass(frozen=True)
class Recipe:
    """A training run, read from a file of `dmlviz/recipes` or one's own.

    Attributes:
        name: of the file, without its ending.
        about: one line.
        data, model, method, loss, synthesizer, fit: the tables, as arguments of `datasets.load`,
            `models.EmbeddingNet`, the method, the loss, the synthesizer (or None) and
            `training.fit`.
        paper: what it reproduces, or "".
        published: figures to compare with.
        sources: where a value ("fit.lr") or a whole table ("loss") is from.
        differs: what is done otherwise than in the source, in words.
        run_here: what of it was run by the authors of this library, in words.
    """

    name: str
    about: str
    data: Data
    model: Mapping[str, Any]
    method: Mapping[str, Any]
    loss: Mapping[str, Any]
    fit: Mapping[str, Any]
    synthesizer: Mapping[str, Any] | None = None
    paper: str = ""
    published: tuple[Published, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    differs: tuple[str, ...] = ()
    run_here: str = "not yet"

    def tables(self) -> dict[str, dict[str, Any]]:
        """The tables that decide the run, as plain values."""
        found = {table: getattr(self, table) for table in TABLES}
        found["data"] = vars(self.data)
        return copy.deepcopy({k: _plain(v) for k, v in found.items() if v is not None})

    def changed(self, settings: Mapping[str, Any]) -> "Recipe":
        """The recipe with other values.

        Args:
            settings: by name, "lr", or with the table, "loss.alpha"; the name of a table stands for
                its `name`: `{"loss": "ProxyNCALoss"}`. Another method, loss or synthesizer begins
                with its own defaults.

        Raises:
            ValueError: for a name that is unknown, or in several tables.
            TypeError: for a value of another type.
        """
        tables, words = self.tables(), self._words()
        # What decides which other names there are comes first.
        for key in sorted(settings, key=_rank):
            table, name = _find(key, tables)
            anew = name == "name" and table != "data"
            if anew:
                tables[table] = {}
                if table == "method":
                    tables.pop("synthesizer", None)
            tables.setdefault(table, {})[name] = settings[key]
            words["sources"] = {  # what is changed is from there no more
                of: source
                for of, source in words["sources"].items()
                if of != f"{table}.{name}" and not (anew and of.split(".")[0] == table)
            }
        return _recipe(self.name, {**words, **tables})

    def _words(self) -> dict[str, Any]:
        """All but the tables."""
        published = [vars(entry) for entry in self.published]
        words: dict[str, Any] = {word: getattr(self, word) for word in WORDS}
        return words | {
            "published": published, "sources": dict(self.sources), "differs": list(self.differs)
        }  # fmt: skip


def recipes() -> list[str]:
    """The names of the recipes that come with the library.

    >>> "proxy-anchor-glyphs" in recipes()
    True
    """
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load_recipe(recipe: PathLike) -> Recipe:
    """Read a recipe.

    Args:
        recipe: one of `recipes()`, or the path of a TOML file.

    Raises:
        ValueError: for an unknown name, a file that is no TOML, unknown or missing keys.
        TypeError: for a value of another type.
        FileNotFoundError: for a path at which there is nothing.
    """
    path = Path(recipe)
    if path.suffix != ".toml":
        if str(recipe) not in recipes():
            raise ValueError(
                unknown(f"recipe {str(recipe)!r}", str(recipe), recipes())
                + "; or give the path of a .toml file"
            )
        path = FOLDER / f"{recipe}.toml"
    if not path.is_file():
        raise FileNotFoundError(f"there is no recipe {path}")
    try:
        return _recipe(path.stem, tomllib.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:  # a TOML error is a ValueError
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{path}: {error}") from error


def _recipe(name: str, content: Mapping[str, Any]) -> Recipe:
    known = [*WORDS, *TABLES, "published", "sources", "differs"]
    for key in content:
        if key not in known:
            raise ValueError(unknown(f"key {key!r} in a recipe", key, known))
    missing = [key for key in REQUIRED if key not in content]
    if missing:
        raise ValueError(f"a recipe needs {', '.join(REQUIRED)}, but {', '.join(missing)} is not")
    for word in WORDS:
        if not isinstance(content.get(word, ""), str):
            raise TypeError(f"{word} must be a word, got {content[word]!r}")
    values = {table: checked(table, content[table]) for table in TABLES if table in content}
    novel = values["method"]["name"] == "novel-classes"
    if novel != ("synthesizer" in values):
        raise ValueError('the method "novel-classes", and no other, needs a table [synthesizer]')
    tables: dict[str, Any] = values | {"data": Data(**values["data"])}
    sources = dict(content.get("sources", {}))
    for key in sources:
        table, _, name_ = key.partition(".")
        if table not in TABLES or (name_ and name_ not in keys(table, content.get(table, {}))):
            raise ValueError(f"[sources] speaks of {key!r}, which no table has")
    return Recipe(
        name=name,
        **{word: content[word] for word in WORDS if word in content},
        **tables,
        published=tuple(_published(entry) for entry in content.get("published", ())),
        sources=sources,
        differs=tuple(content.get("differs", ())),
    )


def _published(entry: Any) -> Published:
    if not isinstance(entry, Mapping) or not {"figures", "source"} <= entry.keys():
        raise ValueError(f"[[published]] needs figures and source, got {entry!r}")
    if entry.keys() - {"figures", "source", "note"}:
        raise ValueError(f"[[published]] has figures, source and note, got {sorted(entry)}")
    return Published(**entry)


def _rank(key: str) -> int:
    """The method first, then the other tables' names, then what they take."""
    name = key.removesuffix(".name")
    return 0 if name == "method" else 1 if name in NAMED else 2


def _find(key: str, tables: Mapping[str, Mapping[str, Any]]) -> tuple[str, str]:
    """Table and name of a setting."""
    if key in NAMED:
        return key, "name"
    known = {
        (table, name): name
        for table in TABLES
        if table in tables or table == "synthesizer"
        for name in keys(table, tables.get(table, {}))
    }
    found = [place for place in known if ".".join(place) == key]
    found = found or [place for place, name in known.items() if name == key]
    if len(found) > 1:
        names = " or ".join(".".join(place) for place in found)
        raise ValueError(f"the setting {key!r} is in several tables: say {names}")
    if not found:
        names_ = list(dict.fromkeys([*known.values(), *(".".join(place) for place in known)]))
        raise ValueError(unknown(f"setting {key!r}", key, names_).split(": there are")[0])
    return found[0]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else value
