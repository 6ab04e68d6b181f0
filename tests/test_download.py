import hashlib
import io
import random
import socket
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from dmlviz.datasets import load
from dmlviz.datasets.download import fetch_archive, unpack
from test_cub import make_cub

CUB_FETCH = "dmlviz.datasets.real.cub.fetch_archive"
GOOD = {"birds/images/a.txt": b"first", "birds/list.txt": b"second", "other/c.txt": b"third"}


def make_archive(path, files, *odd_members):
    """A tar.gz of `files` (content by name) followed by `odd_members`; returns its md5."""
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for member in odd_members:
            tar.addfile(member)
    return md5(path)


def md5(path):
    return hashlib.md5(path.read_bytes()).hexdigest()


def odd_member(name, kind, target=""):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def below(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*"))


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A folder and the address under which a local server hands it out."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")
    folder = tmp_path / "served"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=folder))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_good_archive_is_downloaded_and_unpacked(served, tmp_path):
    folder, address = served
    checksum = make_archive(folder / "birds.tgz", GOOD)
    root = tmp_path / "new" / "root"
    assert fetch_archive(f"{address}/birds.tgz", checksum, "birds", root) == root / "birds"
    assert (root / "birds" / "images" / "a.txt").read_bytes() == b"first"
    # the wanted folder and the archive; nothing of "other", no workplace
    assert below(root) == [
        "birds",
        "birds.tgz",
        "birds/images",
        "birds/images/a.txt",
        "birds/list.txt",
    ]


def test_archive_that_is_there_is_not_downloaded_again(tmp_path):
    checksum = make_archive(tmp_path / "birds.tgz", GOOD)
    fetch_archive("http://127.0.0.1:9/birds.tgz", checksum, "birds", tmp_path)
    assert (tmp_path / "birds" / "list.txt").read_bytes() == b"second"


def test_incomplete_archive_that_is_there_is_downloaded_again(served, tmp_path):
    folder, address = served
    checksum = make_archive(folder / "birds.tgz", GOOD)
    (tmp_path / "birds.tgz").write_bytes((folder / "birds.tgz").read_bytes()[:50])
    fetch_archive(f"{address}/birds.tgz", checksum, "birds", tmp_path)
    assert md5(tmp_path / "birds.tgz") == checksum
    assert (tmp_path / "birds" / "list.txt").is_file()


def test_wrong_checksum_is_refused_and_nothing_is_kept(served, tmp_path):
    folder, address = served
    make_archive(folder / "birds.tgz", GOOD)
    root = tmp_path / "root"
    with pytest.raises(ValueError, match=f"does not have the md5 {'0' * 32} and was not kept"):
        fetch_archive(f"{address}/birds.tgz", "0" * 32, "birds", root)
    assert below(root) == []


def test_address_without_the_file_is_an_error_with_the_manual_way(served, tmp_path):
    root = tmp_path / "root"
    with pytest.raises(RuntimeError, match=r"404.*browser, put it into .*root as birds\.tgz"):
        fetch_archive(f"{served[1]}/birds.tgz", "0" * 32, "birds", root)
    assert below(root) == []


def test_refused_connection_is_an_error_with_the_manual_way(tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound but not listening: it refuses
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/birds.tgz"
        with pytest.raises(RuntimeError, match=r"browser, put it into .* as birds\.tgz"):
            fetch_archive(url, "0" * 32, "birds", tmp_path)
    assert below(tmp_path) == []


UNSAFE = {
    "parent": odd_member("../x", tarfile.REGTYPE),
    "parent inside": odd_member("birds/../../x", tarfile.REGTYPE),
    "absolute": odd_member("/tmp/x", tarfile.REGTYPE),
    "symlink": odd_member("birds/x", tarfile.SYMTYPE, "list.txt"),
    "symlink out": odd_member("birds/x", tarfile.SYMTYPE, "/etc"),
    "hard link": odd_member("birds/x", tarfile.LNKTYPE, "birds/list.txt"),
    "character device": odd_member("birds/x", tarfile.CHRTYPE),
    "block device": odd_member("birds/x", tarfile.BLKTYPE),
    "fifo": odd_member("birds/x", tarfile.FIFOTYPE),
    "unwanted folder": odd_member("other/x", tarfile.FIFOTYPE),
}


@pytest.mark.parametrize("member", UNSAFE.values(), ids=UNSAFE.keys())
def test_unsafe_archive_is_refused_whole(tmp_path, member):
    make_archive(tmp_path / "birds.tgz", GOOD, member)
    root = tmp_path / "inner" / "root"
    root.mkdir(parents=True)
    with pytest.raises(ValueError, match=f"{member.name}: refused"):
        unpack(tmp_path / "birds.tgz", "birds", root)
    assert below(tmp_path) == ["birds.tgz", "inner", "inner/root"]


def test_unsafe_download_leaves_only_the_archive(served, tmp_path):
    folder, address = served
    checksum = make_archive(folder / "birds.tgz", GOOD, UNSAFE["symlink"])
    root = tmp_path / "root"
    with pytest.raises(ValueError, match="holds a link or device, birds/x: refused"):
        fetch_archive(f"{address}/birds.tgz", checksum, "birds", root)
    assert below(root) == ["birds.tgz"]


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9])
def test_archive_cut_short_is_an_error_and_nothing_is_unpacked(tmp_path, share):
    archive = tmp_path / "birds.tgz"
    # content that does not compress, so that every cut falls into the members
    noise = random.Random(0)
    make_archive(archive, {f"birds/{i}": noise.randbytes(2000) for i in range(20)})
    archive.write_bytes(archive.read_bytes()[: int(share * archive.stat().st_size)])
    with pytest.raises(ValueError, match=r"(?s)damaged or cut short: delete it and load again"):
        unpack(archive, "birds", tmp_path)
    assert below(tmp_path) == ["birds.tgz"]


def test_file_that_is_no_archive_is_an_error(tmp_path):
    (tmp_path / "birds.tgz").write_text("<html>please log in</html>")
    with pytest.raises(ValueError, match="damaged or cut short"):
        unpack(tmp_path / "birds.tgz", "birds", tmp_path)


def test_archive_without_the_folder_is_an_error(tmp_path):
    make_archive(tmp_path / "birds.tgz", {"birds2/a.txt": b"", "deeper/birds/b.txt": b""})
    with pytest.raises(ValueError, match=r"birds\.tgz holds no folder birds"):
        unpack(tmp_path / "birds.tgz", "birds", tmp_path)
    assert below(tmp_path) == ["birds.tgz"]


def test_archive_with_leading_dots_is_unpacked(tmp_path):
    make_archive(tmp_path / "birds.tgz", {f"./{name}": content for name, content in GOOD.items()})
    unpack(tmp_path / "birds.tgz", "birds", tmp_path)
    assert (tmp_path / "birds" / "list.txt").read_bytes() == b"second"


@pytest.fixture
def offline(monkeypatch):
    def refuse(*_, **__):
        raise OSError("the network is blocked in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.usefixtures("offline")
def test_cub_without_a_network_says_how_to_get_it_by_hand(tmp_path):
    with pytest.raises(RuntimeError, match=r"blocked.*browser, .* as CUB_200_2011\.tgz"):
        load("cub", "train", root=tmp_path, download=True)


@pytest.mark.usefixtures("offline")
def test_glyphs_need_no_network(tmp_path):
    assert len(load("glyphs", "val", root=tmp_path)) == 800


@pytest.mark.usefixtures("offline")
def test_cub_that_is_there_is_not_downloaded(tmp_path):
    make_cub(tmp_path)
    with pytest.warns(UserWarning, match="cannot be compared"):
        assert len(load("cub", "train", root=tmp_path, download=True)) == 6


def test_an_incomplete_folder_is_not_overwritten(tmp_path):
    (tmp_path / "CUB_200_2011").mkdir()
    make_archive(tmp_path / "birds.tgz", {"CUB_200_2011/images.txt": b"1 a.jpg"})
    with pytest.raises(FileExistsError, match="move it away"):
        unpack(tmp_path / "birds.tgz", "CUB_200_2011", tmp_path)


def test_cub_downloads_its_official_archive(tmp_path, monkeypatch):
    def fake(url, md5, folder, root):
        calls.append((url.rsplit("/", 1)[-1], md5, folder, root))

    calls = []
    monkeypatch.setattr(CUB_FETCH, fake)
    with pytest.raises(FileNotFoundError):  # the fake brings nothing
        load("cub", "train", root=tmp_path, download=True)
    checksum = "97eceeb196236b17998738112f37df78"
    assert calls == [("CUB_200_2011.tgz", checksum, "CUB_200_2011", tmp_path)]


def test_cub_is_not_downloaded_unasked(tmp_path, monkeypatch):
    monkeypatch.setattr(CUB_FETCH, lambda *_: pytest.fail("downloaded"))
    with pytest.raises(FileNotFoundError, match="pass download=True"):
        load("cub", "train", root=tmp_path)


@pytest.mark.usefixtures("offline")
def test_cub_given_as_its_own_folder_is_not_downloaded(tmp_path):
    folder = make_cub(tmp_path)
    with pytest.warns(UserWarning, match="cannot be compared"):
        assert len(load("cub", "train", root=folder, download=True)) == 6
