"""`dmlviz doctor`: one line for every need, OK or FAIL with the remedy."""

import platform
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

INSTALL = "pip install -e '.[dev]' in the repository, or make lab"

# What is imported, the name it is installed by, and what it is here for.
PACKAGES = [
    ("torch", "torch", "networks and gradients"),
    ("torchvision", "torchvision", "backbones and photo transforms"),
    ("numpy", "numpy", "arrays"),
    ("PIL", "pillow", "images"),
    ("matplotlib", "matplotlib", "pictures"),
    ("sklearn", "scikit-learn", "t-SNE and clustering scores"),
    ("umap", "umap-learn", "UMAP maps"),
    ("faiss", "faiss-cpu", "nearest neighbours"),
    ("safetensors", "safetensors", "weights in files"),
    ("pooch", "pooch", "downloads"),
    ("ipywidgets", "ipywidgets", "sliders"),
    ("anywidget", "anywidget", "explorers"),
    ("jupyterlab", "jupyterlab", "notebooks"),
    ("nbval", "nbval", "notebooks as tests"),
]


class Finding(NamedTuple):
    """The outcome of one check."""

    ok: bool
    need: str
    detail: str
    remedy: str = ""


def doctor() -> int:
    """Print every finding; returns 0 if all is well, else 1."""
    failures = 0
    for check in checks():
        finding = check()
        failures += not finding.ok
        print(f"{'OK  ' if finding.ok else 'FAIL'}  {finding.need:<16}{finding.detail}", flush=True)
        if not finding.ok:
            print(f"      {'':<16}→ {finding.remedy}")
    print("all is well" if not failures else f"{failures} to mend")
    return min(failures, 1)


def checks() -> list[Callable[[], Finding]]:
    """All checks, cheap ones first."""
    packages = [
        lambda m=module, p=package, w=purpose: check_package(m, p, w)
        for module, package, purpose in PACKAGES
    ]
    return [check_python, *packages, check_gradient, check_fonts, check_data, check_device]


def check_python() -> Finding:
    found = platform.python_version()
    ok = (3, 11) <= sys.version_info[:2] <= (3, 13)
    return Finding(ok, "python", found, "use Python 3.11, 3.12 or 3.13")


def check_package(module: str, package: str, purpose: str) -> Finding:
    # A binary package that does not fit its neighbours fails in many ways: torchvision beside
    # another build of torch raises RuntimeError, a missing system library OSError.
    try:
        import_module(module)
        return Finding(True, package, f"{version(package)}, for {purpose}")
    except ImportError as error:
        return Finding(False, package, f"not importable: {error}", INSTALL)
    except Exception as error:
        remedy = f"it does not fit the packages beside it; in a fresh environment: {INSTALL}"
        return Finding(False, package, f"{type(error).__name__}: {error}"[:160], remedy)


def check_gradient() -> Finding:
    """One step of Proxy-Anchor, in the precision that overflows if a loss is careless."""
    try:
        import torch

        from dmlviz.losses import ProxyAnchorLoss

        x = torch.randn(4, 8, dtype=torch.float16).requires_grad_()
        ProxyAnchorLoss(4, 8)(x, torch.arange(4)).backward()
        assert x.grad is not None
        ok = bool(x.grad.isfinite().all())
        return Finding(ok, "a loss", "Proxy-Anchor has a finite gradient", INSTALL)
    except Exception as error:
        return Finding(False, "a loss", f"{type(error).__name__}: {error}"[:160], INSTALL)


def check_fonts() -> Finding:
    try:
        from dmlviz.datasets.rendered.glyphs import font_paths

        found = len(font_paths())
    except Exception as error:
        return Finding(False, "fonts", f"{type(error).__name__}: {error}"[:160], INSTALL)
    remedy = "reinstall matplotlib, which ships them: pip install --force-reinstall matplotlib"
    return Finding(found == 12, "fonts", f"{found} of 12 DejaVu faces, for Glyphs", remedy)


def check_data() -> Finding:
    from dmlviz.datasets.roots import data_root

    root = data_root()
    try:
        root.mkdir(parents=True, exist_ok=True)
        probe = Path(root) / ".write-test"
        probe.touch()
        probe.unlink()
    except OSError as error:
        return Finding(
            False, "data root", f"{root}: {error.strerror}", "set DMLVIZ_DATA to a folder of yours"
        )
    return Finding(True, "data root", str(root))


def check_device() -> Finding:
    try:
        import torch

        if torch.cuda.is_available():
            return Finding(True, "device", torch.cuda.get_device_name(0))
        return Finding(True, "device", f"CPU, {torch.get_num_threads()} threads")
    except Exception as error:
        return Finding(False, "device", f"{type(error).__name__}: {error}"[:160], INSTALL)
