"""The commands: what they print, write and return."""

import subprocess
import sys

import pytest

from dmlviz import cli, doctor


def test_doctor_finds_everything_here(capsys):
    assert cli.main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith("OK") for line in lines[:-1])
    assert lines[-1] == "all is well"


def test_doctor_names_the_remedy_of_a_failure(capsys, monkeypatch):
    broken = doctor.check_package("no_such_module", "no-such-package", "nothing")
    monkeypatch.setattr(doctor, "checks", lambda: [lambda: broken])
    assert doctor.doctor() == 1
    out = capsys.readouterr().out
    assert "FAIL  no-such-package" in out
    assert "→ pip install" in out


def test_doctor_survives_packages_that_break_on_import(monkeypatch):
    def explode(_):
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(doctor, "import_module", explode)
    finding = doctor.check_package("torchvision", "torchvision", "backbones")
    assert not finding.ok
    assert "nms" in finding.detail


def test_doctor_notices_a_data_root_that_cannot_be_written(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("DMLVIZ_DATA", str(tmp_path / "file" / "below"))
    finding = doctor.check_data()
    assert not finding.ok
    assert "DMLVIZ_DATA" in finding.remedy


@pytest.mark.slow
def test_demo_trains_prints_and_writes_one_page(capsys, tmp_path, glyph_root):
    page = tmp_path / "demo.html"
    arguments = ["demo", "--epochs", "1", "--output", str(page), "--data-root", str(glyph_root)]
    assert cli.main(arguments) == 0
    out = capsys.readouterr().out
    assert "Recall@1" in out
    assert "untrained" in out
    html = page.read_text()
    assert html.count("data:image/png;base64,") == 5
    assert "http" not in html  # nothing is fetched
    assert [p.name for p in tmp_path.iterdir()] == ["demo.html"]


def test_demo_refuses_a_folder_that_does_not_exist_before_it_trains(capsys, tmp_path):
    assert cli.main(["demo", "--output", str(tmp_path / "none" / "demo.html")]) == 1
    assert "no folder" in capsys.readouterr().err


def test_the_module_is_the_command():
    run = subprocess.run(
        [sys.executable, "-m", "dmlviz", "--version"], capture_output=True, text=True, check=True
    )
    assert run.stdout.startswith("dmlviz ")
