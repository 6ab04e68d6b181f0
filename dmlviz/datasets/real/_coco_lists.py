"""The two files that tell the captions of MS-COCO's images, as plain lists.

captions_val2017.json, official:
    {"images": [{"id": 9, "file_name": "000000000009.jpg"}, …],
     "annotations": [{"image_id": 9, "caption": "…"}, …]}
dataset_coco.json, by Andrej Karpathy:
    {"images": [{"cocoid": 9, "filepath": "val2014", "filename": "COCO_val2014_….jpg",
                 "split": "train", "sentences": [{"raw": "…"}, …]}, …]}
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SPLITS = ("train", "restval", "val", "test")
_AGAIN = "the file is damaged or another one, get it again"


@dataclass(frozen=True)
class Entry:
    """An image: its number in MS-COCO, its file below the data set's folder, its captions."""

    id: int
    file: str
    captions: list[str]


def read_official(path: Path, folder: str) -> list[Entry]:
    """The images of an official file, in its order.

    Args:
        path: of the file.
        folder: the one with the images.

    Raises:
        ValueError: the file is damaged, an image has no caption, or two have one number.
    """
    stored = _read(path)
    captions: dict[int, list[str]] = {}
    for i, item in enumerate(_items(path, stored, "annotations")):
        image, caption = _fields(path, f"annotations[{i}]", item, image_id=int, caption=str)
        captions.setdefault(image, []).append(caption)
    entries = []
    for i, item in enumerate(_items(path, stored, "images")):
        number, name = _fields(path, f"images[{i}]", item, id=int, file_name=str)
        if number not in captions:
            raise ValueError(f"{path}: image {number} has no caption, or two entries: {_AGAIN}")
        entries.append(Entry(number, f"{folder}/{name}", captions.pop(number)))
    if captions:
        raise ValueError(
            f"{path}: {len(captions):,} images have captions but no entry in 'images', such as "
            f"{min(captions)}: {_AGAIN}"
        )
    return entries


def read_karpathy(path: Path) -> dict[str, list[Entry]]:
    """The images of each of `SPLITS`, in the order of the file.

    Raises:
        ValueError: the file is damaged, or an image has no caption or no such split.
    """
    splits: dict[str, list[Entry]] = {split: [] for split in SPLITS}
    for i, item in enumerate(_items(path, _read(path), "images")):
        where = f"images[{i}]"
        number, folder, name, split, sentences = _fields(
            path, where, item, cocoid=int, filepath=str, filename=str, split=str, sentences=list
        )
        texts = [_fields(path, f"{where}.sentences", s, raw=str)[0] for s in sentences]
        if split not in splits or not texts:
            problem = "has no caption" if split in splits else f"is in the split {split!r}"
            raise ValueError(f"{path}: image {number} {problem}: {_AGAIN}")
        splits[split].append(Entry(number, f"{folder}/{name}", texts))
    return splits


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # not text, or not JSON
        raise ValueError(f"{path} cannot be read as JSON ({error}): get the file again") from error


def _items(path: Path, stored: Any, key: str) -> list[Any]:
    items = stored.get(key) if isinstance(stored, dict) else None
    if not isinstance(items, list) or not items:
        raise ValueError(f"{path} has no list {key!r}: {_AGAIN}")
    return items


def _fields(path: Path, where: str, item: Any, **kinds: type) -> list[Any]:
    """Fields of an entry, each of its kind."""
    for key, kind in kinds.items():
        if not isinstance(item, dict) or not isinstance(item.get(key), kind):
            raise ValueError(f"{path}: {where} has no {key!r} ({kind.__name__}): {_AGAIN}")
    return [item[key] for key in kinds]
