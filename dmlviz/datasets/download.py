"""Fetch the files of a release, check them, unpack them: whole or not at all.

A file that was published with a checksum is compared with it. Of any other, the sha256 of the
first download is kept beside it, in `FILE.sha256`, and later downloads are compared with that.
Processes that want the same file wait for each other at a lock, `.FILE.lock`.
"""

import ftplib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dmlviz.datasets.real.source import Download, Source
from dmlviz.datasets.resume import Resuming
from dmlviz.datasets.unpack import unpack

FTP_TIMEOUT = 60  # seconds


def fetch_release(source: Source, root: Path) -> Path:
    """Download and unpack what can be downloaded, to `root / source.folder`.

    Archives go to `root` and are unpacked from there, unless the folder exists; other files go
    into the folder.

    Args:
        source: of the data set.
        root: the data root.

    Returns:
        The folder.

    Raises:
        RuntimeError: a download failed, with the way to do it by hand.
        ValueError: a checksum differs, or an archive is damaged or unsafe.
    """
    folder = root / source.folder
    with _lock(folder.parent, folder.name):
        # A folder that is there was unpacked whole, perhaps by the process that had the lock.
        if source.archives and not folder.exists():
            unpack([fetch(d, root) for d in source.archives], folder)
        for download in source.downloads:
            if download not in source.archives:
                fetch(download, folder)
    return folder


def fetch(download: Download, root: Path) -> Path:
    """Download a file to `root` unless it is there, and verify it.

    Args:
        download: address and checksum.
        root: the folder that it goes to.

    Returns:
        Its path.

    Raises:
        RuntimeError: the download failed, with the way to do it by hand. What has come is kept,
            and the next call goes on from there.
        ValueError: the file's checksum differs; it is not kept.
    """
    import pooch

    url, name = download.url, download.file
    note = root / f"{name}.sha256"
    resuming = Resuming(root / f"{name}.part")
    with _lock(root, name):
        known = download.checksum or _noted(note)
        try:
            with _pooch_quiet():
                path = pooch.retrieve(url, known, name, root, downloader=_downloader(url, resuming))
        except (OSError, EOFError, ftplib.Error) as error:  # requests' errors are OSErrors
            kept = ": try again to go on from there" if resuming.tag.exists() else ""
            raise RuntimeError(
                f"could not download {url} ({error}){kept}. Or fetch it in a browser, put it into "
                f"{root} as {name}, and try again"
            ) from error
        except ValueError as error:  # pooch: the checksum differs
            if download.checksum is None:
                raise ValueError(
                    f"what {url} sent differs from the first download, whose sha256 is in {note}, "
                    f"and was not kept: ask the data set's page; to trust the new file, delete "
                    f"{note} and try again"
                ) from error
            kind, checksum = download.checksum.split(":")
            raise ValueError(
                f"what {url} sent does not have the {kind} {checksum} and was not kept: try again, "
                "or compare with the data set's own page"
            ) from error
        if known is None:
            checksum = pooch.file_hash(path, alg="sha256")
            note.write_text(f"{checksum}  {name}\n")  # as sha256sum --check reads it
            warnings.warn(
                f"no checksum of {name} is published: the sha256 of this first download, "
                f"{checksum}, was noted in {note}, and later ones are compared with it",
                stacklevel=2,
            )
    return Path(path)


def _lock(root: Path, name: str) -> Any:
    """Held by one process at a time; others wait. The file stays: deleting it would be a race."""
    from filelock import FileLock

    root.mkdir(parents=True, exist_ok=True)
    return FileLock(root / f".{name}.lock")


def _noted(note: Path) -> str | None:
    if not note.exists():
        return None
    words = note.read_text().split()
    if not words:
        raise ValueError(f"{note} is empty: delete it and try again, which trusts the file anew")
    return f"sha256:{words[0]}"


def _downloader(url: str, resuming: Resuming) -> Any:
    import pooch

    if url.startswith("ftp://"):  # begins again every time
        return pooch.FTPDownloader(progressbar=True, timeout=FTP_TIMEOUT)
    return resuming


@contextmanager
def _pooch_quiet() -> Iterator[None]:
    """Without pooch's advice about arguments that our users do not pass."""
    import pooch

    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel("WARNING")
    try:
        yield
    finally:
        logger.setLevel(level)
