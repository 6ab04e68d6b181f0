"""Small folders in the formats of the data sets with classes, and what the tests know of them.

The picture of an image shows the number of its class: by its grey value in photographs, by the
length of a bar of ink in Omniglot.
"""

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy.io import savemat

from dmlviz.datasets import load
from dmlviz.datasets.real.source import NotOfficial


def load_part(name, split, root, **options):
    """Load what is smaller than the official split, and expect the warning."""
    with pytest.warns(NotOfficial, match="cannot be compared with published ones"):
        return load(name, split, root=root, **options)


def change_line(file, number, text):
    lines = file.read_text().splitlines()
    lines[number - 1] = text
    file.write_text("\n".join(lines) + "\n")


def put_grey(file, number):
    """Write a picture of a class; numbers of products are larger than grey values can be."""
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (20, 16), number % 251).save(file)


def grey(image):
    red, green, blue = image.getpixel((5, 5))
    assert red == green == blue
    return red


# --- CUB-200-2011 -----------------------------------------------------------------------------

CUB_CLASSES = (2, 50, 100, 101, 150, 200)  # official ids, on both sides of the border
CUB_LISTS = ("images.txt", "image_class_labels.txt", "classes.txt")


def make_cub(root, classes=CUB_CLASSES, images_per_class=2):
    folder = root / "CUB_200_2011"
    names = {c: f"{c:03d}.Long_tailed_Bird{c}" for c in classes}
    members = [(c, f"{names[c]}/{j}.jpg") for c in classes for j in range(images_per_class)]
    for c, path in members:
        put_grey(folder / "images" / path, c)
    lines = {
        "images.txt": [f"{i} {path}" for i, (_, path) in enumerate(members, start=1)],
        "image_class_labels.txt": [f"{i} {c}" for i, (c, _) in enumerate(members, start=1)],
        "classes.txt": [f"{c} {name}" for c, name in names.items()],
    }
    for name in CUB_LISTS:
        (folder / name).write_text("\n".join(lines[name]) + "\n")
    return folder


# --- Cars-196 ---------------------------------------------------------------------------------

# (file, official class, part in the classification split) in an order that sorts nothing
CARS = [
    ("000007.jpg", 99, 0), ("000003.jpg", 2, 1), ("000001.jpg", 98, 0), ("000004.jpg", 196, 1),
    ("000002.jpg", 2, 0), ("000006.jpg", 1, 1), ("000005.jpg", 99, 1),
]  # fmt: skip


def make_cars(folder, images=CARS, **change):
    fields = ("relative_im_path", "bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "class", "test")
    records = np.empty((1, len(images)), dtype=[(field, object) for field in fields])
    for i, (file, label, test) in enumerate(images):
        put_grey(folder / "car_ims" / file, label)
        records[0, i] = (f"car_ims/{file}", 1, 1, 19, 15, label, test)
    names = np.array([f"Make Model {c}" for c in range(1, 197)], dtype=object)[None]
    stored = {"annotations": records, "class_names": names} | change
    savemat(folder / "cars_annos.mat", {k: v for k, v in stored.items() if v is not None})
    return folder


# --- Stanford Online Products -----------------------------------------------------------------

SOP_HEADER = "image_id class_id super_class_id path"
SOP_LINES = {
    "Ebay_train.txt": [
        "1 1 1 bicycle_final/111_0.JPG",
        "2 1 1 bicycle_final/111_1.JPG",
        "3 11318 5 coffee_maker_final/222_0.JPG",
        "4 7 1 bicycle_final/333_0.JPG",
        "5 11318 5 coffee_maker_final/222_1.JPG",
    ],
    "Ebay_test.txt": [
        "59552 11319 1 bicycle_final/444_0.JPG",
        "59553 22634 12 toaster_final/555_0.JPG",
        "59554 11319 1 bicycle_final/444_1.JPG",
    ],
}


def make_sop(root, lines=SOP_LINES):
    folder = root / "Stanford_Online_Products"
    for name, rows in lines.items():
        for row in rows:
            _, product, _, path = row.split()
            put_grey(folder / path, int(product))
        (folder / name).write_text("\n".join([SOP_HEADER, *rows]) + "\n")
    return folder


# --- In-shop Clothes --------------------------------------------------------------------------

INSHOP_HEADER = "image_name item_id evaluation_status"
INSHOP_LINES = [
    "img/WOMEN/Dresses/id_00000002/02_1_front.jpg   id_00000002 train",
    "img/WOMEN/Dresses/id_00000002/02_2_side.jpg    id_00000002 train",
    "img/MEN/Denim/id_00000080/01_1_front.jpg       id_00000080 gallery",
    "img/MEN/Denim/id_00000080/01_7_additional.jpg  id_00000080 query",
    "img/WOMEN/Skirts/id_00000033/01_1_front.jpg    id_00000033 query",
    "img/WOMEN/Skirts/id_00000033/01_3_back.jpg     id_00000033 gallery",
    "img/WOMEN/Skirts/id_00000033/01_4_full.jpg     id_00000033 query",
    "img/MEN/Shorts/id_00000001/01_1_front.jpg      id_00000001 train",
    "img/WOMEN/Tees/id_00000044/01_1_front.jpg      id_00000044 gallery",
]


def make_inshop(folder, lines=INSHOP_LINES, images="Img", place="Eval"):
    for line in lines:
        path, item, _ = line.split()
        put_grey(folder / images / path, int(item[3:]))
    partition = folder / place / "list_eval_partition.txt"
    partition.parent.mkdir(parents=True, exist_ok=True)
    partition.write_text("\n".join([str(len(lines)), INSHOP_HEADER, *lines]) + "\n")
    return folder


# --- Omniglot ---------------------------------------------------------------------------------

OMNIGLOT = {
    "images_background": [
        "Greek/character01", "Greek/character02", "Greek/character03",
        "Japanese_(hiragana)/character01", "Latin/character01", "Latin/character02",
    ],
    "images_evaluation": ["Angelic/character01", "Angelic/character02", "Tengwar/character01"],
}  # fmt: skip
NUMBERS = {name: n for names in OMNIGLOT.values() for n, name in enumerate(names, start=1)}


def make_omniglot(root, drawings=2):
    folder = root / "omniglot-py"
    for part, names in OMNIGLOT.items():
        for name in names:
            (folder / part / name).mkdir(parents=True, exist_ok=True)
            image = Image.new("1", (105, 105), 1)
            ink = (30, 40, 30 + 10 * NUMBERS[name] - 1, 60)
            ImageDraw.Draw(image).rectangle(ink, fill=0)
            for j in range(1, drawings + 1):
                image.save(folder / part / name / f"{NUMBERS[name]:04d}_{j:02d}.png")
    return folder


def pack(folder):
    """Put each part into a zip archive, its files in reverse order, and remove it."""
    for part in OMNIGLOT:
        with ZipFile(folder / f"{part}.zip", "w", ZIP_DEFLATED) as archive:
            archive.mkdir(part)
            for file in sorted((folder / part).rglob("*.png"), reverse=True):
                archive.write(file, file.relative_to(folder))
            archive.writestr(f"__MACOSX/{part}/Latin/character01/._0004_01.png", b"not an image")
            archive.writestr(f"{part}/Latin/character01/._0004_01.png", b"not an image")
        shutil.rmtree(folder / part)
    return folder


def bar(image):
    return (np.asarray(image)[50] == 0).sum() / 10


# --- what a test has to know of each ----------------------------------------------------------


@dataclass(frozen=True)
class ClassSet:
    name: str  # by which it is loaded
    title: str  # by which messages call it
    make: Callable[[Path], Path]  # from the data root to the folder of the release in it
    small: tuple  # (split, classes, images) of the small folder
    official: tuple  # the same of the papers' table
    held: tuple  # classes of "val" where 1, 2, ... are held out; no more can be
    example: str  # of the option that holds out, in the advice on "val"
    missing: str  # what the error for a wrong root says, up to the data root
    lists: tuple = ()  # any of which makes a folder that of the data set
    shape: tuple = (3, 224, 224)  # of a default item
    size: tuple = (20, 16)  # of a picture
    shown: Callable = grey  # from a picture to the number that it shows
    number: Callable = lambda name: int(re.search(r"\d+$", name)[0]) % 251  # of a class

    @property
    def option(self):
        return self.example.split("=")[0]

    @property
    def splits(self):
        (train, *_), *others = self.small
        return (train, "val", *(split for split, *_ in others))


PHOTOGRAPHS = [
    ClassSet(
        name="cub", title="CUB", make=make_cub,
        small=(("train", 3, 6), ("test", 3, 6)),
        official=(("train", 100, 5864), ("test", 100, 5924)),
        held=(1, 2), example="val_classes=20", lists=("images.txt",),
        missing="no CUB_200_2011 in .*download=True",
    ),
    ClassSet(
        name="cars", title="Cars-196", make=lambda root: make_cars(root / "cars196"),
        small=(("train", 3, 4), ("test", 2, 3)),
        official=(("train", 98, 8054), ("test", 98, 8131)),
        held=(1, 2), example="val_classes=20", lists=("cars_annos.mat",),
        missing=r"no cars196 in .*download http\S+CARS196\.zip, ",
    ),
    ClassSet(
        name="sop", title="Stanford Online Products", make=make_sop,
        small=(("train", 3, 5), ("test", 2, 3)),
        official=(("train", 11318, 59551), ("test", 11316, 60502)),
        held=(1, 2), example="val_classes=1000", lists=("Ebay_train.txt", "Ebay_test.txt"),
        missing=r"no Stanford_Online_Products in .*download http\S+\.zip, ",
    ),
    ClassSet(
        name="inshop", title="In-shop", make=lambda root: make_inshop(root / "inshop"),
        small=(("train", 2, 3), ("query", 3, 3), ("gallery", 3, 3)),
        official=(("train", 3997, 25882), ("query", 3985, 14218), ("gallery", 3985, 12612)),
        held=(1,), example="val_classes=400", lists=("Eval/list_eval_partition.txt",),
        missing=r"no inshop in .*mmlab.*password.*img\.zip",
    ),
]  # fmt: skip
DRAWINGS = ClassSet(
    name="omniglot", title="Omniglot", make=make_omniglot,
    small=(("train", 6, 12), ("test", 3, 6)),
    official=(("train", 964, 964 * 20), ("test", 659, 659 * 20)),
    held=(2, 3), example="val_alphabets=5",  # whole alphabets, the last one of two characters
    missing=r"no omniglot-py in .*http\S+background\.zip and http\S+evaluation\.zip",
    shape=(1, 32, 32), size=(105, 105), shown=bar, number=NUMBERS.get,
)  # fmt: skip
PACKED = replace(DRAWINGS, make=lambda root: pack(make_omniglot(root)))
SETS = {s.name: s for s in (*PHOTOGRAPHS, DRAWINGS)} | {"omniglot, packed": PACKED}
