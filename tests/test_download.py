"""Downloads from a server that breaks off, knows no ranges, changes its file, or sends another."""

import hashlib
import multiprocessing
import random
import socket
import warnings

import pytest
import requests

from class_sets import make_cub
from dmlviz.datasets import load, resume
from dmlviz.datasets.download import fetch, fetch_release
from dmlviz.datasets.real import cub
from dmlviz.datasets.real.source import Download, Source
from dmlviz.datasets.resume import Resuming
from file_server import serving
from test_unpack import GOOD, below, make_tar

CONTENT = random.Random(0).randbytes(1_000_000)
OTHER = random.Random(1).randbytes(1_100_000)


def checksum(content, kind="md5"):
    return f"{kind}:{hashlib.new(kind, content).hexdigest()}"


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """No proxy, and no waiting between attempts."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")
    monkeypatch.setattr(resume, "sleep", lambda seconds: None)


@pytest.fixture
def server():
    with serving(CONTENT) as running:
        yield running


@pytest.fixture
def download(server):
    return Download(server.address("birds.bin"), checksum(CONTENT), "1 MB")


@pytest.fixture
def offline(monkeypatch):
    def refuse(*_, **__):
        raise OSError("the network is blocked in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def give_up(server, tmp_path):
    """A first process leaves a part."""
    server.breaks = [400_000, 0]
    with pytest.raises(requests.ConnectionError, match=r"broke|[Ii]ncomplete"):
        Resuming(tmp_path / "birds.bin.part", attempts=1)(
            server.address("birds.bin"), str(tmp_path / "temporary")
        )
    server.asked.clear()


# --- fetch ------------------------------------------------------------------------------------


def test_file_is_downloaded_whole_once(server, download, tmp_path):
    root = tmp_path / "new" / "root"
    for _ in range(2):
        assert fetch(download, root) == root / "birds.bin"
    assert (root / "birds.bin").read_bytes() == CONTENT
    assert server.asked == [(None, 200)]
    assert below(root) == ["birds.bin"]  # no part, no tag


def test_broken_connection_is_resumed(server, download, tmp_path):
    server.breaks = [300_000, 200_000, 100_000]
    assert fetch(download, tmp_path).read_bytes() == CONTENT
    ranges = ["bytes=300000-", "bytes=500000-", "bytes=600000-"]
    assert server.asked == [(None, 200), *((r, 206) for r in ranges)]
    assert below(tmp_path) == ["birds.bin"]


def test_attempts_that_bring_something_do_not_count(server, download, tmp_path):
    server.breaks = [90_000] * 11
    assert fetch(download, tmp_path).read_bytes() == CONTENT
    assert len(server.asked) == 12


def test_a_later_process_goes_on(server, download, tmp_path):
    server.breaks = [400_000] + [0] * 4
    with pytest.raises(RuntimeError, match=r"birds\.bin .*: try again to go on from there\. Or "):
        fetch(download, tmp_path)
    assert below(tmp_path) == ["birds.bin.part", "birds.bin.part.tag"]
    server.asked.clear()
    assert fetch(download, tmp_path).read_bytes() == CONTENT
    assert server.asked == [("bytes=400000-", 206)]


def test_a_complete_part_is_not_fetched_again(server, download, tmp_path):
    give_up(server, tmp_path)
    (tmp_path / "birds.bin.part").write_bytes(CONTENT)
    assert fetch(download, tmp_path).read_bytes() == CONTENT
    assert server.asked == [("bytes=1000000-", 416)]


def test_a_part_longer_than_the_file_is_dropped(server, download, tmp_path):
    give_up(server, tmp_path)
    (tmp_path / "birds.bin.part").write_bytes(OTHER)
    assert fetch(download, tmp_path).read_bytes() == CONTENT
    assert server.asked == [("bytes=1100000-", 416), (None, 200)]


@pytest.mark.parametrize("tags", [{"ETag": '"two"'}, {"Last-Modified": "Tue, 1 Jan 2030"}, {}])
def test_file_that_changed_is_begun_again(server, tmp_path, tags):
    give_up(server, tmp_path)
    server.content, server.tags = OTHER, tags
    changed = Download(server.address("birds.bin"), checksum(OTHER, "sha256"), "1 MB")
    assert fetch(changed, tmp_path).read_bytes() == OTHER
    assert server.asked == [("bytes=400000-", 200)]


def test_date_marks_the_version_where_there_is_no_strong_etag(server, download, tmp_path):
    server.tags = {"ETag": 'W/"one"', "Last-Modified": "Tue, 1 Jan 2030"}
    server.breaks = [400_000]
    assert fetch(download, tmp_path).read_bytes() == CONTENT
    assert server.asked[1:] == [("bytes=400000-", 206)]


def test_without_a_mark_of_the_version_it_begins_again(server, download, tmp_path):
    server.tags, server.breaks = {}, [400_000]
    assert fetch(download, tmp_path).read_bytes() == CONTENT
    assert server.asked == [(None, 200), (None, 200)]


def test_server_that_ignores_range_sends_all_again(server, download, tmp_path):
    server.ranges, server.breaks = False, [400_000]
    assert fetch(download, tmp_path).read_bytes() == CONTENT
    assert server.asked == [(None, 200), ("bytes=400000-", 200)]


def test_server_that_always_breaks_at_one_byte_is_given_up(server, download, tmp_path):
    server.ranges, server.breaks = False, [400_000] * 100
    with pytest.raises(RuntimeError, match="could not download"):
        fetch(download, tmp_path)
    assert len(server.asked) == 5  # one that brought something, four that did not


def test_busy_server_is_asked_again(server, download, tmp_path):
    server.statuses = [503, 429]
    assert fetch(download, tmp_path).read_bytes() == CONTENT
    assert [status for _, status in server.asked] == [503, 429, 200]


def test_a_part_that_was_not_asked_for_is_refused(server, download, tmp_path):
    server.statuses = [206]
    assert fetch(download, tmp_path).read_bytes() == CONTENT
    assert [status for _, status in server.asked] == [206, 200]


def test_label_of_compression_changes_nothing(server, download, tmp_path):
    server.encoding = "x-gzip"  # what some servers say of a .tgz
    assert fetch(download, tmp_path).read_bytes() == CONTENT


def test_wrong_checksum_is_refused_and_nothing_is_kept(server, tmp_path):
    wrong = Download(server.address("birds.bin"), f"md5:{'0' * 32}", "1 MB")
    give_up(server, tmp_path)
    for asked in ("bytes=400000-", None):  # resuming must not repeat the mistake
        server.asked.clear()
        with pytest.raises(ValueError, match=f"have the md5 {'0' * 32} and was not kept"):
            fetch(wrong, tmp_path)
        assert server.asked[0][0] == asked
        assert below(tmp_path) == []


def test_incomplete_file_that_is_there_is_downloaded_again(download, tmp_path):
    (tmp_path / "birds.bin").write_bytes(CONTENT[:50])
    assert fetch(download, tmp_path).read_bytes() == CONTENT


def test_missing_file_is_an_error_with_the_manual_way(server, download, tmp_path):
    server.statuses = [404]
    with pytest.raises(RuntimeError, match=r"404.*browser, put it into .* as birds\.bin"):
        fetch(download, tmp_path)
    assert len(server.asked) == 1
    assert below(tmp_path) == []


def test_a_web_page_is_not_the_file(server, tmp_path):
    server.content_type = "text/html; charset=utf-8"
    with pytest.raises(RuntimeError, match=r"answered with a web page.*in a browser"):
        fetch(Download(server.address("birds.zip"), None, "1 MB"), tmp_path)
    assert below(tmp_path) == []


def test_refused_connection_is_an_error_with_the_manual_way(tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound but not listening: it refuses
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/birds.tgz"
        with pytest.raises(RuntimeError, match=r"browser, put it into .* as birds\.tgz"):
            fetch(Download(url, None, "1 MB"), tmp_path)
    assert below(tmp_path) == []


def test_file_put_there_by_hand_needs_no_network(tmp_path):
    (tmp_path / "birds.bin").write_bytes(CONTENT)
    fetch(Download("http://127.0.0.1:9/birds.bin", checksum(CONTENT), "1 MB"), tmp_path)


@pytest.mark.usefixtures("offline")
def test_ftp_is_left_to_pooch(tmp_path):
    with pytest.raises(RuntimeError, match=r"ftp://.*blocked.*browser"):
        fetch(Download("ftp://127.0.0.1/birds.bin", None, "1 MB"), tmp_path)


# --- without a published checksum ---------------------------------------------------------------


def test_first_download_is_noted_and_later_ones_compared(server, tmp_path):
    unknown = Download(server.address("birds.bin"), None, "1 MB")
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    with pytest.warns(UserWarning, match=rf"no checksum of birds\.bin is published.*{sha256}"):
        path = fetch(unknown, tmp_path)
    note = tmp_path / "birds.bin.sha256"
    assert note.read_text() == f"{sha256}  birds.bin\n"

    fetch(unknown, tmp_path)  # equal: no warning
    path.unlink()
    assert fetch(unknown, tmp_path).read_bytes() == CONTENT

    path.unlink()
    server.content = OTHER
    with pytest.raises(ValueError, match=r"differs from the first download.*delete .*sha256"):
        fetch(unknown, tmp_path)
    assert below(tmp_path) == [note.name]
    note.write_text("")
    with pytest.raises(ValueError, match=r"sha256 is empty: delete it"):
        fetch(unknown, tmp_path)
    note.unlink()
    with pytest.warns(UserWarning, match="no checksum"):
        assert fetch(unknown, tmp_path).read_bytes() == OTHER


# --- several processes --------------------------------------------------------------------------


def fetch_at(barrier, url, root):
    warnings.simplefilter("ignore")
    source = Source("birds", "page", "free", (Download(url, None, "1 kB"),))
    barrier.wait()
    assert (fetch_release(source, root) / "list.txt").read_bytes() == b"second"


def test_two_processes_download_and_unpack_once(server, tmp_path):
    make_tar(tmp_path / "birds.tgz", GOOD)
    server.content, server.pause = (tmp_path / "birds.tgz").read_bytes(), 0.1
    context = multiprocessing.get_context("spawn")
    barrier, root = context.Barrier(2), tmp_path / "root"
    processes = [
        context.Process(target=fetch_at, args=(barrier, server.address("birds.tgz"), root))
        for _ in range(2)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
        process.close()
    assert server.asked == [(None, 200)]
    assert (root / "birds.tgz").read_bytes() == server.content


# --- releases -----------------------------------------------------------------------------------


def test_release_of_an_archive_and_a_plain_file(server, tmp_path):
    make_tar(tmp_path / "birds.tgz", GOOD)
    plain = Download(server.address("list.mat"), checksum(CONTENT), "1 MB")
    archive = Download("http://127.0.0.1:9/birds.tgz", None, "1 kB")
    source = Source("birds", "page", "free", (archive, plain))
    with pytest.warns(UserWarning, match="no checksum"):
        assert fetch_release(source, tmp_path) == tmp_path / "birds"
    (tmp_path / "birds.tgz").unlink()  # not needed any more
    fetch_release(source, tmp_path)
    assert (tmp_path / "birds" / "list.mat").read_bytes() == CONTENT
    assert (tmp_path / "birds" / "list.txt").read_bytes() == b"second"
    assert len(server.asked) == 1


@pytest.mark.usefixtures("offline")
def test_cub_without_a_network_says_how_to_get_it_by_hand(tmp_path):
    with pytest.raises(RuntimeError, match=r"blocked.*browser, .* as CUB_200_2011\.tgz"):
        load("cub", "train", root=tmp_path, download=True)


@pytest.mark.usefixtures("offline")
def test_glyphs_need_no_network(tmp_path):
    assert len(load("glyphs", "val", root=tmp_path)) == 800


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("inside", [False, True])
def test_cub_that_is_there_is_not_downloaded(tmp_path, inside):
    folder = make_cub(tmp_path)
    with pytest.warns(UserWarning, match="cannot be compared"):
        assert len(load("cub", "train", root=folder if inside else tmp_path, download=True)) == 6


@pytest.mark.usefixtures("offline")
def test_an_incomplete_folder_is_not_overwritten(tmp_path):
    (tmp_path / "CUB_200_2011").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no images\.txt.*move it away"):
        load("cub", "train", root=tmp_path, download=True)


def test_cub_downloads_its_official_archive(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(cub, "fetch_release", lambda *arguments: calls.append(arguments))
    with pytest.raises(FileNotFoundError):  # the fake brings nothing
        load("cub", "train", root=tmp_path, download=True)
    assert calls == [(cub.SOURCE, tmp_path)]
    (archive,) = cub.SOURCE.archives
    assert archive.file == "CUB_200_2011.tgz"
    assert archive.checksum == "md5:97eceeb196236b17998738112f37df78"


def test_cub_is_not_downloaded_unasked(tmp_path, monkeypatch):
    monkeypatch.setattr(cub, "fetch_release", lambda *_: pytest.fail("downloaded"))
    with pytest.raises(FileNotFoundError, match="pass download=True"):
        load("cub", "train", root=tmp_path)
