"""Fetch an archive, check it, unpack it: whole or not at all."""

import shutil
import tarfile
import tempfile
from pathlib import Path, PurePosixPath


def fetch_archive(url: str, md5: str, folder: str, root: Path) -> Path:
    """Download a tar archive to `root` unless it is there, verify it, and unpack `root/folder`.

    Args:
        url: address of the archive.
        md5: its checksum; a file that differs is not kept.
        folder: the folder inside the archive that is wanted.
        root: where archive and folder go.

    Returns:
        `root / folder`.

    Raises:
        RuntimeError: the download failed, with the way to do it by hand.
        ValueError: the file's checksum differs, or the archive is unsafe or holds no such folder.
    """
    import pooch

    name = url.rsplit("/", 1)[-1]
    try:
        root.mkdir(parents=True, exist_ok=True)
        archive = pooch.retrieve(url, f"md5:{md5}", fname=name, path=root, progressbar=True)
    except ValueError as error:  # pooch: the hash does not match
        raise ValueError(
            f"what {url} sent does not have the md5 {md5} and was not kept: try again, "
            "or compare with the data set's own page"
        ) from error
    except OSError as error:  # requests' errors are OSErrors
        raise RuntimeError(
            f"could not download {url} ({error}): fetch it in a browser, put it into {root} as "
            f"{name} and load again"
        ) from error
    return unpack(Path(archive), folder, root)


def unpack(archive: Path, folder: str, root: Path) -> Path:
    """Unpack `folder` of a tar archive to `root/folder`; every member is checked before any."""
    if (root / folder).exists():
        raise FileExistsError(
            f"{root / folder} exists, but is not complete: move it away and load again"
        )
    try:
        with tarfile.open(archive) as tar, tempfile.TemporaryDirectory(dir=root) as workplace:
            members = tar.getmembers()
            for member in members:
                _refuse_unsafe(member, archive)
            wanted = [m for m in members if PurePosixPath(m.name).parts[:1] == (folder,)]
            if not any(m.isdir() or len(PurePosixPath(m.name).parts) > 1 for m in wanted):
                raise ValueError(f"{archive} holds no folder {folder}")
            tar.extractall(workplace, members=wanted, filter="data")
            # Only a complete folder gets its name, in one step.
            shutil.move(Path(workplace) / folder, root / folder)
    except (tarfile.TarError, EOFError, NotADirectoryError) as error:
        raise ValueError(f"{archive} is damaged or cut short: delete it and load again") from error
    return root / folder


def _refuse_unsafe(member: tarfile.TarInfo, archive: Path) -> None:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{archive} wants to write outside its folder, to {member.name}: refused")
    if not (member.isfile() or member.isdir()):
        raise ValueError(f"{archive} holds a link or device, {member.name}: refused")
