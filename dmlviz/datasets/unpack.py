"""Unpack archives, tar or zip: whole or not at all, and never outside the folder asked for.

Every member is checked before any is written. Absolute names, `..`, drive letters and backslashes
could lead elsewhere, and so could a link that a later member is written through; a device has no
place in a data set. Python's own filters refuse less, and not in zips.
"""

import os
import re
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Sequence
from lzma import LZMAError
from pathlib import Path, PurePosixPath

_DAMAGE = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, LZMAError,
    EOFError, NotImplementedError, NotADirectoryError, FileExistsError, IsADirectoryError,
)  # fmt: skip


def unpack(archives: Sequence[Path], folder: Path) -> Path:
    """Unpack archives to a new folder.

    Of an archive with a top folder of that name, in whatever case, what is in there; of others,
    everything.

    Args:
        archives: files with one of the endings `source.ARCHIVES`.
        folder: where to; gets its name when everything is in it.

    Returns:
        `folder`.

    Raises:
        FileExistsError: there is such a folder.
        ValueError: an archive is damaged, empty or unsafe.
    """
    if folder.exists():
        raise FileExistsError(f"{folder} exists: move it away and try again")
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".unpacking-") as workplace:
        for archive in archives:
            try:
                _extract(archive, Path(workplace), folder.name)
            except _DAMAGE as error:
                raise _damaged(archive, error) from error
            except OSError as error:
                # gzip's "CRC check failed" has no number; a full disk has one
                if error.errno is not None:
                    raise
                raise _damaged(archive, error) from error
        os.rename(Path(workplace) / folder.name, folder)
    return folder


def _damaged(archive: Path, error: Exception) -> ValueError:
    return ValueError(
        f"{archive} is damaged or cut short ({error}): delete it (and {archive.name}.sha256, if "
        "that is there) and try again"
    )


def _extract(archive: Path, workplace: Path, name: str) -> None:
    """Everything that is wanted of an archive, to `workplace / name`."""
    if archive.name.lower().endswith(".zip"):
        with zipfile.ZipFile(archive) as zipped:
            entries = zipped.infolist()
            for entry in entries:
                _refuse_unsafe_zip(entry, archive)
            top, wanted = _wanted([e.filename for e in entries], archive, name)
            place = workplace if top else workplace / name
            zipped.extractall(place, members=[entries[i] for i in wanted])
    else:
        with tarfile.open(archive) as tar:
            members = tar.getmembers()
            while tar.fileobj and tar.fileobj.read(2**20):
                pass  # gzip's checksum comes last, after the last member
            for member in members:
                _refuse_unsafe_name(member.name, archive)
                if not (member.isfile() or member.isdir()):
                    raise ValueError(f"{archive} holds a link or device, {member.name}: refused")
            top, wanted = _wanted([m.name for m in members], archive, name)
            place = workplace if top else workplace / name
            tar.extractall(place, members=[members[i] for i in wanted], filter="data")
    if top and top != name:
        os.rename(workplace / top, workplace / name)


def _wanted(names: list[str], archive: Path, folder: str) -> tuple[str, list[int]]:
    """The top folder of that name, in whatever case, and its members; else "" and all members."""
    parts = [PurePosixPath(name).parts for name in names]
    tops = sorted({p[0] for p in parts if len(p) > 1 and p[0].casefold() == folder.casefold()})
    if len(tops) == 1:
        return tops[0], [i for i, p in enumerate(parts) if p[:1] == (tops[0],)]
    everything = [i for i, p in enumerate(parts) if p]
    if not everything:
        raise ValueError(f"{archive} holds no files: look at its page for the right one")
    return "", everything


def _refuse_unsafe_name(name: str, archive: Path) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or re.match("[A-Za-z]:", name):
        raise ValueError(f"{archive} wants to write outside its folder, to {name}: refused")


def _refuse_unsafe_zip(entry: zipfile.ZipInfo, archive: Path) -> None:
    _refuse_unsafe_name(entry.orig_filename, archive)
    kind = stat.S_IFMT(entry.external_attr >> 16)  # 0 in zips not made on Unix
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise ValueError(f"{archive} holds a link or device, {entry.filename}: refused")
    if entry.flag_bits & 1:
        raise ValueError(
            f"{archive} is locked by a password: ask its authors for that, and unpack it by hand"
        )
