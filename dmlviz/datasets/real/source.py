"""Where a data set comes from, and what its release holds: the facts that every loader states."""

import warnings
from dataclasses import dataclass
from pathlib import Path

ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")


@dataclass(frozen=True)
class Download:
    """One file of a release.

    Attributes:
        url: its address.
        checksum: "md5:…" or "sha256:…" as published; None where none is: then the sha256 of the
            first download is kept beside it, and later ones are compared with that.
        size: in words, such as "1.1 GB"; "" where none is published.
    """

    url: str
    checksum: str | None
    size: str = ""

    @property
    def file(self) -> str:
        return self.url.rsplit("/", 1)[-1]


class NotOfficial(UserWarning):
    """A split is not that of the papers' table."""


@dataclass(frozen=True)
class Source:
    """Where a data set comes from.

    Attributes:
        folder: of the release, below the data root.
        page: who publishes it.
        licence: in words.
        downloads: files that can be fetched; none where the way is `by_hand`.
        by_hand: what to do where nothing can be fetched.
        official: `(classes, images)` of each split in the papers' table; classes is 0 for sets
            with continuous labels. Splits that no source states are left out, and `dmlviz data
            check` says so.
        aliases: other names that the folder may have.
    """

    folder: str
    page: str
    licence: str
    downloads: tuple[Download, ...] = ()
    by_hand: str = ""
    official: tuple[tuple[str, int, int], ...] = ()
    aliases: tuple[str, ...] = ()

    @property
    def folders(self) -> tuple[str, ...]:
        return (self.folder, *self.aliases)

    def is_in(self, root: Path) -> bool:
        """Whether a folder of the data set lies below the data root."""
        return any((root / folder).is_dir() for folder in self.folders)

    @property
    def archives(self) -> tuple[Download, ...]:
        """The downloads that are unpacked; the others are used as they are."""
        return tuple(d for d in self.downloads if d.file.lower().endswith(ARCHIVES))

    def compare(self, name: str, split: str, classes: int, images: int, stacklevel: int) -> None:
        """Warn where a split is not that of the papers' table."""
        for official_split, c, n in self.official:
            if official_split == split and (c, n) != (classes, images):
                have, want = (
                    f"{count:,} images" + (f" of {kinds:,} classes" if c else "")
                    for kinds, count in ((classes, images), (c, n))
                )
                warnings.warn(
                    f"this {name} {split!r} split has {have}, the official one {want}: results on "
                    "it cannot be compared with published ones",
                    NotOfficial,
                    stacklevel=stacklevel + 1,
                )
