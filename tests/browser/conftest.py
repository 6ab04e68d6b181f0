"""Fixtures of the browser tests, which are skipped where there is no Chromium."""

import os
import shutil
from pathlib import Path

import pytest

import browser.jupyter as jupyter

TUTORIALS = Path(__file__).parents[2] / "tutorials"


@pytest.fixture(scope="session")
def browser():
    if jupyter.CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("CI must have Chromium for the browser tests")
        pytest.skip("no Chromium here (Debian: apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=jupyter.CHROMIUM, args=jupyter.FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory, browser):
    """JupyterLab on a copy of the lessons, so that nothing is written to the checkout."""
    home = tmp_path_factory.mktemp("jupyter")
    root = home / "checkout"
    shutil.copytree(TUTORIALS, root / "tutorials")
    shutil.copytree(TUTORIALS.parent / "benchmarks" / "results", root / "benchmarks" / "results")
    with jupyter.jupyterlab(root / "tutorials", home) as where:
        yield where


@pytest.fixture
def page(browser, server):
    page = browser.new_page(viewport={"width": 1300, "height": 1000})
    yield page
    page.close()
    jupyter.end_kernels(*server)
