"""Film the playground in JupyterLab for the README: two networks of one seed, one slider moved.

python tutorials/images/make_playground.py   # needs Chromium
"""

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image

sys.path.append(str(Path(__file__).parents[2] / "tests"))  # where the driver of JupyterLab lives

from moving import save

from browser import jupyter

PLAYGROUND = """
from dmlviz import datasets, losses, widgets
glyphs = datasets.load("glyphs", "train")
words = ["DIGIT SEVEN", "COMMERCIAL AT", "BLACK HEART SUIT"]  # to learn; then six unseen ones
words += ["NUMBER SIGN", "DIGIT ZERO", "DIGIT THREE", "POUND SIGN", "INFINITY", "HOUSE"]
images = datasets.OfClasses(glyphs, [glyphs.classes.index(word) for word in words])
loss = losses.ContrastiveLoss(margin=0.2)
live = widgets.TrainingPlayground(images, loss, versus=loss)
live
"""
APART, STEPS, MOVED = 5, 200, 80  # steps from frame to frame, in all, until the slider moves
MOVES, TO = 8, 1.0  # frames in which it moves, and the margin at their end
WIDTH = 640


def main() -> None:
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        (root := Path(folder) / "notebooks").mkdir()
        browser = playwright.chromium.launch(
            executable_path=jupyter.CHROMIUM, args=list(jupyter.FLAGS)
        )
        with jupyter.jupyterlab(root, Path(folder)) as server:
            page = browser.new_page(viewport={"width": 1300, "height": 1000})
            jupyter.write_notebook(*server, "film.ipynb", PLAYGROUND)
            notebook = jupyter.Notebook(page, *server, "film.ipynb")
            notebook.run_all()
            frames = film(notebook, jupyter.Widget(page))
        browser.close()
    save("playground.gif", frames, milliseconds=130)


def film(notebook: jupyter.Notebook, live: jupyter.Widget) -> list[Image.Image]:
    """A frame every few steps; when both networks have learned, the left margin goes up."""
    frames = [picture(live)]
    slider = notebook.python("[live.controls['margin'].value, live.controls['margin'].step]")
    presses = round((TO - slider[0]) / slider[1] / MOVES)
    for step in range(APART, STEPS + 1, APART):
        if MOVED <= step < MOVED + MOVES * APART:
            for _ in range(presses):
                live.handle("margin").press("ArrowRight")
        notebook.execute(f"live.step({APART})")
        live.page.wait_for_timeout(150)
        frames.append(picture(live))
    return frames


def picture(live: jupyter.Widget) -> Image.Image:
    shot = Image.open(io.BytesIO(live.box.screenshot())).convert("RGB")
    return shot.resize((WIDTH, round(WIDTH * shot.height / shot.width)), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main()
