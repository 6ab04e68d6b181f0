"""The commands: what they print, write and return."""

import subprocess
import sys
from pathlib import Path

import pytest

from dmlviz import cli, doctor, serve


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


@pytest.fixture
def called(monkeypatch):
    calls = []
    monkeypatch.setattr(cli.subprocess, "call", lambda command: calls.append(command) or 0)
    return calls


def test_lab_opens_the_tutorials_and_no_browser_without_a_display(called, monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert cli.main(["lab", "--port", "9999"]) == 0
    (command,) = called
    assert any(part.endswith("/tutorials") for part in command)
    assert {"--no-browser", "--port=9999"} <= set(command)
    monkeypatch.setenv("DISPLAY", ":0")
    cli.main(["lab"])
    assert "--no-browser" not in called[1]


def test_lab_outside_a_checkout_says_where_the_tutorials_are(called, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(cli.dmlviz, "__file__", str(tmp_path / "site" / "dmlviz" / "__init__.py"))
    monkeypatch.chdir(tmp_path)
    assert cli.main(["lab"]) == 1
    assert "clone" in capsys.readouterr().err
    assert not called


def test_the_module_is_the_command():
    run = subprocess.run(
        [sys.executable, "-m", "dmlviz", "--version"], capture_output=True, text=True, check=True
    )
    assert run.stdout.startswith("dmlviz ")


# --- playground -------------------------------------------------------------------------------


def test_the_page_is_served_to_this_machine_with_a_token(monkeypatch, tmp_path):
    started = []

    def call(command, env):
        (notebook,) = [part for part in command if part.endswith(".ipynb")]
        started.append((command, Path(notebook).read_text()))
        return 0

    monkeypatch.setattr(serve, "find_spec", lambda name: object())
    monkeypatch.setattr(serve.subprocess, "call", call)
    arguments = ["playground", "--no-browser", "--port", "9000", "--data-root", str(tmp_path)]
    assert cli.main(arguments) == 0
    command, notebook = started[0]
    assert {"--token", "--Voila.ip=127.0.0.1", "--no-browser", "--port=9000"} <= set(command)
    assert "TrainingPlayground" in notebook


def test_what_the_page_shows_runs(glyph_root):
    import ipywidgets

    (code,) = [cell.source for cell in serve.page(glyph_root).cells if cell.cell_type == "code"]
    *lines, last = code.strip().splitlines()
    space = {}
    exec("\n".join(lines), space)
    live = eval(last, space)
    assert isinstance(live.widget, ipywidgets.Widget)
    assert live.params["method"] != live.params["other method"]
    live.step()
    live.close()


def test_without_voila_the_page_names_the_remedy(monkeypatch, capsys):
    monkeypatch.setattr(serve, "find_spec", lambda name: None)
    assert cli.main(["playground"]) == 1
    assert "pip install -e '.[page]'" in capsys.readouterr().err
