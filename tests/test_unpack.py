"""Archives: whole or not at all, and nothing outside the folder."""

import io
import random
import stat
import tarfile
import zipfile

import pytest

from dmlviz.datasets.real.source import Download, Source
from dmlviz.datasets.unpack import unpack

GOOD = {"birds/images/a.txt": b"first", "birds/list.txt": b"second", "other/c.txt": b"third"}
BIRDS = ["birds", "birds/images", "birds/images/a.txt", "birds/list.txt"]


def make_tar(path, files, *odd_members):
    """A tar of `files` (content by name) followed by `odd_members`."""
    with tarfile.open(path, "w:gz" if path.suffix == ".tgz" else "w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for member in odd_members:
            tar.addfile(member)


def make_zip(path, files, *odd_members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in files.items():
            zipped.writestr(name, content)
        for member in odd_members:
            zipped.writestr(member, "list.txt")


MAKERS = {"birds.tgz": make_tar, "birds.tar": make_tar, "birds.zip": make_zip}


@pytest.fixture(params=MAKERS)
def archive(request, tmp_path):
    path = tmp_path / request.param
    MAKERS[request.param](path, GOOD)
    return path


def below(folder):
    """What is in a folder, but for the lock files that stay."""
    paths = (p for p in folder.rglob("*") if p.suffix != ".lock")
    return sorted(p.relative_to(folder).as_posix() for p in paths)


def tar_member(name, kind=tarfile.REGTYPE, target=""):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def zip_member(name, kind=stat.S_IFREG):
    member = zipfile.ZipInfo(name)
    member.filename, member.external_attr = name, (kind | 0o644) << 16
    return member


def test_the_folder_of_that_name_is_unpacked_alone(archive, tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    assert unpack([archive], root / "birds") == root / "birds"
    assert (root / "birds" / "images" / "a.txt").read_bytes() == b"first"
    assert below(root) == BIRDS  # nothing of "other", no workplace


def test_everything_is_unpacked_where_no_folder_has_the_name(archive, tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    unpack([archive], root / "cub")
    assert below(root / "cub") == [*BIRDS, "other", "other/c.txt"]


def test_case_of_the_folder_does_not_matter(archive, tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    unpack([archive], root / "Birds")
    assert below(root / "Birds") == ["images", "images/a.txt", "list.txt"]


def test_several_archives_make_one_folder(tmp_path):
    make_tar(tmp_path / "images.tar", {"images/a.jpg": b"1"})
    make_zip(tmp_path / "lists.zip", {"set/lists/a.txt": b"2", "__MACOSX/x": b""})
    unpack([tmp_path / "images.tar", tmp_path / "lists.zip"], tmp_path / "set")
    assert below(tmp_path / "set") == ["images", "images/a.jpg", "lists", "lists/a.txt"]


def test_a_damaged_second_archive_leaves_nothing(archive, tmp_path):
    (tmp_path / "lists.zip").write_bytes(b"")
    with pytest.raises(ValueError, match=r"lists\.zip is damaged"):
        unpack([archive, tmp_path / "lists.zip"], tmp_path / "birds")
    assert below(tmp_path) == sorted([archive.name, "lists.zip"])


@pytest.mark.parametrize("name", MAKERS)
def test_leading_dots_are_harmless(tmp_path, name):
    MAKERS[name](tmp_path / name, {f"./{path}": content for path, content in GOOD.items()})
    unpack([tmp_path / name], tmp_path / "birds")
    assert (tmp_path / "birds" / "list.txt").read_bytes() == b"second"


OUTSIDE = {
    "parent": "../x",
    "parent inside": "birds/../../x",
    "absolute": "/tmp/x",
    "drive": "C:/x",
    "backslash": "birds\\..\\..\\x",
    "unwanted folder": "other/../x",
}
UNSAFE = {
    **{f"tar {kind}": tar_member(name) for kind, name in OUTSIDE.items()},
    **{f"zip {kind}": zip_member(name) for kind, name in OUTSIDE.items()},
    "tar symlink": tar_member("birds/x", tarfile.SYMTYPE, "list.txt"),
    "tar symlink out": tar_member("birds/x", tarfile.SYMTYPE, "/etc"),
    "tar hard link": tar_member("birds/x", tarfile.LNKTYPE, "birds/list.txt"),
    "tar character device": tar_member("birds/x", tarfile.CHRTYPE),
    "tar block device": tar_member("birds/x", tarfile.BLKTYPE),
    "tar fifo": tar_member("birds/x", tarfile.FIFOTYPE),
    "tar unwanted fifo": tar_member("other/x", tarfile.FIFOTYPE),
    "zip symlink": zip_member("birds/x", stat.S_IFLNK),
    "zip unwanted symlink": zip_member("other/x", stat.S_IFLNK),
    "zip character device": zip_member("birds/x", stat.S_IFCHR),
    "zip fifo": zip_member("birds/x", stat.S_IFIFO),
}


@pytest.mark.parametrize("kind", UNSAFE)
def test_unsafe_archive_is_refused_whole(tmp_path, kind):
    member, name = UNSAFE[kind], f"birds.{kind[:3]}"
    MAKERS[name](tmp_path / name, GOOD, member)
    root = tmp_path / "inner" / "root"
    root.mkdir(parents=True)
    with pytest.raises(ValueError, match=rf"birds\.{kind[:3]} (wants|holds a link).* refused"):
        unpack([tmp_path / name], root / "birds")
    assert below(tmp_path) == [name, "inner", "inner/root"]


def test_zip_with_a_password_is_left_to_the_user(tmp_path):
    make_zip(tmp_path / "birds.zip", GOOD)
    data = bytearray((tmp_path / "birds.zip").read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1  # the flag "encrypted" of the first entry
    (tmp_path / "birds.zip").write_bytes(data)
    with pytest.raises(ValueError, match=r"locked by a password.*by hand"):
        unpack([tmp_path / "birds.zip"], tmp_path / "birds")


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.8])
def test_archive_cut_short_is_an_error_and_nothing_is_unpacked(tmp_path, name, share):
    archive = tmp_path / name
    # content that does not compress, so that every cut falls into the members
    noise = random.Random(0)
    MAKERS[name](archive, {f"birds/{i}": noise.randbytes(2100) for i in range(20)})
    archive.write_bytes(archive.read_bytes()[: int(share * archive.stat().st_size)])
    with pytest.raises(ValueError, match=rf"(?s)damaged or cut short.*delete it.*{name}\.sha256"):
        unpack([archive], tmp_path / "birds")
    assert below(tmp_path) == [name]


@pytest.mark.parametrize("name", ["birds.tgz", "birds.zip"])  # a plain tar has no checksums
def test_changed_byte_is_an_error_and_nothing_is_unpacked(tmp_path, name):
    archive = tmp_path / name
    MAKERS[name](archive, {"birds/1": random.Random(0).randbytes(20_000)})
    data = bytearray(archive.read_bytes())
    data[10_000] ^= 255
    archive.write_bytes(data)
    with pytest.raises(ValueError, match="damaged or cut short"):
        unpack([archive], tmp_path / "birds")
    assert below(tmp_path) == [name]


@pytest.mark.parametrize("name", MAKERS)
def test_file_that_is_no_archive_is_an_error(tmp_path, name):
    (tmp_path / name).write_text("<html>please log in</html>")
    with pytest.raises(ValueError, match="damaged or cut short"):
        unpack([tmp_path / name], tmp_path / "birds")


@pytest.mark.parametrize("name", MAKERS)
def test_empty_archive_is_an_error(tmp_path, name):
    MAKERS[name](tmp_path / name, {})
    with pytest.raises(ValueError, match="holds no files"):
        unpack([tmp_path / name], tmp_path / "birds")


def test_a_folder_that_is_there_is_not_overwritten(archive, tmp_path):
    (tmp_path / "birds").mkdir()
    with pytest.raises(FileExistsError, match="move it away"):
        unpack([archive], tmp_path / "birds")


def test_archives_are_told_by_their_endings():
    names = ("a.zip", "a.TGZ", "a.tar.gz", "a.mat", "azip", "a.zip.txt")
    source = Source("a", "page", "free", tuple(Download(f"http://x/{n}", None, "") for n in names))
    assert [d.file for d in source.archives] == ["a.zip", "a.TGZ", "a.tar.gz"]
