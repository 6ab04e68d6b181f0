"""Photograph every widget in JupyterLab for the gallery, in a state that has something to show.

python tutorials/images/make_widgets.py   # needs Chromium; trains for half a minute on one core
"""

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageChops, ImageOps

sys.path.append(str(Path(__file__).parents[2] / "tests"))  # where the driver of JupyterLab lives
sys.path.append(str(Path(__file__).parents[1]))  # where the list of widgets lives

import gallery
from moving import palette

from browser import jupyter

FOLDER = Path(__file__).with_name("widgets")
MOST_BYTES = 120_000
SIZE = {"width": 1440, "height": 1500}
WORDS = [
    "DIGIT SEVEN", "COMMERCIAL AT", "BLACK HEART SUIT",  # to learn; then six unseen ones
    "NUMBER SIGN", "DIGIT ZERO", "DIGIT THREE", "POUND SIGN", "INFINITY", "HOUSE",
]  # fmt: skip

SETUP = f'''
import sys
sys.path.append({str(FOLDER.parents[1])!r})
import gallery
import torch
from dmlviz import datasets, losses, synthesis, widgets
torch.manual_seed(0)
globals().update(gallery.classes())
glyphs = datasets.OfClasses(train, [train.classes.index(word) for word in {WORDS}])
still = datasets.load("glyphs", "train", transform=datasets.transforms.glyph())
images = datasets.OfClasses(still, range(30))
def telling(scene, k):
    """An image of a coloured class, of whose neighbours about two thirds are right."""
    rows = [row for row, c in enumerate(scene.labels.numbers) if c in scene.coloured]
    right = [scene.marks(row, scene.search(row, k, -1)[0].rows).mean() for row in rows]
    return min(zip(rows, right), key=lambda pair: abs(pair[1] - 0.67))[0]

few = [20 * c + i for c in range(5) for i in range(5)]
'''

# On embeddings that stay as they are: quicker than beside the network.
GENERATOR = """
generator = synthesis.NovelClassGenerator(embedding_size=64, noise_size=16)
maker = synthesis.GeneratedClasses(generator, synthesis.Mixtures(), num_novel=8)
softmax = losses.NormalizedSoftmaxLoss(200, 64, temperature=0.05)
optimizer = torch.optim.AdamW(generator.parameters(), lr=3e-3)
random = torch.Generator().manual_seed(0)
for _ in range(400):
    rows = torch.randperm(len(x), generator=random)[:128]
    optimizer.zero_grad()
    maker.own_loss(x[rows], y[rows], p, softmax).backward()
    optimizer.step()
"""

# What a user would do before there is something to see.
STATES = {
    "EmbeddingExplorer": "w.selected = telling(w.scene, w.k)",
    "EpochExplorer": "w.update(epoch=4)",
    "TrainingPlayground": "w.step(150)",
    "LossExplorer": "w.update(alpha=8.0)",
    "ForceField": "w.angles = (20, *w.angles[1:])",
    "SynthesisExplorer": "w.update(first=5, second=8, mix=0.5)",
    "TransferExplorer": "w.update(steps=10, anchor=7)",
    "RatioExplorer": "w.controls['label'].index, w.controls['place'].index = 7, 20",
}


def main() -> None:
    from playwright.sync_api import sync_playwright

    FOLDER.mkdir(exist_ok=True)
    cells = [f"w = {w.code}\n{STATES[w.name]}\nw" for w in gallery.WIDGETS]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        (root := Path(folder) / "notebooks").mkdir()
        browser = playwright.chromium.launch(
            executable_path=jupyter.CHROMIUM, args=list(jupyter.FLAGS)
        )
        with jupyter.jupyterlab(root, Path(folder)) as server:
            page = browser.new_page(viewport=SIZE)
            jupyter.write_notebook(*server, "widgets.ipynb", SETUP, GENERATOR, *cells)
            notebook = jupyter.Notebook(page, *server, "widgets.ipynb")
            notebook.run_all()
            if errors := notebook.errors():
                raise RuntimeError("; ".join(errors))
            for i, widget in enumerate(gallery.WIDGETS, start=2):
                cell = page.locator(".jp-CodeCell").nth(i)
                shown = cell.locator(".jp-OutputArea-output").last
                shown.scroll_into_view_if_needed()
                page.mouse.move(5, 5)  # nothing is hovered
                page.wait_for_timeout(1500)  # points come to rest, images arrive
                save(Image.open(io.BytesIO(shown.screenshot())), widget.name)
        browser.close()


def save(shot: Image.Image, name: str) -> None:
    """Write a picture without its empty rim, in as many colours as 120 kB allow."""
    picture = shot.convert("RGB").crop((0, 0, shot.width, shot.height - 3))  # a line of the page
    ground = picture.getpixel((picture.width - 1, 0))
    seen = ImageChops.difference(picture, Image.new("RGB", picture.size, ground)).getbbox()
    picture = ImageOps.expand(picture.crop(seen), border=8, fill=ground)
    path = FOLDER / f"{name}.png"
    own = [picture.quantize(colours, kmeans=3, dither=Image.Dither.NONE) for colours in (256, 128)]
    fixed = picture.quantize(palette=palette(), dither=Image.Dither.NONE)  # no class loses its own
    for few in (*own, fixed):
        few.save(path, optimize=True)
        if path.stat().st_size <= MOST_BYTES:
            return
    raise ValueError(f"{path.name} is too large: show fewer images")


if __name__ == "__main__":
    main()
