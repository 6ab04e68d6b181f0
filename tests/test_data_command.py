"""`dmlviz data list | get | check`, on a small folder in CUB's format and on Glyphs."""

import warnings
from dataclasses import replace

import pytest

from class_sets import make_cub
from dmlviz import cli
from dmlviz.datasets import available, manage, registry
from dmlviz.datasets.real import cub
from dmlviz.datasets.real.source import Download, Source
from file_server import serving
from test_unpack import make_tar


@pytest.fixture
def run(tmp_path, capsys):
    """Run `dmlviz data …` on tmp_path; gives the status and all that was printed."""

    def run(*arguments, root=tmp_path):
        status = cli.main(["data", *arguments, "--data-root", str(root)])
        said = capsys.readouterr()
        return status, said.out + said.err

    return run


def of_cub(monkeypatch, **changes):
    monkeypatch.setattr(cub, "SOURCE", replace(cub.SOURCE, **changes))


# --- list ---------------------------------------------------------------------------------------


def test_list_has_a_line_for_every_data_set(run, tmp_path):
    (tmp_path / "CUB_200_2011").mkdir()
    status, out = run("list")
    title, heads, *lines = out.splitlines()
    assert status == 0
    assert title == f"data root: {tmp_path}"
    assert heads.split() == ["name", "what", "where", "download", "licence"]
    rows = {line.split()[0]: line for line in lines}
    assert list(rows) == list(available())
    for name, what in available().items():
        assert what in rows[name]
    assert "  here  " in rows["cub"]
    assert "  1.1 GB  " in rows["cub"]
    assert "non-commercial" in rows["cub"]
    assert "at first use" in rows["glyphs"]
    assert "yours" in rows["folder"]


def test_list_tells_what_is_not_here_or_comes_by_hand(run, tmp_path, monkeypatch):
    of_cub(monkeypatch, downloads=(), by_hand="ask")
    (tmp_path / "glyphs").mkdir()
    rows = {line.split()[0]: line for line in run("list")[1].splitlines()}
    assert "  not here  " in rows["cub"]
    assert "  by hand  " in rows["cub"]
    assert "  here  " in rows["glyphs"]


def test_sources_of_the_registry():
    assert registry.source("cub") is cub.SOURCE
    assert registry.source("glyphs") is None
    assert registry.source("folder") is None
    assert registry.is_rendered("glyphs")
    assert not registry.is_rendered("folder")
    for name in available():
        source = registry.source(name)
        assert source is None or isinstance(source, Source)


def test_an_unknown_name_is_an_error_with_the_near_one(run):
    for action in ("get", "check"):
        status, said = run(action, "glyph")
        assert status == 1
        assert "did you mean 'glyphs'" in said


# --- get ----------------------------------------------------------------------------------------


def test_get_downloads_unpacks_and_says_where(run, tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    folder = make_cub(tmp_path / "there")
    files = {
        str(p.relative_to(folder.parent)): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }
    make_tar(tmp_path / "all.tgz", files)
    with serving((tmp_path / "all.tgz").read_bytes()) as server:
        of_cub(monkeypatch, downloads=(Download(server.address("birds.tgz"), None, "1 kB"),))
        status, out = run("get", "cub")
        assert status == 0
        assert "warning: no checksum of birds.tgz is published" in out
        assert "non-commercial" in out
        assert "delete it if you need the space" in out
        assert (tmp_path / "CUB_200_2011" / "images.txt").is_file()
        assert run("check", "cub")[0] == 0
        status, out = run("get", "cub")
        assert (status, len(server.asked)) == (0, 1)
        assert "already here" in out


def test_get_that_fails_says_how_by_hand(run, tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError("could not download: fetch it in a browser")

    monkeypatch.setattr(manage, "fetch_release", fail)
    status, said = run("get", "cub")
    assert status == 1
    assert "in a browser" in said
    assert cub.SOURCE.page in said


def test_get_can_be_stopped(run, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(manage, "fetch_release", stop)
    status, said = run("get", "cub")
    assert status == 130
    assert "dmlviz data get cub goes on" in said


def test_get_of_what_cannot_be_fetched_prints_the_way(run, tmp_path, monkeypatch):
    of_cub(monkeypatch, downloads=(), by_hand="ask its authors for birds.zip")
    status, out = run("get", "cub")
    assert status == 1
    assert f"by hand, into {tmp_path / 'CUB_200_2011'}: ask its authors for birds.zip" in out
    make_cub(tmp_path)
    assert run("get", "cub")[0] == 0  # done by hand


def test_get_renders_what_is_rendered(run, tmp_path):
    status, out = run("get", "glyphs")
    assert status == 0
    assert f"rendered into {tmp_path / 'glyphs'}" in out
    assert len(list((tmp_path / "glyphs").glob("*.npz"))) == 3


def test_get_folder_has_nothing_to_get(run):
    status, out = run("get", "folder")
    assert status == 1
    assert "your own images" in out


# --- check --------------------------------------------------------------------------------------


def test_check_of_a_part_warns_and_is_no_failure(run, tmp_path):
    make_cub(tmp_path)
    status, out = run("check", "cub")
    assert status == 0
    assert "train: 6 images of 3 classes\nwarning: the published 'train' split has 5,864" in out
    assert "cannot be compared with published ones" in out
    assert out.count("warning") == 2  # one for each split
    assert "6 of 6 images looked at, 0 cannot be read" in out


def test_check_of_official_counts(run, tmp_path, monkeypatch):
    make_cub(tmp_path)
    of_cub(monkeypatch, official=(("train", 3, 6), ("test", 3, 6)))
    status, out = run("check", "cub")
    assert status == 0
    assert "test: 6 images of 3 classes, as published" in out
    assert "warning" not in out
    assert out.endswith("cub: everything can be read\n")


def test_check_says_where_no_official_counts_are_known(run, tmp_path, monkeypatch):
    make_cub(tmp_path)
    of_cub(monkeypatch, official=(("train", 3, 6),))
    status, out = run("check", "cub")
    assert status == 0
    assert "train: 6 images of 3 classes, as published\n" in out
    assert "test: 6 images of 3 classes, no official counts known\n" in out
    without = {n for n in available() if (s := registry.source(n)) and not s.official}
    assert without == {"lsp", "lsun", "coco"}


def test_check_finds_damaged_images(run, tmp_path, monkeypatch):
    folder = make_cub(tmp_path)
    for image in (folder / "images").glob("050*/*.jpg"):
        image.write_bytes(image.read_bytes()[:20])
    monkeypatch.setattr(manage, "SHOWN", 1)
    status, out = run("check", "cub")
    assert status == 1
    assert "6 of 6 images looked at, 2 cannot be read" in out
    assert out.count("cannot be decoded") == 1
    assert "… and 1 more" in out
    assert out.endswith("cub: damaged or missing, see above\n")


def test_check_looks_at_a_sample_or_at_all(run, tmp_path, monkeypatch):
    folder = make_cub(tmp_path)
    last = folder / "images" / "100.Long_tailed_Bird100" / "1.jpg"
    last.write_bytes(b"no jpeg")
    monkeypatch.setattr(manage, "SAMPLE", 3)
    status, out = run("check", "cub")
    assert status == 0
    assert "3 of 6 images looked at" in out
    status, out = run("check", "cub", "--all")
    assert status == 1
    assert "6 of 6 images looked at, 1 cannot be read" in out


def test_check_of_damaged_lists_says_it_once(run, tmp_path):
    folder = make_cub(tmp_path)
    (folder / "classes.txt").unlink()
    status, out = run("check", "cub")
    assert status == 1
    assert out.count("classes.txt is missing") == 1


def test_check_of_what_is_not_here(run):
    status, out = run("check", "cub")
    assert status == 1
    assert "no CUB_200_2011 in" in out


def test_check_of_glyphs(run, glyph_root):
    status, out = run("check", "glyphs", root=glyph_root)
    assert status == 0
    assert "val: 800 images of 40 classes\n" in out  # rendered: there is nothing to compare with
    assert "50 of 800 images looked at" in out


def test_check_passes_other_warnings_on(run, tmp_path, monkeypatch):
    make_cub(tmp_path)
    load = registry.load

    def warn(*arguments, **options):
        warnings.warn("an image is grey", stacklevel=2)
        return load(*arguments, **options)

    monkeypatch.setattr(registry, "load", warn)
    assert "warning: an image is grey" in run("check", "cub")[1]


def test_data_without_an_action_is_a_usage_error(capsys):
    with pytest.raises(SystemExit):
        cli.main(["data"])
    assert "ACTION" in capsys.readouterr().err
