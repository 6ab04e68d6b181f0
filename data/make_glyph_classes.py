"""Choose the classes of the Glyphs data set and write dmlviz/datasets/rendered/glyph_classes.tsv.

    python data/make_glyph_classes.py

Candidates are the letters, digits and signs that all twelve DejaVu faces of matplotlib can draw
and that Unicode does not decompose (no "e with acute"). Look-alikes go: two characters whose
blurred average over the faces correlates above 0.86 cannot both stay. A seeded draw then names
200 training, 40 validation and 200 test classes. The result is committed, so that the data set
never changes under a newer font; this script documents where it came from.
"""

import unicodedata
from pathlib import Path

import numpy as np
from fontTools.ttLib import TTFont
from scipy.ndimage import gaussian_filter

from dmlviz.datasets.rendered.glyphs import CLASS_LIST, draw_templates, font_paths

CATEGORIES = {"Lu", "Ll", "Lo", "Nd", "Sc", "Sm", "So", "Po"}
PIECES = [range(0x2500, 0x25A0), range(0x239B, 0x23AF)]  # box drawing, bracket pieces
SPLITS = {"train": 200, "val": 40, "test": 200}
LOOK_ALIKE = 0.86
SEED = 0


def candidates() -> list[str]:
    code_points = set.intersection(*(set(TTFont(p).getBestCmap()) for p in font_paths()))
    return [
        chr(c)
        for c in sorted(code_points)
        if unicodedata.category(chr(c)) in CATEGORIES
        and not unicodedata.decomposition(chr(c))
        and not any(c in piece for piece in PIECES)
    ]


def without_look_alikes(characters: list[str]) -> list[str]:
    averages = draw_templates(characters).astype(np.float32).mean(axis=1)[:, 8:-8, 8:-8]
    drawn = averages.any(axis=(1, 2))  # a few signs are blank
    characters = [c for c, has_ink in zip(characters, drawn, strict=True) if has_ink]
    blurred = np.stack([gaussian_filter(a, 2.5) for a in averages[drawn]])
    blurred = blurred.reshape(len(characters), -1)
    blurred -= blurred.mean(axis=1, keepdims=True)
    blurred /= np.linalg.norm(blurred, axis=1, keepdims=True)
    correlation = blurred @ blurred.T
    kept: list[int] = []
    for i in range(len(characters)):
        if all(correlation[i, j] <= LOOK_ALIKE for j in kept):
            kept.append(i)
    return [characters[i] for i in kept]


def main() -> None:
    distinct = without_look_alikes(candidates())
    needed = sum(SPLITS.values())
    drawn = np.random.default_rng(SEED).permutation(len(distinct))[:needed]
    splits = np.repeat(list(SPLITS), list(SPLITS.values()))
    lines = []
    for split in SPLITS:
        for i in sorted(drawn[splits == split]):
            character = distinct[i]
            name = unicodedata.name(character)
            lines.append(f"{split}\tU+{ord(character):04X}\t{character}\t{name}\n")
    Path(CLASS_LIST).write_text("".join(lines), encoding="utf-8")
    print(f"{len(distinct)} distinct characters, {len(lines)} written to {CLASS_LIST}")


if __name__ == "__main__":
    main()
