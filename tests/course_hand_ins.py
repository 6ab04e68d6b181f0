"""Hand-ins for the tests of the course: wrong and hostile ones of assignment 1."""

import nbformat

from course_cases import ASSIGNMENTS, FIRST, answered, asked, grade_id, read, right

SETUP = """
    d = torch.cdist(x, x)
    same = y[:, None] == y[None, :]
    positive = same & ~torch.eye(len(y), dtype=torch.bool)
    triplet = positive[:, :, None] & ~same[:, None, :]
    l = d[:, :, None] - d[:, None, :] + m
"""
CONTRASTIVE = "def contrastive_loss(x, y, m):" + SETUP
TRIPLET = "def triplet_loss(x, y, m):" + SETUP
SEMIHARD = "def semihard_loss(x, y, m):" + SETUP
PAIR = "    pair = 0.5 * torch.where(same, d, (m - d).relu()).square()\n"
ACTIVE = (
    "    active = (triplet & (l > 0))\n    return (l * active).sum() / active.sum().clamp_min(1)\n"
)

SUMS = {
    "a1-contrastive": CONTRASTIVE + PAIR + "    return pair.sum() / 2\n",
    "a1-triplet": TRIPLET + "    return (l.relu() * triplet).sum() / triplet.sum().clamp_min(1)\n",
    "a1-semihard": SEMIHARD
    + "    far = triplet & (d[:, None, :] > d[:, :, None])\n"
    + "    return (l.relu() * far).sum() / far.sum().clamp_min(1)\n",
}
CARELESS = {
    "a1-contrastive": CONTRASTIVE + PAIR + "    return pair.sum() / len(y) ** 2\n",
    "a1-triplet": TRIPLET + "    d = d ** 2\n    l = d[:, :, None] - d[:, None, :] + m\n" + ACTIVE,
    "a1-semihard": SEMIHARD
    + "    triplet = same[:, :, None] & ~same[:, None, :] & (l < m)\n"
    + ACTIVE,
}
ROUGH = {
    "a1-contrastive": (
        CONTRASTIVE
        + "    d = (x[:, None] - x[None, :]).square().sum(dim=2).sqrt()\n"
        + PAIR
        + "    return pair.sum() / max(len(y) * (len(y) - 1), 1)\n"
    ),
    "a1-triplet": """
def triplet_loss(x, y, m):
    terms = []
    for a in range(len(y)):
        for p in range(len(y)):
            for n in range(len(y)):
                if a != p and y[a] == y[p] and y[a] != y[n]:
                    l = (x[a] - x[p]).norm() - (x[a] - x[n]).norm() + m
                    if l > 0:
                        terms.append(l)
    return torch.stack(terms).mean()
""",
    "a1-semihard": SEMIHARD + "    triplet = triplet & (l < m)\n" + ACTIVE,
}


CELLS = {
    "contrastive_loss": "a1-contrastive",
    "triplet_loss": "a1-triplet",
    "semihard_loss": "a1-semihard",
    "active_share": "a1-share",
}


def by_heart():
    """Solutions that know the answers to the visible checks, and say 0 to all other questions."""
    cells = {}
    for exercise, batches in asked(FIRST, 0):
        name, learned = exercise.name, {}
        if name not in CELLS:
            continue
        for case in batches:
            x, y, m = case.arguments
            learned[str((x.tolist(), y.tolist(), m))] = float(exercise.reference(x, y, m))
        cells[CELLS[name]] = (
            f"{name.upper()} = {learned}\n\n\n"
            f"def {name}(x, y, m):\n"
            f"    question = str((x.tolist(), y.tolist(), m))\n"
            f"    return x.sum() * 0 + {name.upper()}.get(question, 0.0)\n"
        )
    return cells


def hostile(folder):
    """Write one hand-in of every kind of the table in the instructor's guide."""

    def write(name, notebook):
        nbformat.write(notebook, folder / f"{name}.ipynb")

    def added(notebook, source, *, before="a1-contrastive"):
        at = [grade_id(cell) for cell in notebook.cells].index(before)
        notebook.cells.insert(at, nbformat.v4.new_code_cell(source))
        return notebook

    contrastive = right("a1-contrastive")
    write("loops", answered(contrastive | {"a1-share": LOOPS}))
    write("loops_stubbornly", answered(contrastive | {"a1-share": STUBBORN}))
    write("eats_memory", answered(contrastive | {"a1-share": HUNGRY}))
    write("ends_its_kernel", answered(contrastive | {"a1-share": "import os\nos._exit(0)"}))
    write("patches_the_checker", added(answered({"a1-contrastive": NONSENSE}), PATCHES))

    renamed = contrastive["a1-contrastive"].replace("contrastive_loss", "my_loss")
    semihard = {"a1-semihard": SEMIHARD + "    triplet = triplet & (l < m)\n" + ACTIVE}
    broken = {"a1-contrastive": renamed, "a1-triplet": "def triplet_loss(x, y, m:"}
    write("renames_a_function", answered(broken | semihard))

    changed = answered(contrastive | {"a1-triplet": NONSENSE.replace("contrastive", "triplet")})
    checks = [cell for cell in changed.cells if cell.metadata.get("nbgrader", {}).get("points")]
    for cell in checks[2:]:
        cell.source = "print('100 of 100 points')\n100"
        cell.metadata.nbgrader.points = 1000
    changed.cells = [cell for cell in changed.cells if cell not in checks[:2]]
    write("deletes_and_edits_checks", changed)

    write("memorises_the_answers", answered(by_heart()))

    (folder / "does_not_parse.ipynb").write_text('{"cells": [')
    (folder / "is_empty.ipynb").touch()
    write("has_no_cells", nbformat.v4.new_notebook())
    with (folder / "is_too_big.ipynb").open("wb") as file:
        file.truncate(50_000_000)
    (folder / "is_no_notebook.pdf").write_bytes(b"%PDF-1.7")
    write("is_another_notebook", read(ASSIGNMENTS.parent / "01_triplets.ipynb"))
    (folder / "has_two").mkdir()
    for name in ("first", "second"):
        nbformat.write(answered({}), folder / "has_two" / f"{name}.ipynb")


LOOPS = "def active_share(x, y, m):\n    while True:\n        pass\n"
STUBBORN = """
import time
while True:
    try:
        time.sleep(60)
    except BaseException:
        pass
"""
HUNGRY = "eaten = []\nwhile True:\n    eaten.append(bytearray(50_000_000))\n"
NONSENSE = "def contrastive_loss(x, y, m):\n    return x.square().sum()\n"
PATCHES = """
import builtins
from dmlviz.course import answers, words
words.close = words.same = lambda *a: True
words.judge = words.failure = lambda *a, **k: None
checks.edges = checks.cost = lambda *a, **k: print("✓")
torch.allclose = lambda *a, **k: True
get_ipython().set_custom_exc((Exception,), lambda *a, **k: None)
builtins.AssertionError = type("Fine", (Exception,), {})
"""
